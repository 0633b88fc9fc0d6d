import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { withinOf } from '../actors/asker.ts';
import { askerOf } from './socket-io.ts';

test('reliability.md §10: a client’s Request-Timeout, in seconds, caps the time of its request', () => {
  let nowMs = 0;
  const asking = (value?: string, arrivedMs?: number) => {
    const headers = value === undefined ? {} : { 'request-timeout': value };
    return askerOf({ req: { headers }, closed: false } as ServerResponse, arrivedMs, () => nowMs);
  };
  const [short, long, none, odd] = [asking('1.5'), asking('90'), asking(), asking('soon')];
  assert.deepEqual(
    [short, long, none, odd].map((asker) => withinOf(asker, 30_000)),
    [1_500, 30_000, 30_000, 30_000],
  );
  for (const text of ['', '-1', '0x10', '1, 2', 'Infinity']) {
    assert.equal(asking(text).remainingMs, Infinity, `${JSON.stringify(text)} says nothing`);
  }
  assert.equal(asking('0').remainingMs, 0);
  nowMs = 2_000;
  assert.equal(withinOf(asking('1.5', 1_000), 30_000), 500, 'it waited since it came');
  assert.deepEqual([withinOf(short, 30_000), short.isGone], [-500, false]);
});
