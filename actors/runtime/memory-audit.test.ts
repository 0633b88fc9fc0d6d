import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../address.ts';
import type { Row } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { createCell } from './cell.ts';
import { createCells } from './cells.ts';
import { canonical, createMemoryAudit, type MemoryAudit } from './memory-audit.ts';
import { createVirtualWorld } from './virtual-world.ts';

const behaviour = {
  tables: ['pool'],
  create: () => new Map<string, number>(),
  evolve: (state: Map<string, number>, row: Row) => void state.set(row.key, row.version),
  describe: (state: Map<string, number>) => ({ numbers: [...state] }),
} as unknown as AnyBehaviour;

const rowOf = (key: string, version: number): Row =>
  ({ table: 'pool', scope: 'partition:p', key, owner: 'a', version, value: {} }) as unknown as Row;

function plant(rows: Row[] | Refusal) {
  const world = createVirtualWorld();
  const cell = createCell(addressOf('partition:p', 'machine', 'a'), behaviour, 0);
  cell.status = 'idle';
  cell.state = new Map([
    ['vrf|2', 8],
    ['vrf|1', 7],
  ]);
  const cells = createCells();
  cells.add(cell);
  let during = (): void => {};
  const audit = createMemoryAudit({
    world,
    cells,
    fenceOf: (scope) => ({ scope, shard: 0, epoch: 1 }),
    store: {
      load(_scope, _wanted, _fences, done) {
        during();
        done(rows, []);
      },
    },
  });
  const run = (limit = 10): MemoryAudit => {
    let answer: MemoryAudit | undefined;
    audit(limit, (value) => void (answer = value));
    world.run(10_000);
    assert.ok(answer);
    return answer;
  };
  return { cell, run, during: (hook: () => void) => void (during = hook) };
}

const SOUND = [rowOf('vrf|1', 7), rowOf('vrf|2', 8)];

test('reliability.md §5.4: memory equal to its rows is sound, in whatever order they are', () => {
  assert.deepEqual(plant(SOUND).run(), { compared: 1, busy: 0, left: 0, findings: [] });
});

test('reliability.md §5.4: drift between memory and rows is named with actor and field', () => {
  const { findings } = plant([rowOf('vrf|1', 7)]).run();
  assert.deepEqual(findings, ['memory: partition:p/machine/a differs from its rows in numbers']);
});

test('an actor that takes a turn meanwhile is compared again, and is busy in the end', () => {
  const busy = plant([]);
  busy.during(() => void busy.cell.turns++);
  assert.deepEqual(busy.run(), { compared: 0, busy: 1, left: 0, findings: [] });
  const once = plant(SOUND);
  let loads = 0;
  once.during(() => {
    if (loads++ === 0) once.cell.turns++;
  });
  assert.deepEqual(once.run(), { compared: 1, busy: 0, left: 0, findings: [] });
});

test('actors beyond the limit are counted; a database that does not answer is a finding', () => {
  assert.deepEqual(plant(SOUND).run(0), { compared: 0, busy: 0, left: 1, findings: [] });
  assert.match(plant(unavailable('down')).run().findings[0] ?? '', /could not be compared: .*down/);
});

test('canonical text: neither order of fields nor of lists matters, absent is undefined', () => {
  assert.equal(canonical({ a: [1, 2], b: undefined, c: 3n }), canonical({ c: 3n, a: [2, 1] }));
  assert.notEqual(canonical({ a: '1' }), canonical({ a: 1 }));
});
