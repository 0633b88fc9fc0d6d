import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableNames } from './entity/entities.ts';
import { loadStatement } from './loading.ts';

test('a load asks for addresses last, whatever order it was asked in, and is one text for all orders', () => {
  const loads = [tableNames, tableNames.toReversed()].map((tables) =>
    loadStatement('partition:p', new Map(tables.map((table) => [table, ['n']])), 'owner', []),
  );
  const [first, second] = loads.map(({ text }) => text as string);
  assert.equal(first, second);
  const asked = Array.from(first!.matchAll(/select '(\w+)' as kind/g), ([, table]) => table);
  assert.deepEqual(new Set(asked), new Set<string>(tableNames));
  assert.equal(asked.at(-1), 'ip');
});
