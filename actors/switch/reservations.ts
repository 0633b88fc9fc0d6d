// A switch's part of operations on machines: which ports are theirs, and in which VRF (machines.md §6.3, networks.md §5.4).
import type { Nic } from '../machine/hardware.ts';
import { conflict, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context, Granting, Waiting } from '../runtime/behaviour.ts';
import { nicKey, type SwitchNic, type SwitchRecord } from './record.ts';
import {
  emptyStatus,
  heldPorts,
  noSwitch,
  portsOf,
  viewOf,
  written,
  type SwitchState,
  type SwitchWriting,
} from './state.ts';

type Reservations = Behaviour<'switch', SwitchState>['reservations'];

/** The switch's ports that some NIC of the machine sees at its other end; a switch without a name is not asked for it. */
export const linkedNics = (record: SwitchRecord, nics: readonly Nic[]): SwitchNic[] => {
  const seen = new Set(
    nics
      .flatMap((nic) => nic.neighbors)
      .filter((neighbor) => record.name === '' || neighbor.hostname === record.name)
      .map(nicKey),
  );
  return record.nics.filter((nic) => seen.has(nicKey(nic)));
};

const namesOf = (record: SwitchRecord, keys: readonly string[]): string[] =>
  record.nics.filter((nic) => keys.includes(nicKey(nic))).map((nic) => nic.name);

const connect: Reservations['connect'] = (state, { machine, nics }, context) => {
  const record = state.record?.value;
  if (!record) return { reply: { rack: '', ports: [], vendor: '', portNames: [] }, changes: [] };
  const linked = linkedNics(record, nics);
  const keys = linked.map(nicKey);
  const stored = portsOf(state, machine);
  const waiting = heldPorts(state, [...keys, ...stored]);
  if (waiting) return waiting;
  if (linked.length === 0 && stored.length > 0) {
    return unprocessable(
      `machine "${machine}" is not connected to switch "${state.id}" any more; to move it to another rack delete it first`,
    );
  }
  for (const key of keys) {
    const other = state.ports.get(key)?.value.machine ?? '';
    if (other !== '' && other !== machine) {
      return unprocessable(
        `port ${key} of switch "${state.id}" is connected to machine "${other}", delete that machine before another takes its place`,
      );
    }
  }
  const ports: NonNullable<SwitchWriting['ports']> = new Map();
  // A port without a machine belongs to no tenant: back to PXE.
  for (const key of stored) if (!keys.includes(key)) ports.set(key, { vrf: '', machine: '' });
  for (const key of keys) ports.set(key, { vrf: state.ports.get(key)?.value.vrf ?? '', machine });
  const reply = {
    rack: record.rack,
    ports: linked.map((nic) => nic.name),
    vendor: record.os?.vendor ?? '',
    portNames: record.nics.map((nic) => nic.name),
  };
  return written(state, context, reply, { ports });
};

/** Rewrites all ports of a machine; a switch that has none of it has nothing to do. */
const rewrite = (
  state: SwitchState,
  machine: string,
  after: { vrf: string; machine: string },
  context: Context,
): Refusal | Waiting | Granting<{ ports: string[] }> => {
  const keys = portsOf(state, machine);
  const waiting = heldPorts(state, keys);
  if (waiting) return waiting;
  if (keys.length === 0) return { reply: { ports: [] }, changes: [] };
  if (!state.record) return noSwitch(state.id);
  const ports = new Map(keys.map((key) => [key, after]));
  return written(state, context, { ports: namesOf(state.record.value, keys) }, { ports });
};

const replace: Reservations['replace'] = (state, { record, ports, basedOn }, context) => {
  const waiting = heldPorts(state);
  if (waiting) return waiting;
  if (state.record?.version !== basedOn) {
    return conflict(`switch "${state.id}" was changed while it was being replaced; register it again`);
  }
  const after: NonNullable<SwitchWriting['ports']> = new Map();
  for (const nic of state.ports.keys()) after.set(nic, { vrf: '', machine: '' });
  for (const { nic, vrf, machine } of ports) after.set(nic, { vrf, machine });
  // What the old device reported says nothing about the new one.
  const writing: SwitchWriting = { record, status: emptyStatus(), ports: after };
  return written(state, context, viewOf(state, record, writing), writing);
};

export const switchReservations: Reservations = {
  connect,
  replace,
  disconnect: (state, { machine }, context) => rewrite(state, machine, { vrf: '', machine: '' }, context),
  setVrf: (state, { machine, vrf }, context) => rewrite(state, machine, { vrf, machine }, context),
};
