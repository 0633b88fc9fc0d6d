// What a machine actor remembers, and how its rows change.
import { addressOf, scopeId, type Scope } from '../address.ts';
import type { MachineSummary } from '../allocation/messages.ts';
import { changeRow, liveAfter, type Live } from '../change.ts';
import type { BusMessage } from '../ports.ts';
import type { Change, Records, TableName } from '../records.ts';
import { notFound, type Refusal } from '../refusal.ts';
import type { Context, Decided, Granting, Hint, Waiting } from '../runtime/behaviour.ts';
import { available, emptyBios, emptyHardware, emptyIpmi, emptyLed } from './hardware.ts';
import type { MachineView } from './messages.ts';
import { applyEvent, emptyContainer, type ProvisioningEventKind } from './provisioning.ts';
import type { AllocationRecord, MachineRecord, ProvisioningRecord } from './record.ts';

export type MachineTable = 'machine' | 'allocation' | 'provisioning';
export const MACHINE_TABLES: MachineTable[] = ['machine', 'allocation', 'provisioning'];

export interface MachineState {
  id: string;
  scope: Scope;
  machine: Live<MachineRecord> | null;
  allocation: Live<AllocationRecord> | null;
  provisioning: Live<ProvisioningRecord> | null;
  /** The one granted reservation, and the rows that it will write. */
  held: { operation: string; tables: TableName[] } | null;
}

export const createMachineState = (id: string, scope: Scope): MachineState => ({
  id,
  scope,
  machine: null,
  allocation: null,
  provisioning: null,
  held: null,
});

export const evolveMachine = (state: MachineState, change: Change): void => {
  switch (change.table) {
    case 'machine':
      state.machine = liveAfter(change);
      break;
    case 'allocation':
      state.allocation = liveAfter(change);
      break;
    case 'provisioning':
      state.provisioning = liveAfter(change);
      break;
    default:
  }
};

/** New values of the machine's rows; null releases one. */
export type Writing = { [T in MachineTable]?: Records[T] | null };

const changesOf = (state: MachineState, writing: Writing, context: Context): Change[] => {
  const at = { scope: context.scope, owner: state.id };
  const { machine, allocation, provisioning } = writing;
  const changes: Change[] = [];
  if (machine !== undefined) {
    changes.push(changeRow(at, 'machine', state.id, state.machine, context.version(), machine));
  }
  if (allocation !== undefined) {
    changes.push(changeRow(at, 'allocation', state.id, state.allocation, context.version(), allocation));
  }
  if (provisioning !== undefined) {
    changes.push(changeRow(at, 'provisioning', state.id, state.provisioning, context.version(), provisioning));
  }
  return changes;
};

const recordPart = ({ size, rack, state, waiting }: MachineRecord) => ({
  size,
  rack,
  stateValue: state.value,
  waiting,
});

const summaryOf = (state: MachineState, changes: readonly Change[]): MachineSummary | undefined => {
  const summary: MachineSummary = { machine: state.id };
  for (const { table, version, value } of changes) {
    if (table === 'machine') {
      const before = state.machine && recordPart(state.machine.value);
      const after = value && recordPart(value);
      if (JSON.stringify(before) !== JSON.stringify(after)) summary.record = { version, value: after };
    } else if (table === 'allocation') {
      const after = value && { uuid: value.uuid, project: value.project, role: value.role, tags: value.tags };
      summary.allocation = { version, value: after };
    } else if (table === 'provisioning') {
      // Phone-homes come every minute from every machine; the index only asks for the liveliness.
      if (state.provisioning?.value.liveliness === value?.liveliness) continue;
      summary.provisioning = { version, value: value && { liveliness: value.liveliness } };
    }
  }
  return summary.record || summary.allocation || summary.provisioning ? summary : undefined;
};

/** The allocator's index follows every change that an election, a quota or a reservation looks at. */
const hintsOf = (state: MachineState, changes: readonly Change[], context: Context): Hint[] => {
  const summary = summaryOf(state, changes);
  const allocator = addressOf(context.scope, 'allocator', scopeId(context.scope));
  return summary ? [{ to: allocator, name: 'machineChanged', body: summary }] : [];
};

/** The answer and everything that goes with writing these rows. */
export const written = <R>(
  state: MachineState,
  context: Context,
  reply: R,
  writing: Writing,
  messages: BusMessage[] = [],
): Decided<R> & Granting<R> => {
  const changes = changesOf(state, writing, context);
  return { reply, changes, messages, hints: hintsOf(state, changes, context) };
};

/** While a reservation is under way, rows that it will write wait for it; others go on. */
export const heldRows = (state: MachineState, tables: readonly MachineTable[] = MACHINE_TABLES): Waiting | undefined =>
  state.held?.tables.some((table) => (tables as readonly TableName[]).includes(table))
    ? { wait: `machine "${state.id}" is part of an operation that is under way` }
    : undefined;

/** One reservation at a time: the next one decides on what the first leaves behind. */
export const heldAtAll = (state: MachineState): Waiting | undefined =>
  state.held ? { wait: `machine "${state.id}" is part of an operation that is under way` } : undefined;

export const noMachine = (id: string): Refusal => notFound(`no machine with id "${id}" found`);

export const viewOf = (state: MachineState, machine: MachineRecord, writing: Writing = {}): MachineView => ({
  machine: writing.machine ?? machine,
  allocation: writing.allocation === undefined ? (state.allocation?.value ?? null) : writing.allocation,
  provisioning: writing.provisioning === undefined ? (state.provisioning?.value ?? null) : writing.provisioning,
});

/** A machine of which nothing is known but that it spoke (machines.md §2.1, W36). */
export const stubMachine = (id: string, partition: string, nowMs: number): MachineRecord => ({
  id,
  name: '',
  description: '',
  created: nowMs,
  changed: nowMs,
  partition,
  rack: '',
  size: '',
  waiting: false,
  hardware: emptyHardware(),
  bios: emptyBios(),
  ipmi: emptyIpmi(),
  state: available(),
  led: emptyLed(),
  tags: [],
});

/** The container after an event of the control plane's own; such events are never dropped (machines.md §4.4). */
export const withEvent = (
  state: MachineState,
  event: ProvisioningEventKind,
  message: string,
  nowMs: number,
): ProvisioningRecord => {
  const container = state.provisioning?.value ?? emptyContainer();
  const after = applyEvent(container, { event, message }, nowMs);
  return after === 'dropped' ? container : after;
};
