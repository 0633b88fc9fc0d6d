// What a machine does as part of an operation over several actors: its own rules, its own changes.
import { checkLayoutFits, isReinstallable } from '../directory/filesystem-layout.ts';
import { conflict, invalid, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour } from '../runtime/behaviour.ts';
import { nicKey } from '../switch/record.ts';
import { commandMessage, deleteMessage } from './bus-messages.ts';
import { tagsOf } from './commands.ts';
import { available, type Ipmi } from './hardware.ts';
import { emptyContainer } from './provisioning.ts';
import type { AllocationRecord, AttachedIp, MachineRecord } from './record.ts';
import {
  heldAtAll,
  noMachine,
  stubMachine,
  viewOf,
  withEvent,
  written,
  type MachineState,
  type Writing,
} from './state.ts';

type Reservations = Behaviour<'machine', MachineState>['reservations'];

/** Why an elected machine can't be taken: the index was behind. Undefined: it can. */
const electionProblem = (state: MachineState, machine: MachineRecord): Refusal | undefined => {
  if (state.allocation) return conflict(`machine "${state.id}" is already allocated`);
  if (machine.state.value !== '') return conflict(`machine "${state.id}" is in state ${machine.state.value}`);
  if (!machine.waiting) return conflict(`machine "${state.id}" is not waiting`);
  if (state.provisioning?.value.liveliness !== 'Alive') return conflict(`machine "${state.id}" is not alive`);
  return undefined;
};

/** By uuid only what would harm is refused (W02): TAINTED and machines that do not wait are reachable this way alone. */
const byUuidProblem = (state: MachineState, machine: MachineRecord): Refusal | undefined => {
  if (state.allocation) return unprocessable(`machine "${state.id}" is already allocated`);
  if (machine.state.value === 'LOCKED') return unprocessable(`machine "${state.id}" is LOCKED`);
  return undefined;
};

const allocate: Reservations['allocate'] = (state, asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  if (state.held) return conflict(`machine "${state.id}" is part of another operation that is under way`);
  const problem = asked.byUuid ? byUuidProblem(state, machine) : electionProblem(state, machine);
  if (problem) return problem;
  if (machine.size !== asked.size) return conflict(`machine "${state.id}" is of size "${machine.size}" by now`);
  const misfit = asked.layout && checkLayoutFits(asked.layout, machine.hardware);
  if (misfit) return misfit;
  const allocation: AllocationRecord = {
    ...asked.allocation,
    machine: state.id,
    created: context.nowMs,
    filesystemLayout: asked.layout,
    tags: tagsOf(asked.allocation, machine, asked.allocation.tags),
  };
  const writing = { allocation };
  return written(state, context, viewOf(state, machine, writing), writing);
};

/** So many addresses may be attached to one machine by request; the allocation's own do not count. */
const MOST_ATTACHED = 1_024;

const attach: Reservations['attach'] = (state, asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return { reply: {}, changes: [] };
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const others = (machine.attached ?? []).filter((one) => !isSameIp(one, asked));
  if (others.length >= MOST_ATTACHED) {
    return unprocessable(`machine "${state.id}" has ${others.length} ips attached by request, no more than that`);
  }
  return written(state, context, {}, { machine: { ...machine, attached: [...others, asked] } });
};

const isSameIp = (a: Pick<AttachedIp, 'network' | 'address'>, b: Pick<AttachedIp, 'network' | 'address'>): boolean =>
  a.network === b.network && a.address === b.address;

/** A machine without attached addresses says nothing of them. */
const withAttached = ({ attached: _, ...machine }: MachineRecord, attached: AttachedIp[]): MachineRecord =>
  attached.length === 0 ? machine : { ...machine, attached };

const detach: Reservations['detach'] = (state, asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return { reply: {}, changes: [] };
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const { network, address } = asked;
  if (state.allocation?.value.networks.some((one) => one.network === network && one.ips.includes(address))) {
    return invalid(
      `tags: ip ${address} is in use by the allocation of machine "${state.id}", so its tag must stay; free the machine to detach it`,
    );
  }
  const { attached = [] } = machine;
  const others = attached.filter((one) => !isSameIp(one, asked));
  if (others.length === attached.length) return { reply: {}, changes: [] };
  return written(state, context, {}, { machine: withAttached(machine, others) });
};

const free: Reservations['free'] = (state, _asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  if (machine.state.value === 'LOCKED') return unprocessable(`machine "${state.id}" is LOCKED and cannot be freed`);
  const writing: Writing = {
    // It is reset by the message below and will not wait before it has booted again (W15).
    machine: { ...(state.allocation ? withAttached(machine, []) : machine), waiting: false, changed: context.nowMs },
    provisioning: withEvent(state, 'Machine Reclaim', '', context.nowMs),
  };
  if (state.allocation) writing.allocation = null;
  const reply = {
    view: viewOf(state, machine, writing),
    ended: state.allocation?.value ?? null,
    attached: state.allocation ? (machine.attached ?? []) : [],
  };
  return written(state, context, reply, writing, [commandMessage(machine, 'LED-OFF'), deleteMessage(machine)]);
};

/** A registration brings a new BMC account, but does not know what only BMC reports tell. */
const registeredIpmi = (stored: Ipmi, registered: Ipmi | null, nowMs: number): Ipmi =>
  registered
    ? {
        ...registered,
        powerMetric: registered.powerMetric ?? stored.powerMetric,
        powerSupplies: registered.powerSupplies.length > 0 ? registered.powerSupplies : stored.powerSupplies,
        lastUpdated: nowMs,
      }
    : stored;

