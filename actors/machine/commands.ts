// What is asked of one machine alone.
import { machineTags } from '../allocation/allocation-request.ts';
import { invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context, Decision, Waiting } from '../runtime/behaviour.ts';
import { bmcReport } from './bmc-report.ts';
import { commandMessage, withSuperUser } from './bus-messages.ts';
import type { LedState, MachineStateValue } from './hardware.ts';
import type { BmcCommand, MachineView } from './messages.ts';
import { applyEvent, emptyContainer, evaluateLiveliness, isProvisioningEventKind } from './provisioning.ts';
import type { AllocationRecord, MachineRecord } from './record.ts';
import {
  heldAtAll,
  heldRows,
  noMachine,
  stubMachine,
  viewOf,
  withEvent,
  written,
  type MachineState,
  type MachineTable,
  type Writing,
} from './state.ts';

type Commands = Behaviour<'machine', MachineState>['commands'];

/** The machine, once nothing that is under way will write these rows; without rows, once nothing is under way. */
const writable = (state: MachineState, tables?: MachineTable[]): MachineRecord | Refusal | Waiting =>
  (tables ? heldRows(state, tables) : heldAtAll(state)) ?? state.machine?.value ?? noMachine(state.id);

const isRecord = (found: MachineRecord | Refusal | Waiting): found is MachineRecord =>
  !isRefusal(found) && !('wait' in found);

const touched = (machine: MachineRecord, context: Context, patch: Partial<MachineRecord>): MachineRecord => ({
  ...machine,
  ...patch,
  changed: context.nowMs,
});

/** Writes and answers the machine as it is then. */
const answered = (
  state: MachineState,
  context: Context,
  machine: MachineRecord,
  writing: Writing,
): Decision<MachineView> => written(state, context, viewOf(state, machine, writing), writing);

const event: Commands['event'] = (state, asked, context) => {
  const known = state.machine !== null;
  // A nonsense event is no reason to believe in a machine (W36).
  if (!isProvisioningEventKind(asked.event)) return { reply: { known, stored: false } };
  const waiting = heldRows(state, known ? ['provisioning'] : ['machine', 'provisioning']);
  if (waiting) return waiting;
  const container = state.provisioning?.value ?? emptyContainer();
  const after = applyEvent(container, { event: asked.event, message: asked.message }, context.nowMs);
  const writing: Writing = {};
  if (!known) writing.machine = stubMachine(state.id, asked.partition, context.nowMs);
  if (after !== 'dropped') writing.provisioning = after;
  return written(state, context, { known, stored: after !== 'dropped' }, writing);
};

const STATE_WORDS: Record<string, MachineStateValue> = {
  '': '',
  RESERVED: 'TAINTED',
  TAINTED: 'TAINTED',
  LOCKED: 'LOCKED',
};

const setState: Commands['setState'] = (state, { value, description }, context) => {
  const stored = STATE_WORDS[value];
  if (stored === undefined) {
    return invalid(`machine state:"${value}" is unknown, expected RESERVED, TAINTED, LOCKED or nothing`);
  }
  if (stored !== '' && description === '') return invalid(`you must supply a description for state "${value}"`);
  const machine = writable(state);
  if (!isRecord(machine)) return machine;
  return answered(state, context, machine, {
    machine: touched(machine, context, {
      state: { ...machine.state, value: stored, description, issuer: stored === '' ? '' : context.who },
    }),
  });
};

const REBOOTS: readonly BmcCommand[] = ['OFF', 'RESET', 'CYCLE'];
const isLedCommand = (command: BmcCommand): command is 'LED-ON' | 'LED-OFF' =>
  command === 'LED-ON' || command === 'LED-OFF';

