import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../address.ts';
import { addressFromBytes, formatAddress } from '../ipam/address.ts';
import type { Row } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';
import { ADDRESSES_AT_ONCE, type AnyBehaviour } from './behaviour.ts';
import { createCell } from './cell.ts';
import { createCells } from './cells.ts';
import { ROWS_AT_ONCE } from './folding.ts';
import { createMemoryAudit, nothingAudited, type MemoryAudit } from './memory-audit.ts';
import { packRows } from './packed.ts';
import { createVirtualWorld } from './virtual-world.ts';

const behaviour = {
  tables: ['pool'],
  create: () => new Map<string, number>(),
  evolve: (state: Map<string, number>, row: Row) => void state.set(row.key, row.version),
  describe: (state: Map<string, number>) => ({ numbers: [...state] }),
} as unknown as AnyBehaviour;

const rowOf = (key: string, version: number): Row =>
  ({ table: 'pool', scope: 'partition:p', key, owner: 'a', version, value: {} }) as unknown as Row;

const SOUND = [rowOf('vrf|1', 7), rowOf('vrf|2', 8)];
const inMemory = (rows: readonly Row[]) => new Map(rows.map(({ key, version }) => [key, version]));

function plant(rows: Row[] | Refusal, memory = inMemory(SOUND.toReversed()), audited = behaviour) {
  const world = createVirtualWorld();
  const cell = createCell(addressOf('partition:p', 'machine', 'a'), audited, 0);
  cell.status = 'idle';
  cell.state = memory;
  const cells = createCells();
  cells.add(cell);
  let during = (): void => {};
  let meanwhile = (): void => {};
  const audit = createMemoryAudit({
    world,
    cells,
    fenceOf: (scope) => ({ scope, shard: 0, epoch: 1 }),
    store: {
      load(_scope, wanted, _fences, done) {
        during();
        if (!Array.isArray(rows)) return done(rows, []);
        const split = packRows(rows, wanted);
        done(split.rows, split.packed);
      },
    },
  });
  const run = (limit = 10): MemoryAudit => {
    let answer: MemoryAudit | undefined;
    audit(limit, (value) => void (answer = value));
    meanwhile();
    while (world.step(10_000)) meanwhile();
    assert.ok(answer);
    return answer;
  };
  return {
    cell,
    cells,
    run,
    /** While the rows are read. */
    during: (hook: () => void) => void (during = hook),
    /** Whenever others have their turn. */
    meanwhile: (hook: () => void) => void (meanwhile = hook),
  };
}

test('reliability.md §5.4: memory equal to its rows is sound, in whatever order they are', () => {
  assert.deepEqual(plant(SOUND).run(), { ...nothingAudited(), compared: 1 });
});

test('reliability.md §5.4: drift between memory and rows is named with actor and field', () => {
  const { findings } = plant([rowOf('vrf|1', 7)]).run();
  assert.deepEqual(findings, ['memory: partition:p/machine/a differs from its rows in numbers']);
});

test('an actor that takes a turn meanwhile is compared again, and is busy in the end', () => {
  const busy = plant([]);
  busy.during(() => void busy.cell.turns++);
  assert.deepEqual(busy.run(), { ...nothingAudited(), busy: 1 });
  const once = plant(SOUND);
  let loads = 0;
  once.during(() => {
    if (loads++ === 0) once.cell.turns++;
  });
  assert.deepEqual(once.run(), { ...nothingAudited(), compared: 1 });
});

/** Rows of more than one portion, all of addresses. */
const ADDRESSES = Array.from({ length: 3 * ADDRESSES_AT_ONCE }, (_, n): Row => {
  const address = formatAddress(addressFromBytes(Uint8Array.of(10, 0, n >> 8, n & 255)));
  return { ...rowOf(address, 0), table: 'ip', value: { address } } as unknown as Row;
});

