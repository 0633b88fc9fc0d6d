import assert from 'node:assert/strict';
import { tableNames } from '../entity/entities.ts';
import { test } from '../testing/register.ts';
import { audit } from './audit.ts';
import { PORTION, readRows, type Reading } from './rows.ts';

const muc = 'partition:muc';
const machine = (i: number) => ({ created: i, hardware: { memory: i }, ...(i % 2 === 0 ? {} : { attached: [] }) });
const rowOf = (i: number) => ({
  scope: muc,
  key: `m${i}`,
  owner: `m${i}`,
  version: i + 1,
  prev: 0,
  released: false,
  body: machine(i),
});
const entryOf = (i: number) => ({
  scope: muc,
  shard: 0,
  epoch: 2,
  n: i + 1,
  operation: `o${i}`,
  what: 'machine.register',
  changes: [{ table: 'machine', scope: muc, key: `m${i}`, owner: `m${i}`, version: i + 1, prev: 0, value: machine(i) }],
});

/** A database of machines that were registered one after the other; notes how many rows were in hand at a time. */
function databaseOf(machines: number) {
  const most: number[] = [];
  const numbers = Array.from({ length: machines }, (_, i) => i);
  const span = { scope: muc, shard: 0, epoch: 2, entries: machines, first: 1, last: machines };
  async function* portionsOf(rows: readonly object[], size: number): AsyncGenerator<object[]> {
    for (let i = 0; i < rows.length; i += size) {
      most.push(Math.min(size, rows.length - i));
      yield rows.slice(i, i + size);
    }
  }
  function rowsOf(text: string, [, , , after = 0]: readonly number[]): object[] {
    const [, table = ''] = / from (\w+)/.exec(text) ?? [];
    if (table === 'ownership') return [{ scope: muc, shard: 0, epoch: 2 }];
    if (table === 'log_end') return [];
    if (table === 'log') return text.includes('group by') ? [span] : numbers.filter((i) => i + 1 > after).map(entryOf);
    assert.ok((tableNames as readonly string[]).includes(table), text);
    return table === 'machine' ? numbers.map(rowOf) : [];
  }
  const tx = {
    unsafe(text: string, parameters: never[] = []) {
      const rows = rowsOf(text, parameters);
      // What grows with the machines can't be had in one piece here.
      if (!/group by|from (log_end|ownership)/.test(text)) return { cursor: (size: number) => portionsOf(rows, size) };
      return Promise.resolve(rows);
    },
  } as unknown as Reading;
  return { tx, most };
}

test('reliability.md §5.4: however many rows and entries there are, no portion of the reading has more than PORTION', async () => {
  const { tx, most } = databaseOf(10 * PORTION + 1);
  const site = await readRows(tx);
  assert.deepEqual([site.rows.machine.length, site.log.length], [10 * PORTION + 1, 10 * PORTION + 1]);
  assert.ok(
    most.every((rows) => rows <= PORTION),
    `${Math.max(...most)} rows at a time`,
  );
  assert.deepEqual(audit([site]), []);
});

test('of a row that no entry speaks of only what the rules look at is kept; of others all, for the fold', async () => {
  const { tx } = databaseOf(20);
  const site = await readRows(tx, { entries: 5 });
  assert.equal(site.log.length, 5);
  for (const [i, { value }] of site.rows.machine.entries()) {
    const { created, attached } = machine(i) as { created: number; attached?: unknown[] };
    const looked = attached === undefined ? { created } : { created, attached };
    assert.deepEqual(value, i < 15 ? looked : machine(i));
  }
  assert.deepEqual(audit([site]), []);
});
