// Which switches the partition has and which machines hang at them: where to look, not what is true.
import type { Nic } from '../machine/hardware.ts';
import type { SwitchSummary } from './messages.ts';

export interface Fabric {
  apply(summary: SwitchSummary): void;
  /**
   * Switches at which the machine's ports may be: those that say so, and those that its neighbours name, also when
   * nobody here knows them; a switch that has none of its ports has nothing to do.
   */
  around(machine: string, nics: readonly Nic[]): string[];
  /** Switches that are registered, and may see the machine. */
  near(machine: string, nics: readonly Nic[]): string[];
  /** Registered switches of the rack. */
  ofRack(rack: string): string[];
  readonly size: number;
}

interface KnownSwitch {
  version: number;
  /** null: deleted, or only heard of by its ports. */
  record: { name: string; rack: string } | null;
}

const hostnamesOf = (nics: readonly Nic[]): Set<string> =>
  new Set(nics.flatMap((nic) => nic.neighbors.map((neighbor) => neighbor.hostname)).filter((name) => name !== ''));

export const createFabric = (): Fabric => {
  const switches = new Map<string, KnownSwitch>();
  /** `<switch>\0<nic>` → machine; kept when empty, so that an older word does not come through. */
  const ports = new Map<string, { version: number; machine: string }>();
  /** machine → switch → number of ports */
  const connected = new Map<string, Map<string, number>>();

  const connect = (machine: string, switchId: string, amount: 1 | -1): void => {
    if (machine === '') return;
    const at = connected.get(machine) ?? new Map<string, number>();
    connected.set(machine, at);
    const sum = (at.get(switchId) ?? 0) + amount;
    if (sum > 0) at.set(switchId, sum);
    else at.delete(switchId);
    if (at.size === 0) connected.delete(machine);
  };

  const connectedTo = (machine: string): string[] => [...(connected.get(machine)?.keys() ?? [])];

  const near = (machine: string, nics: readonly Nic[]): string[] => {
    const hostnames = hostnamesOf(nics);
    const ids = new Set(connectedTo(machine).filter((id) => switches.get(id)?.record));
    for (const [id, { record }] of switches) {
      if (record && (record.name === '' || hostnames.has(record.name))) ids.add(id);
    }
    return [...ids].sort();
  };

  return {
    apply({ switch: id, record, ports: told }) {
      const known = switches.get(id);
      if (record && record.version > (known?.version ?? 0)) {
        switches.set(id, { version: record.version, record: record.value });
      }
      for (const { nic, version, machine } of told ?? []) {
        const key = `${id}\0${nic}`;
        const before = ports.get(key);
        if (before && before.version >= version) continue;
        ports.set(key, { version, machine });
        connect(before?.machine ?? '', id, -1);
        connect(machine, id, 1);
      }
    },
    near,
    around: (machine, nics) =>
      [...new Set([...near(machine, nics), ...connectedTo(machine), ...hostnamesOf(nics)])].sort(),
    ofRack: (rack) =>
      [...switches]
        .filter(([, { record }]) => record?.rack === rack)
        .map(([id]) => id)
        .sort(),
    get size() {
      return [...switches.values()].filter(({ record }) => record).length;
    },
  };
};
