import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from './drift.ts';

test('canonical text: neither order of fields nor of lists matters, absent is undefined', () => {
  assert.equal(canonical({ a: [1, 2], b: undefined, c: 3n }), canonical({ c: 3n, a: [2, 1] }));
  assert.notEqual(canonical({ a: '1' }), canonical({ a: 1 }));
});