/** An actor that takes addresses packed, and how many steps it took between two turns of others. */
function counting() {
  const counts = { since: 0, asRows: 0, longest: 0 };
  const counted = {
    ...behaviour,
    tables: ['pool', 'ip'],
    evolve(state: Map<string, number>, row: Row) {
      counts.since++;
      if (row.table === 'ip') counts.asRows++;
      state.set(row.key, row.version);
    },
    addresses(state: Map<string, number>, { bytes }: { bytes: Uint8Array }) {
      for (let at = 0; at < bytes.byteLength; at += 4) {
        counts.since++;
        state.set(formatAddress(addressFromBytes(bytes.subarray(at, at + 4))), 0);
      }
    },
    *audited(state: Map<string, number>) {
      for (const entry of state) {
        counts.since++;
        yield ['numbers', entry] as const;
      }
    },
  } as unknown as AnyBehaviour;
  const turn = (): void => {
    counts.longest = Math.max(counts.longest, counts.since);
    counts.since = 0;
  };
  return { behaviour: counted, counts, turn };
}

test('database.md §7: addresses are read packed, and whatever is much is folded and compared while others have their turns', () => {
  const rows = [...ADDRESSES, ...Array.from({ length: 5 * ROWS_AT_ONCE }, (_, n) => rowOf(`vrf|${n}`, n))];
  const { behaviour: counted, counts, turn } = counting();
  const { run, meanwhile } = plant(rows, inMemory(rows), counted);
  meanwhile(turn);
  assert.deepEqual(run(), { ...nothingAudited(), compared: 1 });
  assert.equal(counts.asRows, 0);
  assert.ok(counts.longest <= ROWS_AT_ONCE + ADDRESSES_AT_ONCE, `${counts.longest} steps without a turn of others`);
});

test('an actor that changes between two portions is no drift: it is compared again', () => {
  const later = [...ADDRESSES.slice(1), rowOf('vrf|1', 9)];
  /** Whatever may come between: a turn, or that it is loaded anew. */
  for (const change of [
    ({ cell }: ReturnType<typeof plant>) => {
      cell.turns++;
      const state = cell.state as Map<string, number>;
      state.delete(ADDRESSES[0]!.key);
      state.set('vrf|1', 9);
    },
    ({ cell }: ReturnType<typeof plant>) => void (cell.state = inMemory(later)),
  ]) {
    // At each turn that others have while the rows are folded, and while they are compared.
    for (let at = 1, isMet = true; isMet; at += 7) {
      const rows = [...ADDRESSES];
      const one = plant(rows, inMemory(rows), counting().behaviour);
      let turns = 0;
      isMet = false;
      one.meanwhile(() => {
        if (++turns !== at) return;
        isMet = true;
        change(one);
        rows.splice(0, rows.length, ...later);
      });
      assert.deepEqual(one.run(), { ...nothingAudited(), compared: 1 }, `changed at turn ${at}`);
    }
  }
});

test('actors beyond the limit are counted; the last active ones come first', () => {
  assert.deepEqual(plant(SOUND).run(0), { ...nothingAudited(), left: 1 });
  const { cells, run } = plant(SOUND);
  const later = createCell(addressOf('partition:p', 'machine', 'b'), behaviour, 5);
  later.status = 'idle';
  later.state = inMemory([]);
  cells.add(later);
  const { findings, left } = run(1);
  assert.deepEqual([findings, left], [['memory: partition:p/machine/b differs from its rows in numbers'], 1]);
});

test('an actor whose rows can not be read is not compared, which says nothing against it; enough of them end the audit', () => {
  const away = plant(unavailable('the database is down'));
  assert.deepEqual(away.run(), {
    ...nothingAudited(),
    notCompared: ['partition:p/machine/a: the database is down'],
  });
  for (let n = 0; n < 50; n++) {
    const cell = createCell(addressOf('partition:p', 'machine', `${n}`), behaviour, 0);
    cell.status = 'idle';
    away.cells.add(cell);
  }
  const { compared, notCompared, left } = away.run(100);
  assert.deepEqual([compared, notCompared.length, left], [0, 10, 41]);
});

test('a row that its actor can not take is a finding, and does not end the thread', () => {
  const choosy = {
    ...behaviour,
    evolve() {
      throw new Error('no such number');
    },
  } as unknown as AnyBehaviour;
  const { findings } = plant(SOUND, inMemory(SOUND), choosy).run();
  assert.deepEqual(findings, ["memory: partition:p/machine/a can't be made of its rows: no such number"]);
});
