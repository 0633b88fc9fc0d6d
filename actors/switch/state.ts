// What a switch actor remembers: configuration, volatile status, and the ports that have a VRF or a machine.
import { addressOf, scopeId, type Scope } from '../address.ts';
import type { SwitchSummary } from '../allocation/messages.ts';
import { changeRow, liveAfter, type Live } from '../change.ts';
import type { Change } from '../records.ts';
import { notFound, type Refusal } from '../refusal.ts';
import type { Context, Decided, Granting, Hint, Waiting } from '../runtime/behaviour.ts';
import type { SwitchView } from './messages.ts';
import type { PortRecord, SwitchRecord, SwitchStatusRecord } from './record.ts';

export interface SwitchState {
  id: string;
  scope: Scope;
  record: Live<SwitchRecord> | null;
  status: Live<SwitchStatusRecord> | null;
  /** By NIC key. */
  ports: Map<string, Live<PortRecord>>;
  /** NIC keys that a granted reservation will write, by operation. */
  held: Map<string, string[]>;
}

export const createSwitchState = (id: string, scope: Scope): SwitchState => ({
  id,
  scope,
  record: null,
  status: null,
  ports: new Map(),
  held: new Map(),
});

const portKey = (switchId: string, nic: string): string => `${switchId}|${nic}`;
/** The NIC key of a port's row. */
export const nicOfKey = (key: string): string => key.slice(key.indexOf('|') + 1);

export const evolveSwitch = (state: SwitchState, change: Change): void => {
  switch (change.table) {
    case 'switch':
      state.record = liveAfter(change);
      break;
    case 'switch_status':
      state.status = liveAfter(change);
      break;
    case 'switch_port': {
      const nic = nicOfKey(change.key);
      const port = liveAfter(change);
      if (port) state.ports.set(nic, port);
      else state.ports.delete(nic);
      break;
    }
    default:
  }
};

export const emptyStatus = (): SwitchStatusRecord => ({ lastSync: null, lastSyncError: null, ports: {} });

export interface SwitchWriting {
  record?: SwitchRecord | null;
  status?: SwitchStatusRecord | null;
  /** By NIC key; what has neither VRF nor machine is released. */
  ports?: Map<string, { vrf: string; machine: string }>;
}

const isEmpty = (port: { vrf: string; machine: string } | undefined): boolean =>
  !port || (port.vrf === '' && port.machine === '');

const portChanges = (state: SwitchState, ports: SwitchWriting['ports'], context: Context): Change[] => {
  const changes: Change[] = [];
  for (const [nic, { vrf, machine }] of ports ?? []) {
    const live = state.ports.get(nic);
    if (isEmpty(live?.value) && isEmpty({ vrf, machine })) continue;
    if (live?.value.vrf === vrf && live.value.machine === machine) continue;
    const value: PortRecord | null = isEmpty({ vrf, machine }) ? null : { switch: state.id, nic, vrf, machine };
    const at = { scope: context.scope, owner: state.id };
    changes.push(changeRow(at, 'switch_port', portKey(state.id, nic), live, context.version(), value));
  }
  return changes;
};

const changesOf = (state: SwitchState, writing: SwitchWriting, context: Context): Change[] => {
  const at = { scope: context.scope, owner: state.id };
  const { record, status, ports } = writing;
  const changes: Change[] = [];
  if (record !== undefined) {
    changes.push(changeRow(at, 'switch', state.id, state.record, context.version(), record));
  }
  if (status !== undefined && (status !== null || state.status)) {
    changes.push(changeRow(at, 'switch_status', state.id, state.status, context.version(), status));
  }
  return [...changes, ...portChanges(state, ports, context)];
};

const summaryOf = (state: SwitchState, changes: readonly Change[]): SwitchSummary | undefined => {
  const summary: SwitchSummary = { switch: state.id };
  const ports: NonNullable<SwitchSummary['ports']> = [];
  for (const change of changes) {
    if (change.table === 'switch') {
      const { version, value } = change;
      const before = state.record?.value;
      if (before && before.name === value?.name && before.rack === value.rack) continue;
      summary.record = { version, value: value && { name: value.name, rack: value.rack } };
    } else if (change.table === 'switch_port') {
      const nic = nicOfKey(change.key);
      const machine = change.value?.machine ?? '';
      if ((state.ports.get(nic)?.value.machine ?? '') !== machine) {
        ports.push({ nic, version: change.version, machine });
      }
    }
  }
  if (ports.length > 0) summary.ports = ports;
  return summary.record || summary.ports ? summary : undefined;
};

/** The answer and everything that goes with writing these rows. */
export const written = <R>(
  state: SwitchState,
  context: Context,
  reply: R,
  writing: SwitchWriting,
): Decided<R> & Granting<R> => {
  const changes = changesOf(state, writing, context);
  const summary = summaryOf(state, changes);
  const allocator = addressOf(context.scope, 'allocator', scopeId(context.scope));
  const hints: Hint[] = summary ? [{ to: allocator, name: 'switchChanged', body: summary }] : [];
  return { reply, changes, hints };
};

export const portsOf = (state: SwitchState, machine: string): string[] =>
  [...state.ports.values()].filter((port) => port.value.machine === machine).map((port) => port.value.nic);

export const isConnected = (state: SwitchState): boolean =>
  [...state.ports.values()].some((port) => port.value.machine !== '');

/** Ports that an operation under way will write wait for it; without `nics`: any of them. */
export const heldPorts = (state: SwitchState, nics?: Iterable<string>): Waiting | undefined => {
  if (state.held.size === 0) return undefined;
  const held = new Set([...state.held.values()].flat());
  const isHeld = nics ? [...nics].some((nic) => held.has(nic)) : held.size > 0;
  return isHeld ? { wait: `switch "${state.id}" has ports that are part of an operation under way` } : undefined;
};

export const noSwitch = (id: string): Refusal => notFound(`no switch with id "${id}" found`);

/** The switch as it is once this is written. */
export const viewOf = (state: SwitchState, record: SwitchRecord, writing: SwitchWriting = {}): SwitchView => {
  const ports = new Map([...state.ports].map(([nic, live]) => [nic, live.value]));
  for (const [nic, { vrf, machine }] of writing.ports ?? []) {
    if (isEmpty({ vrf, machine })) ports.delete(nic);
    else ports.set(nic, { switch: state.id, nic, vrf, machine });
  }
  return {
    switch: writing.record ?? record,
    status: writing.status ?? state.status?.value ?? emptyStatus(),
    ports: [...ports.values()].sort((a, b) => (a.nic < b.nic ? -1 : a.nic > b.nic ? 1 : 0)),
  };
};
