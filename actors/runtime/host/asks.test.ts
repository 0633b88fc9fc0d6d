import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAsker } from '../../asker.ts';
import type { Refusal } from '../../refusal.ts';
import type { Envelope } from '../envelope.ts';
import { OpenById } from '../open-by-id.ts';
import { createVirtualWorld } from '../virtual-world.ts';
import { createAsks } from './asks.ts';
import type { Slot } from './slot.ts';

function start() {
  const world = createVirtualWorld();
  const sent: Array<[ms: number, what: string]> = [];
  let timers = 0;
  const after: typeof world.after = (delayMs, run) => {
    timers++;
    return world.after(delayMs, run);
  };
  const slot = {
    shard: 0,
    asks: new OpenById(),
    inHand: { ask: 0 },
    pipe: { send: (one: Envelope) => void sent.push([world.monotonicMs(), one.m]) },
  } as Partial<Slot> as Slot;
  const asks = createAsks([slot], { monotonicMs: () => world.monotonicMs(), after });
  const call = (askerMs: number, withinMs: number) => {
    const fromMs = world.monotonicMs();
    const asker = createAsker(() => fromMs + askerMs - world.monotonicMs());
    const deadlineMs = fromMs + Math.min(askerMs, withinMs);
    const envelope = (id: number): Envelope => ({ m: 'ping', id }) as Envelope;
    return asks.call(slot, envelope, { deadlineMs, asker, suspect: {} as never });
  };
  return { world, sent, slot, asks, call, timers: () => timers };
}

test('reliability.md F08: the shard is told when the time of an ask is over, once, and only for who brought a time', async () => {
  const { world, sent, slot, asks, call, timers } = start();
  void call(300, 30_000);
  void call(5_000, 400);
  void call(Infinity, 100);
  assert.equal(timers(), 2);
  world.run(world.monotonicMs() + 10_000);
  assert.deepEqual(
    sent.filter(([, what]) => what === 'late').map(([ms]) => Math.round(ms - sent[0]![0])),
    [300, 400],
  );
  sent.length = 0;
  const answered = call(300, 30_000);
  asks.take(slot, 4)?.respond('told');
  assert.equal(await answered, 'told');
  world.run(world.monotonicMs() + 1_000);
  assert.deepEqual(
    sent.map(([, what]) => what),
    ['ping'],
  );
});

test('reliability.md §10: for who has no time left nothing is asked', async () => {
  const { sent, call } = start();
  const answer = (await call(0, 30_000)) as Refusal;
  assert.deepEqual([answer.because, sent], ['deadline', []]);
});
