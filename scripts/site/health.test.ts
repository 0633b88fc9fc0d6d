import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SiteStore } from '../../actors/ports.ts';
import { createPresence, LATELY_MS } from '../../actors/runtime/host/presence.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { createHealth } from './health.ts';

function healthy() {
  const world = createVirtualWorld();
  const presence = createPresence(1, world);
  presence.began();
  const look = createHealth({
    store: { ping: async () => {} } as Pick<SiteStore, 'ping'> as SiteStore,
    federation: { status: () => [] },
    isHeld: () => true,
    restored: () => null,
    presences: () => [presence.look()],
    world,
  });
  const pass = (ms: number): void => world.advance(world.monotonicMs() + ms);
  const seen = async (): Promise<[status: string, message: string]> => {
    const { status, message, services } = await look();
    assert.deepEqual([services.ipam?.status, services['masterdata-api']?.status], [status, status]);
    return [status, message];
  };
  return { presence, pass, seen };
}

test('reliability.md §10: a shard that can not get its new epoch for long degrades the site, until it serves again', async () => {
  const { presence, pass, seen } = healthy();
  presence.doubted();
  pass(1_500);
  assert.deepEqual(await seen(), ['healthy', '']);
  pass(1_500);
  const starting = 'shard 1 has not served for 3 s: it is starting over, since a commit stayed in doubt';
  assert.deepEqual(await seen(), ['degraded', starting]);
  presence.ended();
  pass(2_000);
  assert.deepEqual(await seen(), ['degraded', 'shard 1 has not served for 5 s: it is without a thread that serves']);
  presence.began();
  pass(1_500);
  assert.deepEqual(await seen(), ['healthy', '']);
});

test('reliability.md §10: a shard that starts over again and again degrades the site, for a minute after the last but two', async () => {
  const { presence, pass, seen } = healthy();
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await seen(), ['healthy', '']);
    presence.doubted();
    pass(100);
    presence.settled();
    pass(1_400);
  }
  const doubts = 'shard 1 started over 3 times in the last minute: its commits stay in doubt';
  assert.deepEqual(await seen(), ['degraded', doubts]);
  pass(LATELY_MS - 4_000);
  assert.deepEqual(await seen(), ['healthy', '']);
});
