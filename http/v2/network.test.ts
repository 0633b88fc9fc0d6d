import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { createBlockSpace } from '../../actors/block/block-space.ts';
import { formatAddress } from '../../actors/ipam/address.ts';
import { createChildSpace } from '../../actors/ipam/child-prefixes.ts';
import { firstAddress, parsePrefix, splitAt } from '../../actors/ipam/prefix.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { unavailable } from '../../actors/refusal.ts';
import { childrenUsage, spareUsage, type UsagePart } from '../../actors/network/usage.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf } from '../testing.ts';
import { blocksAnswer, usageAnswer } from './network-shapes.ts';
import { usageOf } from './network-usage.ts';

const range = (prefix: string, block: string, held: number, size = 16) => ({
  prefix,
  range: block,
  size,
  reserved: 0,
  held,
  resting: 1,
  free: size - held - 1,
  largestFree: 4,
  open: true,
  doubtful: false,
});
const part = (change: Partial<UsagePart>): UsagePart => ({
  network: 'internet',
  ranges: [],
  children: [],
  inOperation: 0,
  lent: 0,
  borrowed: 0,
  families: [],
  hoursLeft: null,
  ...change,
});
const PREFIX = '203.0.113.0/24';

function scene() {
  const site = createTestSite({
    'block.usage': part({
      ranges: [range(PREFIX, '203.0.113.0/28', 5)],
      lent: 1,
      families: [{ family: 'IPv4', growth: { perDay: 24, overHours: 2 }, hoursLeft: 10 }],
      hoursLeft: 10,
    }),
    'network.ledger': {
      blocks: [
        {
          network: 'internet',
          first: '203.0.113.0',
          length: 28,
          prefix: PREFIX,
          holder: 'p',
          holderSite: 'a',
          h: '1',
          state: 'delivered',
        },
        {
          network: 'internet',
          first: '203.0.113.16',
          length: 28,
          prefix: PREFIX,
          holder: 'q',
          holderSite: 'b',
          h: '2',
          state: 'delivered',
        },
      ],
      blockLength: { IPv4: 28 },
      spare: [
        {
          prefix: PREFIX,
          blockLength: 28,
          given: 2,
          free: 14,
          freeAddresses: 223,
          reservedAddresses: 1,
          largestFree: 14,
          fragmentation: 0,
        },
      ],
    },
  });
  site.networkPlaces.set('internet', { partition: '', home: 'a' });
  site.entries.push(entryOf('globalnetwork', newNetwork('internet', { partition: '', prefixes: [PREFIX] }), 'a'));
  const there = {
    ...part({
      ranges: [range(PREFIX, '203.0.113.16/28', 3)],
      families: [{ family: 'IPv4', growth: { perDay: 0, overHours: 3 }, hoursLeft: null }],
    }),
    partition: 'q',
    site: 'b',
  };
  site.members.set('b', () => ({ parts: [there], isGlobal: true, ledger: null }));
  return { site, get: (path: string) => clientOf(createApp(site))('Metal-View', 'GET', path) };
}

type Counted = Record<'size' | 'reserved' | 'held' | 'resting' | 'free' | 'closed' | 'unknown', number | string>;
const sizeIs = ({ size, reserved, held, resting, free, closed, unknown }: Counted): void => {
  const parts = [reserved, held, resting, free, closed, unknown].map(BigInt);
  assert.equal(
    parts.reduce((sum, one) => sum + one, 0n),
    BigInt(size),
  );
};

