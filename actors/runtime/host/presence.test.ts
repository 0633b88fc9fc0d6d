import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualWorld } from '../virtual-world.ts';
import { createPresence, LATELY_MS } from './presence.ts';

test('reliability.md F08: a shard that starts over is away until it has a new epoch, and its start-overs are counted', () => {
  const world = createVirtualWorld();
  const presence = createPresence(3, world);
  world.advance(world.monotonicMs() + 40);
  assert.deepEqual(presence.look(), { shard: 3, startOvers: 0, lately: 0, awayMs: 40, isStartingOver: false });
  presence.began();
  assert.deepEqual([presence.isHere, presence.look().awayMs], [true, null]);

  presence.doubted();
  world.advance(world.monotonicMs() + 100);
  assert.equal(presence.isHere, false);
  assert.deepEqual(presence.look(), { shard: 3, startOvers: 1, lately: 1, awayMs: 100, isStartingOver: true });
  presence.settled();
  assert.deepEqual(presence.look(), { shard: 3, startOvers: 1, lately: 1, awayMs: null, isStartingOver: false });
  assert.equal(presence.isHere, true);

  world.advance(world.monotonicMs() + LATELY_MS);
  assert.deepEqual([presence.look().startOvers, presence.look().lately], [1, 0]);
});

test('a thread that ends while its shard starts over: it is away from the doubt on, until the next thread serves', () => {
  const world = createVirtualWorld();
  const presence = createPresence(0, world);
  presence.began();
  presence.doubted();
  world.advance(world.monotonicMs() + 100);
  presence.ended();
  world.advance(world.monotonicMs() + 100);
  // Told by the old thread, heard late.
  presence.settled();
  assert.deepEqual(presence.look(), { shard: 0, startOvers: 1, lately: 1, awayMs: 200, isStartingOver: false });
  presence.began();
  assert.equal(presence.look().awayMs, null);
});
