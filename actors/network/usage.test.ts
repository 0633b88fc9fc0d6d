import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { reservation } from '../runtime/behaviour.ts';
import { addressAt, formatAddress, offsetIn, parseAddress } from '../ipam/address.ts';
import { createAddressSet, type AddressSet } from '../ipam/address-set.ts';
import { parsePrefix, size, splitAt } from '../ipam/prefix.ts';
import { createAddressSpace, evolveIp, ipKey, setPieces } from './address-space.ts';
import type { IpRecord } from './record.ts';
import { createBlockSpace } from '../block/block-space.ts';
import { createChildSpace, type ChildSpace } from '../ipam/child-prefixes.ts';
import { createGrowthLog, hoursUntilFull, soonest, type Taken } from './growth.ts';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { countOf, exactly, fragmentationOf } from '../ipam/count.ts';
import { childrenUsage, cutFrom, spareUsage, takenIn, usagePart, type RangeUsage } from './usage.ts';
import { createPlant, granted, newNetwork } from './plant.fixture.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';

const HOUR_MS = 3_600_000;

const v4 = (IPv4: number): Taken => ({ IPv4, IPv6: 0 });

test('the rate is that of the last week, and unknown for the first ten minutes', () => {
  const log = createGrowthLog();
  log.note(0, () => v4(100));
  assert.equal(log.at(HOUR_MS / 10, 'IPv4', 110), null);
  log.note(HOUR_MS, () => v4(110));
  assert.deepEqual(log.at(2 * HOUR_MS, 'IPv4', 120), { perDay: 240, overHours: 2 });
  assert.equal(hoursUntilFull(240, log.at(2 * HOUR_MS, 'IPv4', 120)), 24);
  for (let hour = 2; hour <= 24 * 30; hour += 0.2) log.note(hour * HOUR_MS, () => v4(110));
  const week = log.at(24 * 30 * HOUR_MS, 'IPv4', 110);
  assert.equal(week?.perDay, 0);
  assert.ok(week!.overHours <= 24 * 7, `a week at most, however rarely somebody looks: ${week!.overHours}`);
  log.note(0, () => v4(5));
  assert.equal(log.at(1_000, 'IPv4', 5), null, 'a clock that was set back begins anew');
});

test('families have rates of their own', () => {
  const log = createGrowthLog();
  log.note(0, () => ({ IPv4: 100, IPv6: 7 }));
  assert.equal(log.at(HOUR_MS, 'IPv4', 100)?.perDay, 0);
  assert.equal(log.at(HOUR_MS, 'IPv6', 8)?.perDay, 24);
});

test('what is full is full now, and a forecast of more than a hundred years is none', () => {
  const rate = { perDay: 1, overHours: 2 };
  assert.equal(hoursUntilFull(0, null), 0);
  assert.equal(hoursUntilFull(0, { perDay: -1, overHours: 2 }), 0);
  assert.equal(hoursUntilFull(240, { perDay: -1, overHours: 2 }), null);
  assert.equal(hoursUntilFull(36_500, rate), 24 * 36_500);
  assert.equal(hoursUntilFull(2 ** 64, rate), null);
  assert.deepEqual([soonest([null, 5, 3, null]), soonest([null]), soonest([4, 0])], [3, null, 0]);
});

test('what was taken before a restart comes with the question', () => {
  const log = createGrowthLog();
  const before = { atMs: 0, taken: v4(100) };
  assert.deepEqual(log.at(10 * HOUR_MS, 'IPv4', 200, before), { perDay: 240, overHours: 10 });
  log.note(9 * HOUR_MS, () => v4(190));
  assert.deepEqual(log.at(10 * HOUR_MS, 'IPv4', 200, before), { perDay: 240, overHours: 10 });
  assert.deepEqual(log.at(10 * HOUR_MS, 'IPv4', 200), { perDay: 240, overHours: 1 });
  assert.deepEqual(log.at(10 * HOUR_MS, 'IPv4', 200, { atMs: 9.5 * HOUR_MS, taken: v4(0) }), {
    perDay: 240,
    overHours: 1,
  });
  assert.deepEqual(log.at(10 * HOUR_MS, 'IPv4', 200, { atMs: 0, taken: {} }), { perDay: 240, overHours: 1 });
});

