import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../address.ts';
import { createSuspects, type Suspect } from './suspects.ts';

const NOW_MS = 1_795_856_000_000;

/** A UUIDv7 drawn then. */
const drawn = (atMs: number, last: number): string => {
  const time = atMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(last).padStart(12, '0')}`;
};

const allocate = (id: string, name: string, askedMs = NOW_MS): Suspect => ({
  to: addressOf('partition:p', 'allocator', 'p'),
  name: 'allocateNetwork',
  body: { id, name },
  who: 'anna@example.org',
  askedMs,
  isDry: false,
});

test('reliability.md F18: a request sent again is the same, though each time an id was drawn for it', () => {
  const suspects = createSuspects(() => 0);
  assert.equal(suspects.struck(allocate(drawn(NOW_MS, 1), 'n')), 1);
  assert.equal(suspects.struck(allocate(drawn(NOW_MS + 60_000, 2), 'n', NOW_MS + 60_004)), 2);
  assert.equal(suspects.struck(allocate(drawn(NOW_MS, 3), 'another')), 1);
  suspects.ban(allocate(drawn(NOW_MS, 4), 'n'), 'op');
  assert.equal(suspects.banned(allocate(drawn(NOW_MS + 120_000, 5), 'n', NOW_MS + 120_000)), 'op');
});

test('an id that was there before the request is part of it', () => {
  const suspects = createSuspects(() => 0);
  const old = (n: number): string => drawn(NOW_MS - 3_600_000, n);
  assert.equal(suspects.struck(allocate(old(1), 'n')), 1);
  assert.equal(suspects.struck(allocate(old(2), 'n')), 1);
  assert.equal(suspects.struck(allocate(old(1), 'n')), 2);
});

test('deaths long ago, an answer and an operator clear a message; tried again, one more death is enough', () => {
  let nowMs = 0;
  const suspects = createSuspects(() => nowMs);
  const message = allocate('n1', 'n');
  assert.deepEqual([suspects.struck(message), suspects.struck(message)], [1, 2]);
  suspects.cleared(message);
  assert.equal(suspects.struck(message), 1);
  nowMs = 600_001;
  assert.equal(suspects.struck(message), 1);
  suspects.ban(message, 'op');
  suspects.pardon('op', true);
  assert.equal(suspects.banned(message), undefined);
  assert.equal(suspects.struck(message), 3);
  suspects.ban(message, 'op2');
  suspects.pardon('op2', false);
  assert.equal(suspects.struck(message), 1);
});