const register: Reservations['register'] = (state, asked, context) => {
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const { nowMs } = context;
  const stored = state.machine?.value;
  const base: MachineRecord = stored ?? {
    ...stubMachine(state.id, asked.partition, nowMs),
    state: available(),
    led: { value: 'LED-OFF', description: 'machine registered' },
    tags: asked.tags,
  };
  const machine: MachineRecord = {
    ...base,
    changed: nowMs,
    partition: asked.partition,
    rack: asked.rack,
    size: asked.size,
    hardware: asked.hardware,
    bios: asked.bios,
    ipmi: registeredIpmi(base.ipmi, asked.ipmi, nowMs),
    state: { ...base.state, metalHammerVersion: asked.hammerVersion },
  };
  const writing: Writing = { machine };
  if (!state.provisioning) writing.provisioning = emptyContainer();
  return written(state, context, { view: viewOf(state, machine, writing), created: !stored }, writing);
};

/** The VRF that the ports of an installed machine get (networks.md §5.4). */
const portVrf = ({ role, networks, machine }: AllocationRecord): string | Refusal => {
  if (role === 'firewall') return 'default';
  const first = networks.find((network) => network.private);
  return first
    ? `vrf${first.vrf}`
    : unprocessable(`machine "${machine}" has no private network, so no vrf for its ports`);
};

const installed: Reservations['installed'] = (state, asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const allocation = state.allocation?.value;
  if (!allocation) return unprocessable(`machine "${state.id}" is not allocated, its install report has no place`);
  const vrf = portVrf(allocation);
  if (typeof vrf !== 'string') return vrf;
  const after: AllocationRecord = {
    ...allocation,
    consolePassword: asked.consolePassword,
    // The image that was ordered, whatever the boot image believes (machines.md §10.6).
    bootInfo: { ...asked.bootInfo, imageId: allocation.image },
    reinstall: false,
    succeeded: asked.success,
  };
  return written(state, context, { vrf }, { allocation: after }, [commandMessage(machine, 'DISK')]);
};

const reinstall: Reservations['reinstall'] = (state, { image, layout }, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const allocation = state.allocation?.value;
  if (!allocation) return invalid(`machine "${state.id}" is not allocated, only allocated machines can be reinstalled`);
  if (machine.state.value === 'LOCKED') return invalid(`machine "${state.id}" is LOCKED and cannot be reinstalled`);
  if (image === '') return invalid('image id cannot be empty, name the image to install');
  const stored = allocation.filesystemLayout;
  // A layout under development has no constraints and serves whoever names it, so nothing can be matched to it (W28).
  const isSelectable = stored === null || stored.constraints.sizes.length > 0;
  if (isSelectable && !layout) {
    return unprocessable(`could not find a matching filesystemLayout for size:${machine.size} and image:${image}`);
  }
  const used = stored ?? layout;
  if (!used || !isReinstallable(used)) {
    return unprocessable(
      `filesystemlayout "${used?.id ?? ''}" has no disk with wipeonreinstall, machine can not be reinstalled`,
    );
  }
  const writing: Writing = {
    allocation: { ...allocation, filesystemLayout: used, reinstall: true, image },
    // Without it the PXE boot that follows would count as a crash loop (W22).
    provisioning: withEvent(state, 'Planned Reboot', 'REINSTALL', context.nowMs),
  };
  return written(state, context, viewOf(state, machine, writing), writing, [
    deleteMessage(machine),
    commandMessage(machine, 'REINSTALL'),
  ]);
};

const remove: Reservations['remove'] = (state, _asked, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  if (state.allocation) return unprocessable(`cannot remove machine "${state.id}" because it is allocated`);
  const container = state.provisioning?.value;
  if (container && container.liveliness !== 'Dead') {
    return unprocessable(
      `cannot remove machine "${state.id}" because it is not dead, its liveliness is ${container.liveliness}`,
    );
  }
  const writing: Writing = { machine: null };
  // Left behind, the old events would belong to whatever comes back under this id (W45).
  if (container) writing.provisioning = null;
  return written(state, context, viewOf(state, machine), writing);
};

const rewire: Reservations['rewire'] = (state, { hostname, renamed, nics }, context) => {
  const machine = state.machine?.value;
  if (!machine) return noMachine(state.id);
  const waiting = heldAtAll(state);
  if (waiting) return waiting;
  const after = new Map(nics.map((nic) => [nic.before, nic.after]));
  let isTouched = false;
  const rewired = machine.hardware.nics.map((nic) => ({
    ...nic,
    neighbors: nic.neighbors.map((neighbor) => {
      const exchanged = neighbor.hostname === hostname ? after.get(nicKey(neighbor)) : undefined;
      isTouched ||= exchanged !== undefined;
      return exchanged ? { ...neighbor, ...exchanged, hostname: renamed } : neighbor;
    }),
  }));
  if (!isTouched) return { reply: viewOf(state, machine), changes: [] };
  const hardware = { ...machine.hardware, nics: rewired };
  const writing: Writing = { machine: { ...machine, hardware, changed: context.nowMs } };
  return written(state, context, viewOf(state, machine, writing), writing);
};

export const machineReservations: Reservations = {
  allocate,
  free,
  attach,
  detach,
  register,
  installed,
  reinstall,
  rewire,
  remove,
};