test('fragmentation: how much of the free space is not the largest block', () => {
  const parent = parsePrefix('10.0.0.0/24')!;
  assert.deepEqual(childrenUsage(parent, undefined, 26), {
    prefix: '10.0.0.0/24',
    size: 256,
    children: 0,
    held: 0,
    free: 256,
    freeSmallest: 64,
    largestFree: '10.0.0.0/24',
    fragmentation: 0,
    childLength: 26,
    room: 4,
  });
  const space = createChildSpace(parent);
  for (let n = 0; n < 8; n++) space.acquire(27);
  assert.deepEqual(childrenUsage(parent, space).largestFree, null);
  space.release(parsePrefix('10.0.0.0/27')!);
  space.release(parsePrefix('10.0.0.64/27')!);
  space.release(parsePrefix('10.0.0.128/27')!);
  space.release(parsePrefix('10.0.0.160/27')!);
  const usage = childrenUsage(parent, space, 26);
  assert.deepEqual([usage.largestFree, usage.fragmentation, usage.children], ['10.0.0.128/26', 0.5, 4]);
  assert.deepEqual([usage.held, usage.free, usage.room], [128, 128, 1]);
});

test('property: usage of a super network is that of a walk over its free blocks, without the walk', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(511), fc.boolean()), { maxLength: 60 });
  fc.assert(
    fc.property(
      fc.constantFrom('10.0.0.0/8', '10.0.0.0/23', '2001:db8::/32', '2001:db8::/60'),
      fc.integer({ min: 0, max: 9 }),
      steps,
      (text, longer, sequence) => {
        const parent = parsePrefix(text)!;
        const space = createChildSpace(parent);
        for (const [length, at, takes] of sequence) {
          const child = splitAt(parent, parent.length + length, at % 2 ** length);
          if (takes) space.acquireSpecific(child);
          else space.release(child);
        }
        const childLength = parent.length + longer;
        const blocks = space.free();
        const free = blocks.reduce((sum, block) => sum + size(block), 0n);
        const largest = blocks.find((block) => blocks.every((other) => size(other) <= size(block)));
        const oneChild = size(splitAt(parent, childLength, 0));
        const walk = (): never => assert.fail('it walks over the free blocks');
        const still: ChildSpace = { ...space, free: walk };
        const usage = childrenUsage(parent, still, childLength);
        assert.deepEqual(usage, {
          prefix: text,
          size: countOf(size(parent)),
          children: space.children,
          held: countOf(size(parent) - free),
          free: countOf(free),
          freeSmallest: countOf(blocks.reduce((sum, block) => sum + size(block) / 4n, 0n)),
          largestFree: largest?.canonical ?? null,
          fragmentation: fragmentationOf(largest === undefined ? 0n : size(largest), free),
          childLength,
          room: countOf(blocks.reduce((sum, block) => sum + size(block) / oneChild, 0n)),
        });
        const cut = cutFrom([still, still]);
        assert.equal(cut[parent.family], 2 * Number(size(parent) - free));
        assert.equal(cut.IPv4 + cut.IPv6, cut[parent.family]);
      },
    ),
  );
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
    largestFree: 3,
    open: true,
    doubtful: false,
  });
  assert.deepEqual([ranges[1]?.size, ranges[1]?.free], ['18446744073709551616', '18446744073709551615']);
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

test('what a home has left and what it gave away are the whole prefix, whatever the size of its blocks', () => {
  const left = (text: string, take: number) => {
    const space = createBlockSpace(parsePrefix(text)!);
    const taken = space.lowest(take);
    for (const block of taken) space.take(block);
    const { freeAddresses, reservedAddresses, free, largestFree } = spareUsage(text, space, taken.length);
    const given = taken.reduce((sum, block) => sum + size(block), 0n);
    assert.equal(exactly(freeAddresses) + BigInt(reservedAddresses) + given, size(space.prefix), text);
    return { freeAddresses, reservedAddresses, free, largestFree };
  };
  const single = { freeAddresses: 14, reservedAddresses: 2, free: 14, largestFree: 14 };
  assert.deepEqual(left('198.51.100.0/28', 0), single);
  assert.deepEqual(left('192.0.2.0/30', 0), { freeAddresses: 2, reservedAddresses: 2, free: 2, largestFree: 2 });
  assert.equal(left('2001:db8::/64', 0).freeAddresses, '18446744073709551615');
  for (const text of [
    '198.51.100.0/28',
    '192.0.2.0/30',
    '192.0.2.0/31',
    '192.0.2.1/32',
    '203.0.113.0/24',
    '10.0.0.0/8',
  ])
    for (const take of [1, 3, 16]) left(text, take);
  for (const text of ['2001:db8::/126', '2001:db8::1/128', '2001:db8::/120', '2001:db8::/64', '2001:db8::/32'])
    for (const take of [1, 3, 16]) left(text, take);
});

