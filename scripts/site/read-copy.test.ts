import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { entryOf } from '../../http/testing.ts';
import type { HttpRequest } from '../../router/message.ts';
import { keepReadCopy } from './read-copy.ts';

const get = (path: string): HttpRequest => ({
  method: 'GET',
  path,
  headers: [],
  body: new Uint8Array(0),
  via: 'http',
});

test('a copy is as old as the link has been down; of a site never met since the start, as its last change may be', async () => {
  const world = createVirtualWorld();
  const muc = { site: 'muc', partitions: ['muc'], up: true };
  const ham = { site: 'ham', partitions: ['ham'], up: false };
  const changed = world.wallMs() - 100_000;
  const networks = [
    { home: 'muc', network: newNetwork('internet', { partition: '', prefixes: ['203.0.113.0/24'] }) },
    { home: 'ham', network: { ...newNetwork('mpls', { partition: '', prefixes: ['192.0.2.0/24'] }), changed } },
  ];
  const answered: string[] = [];
  const copy = keepReadCopy({
    peers: { members: () => [muc, ham, { site: 'ber', partitions: [], up: false }] },
    directory: {
      list: () => networks.map(({ network }) => network) as never,
      entry: (kind, id) => {
        const known = networks.find(({ network }) => network.id === id);
        return known && (entryOf(kind, known.network as never, known.home) as never);
      },
    },
    async answer({ path }, copyOf) {
      answered.push(`${copyOf} ${path}`);
      return { status: 200, headers: [], body: null };
    },
    world,
  });
  world.run(world.monotonicMs() + 10_500);
  muc.up = false;
  world.run(world.monotonicMs() + 42_000);
  const age = (await copy.copyOf('muc', get('/v1/network/internet')))?.ageS;
  assert.ok(age !== undefined && age >= 42 && age <= 43.5, String(age));
  assert.equal((await copy.copyOf('ham', get('/v1/network')))?.ageS, 152.5);
  assert.equal(await copy.copyOf('muc', get('/v1/machine')), undefined);
  assert.equal(await copy.copyOf('ber', get('/v1/network')), undefined, 'nothing global is at home there');
  assert.deepEqual(answered, ['muc /v1/network/internet', 'ham /v1/network']);
  copy.stop();
});
