import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { createSeen } from './seen.ts';

test('each id is new once, in any order within the window', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4_000 })), (ids) => {
      const isNew = createSeen();
      const known = new Set<number>();
      for (const id of ids) {
        assert.equal(isNew(id), !known.has(id));
        known.add(id);
      }
    }),
  );
});

test('what is older than the window counts as a repeat, also after a leap', () => {
  const isNew = createSeen();
  for (let id = 1; id <= 10_000; id += 1) assert.ok(isNew(id));
  assert.ok(!isNew(10_000) && !isNew(9_000) && !isNew(1));
  assert.ok(isNew(1_000_000) && isNew(999_000) && !isNew(999_000) && !isNew(10_001));
});
