// metal-bmc, the management server's part (clients.md §5.4): reports what the BMCs say, and carries out what the bus says.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chassis } from './chassis.ts';
import type { Journal } from './journal.ts';
import { every, type Pace } from './pace.ts';
import type { Rest } from './rest.ts';

export interface BmcTools {
  partition: string;
  rest: Rest;
  pace: Pace;
  journal: Journal;
  random: () => number;
  chassis: readonly Chassis[];
}

export interface RunningBmc {
  /** A message of `<partition>-machine`, as it came. */
  handle: (message: unknown) => void;
  done: Promise<void>;
}

const REPORT_EVERY_MS = 300_000;
/** After a command, so that its effect shows before the next regular report. */
const REPORT_SOON_MS = 1_000;

interface BusMessage {
  type?: string;
  old?: string;
  cmd?: { target?: string; cmd?: string };
}

export const runBmc = (tools: BmcTools, signal: AbortSignal): RunningBmc => {
  const { partition, rest, pace, journal, random, chassis } = tools;
  const byUuid = new Map(chassis.map((one) => [one.plan.uuid, one]));
  const changed = new Set<Chassis>();

  const reportOf = (one: Chassis) => {
    const { power, led } = one.state();
    const { bmc, model, serial, name } = one.plan;
    const watts = power === 'ON' ? 180 + random() * 60 : 12;
    return {
      BMCIp: bmc.ip,
      BMCVersion: '1.73',
      BIOSVersion: '2.1',
      FRU: {
        board_mfg: model.board.vendor,
        board_part_number: model.board.part,
        board_mfg_serial: serial,
        chassis_part_serial: `C-${serial}`,
        product_manufacturer: model.board.vendor,
        product_part_number: model.name,
        product_serial: name,
      },
      PowerState: power,
      IndicatorLEDState: led,
      PowerMetric: {
        averageconsumedwatts: watts,
        intervalinmin: 1,
        maxconsumedwatts: watts * 1.2,
        minconsumedwatts: watts * 0.8,
      },
      PowerSupplies: [{ status: { health: 'OK', state: 'Enabled' } }, { status: { health: 'OK', state: 'Enabled' } }],
    };
  };

  const report = async (of: readonly Chassis[]): Promise<void> => {
    const reports = Object.fromEntries(of.map((one) => [one.plan.uuid, reportOf(one)]));
    const answer = await rest.call('POST', '/v1/machine/ipmi', {
      as: 'edit',
      signal,
      body: { partitionid: partition, reports },
    });
    const { updated, created } = answer as { updated: string[] | null; created: string[] | null };
    journal('BMCs reported', { updated: updated?.length ?? 0, created: created?.length ?? 0 });
  };
  const failed = (error: unknown): void => journal('BMC report failed', { reason: String(error) });

  const reportSoon = (one: Chassis): void => {
    const isFirst = changed.size === 0;
    changed.add(one);
    if (!isFirst) return;
    sleep(REPORT_SOON_MS, undefined, { signal })
      .then(() => {
        const all = [...changed];
        changed.clear();
        return report(all);
      })
      .catch((error: unknown) => (signal.aborted ? undefined : failed(error)));
  };

  return {
    handle(message) {
      const { type, old = '', cmd } = (message ?? {}) as BusMessage;
      const target = byUuid.get(type === 'delete' ? old : (cmd?.target ?? ''));
      const command = cmd?.cmd ?? '';
      if (!target) return journal('message for a machine that is not here', { type, target: old || cmd?.target });
      journal('BMC command', { machine: target.plan.name, command: type === 'delete' ? 'delete' : command });
      if (type === 'delete') target.happen({ what: 'deleted' });
      else if (type === 'command') target.happen({ what: 'command', command });
      reportSoon(target);
    },
    // Once soon after the start, with whatever the machines are by then; then every five minutes.
    done: every(REPORT_EVERY_MS, pace, signal, failed, () => report(chassis)),
  };
};
