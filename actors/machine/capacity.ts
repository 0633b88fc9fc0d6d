import { invalid, type Refusal } from '../refusal.ts';
import { byId } from '../directory/entity.ts';
import { usedByReservation } from '../directory/size-reservation.ts';
import { ALL_ISSUES, evaluateIssues, type IssueMachine } from './issues.ts';
import type { MachineStateValue } from './hardware.ts';

export interface CapacityMachine extends IssueMachine {
  size: string;
  waiting: boolean;
  /** Elected by an allocation that is still on its way. */
  preallocated: boolean;
  state: MachineStateValue;
  /** Of the allocation; `''` when free. */
  project: string;
}

export interface CapacityReservation {
  size: string;
  amount: number;
  project: string;
  partitions: string[];
}

/** Figures of one size in one partition (machines.md §14.2). */
export interface ServerCapacity {
  size: string;
  total: number;
  faulty: number;
  faultyMachines: string[];
  allocated: number;
  allocatable: number;
  free: number;
  unavailable: number;
  phonedHome: number;
  waiting: number;
  other: number;
  otherMachines: string[];
  reservations: number;
  usedReservations: number;
  remainingReservations: number;
}

export interface PartitionCapacity {
  id: string;
  name: string;
  description: string;
  servers: ServerCapacity[];
}

const emptyCapacity = (size: string): ServerCapacity => ({
  size,
  total: 0,
  faulty: 0,
  faultyMachines: [],
  allocated: 0,
  allocatable: 0,
  free: 0,
  unavailable: 0,
  phonedHome: 0,
  waiting: 0,
  other: 0,
  otherMachines: [],
  reservations: 0,
  usedReservations: 0,
  remainingReservations: 0,
});

const isAllocatable = (machine: CapacityMachine): boolean =>
  machine.role === null &&
  machine.waiting &&
  !machine.preallocated &&
  machine.state === '' &&
  machine.container?.liveliness === 'Alive';

const count = (capacity: ServerCapacity, machine: CapacityMachine, isFaulty: boolean): void => {
  capacity.total++;
  if (isFaulty) {
    capacity.faulty++;
    capacity.faultyMachines.push(machine.id);
  }
  if (machine.role !== null) capacity.allocated++;
  else if (isAllocatable(machine)) capacity.allocatable++;
  else capacity.unavailable++;

  switch (machine.container?.events[0]?.event) {
    case 'Phoned Home':
      capacity.phonedHome++;
      break;
    case 'Waiting':
      capacity.waiting++;
      break;
    default:
      capacity.other++;
      capacity.otherMachines.push(machine.id);
  }
};

/**
 * Capacity per partition (sorted by id) and size (in order of first appearance). Partitions without any counted machine
 * do not appear; machines without an event, or of an unknown partition, are not counted. `request.project` is the one
 * whose own reservations do not diminish `free`. An unknown partition is Invalid, as metal-api answers it.
 */
export const partitionCapacity = (
  known: {
    partitions: readonly { id: string; name: string; description: string }[];
    sizes: ReadonlySet<string>;
    machines: readonly CapacityMachine[];
    reservations: readonly CapacityReservation[];
  },
  request: { partition?: string | undefined; size?: string | undefined; project?: string | undefined },
  nowMs: number,
): PartitionCapacity[] | Refusal => {
  const partitions = known.partitions
    .filter((partition) => request.partition === undefined || partition.id === request.partition)
    .sort(byId);
  if (request.partition !== undefined && partitions.length === 0) {
    return invalid(`no partition with id "${request.partition}" found`);
  }

  // Comparing issues look at the whole partition, not only at machines of the asked size.
  const compared = known.machines.filter(
    (machine) => request.partition === undefined || machine.partition === request.partition,
  );
  const faulty = new Set(
    evaluateIssues(compared, { ...ALL_ISSUES, omit: ['last-event-error'] }, nowMs).map((entry) => entry.machine),
  );
  const counted = compared.filter((machine) => request.size === undefined || machine.size === request.size);

  const answer: PartitionCapacity[] = [];
  for (const { id, name, description } of partitions) {
    const machines = counted.filter((machine) => machine.partition === id);
    const servers = new Map<string, ServerCapacity>();
    for (const machine of machines) {
      if (machine.container === null) continue;
      const size = known.sizes.has(machine.size) ? machine.size : 'unknown';
      const capacity = servers.get(size) ?? emptyCapacity(size);
      servers.set(size, capacity);
      count(capacity, machine, faulty.has(machine.id));
    }
    for (const capacity of servers.values()) {
      const reservations = known.reservations.filter(
        (reservation) => reservation.size === capacity.size && reservation.partitions.includes(id),
      );
      const used = usedByReservation(
        reservations,
        (project) => machines.filter((machine) => machine.project === project && machine.size === capacity.size).length,
      );
      capacity.free = capacity.allocatable;
      for (const [i, reservation] of reservations.entries()) {
        capacity.reservations += reservation.amount;
        capacity.usedReservations += used[i]!;
        if (reservation.project !== request.project) {
          capacity.free = Math.max(0, capacity.free - (reservation.amount - used[i]!));
        }
      }
      capacity.remainingReservations = capacity.reservations - capacity.usedReservations;
    }
    if (servers.size > 0) answer.push({ id, name, description, servers: [...servers.values()] });
  }
  return answer;
};
