import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHeartbeat, HEARTBEAT_MS, SILENCE_MS } from './heartbeat.ts';
import { createTestWorld } from './pair.fixture.ts';

function start() {
  const world = createTestWorld();
  const pings: number[] = [];
  const changes: boolean[] = [];
  const heartbeat = createHeartbeat({ world, ping: (n) => pings.push(n), changed: (alive) => changes.push(alive) });
  return { world, pings, changes, heartbeat };
}

test('F12: being heard is not enough, a ping must have been answered', () => {
  const { world, pings, changes, heartbeat } = start();
  for (let ms = 0; ms <= SILENCE_MS; ms += 100) {
    heartbeat.heard();
    world.advance(100);
  }
  assert.deepEqual(changes, [false]);
  heartbeat.heard();
  heartbeat.pong(pings.at(-1) ?? 0, world.wallMs());
  assert.deepEqual(changes, [false, true]);
});

test('an answer to an old ping, or to none, proves nothing', () => {
  const { world, changes, heartbeat } = start();
  world.advance(SILENCE_MS + 1);
  heartbeat.heard();
  heartbeat.pong(1, world.wallMs());
  heartbeat.pong(99, world.wallMs());
  assert.deepEqual(changes, [false]);
});

test('a process that stood still gives the peer one heartbeat to be read before it judges', () => {
  const { world, pings, changes, heartbeat } = start();
  world.stall(60_000);
  world.advance(1);
  assert.deepEqual(changes, []);
  heartbeat.heard();
  heartbeat.pong(pings.at(-1) ?? 0, world.wallMs());
  world.advance(HEARTBEAT_MS);
  assert.deepEqual(changes, []);
  world.advance(SILENCE_MS);
  assert.deepEqual(changes, [false]);
});

test('F06: round trip and the drift of the wall clocks are known', () => {
  const { world, heartbeat } = start();
  world.advance(40);
  heartbeat.pong(1, world.wallMs() - 20 + 3_600_000);
  assert.deepEqual([heartbeat.roundTripMs, heartbeat.driftMs], [40, 3_600_000]);
});