test('a super network tells what lies in its children, how fast that grows, and when the usual children are used up', () => {
  const plant = createPlant();
  const at = addressOf(partitionScope('p'), 'network', 'super');
  const network = newNetwork('super', {
    partition: 'p',
    privateSuper: true,
    defaultChildPrefixLength: { IPv4: 22 },
    prefixes: ['10.0.0.0/20'],
  });
  granted(
    plant.ask(addressOf(siteScope('s'), 'registry', 's'), 'createNetwork', { network, h: 'h', partitions: ['p'] }),
  );
  assert.deepEqual(granted(plant.ask(at, 'usage', {})).children[0]?.room, 4);
  const cut = (child: string, length: number) =>
    plant.reserve([reservation(at, 'cutChildren', { child, lengths: { IPv4: length } })]);
  cut('a', 22);
  cut('b', 24);
  const before = { atMs: plant.world.wallMs(), taken: { IPv4: 0, IPv6: 0 } };
  // Idle for so long, the actor has forgotten what it saw.
  plant.settle(24 * HOUR_MS);
  const { children, families, ranges } = granted(plant.ask(at, 'usage', { before }));
  const [space] = children;
  assert.deepEqual([space?.children, space?.size, space?.held, space?.free, space?.room], [2, 4_096, 1_280, 2_816, 2]);
  assert.deepEqual(ranges, []);
  const [rate] = families;
  // Two of the usual size fit in, at one and a quarter a day.
  assert.ok(Math.abs(rate!.growth!.perDay - 1_280) < 5, String(rate?.growth?.perDay));
  assert.ok(Math.abs(rate!.hoursLeft! - (24 * 2_048) / 1_280) < 0.5, String(rate?.hoursLeft));
});

test('a network of both families: what is full is not hidden by what is not', () => {
  const space = createAddressSpace();
  const full = createAddressSet(parsePrefix('10.0.0.0/30')!);
  const wide = createAddressSet(parsePrefix('2001:db8::/64')!);
  for (const text of ['10.0.0.1', '10.0.0.2']) full.acquire(parseAddress(text)!);
  setPieces(space, [
    { prefix: '10.0.0.0/30', set: full, open: true },
    { prefix: '2001:db8::/64', set: wide, open: true },
  ]);
  const more = { families: ['IPv4', 'IPv6'] as const, children: [], inOperation: 0 };
  const ask = (nowMs: number) => usagePart('n', space, { growth: space.growth, taken: takenIn(space) }, nowMs, more);
  ask(0);
  wide.acquire(parseAddress('2001:db8::1')!);
  const { families, hoursLeft } = ask(HOUR_MS);
  assert.deepEqual(
    families.map((one) => [one.family, one.growth?.perDay, one.hoursLeft]),
    [
      ['IPv4', 0, 0],
      ['IPv6', 24, null],
    ],
  );
  assert.equal(hoursLeft, 0);
});

