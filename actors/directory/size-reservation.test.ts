import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  createSizeReservation,
  matchesReservation,
  reservationUsage,
  updateSizeReservation,
  usedByReservation,
  type SizeReservation,
} from './size-reservation.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const asked = {
  id: 'r',
  name: '',
  description: '',
  size: 's',
  amount: 2,
  project: 'p',
  partitions: ['a', 'b'],
  labels: {},
};
const reservation: SizeReservation = { ...asked, created: 1, changed: 1 };
const known = {
  hasSize: (id: string) => id === 's',
  hasProject: (id: string) => id === 'p',
  hasPartition: (id: string) => ['a', 'b'].includes(id),
  exists: false,
};
const create = (more: Partial<typeof asked>) => createSizeReservation({ ...asked, ...more }, known, 1);

describe('size reservation', () => {
  it('machines.md §15.4: create', () => {
    assert.deepEqual(create({}), reservation);
    assert.equal(kindOf(create({ size: 'x' })), 'NotFound');
    assert.equal(kindOf(create({ project: 'x' })), 'NotFound');
    assert.equal(kindOf(create({ amount: 0 })), 'Invalid');
    assert.equal(kindOf(create({ partitions: [] })), 'Invalid');
    assert.equal(kindOf(create({ partitions: ['x'] })), 'Invalid');
    assert.equal(kindOf(create({ partitions: ['a', 'a'] })), 'Invalid');
    assert.equal(kindOf(createSizeReservation(asked, { ...known, exists: true }, 1)), 'Conflict');
  });

  it('machines.md §15.4: update keeps size and project, empty partitions mean no change', () => {
    assert.deepEqual(
      updateSizeReservation(
        { ...reservation, labels: { a: 'b' } },
        { amount: 3, partitions: [], labels: {} },
        known.hasPartition,
        7,
      ),
      {
        ...reservation,
        amount: 3,
        changed: 7,
      },
    );
    assert.equal(kindOf(updateSizeReservation(reservation, { amount: 0 }, known.hasPartition, 7)), 'Invalid');
  });

  it('machines.md §15.4: query', () => {
    assert.ok(matchesReservation(reservation, {}));
    assert.ok(matchesReservation(reservation, { size: 's', project: 'p', partition: 'b', id: 'r' }));
    assert.ok(!matchesReservation(reservation, { partition: 'c' }));
  });

  it('machines.md §15.4: usage, one row a partition, also with a partition in the query', () => {
    const machine = (partition: string) => ({ size: 's', project: 'p', partition });
    const allocations = [machine('a'), machine('a'), machine('a'), machine('b'), { ...machine('b'), size: 'other' }];
    const rows = reservationUsage([reservation], { partition: 'b' }, allocations);
    assert.deepEqual(
      rows.map((row) => [row.partition, row.usedAmount, row.projectAllocations]),
      [
        ['a', 2, 3],
        ['b', 1, 1],
      ],
    );
  });

  it('W06: two reservations of one project do not both count the same machines', () => {
    const rows = [
      { project: 'p', amount: 2 },
      { project: 'q', amount: 1 },
      { project: 'p', amount: 3 },
    ];
    assert.deepEqual(
      usedByReservation(rows, (project) => (project === 'p' ? 4 : 0)),
      [2, 0, 2],
    );
  });
});
