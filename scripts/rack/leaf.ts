// A leaf switch with metal-core on it (clients.md §5.3): registers, asks for its configuration, tells how it went, and
// tells of the machines whose installed system it hears.
import type { Chassis } from './chassis.ts';
import type { Journal } from './journal.ts';
import { every, type Pace } from './pace.ts';
import type { Leaf, PlannedMachine } from './plan.ts';
import { RestFailure, type Rest } from './rest.ts';
import type { Wire } from './wire.ts';

export interface LeafTools {
  partition: string;
  wire: Wire;
  rest: Rest;
  pace: Pace;
  journal: Journal;
  /** Of the whole rack. */
  chassis: readonly Chassis[];
}

export interface RunningLeaf {
  /** The system of a machine came up: tell at once, not only with the next minute. */
  phoneHome(machine: PlannedMachine): void;
  /** The control plane knows the switch: from now on machines have a network to boot from. */
  registered: Promise<void>;
  /** Ends when the signal of `runLeaf` is aborted. */
  done: Promise<void>;
}

const REGISTER_EVERY_MS = 1_000;
const CONFIGURE_EVERY_MS = 10_000;
const PHONE_HOME_EVERY_MS = 60_000;

interface SwitchAnswer {
  nics: { name: string; vrf?: string; actual?: string }[];
}

const phonedHome = { event: 'Phoned Home', message: 'provisioned by the rack simulator' };

export const runLeaf = (leaf: Leaf, tools: LeafTools, signal: AbortSignal): RunningLeaf => {
  const { partition, wire, rest, pace, chassis } = tools;
  const journal: Journal = (event, fields) => tools.journal(event, { switch: leaf.id, ...fields });
  const vrfs = new Map<string, string>();
  /** Ports that an operator wants down, and what was reported of each port last. */
  const shut = new Set<string>();
  const reported = new Map<string, string>();

  const register = async (): Promise<void> => {
    for (;;) {
      signal.throwIfAborted();
      try {
        await rest.call('POST', '/v1/switch/register', {
          as: 'edit',
          signal,
          body: {
            id: leaf.id,
            name: leaf.id,
            partition_id: partition,
            rack_id: leaf.rack,
            nics: leaf.ports.map(({ name, identifier, mac }) => ({ name, identifier, mac, actual: null })),
            os: { vendor: 'SONiC', version: '4.2.0', metal_core_version: 'v0.13.0-rack' },
            management_ip: leaf.managementIp,
            management_user: 'admin',
          },
        });
        journal('registered');
        return;
      } catch (error) {
        journal('registration failed, trying again', { reason: String(error) });
        await pace.wait(REGISTER_EVERY_MS, signal);
      }
    }
  };

  const stateOf = (port: { name: string; machine: string }): string =>
    port.machine !== '' && shut.has(port.name) ? 'DOWN' : 'UP';

  /** The wanted state of a port is told as its actual one, so only a difference to our own report is a wish. */
  const apply = ({ nics }: SwitchAnswer): void => {
    for (const { name, vrf = '', actual } of nics) {
      if (vrfs.get(name) !== vrf && (vrfs.has(name) || vrf !== '')) journal('port configured', { port: name, vrf });
      vrfs.set(name, vrf);
      if (actual === reported.get(name)) continue;
      if (actual === 'DOWN' && reported.get(name) === 'UP') {
        shut.add(name);
        journal('port shut', { port: name });
      }
      if (actual === 'UP' && shut.delete(name)) journal('port opened', { port: name });
    }
  };

  const notify = async (startedMs: number, error: string | null): Promise<void> => {
    const states = error === null ? leaf.ports.map((port) => [port.name, stateOf(port)] as const) : [];
    await rest.call('POST', `/v1/switch/${leaf.id}/notify`, {
      as: 'edit',
      signal,
      body: {
        sync_duration: Math.round((performance.now() - startedMs) * 1e6),
        error,
        port_states: Object.fromEntries(states),
      },
    });
    for (const [name, state] of states) reported.set(name, state);
  };

  const configure = async (): Promise<void> => {
    const startedMs = performance.now();
    try {
      apply((await rest.call('GET', `/v1/switch/${leaf.id}`, { as: 'edit', signal })) as SwitchAnswer);
      await notify(startedMs, null);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RestFailure && error.status === 404) return await register();
      journal('configuration failed', { reason: String(error) });
      if (!(error instanceof RestFailure && error.status === 0)) await notify(startedMs, String(error));
    }
  };

  /** The key of a phone-home is what LLDP says as the system's name: the machine's id. */
  const tellHome = async (uuids: string[]): Promise<void> => {
    await wire.send(Object.fromEntries(uuids.map((uuid) => [uuid, phonedHome])), signal);
  };
  const failed = (error: unknown): void => journal('failed, trying again', { reason: String(error) });

  let tellRegistered: () => void = () => undefined;
  const registered = new Promise<void>((resolve) => (tellRegistered = resolve));

  const run = async (): Promise<void> => {
    await register();
    tellRegistered();
    await Promise.all([
      every(CONFIGURE_EVERY_MS, pace, signal, failed, configure),
      every(PHONE_HOME_EVERY_MS, pace, signal, failed, () =>
        tellHome(chassis.filter((one) => one.state().runs === 'system').map(({ plan }) => plan.uuid)),
      ),
    ]);
  };

  return {
    registered,
    phoneHome(machine) {
      tellHome([machine.uuid]).catch((error: unknown) => (signal.aborted ? undefined : failed(error)));
    },
    done: run().catch((error: unknown) => (signal.aborted ? undefined : failed(error))),
  };
};