test('GET /v2/network/{id}/usage: by family, by prefix, by block, by partition; when it is full', async () => {
  const { get } = scene();
  const { status, body } = await get('/v2/network/internet/usage');
  assert.equal(status, 200);
  const usage = usageAnswer.parse(body);
  const counts = { size: 256, reserved: 1, held: 8, resting: 2, free: 245, closed: 0, unknown: 0 };
  const [prefix] = usage.prefixes;
  assert.deepEqual(prefix, {
    prefix: PREFIX,
    family: 'IPv4',
    ...counts,
    fragmentation: 0.085715,
    largestFree: 224,
    rough: false,
  });
  const [family] = usage.families;
  assert.deepEqual(family, {
    family: 'IPv4',
    ...counts,
    children: 0,
    growth: { perDay: 24, overHours: 2 },
    childPrefixesPerDay: null,
    fullInDays: 245 / 24,
  });
  assert.deepEqual([usage.lent, usage.fullInDays, usage.fullFirst], [1, 245 / 24, 'IPv4']);
  assert.deepEqual(
    usage.partitions.map((one) => [one.partition, one.site, one.blocks, one.hoursLeftCutOff]),
    [
      ['p', 'a', 1, 10],
      ['q', 'b', 1, null],
    ],
  );
  assert.deepEqual(
    [usage.blocks.count, usage.blocks.fullest.map((one) => [one.block, one.held, one.fragmentation])],
    [
      2,
      [
        ['203.0.113.0/28', 5, 0.6],
        ['203.0.113.16/28', 3, 0.666667],
      ],
    ],
  );
  assert.deepEqual(usage.unreachable, []);
});

test('what a holder could only look through roughly is marked: of the prefix, and of the block', async () => {
  const { site, get } = scene();
  const told = part({ ranges: [{ ...range(PREFIX, '203.0.113.16/28', 3), rough: true }] });
  site.members.set('b', () => ({ parts: [{ ...told, partition: 'q', site: 'b' }], isGlobal: true, ledger: null }));
  const { prefixes, blocks } = usageAnswer.parse((await get('/v2/network/internet/usage')).body);
  assert.deepEqual(
    prefixes.map(({ largestFree, rough }) => [largestFree, rough]),
    [[224, true]],
  );
  assert.deepEqual(
    blocks.fullest.map((one) => [one.block, one.rough]),
    [
      ['203.0.113.0/28', false],
      ['203.0.113.16/28', true],
    ],
  );
});

test("while a partition that has addresses in use knows no rate, there is no forecast: the others' would be too late", async () => {
  const { site, get } = scene();
  const usageWith = async (change: Partial<UsagePart>) => {
    const told = {
      ...part({ families: [{ family: 'IPv4', growth: null, hoursLeft: null }], ...change }),
      partition: 'q',
    };
    site.members.set('b', () => ({ parts: [{ ...told, site: 'b' }], isGlobal: true, ledger: null }));
    const usage = usageAnswer.parse((await get('/v2/network/internet/usage')).body);
    const [family] = usage.families;
    assert.deepEqual(
      usage.partitions.map(({ partition, families }) => [partition, families[0]?.growth?.perDay ?? null]),
      [
        ['p', 24],
        ['q', null],
      ],
    );
    assert.equal(family?.fullInDays, usage.fullInDays);
    return [family?.growth?.perDay ?? null, usage.fullInDays, usage.fullFirst];
  };
  const unknown = [null, null, null];
  assert.deepEqual(await usageWith({ ranges: [range(PREFIX, '203.0.113.16/28', 3)] }), unknown);
  assert.deepEqual(await usageWith({ borrowed: 1 }), unknown);
  // Who has nothing in use takes no part in what fills it.
  assert.deepEqual(await usageWith({ ranges: [range(PREFIX, '203.0.113.16/28', 0)] }), [24, 248 / 24, 'IPv4']);
});

test("of two families one's forecast does not stand for both while the other's rate is not known; full is full", async () => {
  const { site, get } = scene();
  site.networkPlaces.set('both', { partition: 'p', home: 'a' });
  site.members.clear();
  const topOf = async (free: number) => {
    const four = { ...range('10.0.0.0/28', '10.0.0.0/28', 15 - free), free };
    site.script['network.usage'] = part({
      ranges: [four, range('2001:db8::/124', '2001:db8::/124', 5)],
      families: [
        { family: 'IPv4', growth: null, hoursLeft: null },
        { family: 'IPv6', growth: { perDay: 1, overHours: 24 }, hoursLeft: 240 },
      ],
    });
    const usage = usageAnswer.parse((await get('/v2/network/both/usage')).body);
    return [usage.fullInDays, usage.fullFirst, ...usage.families.map(({ fullInDays }) => fullInDays)];
  };
  assert.deepEqual(await topOf(5), [null, null, null, 10]);
  assert.deepEqual(await topOf(15), [10, 'IPv6', null, 10]);
  assert.deepEqual(await topOf(0), [0, 'IPv4', 0, 10]);
});

