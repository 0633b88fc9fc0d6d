import { test } from 'node:test';
import assert from 'node:assert/strict';
import { endToEnd, meansDryRun } from './message.ts';

test('reliability.md I10, I18: what keeps a request from being done, or done again, goes all the way; our own headers do not', () => {
  const kept = endToEnd([
    ['Connection', 'close, X-Mine, Idempotency-Key, X-Hanse-Dry-Run, Authorization'],
    ['X-Mine', '1'],
    ['X-Hanse-Hops', '0'],
    ['x-hanse-part', 'true'],
    ['X-Hanse-Dry-Run', 'true'],
    ['X-Hanse-DryRun', 'true'],
    ['Idempotency-Key', 'k'],
    ['Authorization', 'Metal-Edit abc'],
    ['Accept', 'application/json'],
  ]);
  assert.deepEqual(kept, [
    ['X-Hanse-Dry-Run', 'true'],
    ['X-Hanse-DryRun', 'true'],
    ['Idempotency-Key', 'k'],
    ['Authorization', 'Metal-Edit abc'],
    ['Accept', 'application/json'],
  ]);
});

test('reliability.md I18: a dry run is recognised however it is spelled', () => {
  for (const name of ['dry-run', 'dryRun', 'DRY_RUN', 'X-Dry-Run', 'x-hanse-dry-run', 'X-Hanse-DryRun', 'x_dry_run']) {
    assert.equal(meansDryRun(name), true, name);
  }
  for (const name of ['dry', 'run', 'authorization', 'laundry-run', 'dry-run-of', 'x-dry-runner']) {
    assert.equal(meansDryRun(name), false, name);
  }
});
