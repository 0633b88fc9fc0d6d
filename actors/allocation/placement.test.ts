import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { electableRacks, electMachine, isPlacementAllowed } from './placement.ts';

describe('reservation check', () => {
  const have = (machines: Record<string, number>) => (project: string) => machines[project] ?? 0;

  it('machines.md §23.2: five machines, p1 reserved 1, p2 reserved 2', () => {
    const reservations = [
      { project: 'p1', amount: 1 },
      { project: 'p2', amount: 2 },
    ];
    const table: [requester: string, available: number, machines: Record<string, number>, allowed: boolean][] = [
      ['p0', 5, {}, true],
      ['p2', 4, { p0: 1 }, true],
      ['p0', 3, { p0: 1, p2: 1 }, true],
      ['p0', 2, { p0: 2, p2: 1 }, false],
      ['p2', 2, { p0: 2, p2: 1 }, true],
      ['p0', 1, { p0: 2, p2: 2 }, false],
      ['p2', 1, { p0: 2, p2: 2 }, false],
      ['p1', 1, { p0: 2, p2: 2 }, true],
    ];
    for (const rows of [reservations, reservations.toReversed()]) {
      for (const [requester, available, machines, allowed] of table) {
        assert.equal(
          isPlacementAllowed(rows, requester, available, have(machines)),
          allowed,
          `${requester} of ${available}`,
        );
      }
    }
  });

  it('W06: the order of the reservations does not matter', () => {
    const a = { project: 'A', amount: 1 };
    const b = { project: 'B', amount: 3 };
    assert.equal(isPlacementAllowed([a, b], 'C', 3, have({ A: 5 })), false);
    assert.equal(isPlacementAllowed([b, a], 'C', 3, have({ A: 5 })), false);
    assert.equal(isPlacementAllowed([b, a], 'C', 4, have({ A: 5 })), true);
  });

  it('W06: several reservations of one project add up', () => {
    const twice = [
      { project: 'A', amount: 1 },
      { project: 'A', amount: 2 },
    ];
    assert.equal(isPlacementAllowed(twice, 'A', 1, have({ A: 2 })), true);
    assert.equal(isPlacementAllowed(twice, 'C', 1, have({ A: 2 })), false);
    assert.equal(isPlacementAllowed(twice, 'C', 1, have({ A: 3 })), true);
  });

  it('machines.md §8.4.1: without reservations, and with nothing available', () => {
    assert.equal(isPlacementAllowed([], 'p', 1, have({})), true);
    assert.equal(isPlacementAllowed([{ project: 'p', amount: 9 }], 'p', 0, have({})), false);
  });
});

describe('rack election', () => {
  it('machines.md §23.3: spreading', () => {
    const on = (rack: string, ...tags: string[]) => ({ rack, tags });
    const table: [racks: string[], placed: ReturnType<typeof on>[], tags: string[], elected: string[]][] = [
      [['2', '1'], [], [], ['1', '2']],
      [['1', '2'], [on('1'), on('1'), on('2')], [], ['2']],
      [['1'], [on('1'), on('1'), on('2')], [], ['1']],
      [['1', '2'], [on('1', 't'), on('2'), on('2')], ['t'], ['2']],
      [['1', '2'], [on('1', 't'), on('2', 't'), on('2')], ['t'], ['1']],
      [['1', '2'], [on('1', 't', 'u'), on('2', 't')], ['t', 'u'], ['2']],
      [['', '1'], [on('')], [], ['1']],
    ];
    for (const [racks, placed, tags, elected] of table) assert.deepEqual(electableRacks(racks, placed, tags), elected);
  });

  it('machines.md §8.5: any machine of the elected racks', () => {
    const available = [
      { id: 'a', rack: '1' },
      { id: 'b', rack: '2' },
      { id: 'c', rack: '2' },
    ];
    const placed = [{ rack: '1', tags: [] }];
    assert.equal(electMachine(available, placed, [], () => 0)?.id, 'b');
    assert.equal(electMachine(available, placed, [], () => 0.999)?.id, 'c');
    assert.equal(
      electMachine([], placed, [], () => 0),
      undefined,
    );
  });
});
