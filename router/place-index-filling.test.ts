import test from 'node:test';
import assert from 'node:assert/strict';
import { partitionScope, type Scope } from '../actors/address.ts';
import type { RowFilter } from '../actors/ports.ts';
import type { TableName } from '../actors/records.ts';
import { createPlaceIndex, type PlacedRow } from './place-index.ts';
import { startFilling, type PlaceRows } from './place-index-filling.ts';

interface Stored {
  table: TableName;
  scope: Scope;
  key: string;
  version: number;
}

const at = (table: TableName, partition: string, key: string, version = 1): Stored => ({
  table,
  scope: partitionScope(partition),
  key,
  version,
});

/** A database whose long answers come when the test says so. */
function database(stored: Stored[]) {
  const said: string[] = [];
  const held: Array<() => void> = [];
  let failures = 0;
  const rowOf = (row: Stored): PlacedRow => ({ ...row, owner: '', value: {} }) as unknown as PlacedRow;
  const rows: PlaceRows = {
    async rows(table: TableName, filter: RowFilter = {}) {
      said.push(filter.keys === undefined ? `list ${table}` : `find ${table} ${filter.keys.join()}`);
      const found = stored.filter(
        (row) =>
          row.table === table &&
          (filter.scopes?.includes(row.scope) ?? true) &&
          (filter.keys?.includes(row.key) ?? true),
      );
      return found.map(rowOf) as never;
    },
    async keys(table, scope, each) {
      said.push(`all ${table} of ${scope}`);
      await new Promise<void>((resolve) => held.push(resolve));
      if (failures > 0) {
        failures -= 1;
        throw new Error('the database is away');
      }
      for (const row of stored) if (row.table === table && row.scope === scope) each([row]);
    },
  };
  return {
    rows,
    said,
    /** Lets the long answer that is awaited come, and whatever follows. */
    async answer() {
      held.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
    fail: () => void (failures += 1),
    add: (row: Stored) => void stored.push(row),
  };
}

function fill(stored: Stored[], partitions: string[]) {
  const index = createPlaceIndex('muc', partitions);
  const db = database(stored);
  const odd: string[] = [];
  const later: Array<() => void> = [];
  const filling = startFilling({
    index,
    rows: db.rows,
    site: 'muc',
    after(_delayMs, run) {
      later.push(run);
      return () => {};
    },
    odd: (what) => void odd.push(what),
  });
  return { index, db, filling, odd, later };
}

const machine = (id: string) => ({ by: 'machine', id }) as const;

test('nothing that grows with the machines is awaited before a process is ready', async () => {
  const { index, db, filling } = fill([at('machine', 'a', 'm1'), at('switch', 'a', 's1')], ['a']);
  await filling.begun;
  assert.equal(filling.isWhole, false);
  assert.ok(!db.said.some((what) => what.startsWith('all ')), db.said.join());
  assert.ok(!db.said.some((what) => /^list (machine|switch)$/.test(what)), db.said.join());
  assert.equal(index.machine('m1'), undefined, 'not read yet');
  assert.deepEqual([index.hosted(), index.network('none')], [['a'], undefined]);
});

test('a machine that the index does not know yet is asked of the database, once at a time, and never again', async () => {
  const { index, db, filling } = fill([at('machine', 'b', 'm1'), at('switch', 'a', 's1')], ['a', 'b']);
  await filling.begun;
  db.said.length = 0;
  const asked = filling.sure(machine('m1'));
  assert.equal(filling.sure({ at: machine('m1'), access: 'r' }), asked, 'two who ask share the answer');
  await asked;
  assert.equal(index.machine('m1'), 'b');
  assert.equal(filling.sure(machine('m1')), undefined);
  await filling.sure({ at: { by: 'switch', id: 's1' }, access: 'w' });
  assert.equal(index.switch('s1'), 'a');
  await filling.sure(machine('m9'));
  assert.equal(index.machine('m9'), undefined, 'the database does not know it either');
  assert.deepEqual(
    db.said.filter((what) => what.startsWith('find')),
    ['find machine m1', 'find switch s1', 'find machine m9'],
  );
});

test('an address out of a global network is where its machine is, so that is asked for', async () => {
  const { index, filling } = fill([at('machine', 'a', 'm1')], ['a']);
  await filling.begun;
  await filling.sure({ at: { by: 'network', id: 'internet', ifGlobal: { machine: 'm1' } }, access: 'w' });
  assert.equal(index.machine('m1'), 'a');
  assert.equal(filling.sure({ at: { by: 'network', id: 'internet', ifGlobal: 'home' }, access: 'w' }), undefined);
  assert.equal(filling.sure({ at: 'all', access: 'r' }), undefined);
  assert.equal(filling.sure({ by: 'address', id: '10.0.0.1' }), undefined);
});

test('a report to one of several partitions waits for all of the index; with one there is nothing to mistake', async () => {
  const report = { at: { by: 'partition', id: 'a' }, access: 'w' } as const;
  const alone = fill([at('machine', 'a', 'm1')], ['a']);
  await alone.filling.begun;
  assert.equal(alone.filling.sure(report), undefined);
  const several = fill([at('machine', 'b', 'm1')], ['a', 'b']);
  await several.filling.begun;
  const waits = several.filling.sure(report);
  assert.equal(waits, several.filling.whole());
  assert.equal(several.filling.sure({ ...report, access: 'r' }), undefined);
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 4; i++) await several.db.answer();
  await waits;
  assert.equal(several.index.machine('m1'), 'b');
});

test('once all were read nobody asks the database; what the log said meanwhile stands', async () => {
  const { index, db, filling } = fill([at('machine', 'a', 'm1'), at('machine', 'a', 'm2')], ['a']);
  await filling.begun;
  const whole = filling.whole();
  await new Promise((resolve) => setImmediate(resolve));
  index.apply({ changes: [{ ...at('machine', 'a', 'm1', 2), value: null }] } as never);
  await db.answer();
  assert.equal(filling.isWhole, false, 'the switches are missing');
  await db.answer();
  await whole;
  assert.equal(filling.isWhole, true);
  assert.deepEqual([index.machine('m1'), index.machine('m2')], [undefined, 'a']);
  db.said.length = 0;
  assert.equal(filling.sure(machine('m1')), undefined);
  assert.deepEqual(db.said, []);
});

test('a database that is away meanwhile is asked again', async () => {
  const { index, db, filling, odd, later } = fill([at('machine', 'a', 'm1')], ['a']);
  await filling.begun;
  const whole = filling.whole();
  await new Promise((resolve) => setImmediate(resolve));
  db.fail();
  await db.answer();
  assert.equal(odd.length, 1);
  assert.equal(later.length, 1);
  later.shift()!();
  await new Promise((resolve) => setImmediate(resolve));
  await db.answer();
  await db.answer();
  await whole;
  assert.equal(index.machine('m1'), 'a');
});
