import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { partitionCapacity, type CapacityMachine, type CapacityReservation, type ServerCapacity } from './capacity.ts';
import { emptyContainer, type EventContainer, type ProvisioningEventKind } from './provisioning.ts';

const NOW_MS = 1_000_000_000_000;
const container = (event: ProvisioningEventKind, more: Partial<EventContainer> = {}): EventContainer => ({
  ...emptyContainer(),
  events: [{ time: NOW_MS, event, message: '' }],
  lastEventTime: NOW_MS,
  ...more,
});
let count = 0;
const machine = (more: Partial<CapacityMachine>): CapacityMachine => {
  const id = `m${count++}`;
  return {
    id,
    partition: 'partition-a',
    size: 'size-a',
    role: null,
    asns: [],
    bmcAddress: id,
    bmcMac: id,
    bmcLastUpdated: NOW_MS,
    container: container('Waiting'),
    waiting: true,
    preallocated: false,
    state: '',
    project: '',
    ...more,
  };
};
const allocatedBy = (project: string, more: Partial<CapacityMachine> = {}) =>
  machine({ role: 'machine', project, waiting: false, container: container('Phoned Home'), ...more });
const free = (more: Partial<CapacityMachine> = {}) => machine(more);
const reserved = (project: string, amount: number): CapacityReservation => ({
  size: 'size-a',
  amount,
  project,
  partitions: ['partition-a', 'partition-b'],
});
const known = (machines: CapacityMachine[], reservations: CapacityReservation[] = []) => ({
  partitions: [
    { id: 'partition-b', name: 'b', description: '' },
    { id: 'partition-a', name: 'a', description: '' },
  ],
  sizes: new Set(['size-a']),
  machines,
  reservations,
});
/** The figures of size-a in partition-a that are not zero, as the wire shows them. */
const figures = (machines: CapacityMachine[], reservations: CapacityReservation[] = [], project?: string) => {
  const answer = partitionCapacity(known(machines, reservations), { project }, NOW_MS);
  assert.ok(!isRefusal(answer));
  assert.equal(answer.length, 1);
  const server = answer[0]!.servers[0]!;
  assert.equal(server.total, server.allocated + server.allocatable + server.unavailable);
  assert.equal(server.total, server.phonedHome + server.waiting + server.other);
  return Object.fromEntries(
    Object.entries(server).filter(([name, value]) => typeof value === 'number' && value > 0 && name !== 'size'),
  ) as Partial<ServerCapacity>;
};

describe('capacity', () => {
  it('machines.md §23.6: machines', () => {
    const running = { total: 1, allocated: 1, phonedHome: 1 };
    assert.deepEqual(figures([allocatedBy('p')]), running);
    assert.deepEqual(figures([allocatedBy('p', { bmcAddress: '' })]), { ...running, faulty: 1 });
    assert.deepEqual(figures([free()]), { total: 1, waiting: 1, allocatable: 1, free: 1 });
    const dead = container('Waiting', { liveliness: 'Dead' });
    assert.deepEqual(figures([free({ container: dead })]), { total: 1, waiting: 1, faulty: 1, unavailable: 1 });
    const registering = free({ waiting: false, container: container('Registering') });
    assert.deepEqual(figures([registering]), { total: 1, other: 1, unavailable: 1 });
    for (const more of [{ preallocated: true }, { state: 'LOCKED' as const }]) {
      assert.deepEqual(figures([free(more)]), { total: 1, waiting: 1, unavailable: 1 });
    }
  });

  it('machines.md §23.6: reservations', () => {
    const one = { total: 1, waiting: 1, allocatable: 1 };
    assert.deepEqual(figures([free()], [reserved('p', 1)]), { ...one, reservations: 1, remainingReservations: 1 });
    assert.deepEqual(figures([free()], [reserved('p', 1), reserved('q', 2)]), {
      ...one,
      reservations: 3,
      remainingReservations: 3,
    });
    assert.deepEqual(figures([allocatedBy('p'), allocatedBy('p'), free()], [reserved('p', 1)]), {
      total: 3,
      allocated: 2,
      phonedHome: 2,
      waiting: 1,
      allocatable: 1,
      free: 1,
      reservations: 1,
      usedReservations: 1,
    });
    assert.deepEqual(figures([allocatedBy('p'), free(), free()], [reserved('p', 3)], 'p'), {
      total: 3,
      allocated: 1,
      phonedHome: 1,
      waiting: 2,
      allocatable: 2,
      free: 2,
      reservations: 3,
      usedReservations: 1,
      remainingReservations: 2,
    });
  });

  it('machines.md §14.2: what is counted where', () => {
    const answer = partitionCapacity(
      known([
        free({ partition: 'partition-b', size: 'gone' }),
        free({ partition: 'partition-b', container: null }),
        free({ partition: '' }),
        free({ partition: 'ham' }),
        free({ container: container('Crashed') }),
      ]),
      {},
      NOW_MS,
    );
    assert.ok(!isRefusal(answer));
    assert.deepEqual(
      answer.map((partition) => [partition.id, partition.servers.map((server) => [server.size, server.total])]),
      [
        ['partition-a', [['size-a', 1]]],
        ['partition-b', [['unknown', 1]]],
      ],
    );
    assert.equal(answer[0]!.servers[0]!.otherMachines.length, 1);
  });

  it('machines.md §14.2: filters; an unknown partition is 400', () => {
    const machines = [free({ bmcAddress: 'same' }), free({ bmcAddress: 'same', size: 'size-b' })];
    const answer = partitionCapacity(known(machines), { partition: 'partition-a', size: 'size-a' }, NOW_MS);
    assert.ok(!isRefusal(answer));
    assert.deepEqual(
      answer[0]!.servers.map((server) => [server.size, server.faulty]),
      [['size-a', 1]],
    );
    const unknown = partitionCapacity(known([]), { partition: 'ham' }, NOW_MS);
    assert.equal(isRefusal(unknown) && unknown.kind, 'Invalid');
  });
});
