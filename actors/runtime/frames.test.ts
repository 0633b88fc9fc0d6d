import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Envelope } from './envelope.ts';
import { createArrivals, createFrames, openFrame } from './frames.ts';

const restarted = (shard: number): Envelope => ({ m: 'restarted', shard });
const shards = (envelopes: readonly Envelope[]): number[] =>
  envelopes.map((envelope) => (envelope as { shard: number }).shard);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** What is deferred, run by hand. */
function createLoop() {
  const deferred: Array<() => void> = [];
  return {
    defer: (run: () => void) => void deferred.push(run),
    turn: () => deferred.splice(0).forEach((run) => run()),
    get isIdle() {
      return deferred.length === 0;
    },
  };
}

describe('messages to another thread', () => {
  it('leave together at the end of a turn, and before it when the frame grows for long', () => {
    const loop = createLoop();
    const posted: number[][] = [];
    let nowMs = 0;
    const pipe = createFrames((frame) => void posted.push(shards(openFrame(frame))), loop.defer, {
      monotonicMs: () => nowMs,
    });
    for (const shard of upTo(20)) pipe.send(restarted(shard));
    assert.deepEqual(posted, []);
    loop.turn();
    assert.deepEqual(posted, [upTo(20)]);

    posted.length = 0;
    for (const shard of upTo(20)) {
      pipe.send(restarted(shard));
      nowMs += 0.1;
    }
    assert.deepEqual(posted, [upTo(8), upTo(16).slice(8)]);
    loop.turn();
    assert.deepEqual(posted.flat(), upTo(20), 'each once, in order');
    assert.ok(loop.isIdle);
  });
});

describe('messages of another thread', () => {
  const frames = (...batches: number[][]): Uint8Array[] => {
    const made: Uint8Array[] = [];
    for (const batch of batches) {
      const loop = createLoop();
      const pipe = createFrames((frame) => void made.push(frame), loop.defer, { monotonicMs: () => 0 });
      for (const shard of batch) pipe.send(restarted(shard));
      loop.turn();
    }
    return made;
  };

  it('are handled in their order, a part in each turn of the loop', () => {
    const loop = createLoop();
    const seen: number[] = [];
    const arrivals = createArrivals((envelope) => void seen.push(...shards([envelope])), loop);
    const [first, second] = frames(upTo(40), [40, 41]) as [Uint8Array, Uint8Array];
    arrivals.take(first);
    assert.deepEqual(seen, upTo(16));
    arrivals.take(second);
    assert.deepEqual(seen, upTo(16));
    loop.turn();
    assert.deepEqual(seen, upTo(32));
    loop.turn();
    assert.deepEqual(seen, upTo(42));
    assert.ok(loop.isIdle);
  });

  it('of a thread that has ended are handled at once, even from within one of them, and none twice', () => {
    const loop = createLoop();
    const seen: number[] = [];
    const arrivals = createArrivals((envelope) => {
      const [shard] = shards([envelope]);
      seen.push(shard as number);
      if (shard === 3) arrivals.rest();
    }, loop);
    const [first, second] = frames(upTo(40), [40]) as [Uint8Array, Uint8Array];
    arrivals.take(first);
    assert.deepEqual(seen, upTo(40));
    arrivals.take(second);
    loop.turn();
    assert.deepEqual(seen, upTo(41));
  });
});