test('of two families the one that is full first stands on top; a wide one is exact', async () => {
  const { site, get } = scene();
  site.networkPlaces.set('both', { partition: 'p', home: 'a' });
  const wide = { size: '18446744073709551616', free: '18446744073709551613', reserved: 1, held: 2, resting: 0 };
  const full = { ...range('10.0.0.0/30', '10.0.0.0/30', 2, 4), reserved: 2, resting: 0, free: 0, largestFree: 0 };
  site.script['network.usage'] = part({
    ranges: [full, { ...range('2001:db8::/64', '2001:db8::/64', 2), ...wide }],
    families: [
      { family: 'IPv4', growth: { perDay: 0, overHours: 24 }, hoursLeft: 0 },
      { family: 'IPv6', growth: { perDay: 3, overHours: 24 }, hoursLeft: null },
    ],
  });
  site.members.clear();
  const usage = usageAnswer.parse((await get('/v2/network/both/usage')).body);
  assert.deepEqual([usage.fullInDays, usage.fullFirst], [0, 'IPv4']);
  assert.deepEqual(
    usage.families.map((one) => [one.family, one.size, one.free, one.fullInDays]),
    [
      ['IPv4', 4, 0, 0],
      ['IPv6', wide.size, wide.free, null],
    ],
  );
  usage.families.forEach(sizeIs);
  assert.deepEqual([usage.blocks, usage.partitions[0]?.blocks], [{ count: 0, fullest: [] }, 0]);
});

test('a super network: what its children have, how the rest lies, and when it is used up', async () => {
  const { site, get } = scene();
  site.networkPlaces.set('super', { partition: 'p', home: 'a' });
  site.members.clear();
  const parent = parsePrefix('10.0.0.0/20')!;
  const space = createChildSpace(parent);
  for (let n = 0; n < 3; n++) space.acquire(22);
  space.release(parsePrefix('10.0.4.0/22')!);
  site.script['network.usage'] = part({
    children: [childrenUsage(parent, space, 22)],
    families: [{ family: 'IPv4', growth: { perDay: 2_048, overHours: 24 }, hoursLeft: 24 }],
  });
  const usage = usageAnswer.parse((await get('/v2/network/super/usage')).body);
  const [family] = usage.families;
  assert.deepEqual(
    [family?.size, family?.held, family?.free, family?.children, family?.childPrefixesPerDay, family?.fullInDays],
    [4_096, 2_048, 2_048, 2, 2, 1],
  );
  usage.families.forEach(sizeIs);
  assert.deepEqual(
    usage.prefixes.map(({ prefix, fragmentation }) => [prefix, fragmentation]),
    [['10.0.0.0/20', 0.5]],
  );
  assert.equal(usage.fullInDays, 1);
});

