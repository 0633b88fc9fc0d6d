import { test } from 'node:test';
import assert from 'node:assert/strict';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { unavailable } from '../../actors/refusal.ts';
import type { UsagePart } from '../../actors/network/usage.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf } from '../testing.ts';

const range = (prefix: string, block: string, held: number, size = 16) => ({
  prefix,
  range: block,
  size,
  reserved: 0,
  held,
  resting: 1,
  free: size - held - 1,
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
  growth: null,
  hoursLeft: null,
  ...change,
});
const PREFIX = '203.0.113.0/24';

function scene() {
  const site = createTestSite({
    'block.usage': part({
      ranges: [range(PREFIX, '203.0.113.0/28', 5)],
      lent: 1,
      growth: { perDay: 24, overHours: 2 },
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
      spare: [{ prefix: PREFIX, blockLength: 28, given: 2, free: 14, freeAddresses: 223, reservedAddresses: 1 }],
    },
  });
  site.networkPlaces.set('internet', { partition: '', home: 'a' });
  site.entries.push(entryOf('globalnetwork', newNetwork('internet', { partition: '', prefixes: [PREFIX] }), 'a'));
  const there = { ...part({ ranges: [range(PREFIX, '203.0.113.16/28', 3)] }), partition: 'q' };
  site.members.set('b', () => ({ parts: [there], ledger: null }));
  return { site, get: (path: string) => clientOf(createApp(site))('Metal-View', 'GET', path) };
}

test('GET /v2/network/{id}/usage: in all, by prefix, by block, by partition; when it is full', async () => {
  const { get } = scene();
  const { status, body } = await get('/v2/network/internet/usage');
  assert.equal(status, 200);
  const usage = body as Record<string, unknown>;
  const counts = { size: 256, reserved: 1, held: 8, resting: 2, free: 245 };
  assert.deepEqual(usage['prefixes'], [{ prefix: PREFIX, ...counts }]);
  const { size, reserved, held, resting, free, lent, fullInDays } = usage;
  assert.deepEqual({ size, reserved, held, resting, free }, counts);
  assert.deepEqual([lent, fullInDays], [1, 245 / 24]);
  assert.deepEqual(
    (usage['partitions'] as Array<Record<string, unknown>>).map((one) => [
      one['partition'],
      one['blocks'],
      one['held'],
      one['hoursLeftCutOff'],
    ]),
    [
      ['p', 1, 5, 10],
      ['q', 1, 3, null],
    ],
  );
  assert.deepEqual(usage['unreachable'], []);
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
  site.members.set('b', () => ({ parts: [{ ...part({ ranges: [closed] }), partition: 'q' }], ledger: null }));
  const { body: told } = await get('/v2/network/internet/blocks');
  assert.equal((told as { blocks: Array<{ state: string }> }).blocks[1]?.state, 'doubtful');
  site.members.set('b', () => unavailable("site b (partition q) can't be reached"));
  assert.deepEqual((await blocks())[1], ['203.0.113.16/28', 'q', 'b', null]);
  const { body } = await get('/v2/network/internet/usage');
  assert.match(String((body as { unreachable: string[] }).unreachable[0]), /site b.*can't be reached/);
});

test('a network that nobody has is 404, and 503 while somebody can not say', async () => {
  const { site, get } = scene();
  site.members.set('b', () => ({ parts: [], ledger: null }));
  assert.equal((await get('/v2/network/none/usage')).status, 404);
  site.members.set('b', () => unavailable("site b can't be reached"));
  assert.equal((await get('/v2/network/none/blocks')).status, 503);
});