test('property: reserved, held, resting and free are the size, and the largest free run is that of a naive walk', () => {
  const offsets = fc.uniqueArray(fc.nat(300), { maxLength: 60 });
  fc.assert(
    fc.property(
      fc.constantFrom('10.0.0.0/24', '10.0.0.8/29', '2001:db8::/120', '2001:db8::/57'),
      offsets,
      (text, at) => {
        const prefix = parsePrefix(text)!;
        const space = createAddressSpace();
        const set = createAddressSet(prefix);
        setPieces(space, [{ prefix: text, set, open: true }]);
        const inside = at.filter((offset) => BigInt(offset) < size(prefix));
        const addresses = inside.map((offset) => addressAt(prefix, offset)).filter((address) => set.acquire(address));
        const rests = addresses.filter((_, i) => i % 4 === 0).map(formatAddress);
        for (const address of rests) {
          const value = { address, changed: 0, restingUntilMs: 1e12 } as IpRecord;
          evolveIp(space, { key: ipKey('n', address), version: 1, value });
        }
        const more = { families: [prefix.family], children: [], inOperation: 0 };
        const { ranges } = usagePart('n', space, { growth: space.growth, taken: takenIn(space) }, 0, more);
        const [{ reserved, held, resting, free, size: all, largestFree }] = ranges as [RangeUsage];
        assert.equal(BigInt(reserved + held + resting) + exactly(free), exactly(all));
        assert.equal(held + resting, addresses.length);
        assert.equal(resting, rests.length);
        const taken = [...addresses.map((address) => offsetIn(prefix, address)), 0n];
        if (prefix.family === 'IPv4') taken.push(size(prefix) - 1n);
        const ends = [...taken.sort((a, b) => (a < b ? -1 : 1)), size(prefix)];
        const naive = ends.reduce((best, end, i) => {
          const run = end - ((ends[i - 1] ?? -1n) + 1n);
          return run > best ? run : best;
        }, 0n);
        assert.equal(exactly(largestFree!), naive);
      },
    ),
  );
});

/** The same every time, over 64 bits (Knuth's MMIX constants). */
function scatteredOver(set: AddressSet, count: number): void {
  let state = 1n;
  for (let n = 0; n < count; n++) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    set.acquire(addressAt(set.prefix, state % size(set.prefix)));
  }
}

test('where more is held than can be looked through one by one, how scattered the rest is is told roughly, and so marked', () => {
  const space = createAddressSpace();
  const texts = ['2001:db8::/64', '2001:db8:1::/48', '10.0.0.0/8', '10.1.0.0/24'];
  const sets = texts.map((text) => createAddressSet(parsePrefix(text)!));
  for (const set of sets.slice(0, 3)) scatteredOver(set, 10_000);
  setPieces(
    space,
    sets.map((set) => ({ prefix: set.prefix.canonical, set, open: true })),
  );
  const more = { families: [], children: [], inOperation: 0 };
  const { ranges } = usagePart('n', space, { growth: space.growth, taken: takenIn(space) }, 0, more);
  for (const [i, { range, largestFree, rough }] of ranges.entries()) {
    const [told, exact] = [exactly(largestFree!), sets[i]!.largestFreeRun()];
    if (range === '10.1.0.0/24') assert.deepEqual([told, rough], [exact, undefined]);
    else assert.ok(rough && told <= exact && told * 20n > exact * 15n, `${range}: ${told} of ${exact}`);
  }
  const vast = Object.create(sets[0]!, { words: { value: 2 ** 20 + 1 } }) as AddressSet;
  setPieces(space, [{ prefix: texts[0]!, set: vast, open: true }]);
  const [most] = usagePart('n', space, { growth: space.growth, taken: takenIn(space) }, 0, more).ranges;
  assert.deepEqual([most?.largestFree, most?.rough], [null, undefined]);
});

test('property: the rough run is no longer than the exact one, and short of it by less than two slices', () => {
  const prefixes = ['10.0.0.0/8', '10.0.0.0/20', '10.0.0.0/28', '2001:db8::/64', '2001:db8::/48', '::/0'];
  fc.assert(
    fc.property(fc.constantFrom(...prefixes), fc.nat(300), fc.boolean(), fc.nat(), (text, count, isNear, seed) => {
      const set = createAddressSet(parsePrefix(text)!);
      const whole = size(set.prefix);
      let state = BigInt(seed);
      for (let n = 0; n < count; n++) {
        state = BigInt.asUintN(128, state * 6364136223846793005n + 1442695040888963407n);
        set.acquire(addressAt(set.prefix, isNear ? (state >> 60n) % (whole < 9_000n ? whole : 9_000n) : state % whole));
      }
      const [rough, exact] = [set.roughFreeRun(), set.largestFreeRun()];
      const slice = whole / BigInt(16 * set.words);
      assert.ok(rough <= exact, `${rough} of ${exact}`);
      assert.ok(exact - rough < 2n * (slice > 64n ? slice : 64n), `${rough} of ${exact}`);
    }),
  );
});
