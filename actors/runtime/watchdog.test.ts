import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualWorld } from './virtual-world.ts';
import { createWatchdog } from './watchdog.ts';

function watched(answers: () => boolean, busy: () => number) {
  const world = createVirtualWorld();
  const hung: number[] = [];
  const watchdog = createWatchdog(world);
  watchdog.watch(0, {
    ping: () => {
      if (answers()) world.after(1, () => watchdog.pong(0));
    },
    utilization: busy,
    hung: () => hung.push(world.monotonicMs()),
  });
  return { world, watchdog, hung };
}

describe('watchdog (reliability.md F03)', () => {
  it('a thread that neither answers nor rests is hung within 5 s, once', () => {
    let loops = false;
    const { world, hung } = watched(
      () => !loops,
      () => (loops ? 1 : 0.3),
    );
    world.run(10_000);
    loops = true;
    world.run(60_000);
    assert.equal(hung.length, 1);
    assert.ok(hung[0]! - 10_000 <= 1_500, String(hung[0]));
  });

  it('one that was caught in the middle of a period, too', () => {
    let busy = 0.3;
    const { world, hung } = watched(
      () => busy < 0.5,
      () => busy,
    );
    world.run(10_001);
    // The ping of 10,000 ms was answered; of the period that follows it spends a part in the loop.
    busy = 0.6;
    world.run(10_251);
    busy = 1;
    world.run(60_000);
    assert.equal(hung.length, 1);
    assert.ok(hung[0]! - 10_000 <= 1_500, String(hung[0]));
  });

  it('honest load answers; a thread that rests is only late', () => {
    const busy = watched(
      () => true,
      () => 1,
    );
    const late = watched(
      () => false,
      () => 0.5,
    );
    for (const { world, hung } of [busy, late]) {
      world.run(30_000);
      assert.deepEqual(hung, []);
    }
  });

  it('who was stopped itself accuses nobody', () => {
    const { world, hung } = watched(
      () => true,
      () => 1,
    );
    world.run(1_000);
    world.advance(9_000);
    world.run(9_001);
    assert.deepEqual(hung, []);
  });
});