test('GET /v2/network/{id}/blocks: who holds which, and what of it is in use; null where nobody could say', async () => {
  const { site, get } = scene();
  const blocks = async () =>
    ((await get('/v2/network/internet/blocks')).body as { blocks: Array<Record<string, unknown>> }).blocks.map(
      (one) => [one['block'], one['partition'], one['site'], one['held']],
    );
  assert.deepEqual(await blocks(), [
    ['203.0.113.0/28', 'p', 'a', 5],
    ['203.0.113.16/28', 'q', 'b', 3],
  ]);
  const closed = { ...range(PREFIX, '203.0.113.16/28', 3), open: false, doubtful: true };
  const told = { ...part({ ranges: [closed] }), partition: 'q', site: 'b' };
  site.members.set('b', () => ({ parts: [told], isGlobal: true, ledger: null }));
  const { body: answered } = await get('/v2/network/internet/blocks');
  assert.equal((answered as { blocks: Array<{ state: string }> }).blocks[1]?.state, 'doubtful');
  site.members.set('b', () => unavailable("site b (partition q) can't be reached"));
  assert.deepEqual((await blocks())[1], ['203.0.113.16/28', 'q', 'b', null]);
  const { body } = await get('/v2/network/internet/usage');
  const usage = usageAnswer.parse(body);
  assert.match(usage.unreachable[0] ?? '', /site b.*can't be reached/);
  assert.deepEqual([usage.families[0]?.size, usage.families[0]?.unknown, usage.fullInDays], [256, 16, null]);
  usage.families.forEach(sizeIs);
});

test('cut off from the home, the holders are named with their sites, and the rest of the prefix is unknown', async () => {
  const { site, get } = scene();
  site.networkPlaces.set('internet', { partition: '', home: 'h' });
  site.members.set('h', () => unavailable("site h can't be reached"));
  const { body } = await get('/v2/network/internet/blocks');
  const { blocks, spare } = blocksAnswer.parse(body);
  assert.deepEqual(
    [spare, blocks.map((one) => [one.block, one.partition, one.site])],
    [
      null,
      [
        ['203.0.113.0/28', 'p', 'a'],
        ['203.0.113.16/28', 'q', 'b'],
      ],
    ],
  );
  const usage = usageAnswer.parse((await get('/v2/network/internet/usage')).body);
  assert.deepEqual([usage.prefixes[0]?.size, usage.prefixes[0]?.unknown], [256, 224]);
  usage.prefixes.forEach(sizeIs);
});

test('a network that is not global has no blocks', async () => {
  const { site, get } = scene();
  site.networkPlaces.set('private', { partition: 'p', home: 'a' });
  site.members.clear();
  site.script['network.usage'] = part({ ranges: [range('10.0.0.0/28', '10.0.0.0/28', 5)] });
  const { status, body } = await get('/v2/network/private/blocks');
  assert.equal(status, 422);
  assert.match((body as { message: string }).message, /private is not a global network/);
});

test('property: whatever sites tell at different moments, each address counts once', () => {
  const prefix = parsePrefix('203.0.113.0/24')!;
  const state = fc.record({
    given: fc.boolean(),
    told: fc.boolean(),
    open: fc.boolean(),
    held: fc.nat(13),
    isLate: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(state, { minLength: 16, maxLength: 16 }), fc.boolean(), (states, isHomeUp) => {
      const space = createBlockSpace(prefix);
      const slices = states.map((one, i) => ({ ...one, block: splitAt(prefix, 28, i) }));
      const blocks = slices
        .filter(({ given }) => given)
        .map(({ block }) => {
          space.take(block);
          const first = formatAddress(firstAddress(block));
          const record = { network: 'n', first, length: 28, prefix: PREFIX, holder: 'p', holderSite: 'a', h: '1' };
          return { ...record, state: 'sent' as const };
        });
      const ranges = slices
        // `isLate`: given to it after the home was asked.
        .filter(({ given, told, isLate }) => told && (given || isLate))
        .map(({ block, held, open }) => {
          const reserved = Number(block.first === prefix.first) + Number(block.last === prefix.last);
          const free = 16 - reserved - held;
          const counts = { size: 16, reserved, held, resting: 0, free };
          return { prefix: PREFIX, range: block.canonical, ...counts, largestFree: free, open, doubtful: !open };
        });
      const spare = [spareUsage(PREFIX, space, blocks.length)];
      const usage = usageOf('n', {
        parts: [{ ...part({ ranges }), partition: 'p', site: 'a' }],
        isGlobal: true,
        ledger: isHomeUp ? { blocks, spare } : null,
        prefixes: [PREFIX],
        unreachable: [],
      });
      usageAnswer.parse(usage);
      assert.equal(usage.prefixes[0]?.size, 256);
      [...usage.prefixes, ...usage.families].forEach(sizeIs);
      assert.equal(
        usage.families[0]?.held,
        ranges.reduce((sum, { held }) => sum + held, 0),
      );
    }),
  );
});

test('a network that nobody has is 404, and 503 while somebody can not say', async () => {
  const { site, get } = scene();
  site.members.set('b', () => ({ parts: [], isGlobal: false, ledger: null }));
  assert.equal((await get('/v2/network/none/usage')).status, 404);
  site.members.set('b', () => unavailable("site b can't be reached"));
  assert.equal((await get('/v2/network/none/blocks')).status, 503);
});
