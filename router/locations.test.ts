import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createLocations, type Place } from './locations.ts';
import type { LocateReply } from './peers.ts';

const ask = { by: 'address', id: '203.0.113.5' } as const;

async function placesOf(replies: Record<string, LocateReply>): Promise<readonly Place[]> {
  const locations = createLocations({
    peers: {
      members: () => Object.keys(replies).map((site) => ({ site, partitions: [], up: true })),
      ask: async (site) => replies[site],
    },
    monotonicMs: () => 0,
  });
  const found = await locations.find(ask);
  assert.ok('places' in found);
  return found.places;
}

const at = (partition: string, more: object = {}): LocateReply => ({
  here: true,
  partition,
  network: 'internet',
  ...more,
});

test('design.md §6: while the lender of an address has not heard that it came, the borrower is right', async () => {
  const replies = { a: { here: false } as const, b: at('pb', { loan: true }), d: at('pd') };
  assert.deepEqual(await placesOf(replies), [{ site: 'b', partition: 'pb' }]);
});

test('an address of two networks is in two places, also when one of them has it by a loan', async () => {
  const both = [
    { site: 'b', partition: 'pb' },
    { site: 'd', partition: 'pd' },
  ];
  assert.deepEqual(await placesOf({ b: at('pb', { loan: true }), d: at('pd', { network: 'private' }) }), both);
  assert.deepEqual(await placesOf({ b: at('pb'), d: at('pd') }), both);
  // One of the version before does not say of which network it is.
  assert.deepEqual(await placesOf({ b: at('pb', { loan: true }), d: { here: true, partition: 'pd' } }), both);
});

test('an address that moves by a loan is asked of the partition that it passes, unless somebody says that he has it', async () => {
  const passing: LocateReply = { here: false, passing: 'pb' };
  assert.deepEqual(await placesOf({ a: { here: false }, b: passing }), [
    { site: 'b', partition: 'pb', isPassing: true },
  ]);
  assert.deepEqual(await placesOf({ a: at('pa'), b: passing }), [{ site: 'a', partition: 'pa' }]);
  // Its lender comes last.
  assert.deepEqual(await placesOf({ a: { here: false, passing: '', isLent: true }, b: passing }), [
    { site: 'b', partition: 'pb', isPassing: true },
  ]);
});

test('that nobody has it holds for those who asked before: who asks meanwhile is told anew, all of them once', async () => {
  const waiting: Array<(reply: LocateReply) => void> = [];
  const locations = createLocations({
    peers: {
      members: () => [{ site: 'a', partitions: [], up: true }],
      ask: () => new Promise((resolve) => waiting.push(resolve)),
    },
    monotonicMs: () => 0,
  });
  const early = locations.find(ask);
  const late = [locations.find(ask), locations.find(ask)];
  waiting[0]!({ here: false });
  assert.deepEqual(await early, { places: [] });
  await setImmediate();
  assert.equal(waiting.length, 2);
  waiting[1]!(at('pa'));
  const there = { places: [{ site: 'a', partition: 'pa' }] };
  assert.deepEqual(await Promise.all(late), [there, there]);
});