const power: Commands['power'] = (state, asked, context) => {
  const { command, description, superUserPassword, firmware } = asked;
  const machine = writable(state, ['machine', 'provisioning']);
  if (!isRecord(machine)) return machine;
  const writing: Writing = {};
  if (isLedCommand(command)) {
    const led: LedState = { value: command, description };
    writing.machine = touched(machine, context, { led });
  }
  if (REBOOTS.includes(command)) {
    writing.provisioning = withEvent(state, 'Planned Reboot', command, context.nowMs);
  }
  const target = { ...machine, ipmi: withSuperUser(machine.ipmi, superUserPassword) };
  return written(state, context, viewOf(state, machine, writing), writing, [commandMessage(target, command, firmware)]);
};

const update: Commands['update'] = (state, { description, tags, sshPubKeys }, context) => {
  const machine = writable(state);
  if (!isRecord(machine)) return machine;
  const allocation = state.allocation?.value;
  if (!allocation) return invalid(`machine "${state.id}" is not allocated, only allocated machines can be updated`);
  const after: AllocationRecord = {
    ...allocation,
    description: description ?? allocation.description,
    // Neither can be emptied (machines.md §10.3): an empty list is what clients send for "unset".
    tags: tags?.length ? tagsOf(allocation, machine, tags) : allocation.tags,
    sshPubKeys: sshPubKeys?.length ? sshPubKeys : allocation.sshPubKeys,
  };
  return answered(state, context, machine, { allocation: after });
};

/** Tags of an allocated machine: the user's under the system's (machines.md §8.7). */
export const tagsOf = (allocation: AllocationRecord, machine: MachineRecord, userTags: readonly string[]): string[] =>
  machineTags(userTags, {
    asn: allocation.networks.some((network) => network.private) ? allocation.asn : 0,
    rack: machine.rack,
    chassisPartSerial: machine.ipmi.fru.chassisPartSerial,
  });

const abortReinstall: Commands['abortReinstall'] = (state, { primaryDiskWiped }, context) => {
  const machine = writable(state);
  if (!isRecord(machine)) return machine;
  const messages = [commandMessage(machine, 'DISK')];
  const allocation = state.allocation?.value;
  if (!allocation || primaryDiskWiped) return written(state, context, { bootInfo: null }, {}, messages);
  const { bootInfo } = allocation;
  const after = { ...allocation, reinstall: false, image: bootInfo?.imageId ?? allocation.image };
  return written(state, context, { bootInfo }, { allocation: after }, messages);
};

const setWaiting = (machine: MachineRecord, waiting: boolean, context: Context): Writing =>
  machine.waiting === waiting ? {} : { machine: touched(machine, context, { waiting }) };

export const machineCommands: Commands = {
  get: (state) => (state.machine ? { reply: viewOf(state, state.machine.value) } : noMachine(state.id)),
  event,
  bmcReport,
  setState,
  power,
  update,
  abortReinstall,

  wait(state, _asked, context) {
    const machine = writable(state, ['machine']);
    if (!isRecord(machine)) return machine;
    if (state.allocation) return { reply: { allocated: true } };
    return written(state, context, { allocated: false }, setWaiting(machine, true, context));
  },

  waitEnded(state, _asked, context) {
    const machine = writable(state, ['machine']);
    if (!isRecord(machine)) return machine;
    return written(state, context, {}, setWaiting(machine, false, context));
  },

  consolePassword(state) {
    if (!state.machine) return noMachine(state.id);
    if (!state.allocation) {
      return unprocessable(`machine "${state.id}" is not allocated, there is no console password`);
    }
    return { reply: { machine: state.machine.value, password: state.allocation.value.consolePassword } };
  },

  evaluateLiveliness(state, _asked, context) {
    const waiting = heldRows(state, ['provisioning']);
    if (waiting) return waiting;
    const container = state.provisioning?.value;
    if (!container) return { reply: { liveliness: '' } };
    const after = evaluateLiveliness(container, state.allocation !== null, context.nowMs);
    const writing: Writing = after === container ? {} : { provisioning: after };
    return written(state, context, { liveliness: after.liveliness }, writing);
  },
};
