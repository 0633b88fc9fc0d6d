import { test } from 'node:test';
import assert from 'node:assert/strict';
import { endToEnd } from './message.ts';

test('reliability.md I10, I18: what keeps a request from being done, or done again, goes all the way; our own headers do not', () => {
  const kept = endToEnd([
    ['Connection', 'close, X-Mine, Idempotency-Key, X-Hanse-Dry-Run, Authorization'],
    ['X-Mine', '1'],
    ['X-Hanse-Hops', '0'],
    ['x-hanse-part', 'true'],
    ['X-Hanse-Dry-Run', 'true'],
    ['Idempotency-Key', 'k'],
    ['Authorization', 'Metal-Edit abc'],
    ['Accept', 'application/json'],
  ]);
  assert.deepEqual(kept, [
    ['X-Hanse-Dry-Run', 'true'],
    ['Idempotency-Key', 'k'],
    ['Authorization', 'Metal-Edit abc'],
    ['Accept', 'application/json'],
  ]);
});
