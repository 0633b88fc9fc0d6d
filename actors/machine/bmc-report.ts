import type { Behaviour } from '../runtime/behaviour.ts';
import { bmcAddress } from './bmc-address.ts';
import { emptyIpmi, type Ipmi, type LedState } from './hardware.ts';
import type { BmcReport } from './messages.ts';
import type { MachineRecord } from './record.ts';
import { heldRows, stubMachine, written, type MachineState } from './state.ts';

const ledOf = (stored: LedState, reported: string): LedState =>
  reported === 'LED-ON' || reported === 'LED-OFF' ? { ...stored, value: reported } : stored;

/** What the report says laid over what is stored; what it leaves empty is kept, except power supplies. */
const reported = (stored: Ipmi, report: BmcReport, nowMs: number): Ipmi => ({
  ...stored,
  address: bmcAddress(stored.address, report.ip),
  fru: { ...stored.fru, ...report.fru },
  bmcVersion: report.bmcVersion || stored.bmcVersion,
  powerState: report.powerState || stored.powerState,
  powerMetric: report.powerMetric ?? stored.powerMetric,
  powerSupplies: report.powerSupplies,
  lastUpdated: nowMs,
});

/**
 * One machine's part of what metal-bmc sends every five minutes (machines.md §12). A machine that nobody knows yet is
 * created with its BMC address alone; one without partition is adopted (W38); one of another partition is left alone.
 */
export const bmcReport: Behaviour<'machine', MachineState>['commands']['bmcReport'] = (state, report, context) => {
  if (state.id === '') return { reply: { outcome: 'skipped' } };
  const waiting = heldRows(state, ['machine']);
  if (waiting) return waiting;
  const { nowMs } = context;
  const machine = state.machine?.value;
  if (!machine) {
    const stub = stubMachine(state.id, report.partition, nowMs);
    const ipmi = { ...emptyIpmi(), address: bmcAddress('', report.ip), lastUpdated: nowMs };
    const created: MachineRecord = { ...stub, ipmi, led: ledOf(stub.led, report.ledState) };
    return written(state, context, { outcome: 'created' }, { machine: created });
  }
  if (machine.partition !== '' && machine.partition !== report.partition) return { reply: { outcome: 'skipped' } };
  const after: MachineRecord = {
    ...machine,
    changed: nowMs,
    partition: report.partition,
    bios: { ...machine.bios, version: report.biosVersion || machine.bios.version },
    ipmi: reported(machine.ipmi, report, nowMs),
    led: ledOf(machine.led, report.ledState),
  };
  return written(state, context, { outcome: 'updated' }, { machine: after });
};
