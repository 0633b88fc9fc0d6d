import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../ipam/prefix.ts';
import { createBlockSpace } from '../block/block-space.ts';
import { createChildSpace } from '../ipam/child-prefixes.ts';
import { createGrowthLog, hoursUntilFull } from './growth.ts';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { childrenUsage } from './usage.ts';
import { createPlant, granted, newNetwork } from './plant.fixture.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';

const HOUR_MS = 3_600_000;

test('the rate is that of the last week, and unknown for the first ten minutes', () => {
  const log = createGrowthLog();
  log.note(0, () => 100);
  assert.equal(log.at(HOUR_MS / 10, 110), null);
  log.note(HOUR_MS, () => 110);
  assert.deepEqual(log.at(2 * HOUR_MS, 120), { perDay: 240, overHours: 2 });
  assert.equal(hoursUntilFull(240, log.at(2 * HOUR_MS, 120)), 24);
  assert.equal(hoursUntilFull(240, { perDay: -1, overHours: 2 }), null);
  for (let hour = 2; hour <= 24 * 30; hour += 0.2) log.note(hour * HOUR_MS, () => 110);
  const week = log.at(24 * 30 * HOUR_MS, 110);
  assert.equal(week?.perDay, 0);
  assert.ok(week!.overHours <= 24 * 14);
  log.note(0, () => 5);
  assert.equal(log.at(1_000, 5), null, 'a clock that was set back begins anew');
});

test('what was held before a restart comes with the question', () => {
  const log = createGrowthLog();
  assert.deepEqual(log.at(10 * HOUR_MS, 200, { atMs: 0, held: 100 }), { perDay: 240, overHours: 10 });
  log.note(9 * HOUR_MS, () => 190);
  assert.deepEqual(log.at(10 * HOUR_MS, 200, { atMs: 0, held: 100 }), { perDay: 240, overHours: 10 });
  assert.deepEqual(log.at(10 * HOUR_MS, 200), { perDay: 240, overHours: 1 });
  assert.deepEqual(log.at(10 * HOUR_MS, 200, { atMs: 9.5 * HOUR_MS, held: 0 }), { perDay: 240, overHours: 1 });
});

test('fragmentation: how much of the free space is not the largest block', () => {
  const parent = parsePrefix('10.0.0.0/24')!;
  assert.deepEqual(childrenUsage(parent, undefined), {
    prefix: '10.0.0.0/24',
    children: 0,
    freeSmallest: 64,
    largestFree: '10.0.0.0/24',
    fragmentation: 0,
  });
  const space = createChildSpace(parent);
  for (let n = 0; n < 8; n++) space.acquire(27);
  assert.deepEqual(childrenUsage(parent, space).largestFree, null);
  space.release(parsePrefix('10.0.0.0/27')!);
  space.release(parsePrefix('10.0.0.64/27')!);
  space.release(parsePrefix('10.0.0.128/27')!);
  space.release(parsePrefix('10.0.0.160/27')!);
  const usage = childrenUsage(parent, space);
  assert.deepEqual([usage.largestFree, usage.fragmentation, usage.children], ['10.0.0.128/26', 0.5, 4]);
});

test('held, resting, reserved and free are the size of each prefix', () => {
  const plant = createPlant();
  const at = addressOf(partitionScope('p'), 'network', 'n');
  const network = newNetwork('n', {
    prefixes: ['10.0.0.0/29', '2001:db8::/64'],
    labels: { [QUARANTINE_LABEL]: '60' },
  });
  granted(
    plant.ask(addressOf(siteScope('s'), 'registry', 's'), 'createNetwork', { network, h: 'h', partitions: ['p'] }),
  );
  const request = { project: 'q', name: '', description: '', type: 'ephemeral' as const, tags: [] };
  for (let n = 0; n < 3; n++) granted(plant.ask(at, 'allocateIp', request));
  granted(plant.ask(at, 'freeIp', { address: '10.0.0.2' }));
  const { ranges } = granted(plant.ask(at, 'usage', {}));
  assert.deepEqual(ranges[0], {
    prefix: '10.0.0.0/29',
    range: '10.0.0.0/29',
    size: 8,
    reserved: 2,
    held: 2,
    resting: 1,
    free: 3,
    open: true,
    doubtful: false,
  });
  assert.equal(ranges[1]?.size, Number.MAX_SAFE_INTEGER);
});

test('what a home has left of a prefix leaves out the first and the last address as long as their blocks are free', () => {
  const space = createBlockSpace(parsePrefix('203.0.113.0/24')!);
  assert.deepEqual([space.free, space.reserved], [16n, 2]);
  space.take(parsePrefix('203.0.113.0/28')!);
  assert.equal(space.reserved, 1);
  space.take(parsePrefix('203.0.113.240/28')!);
  assert.equal(space.reserved, 0);
  assert.equal(createBlockSpace(parsePrefix('2001:db8::/64')!).reserved, 1);
  // Single-address blocks that are nothing but a reserved address are never free.
  assert.deepEqual([createBlockSpace(parsePrefix('203.0.113.0/28')!).reserved], [0]);
});
