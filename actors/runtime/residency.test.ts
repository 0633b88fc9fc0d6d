import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf } from '../address.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { createCell, hold, pushInbox, type Cell } from './cell.ts';
import { createCells, type Cells } from './cells.ts';
import { leaving } from './residency.ts';

const behaviour = { kind: 'machine', tables: [] } as unknown as AnyBehaviour;
const index = { kind: 'allocator', tables: [], scans: ['machine'] } as unknown as AnyBehaviour;

function cellsOf(count: number, change: (cell: Cell, i: number) => void = () => {}): Cells {
  const cells = createCells();
  for (let i = 0; i < count; i++) {
    const cell = createCell(addressOf('partition:p', 'machine', `m${i}`), behaviour, i);
    cell.status = 'idle';
    change(cell, i);
    cells.add(cell);
  }
  return cells;
}

const idsOf = (cells: Cell[]): string[] => cells.map(({ address }) => address.id);

describe('residency', () => {
  it('an actor idle for longer than the time leaves, one in use stays', () => {
    const cells = cellsOf(4, (cell, i) => {
      if (i === 1) hold(cell, 'operation', { changes: [], from: 0 });
      if (i === 2) pushInbox(cell, {} as never);
      if (i === 3) cell.status = 'committing';
    });
    assert.deepEqual(idsOf(leaving(cells, 10_000, { resident: 100, passivateMs: 5_000 })), ['m0']);
    assert.deepEqual(leaving(cells, 4_000, { resident: 100, passivateMs: 5_000 }), []);
  });

  it('beyond the number the longest idle leave, an index never', () => {
    const cells = cellsOf(120);
    const allocator = createCell(addressOf('partition:p', 'allocator', 'p'), index, 0);
    allocator.status = 'idle';
    cells.add(allocator);
    const names = idsOf(leaving(cells, 1_000, { resident: 100, passivateMs: 5_000 }));
    assert.equal(cells.size - names.length, 90);
    assert.equal(names[0], 'm0');
    assert.equal(names.at(-1), `m${names.length - 1}`);
  });
});
