import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { Envelope, Pipe } from './envelope.ts';
import { createNeighbours, GRACE_MS, type NeighbourAsk } from './neighbours.ts';

const pipe = (): Pipe => ({ send() {} });
const envelope = (id: number): Envelope => ({ m: 'reply', id, value: null });

/** An ask whose answers are told under its name. */
const asking =
  (told: (name: string, value: unknown) => void) =>
  (name: string, given: Partial<NeighbourAsk> = {}): NeighbourAsk => ({
    envelope,
    deadlineMs: 5_000,
    mayChange: false,
    respond: (value) => told(name, value),
    ...given,
  });

test('of what was asked of a shard that died, only that which went the old way is given up', () => {
  const ways = new Map([[1, pipe()]]);
  const neighbours = createNeighbours((to) => ways.get(to));
  const answers: Array<[string, unknown]> = [];
  const ask = asking((name, value) => answers.push([name, value]));
  assert.ok(neighbours.ask(1, ask('old')));
  ways.set(1, pipe());
  assert.ok(neighbours.ask(1, ask('new')));
  // It is told of the new life only after that life was asked for the first time.
  neighbours.died(1);
  assert.equal(answers.length, 1);
  assert.deepEqual([answers[0]?.[0], isRefusal(answers[0]?.[1])], ['old', true]);
  neighbours.replied(2, 'granted');
  assert.deepEqual(answers[1], ['new', 'granted']);
  ways.delete(1);
  assert.equal(neighbours.ask(1, ask('nothing was sent')), false);
  assert.equal(answers.length, 2);
});

test('what a shard does not answer ends soon after its deadline, once: unknown where it may have been done', () => {
  const way = pipe();
  const neighbours = createNeighbours(() => way);
  const answers: unknown[] = [];
  const ask = asking((name, value) => answers.push(isRefusal(value) ? `${name}: ${value.because}` : name));
  neighbours.ask(1, ask('reads'));
  neighbours.ask(1, ask('writes', { mayChange: true }));
  neighbours.ask(1, ask('has time', { deadlineMs: 6_000 }));
  // What the other shard says of itself at the deadline is still heard.
  neighbours.giveUp(5_000 + GRACE_MS - 1);
  assert.deepEqual(answers, []);
  neighbours.giveUp(5_000 + GRACE_MS);
  const givenUp = ['reads: deadline', 'writes: outcome-unknown'];
  assert.deepEqual(answers, givenUp);
  const isHeard = [1, 2, 3].map((id) => neighbours.replied(id, 'late'));
  assert.deepEqual(isHeard, [false, false, true]);
  assert.deepEqual(answers, [...givenUp, 'has time']);
});

test('of what may have been done before a shard died nobody says that nothing was changed', () => {
  const ways = new Map([[1, pipe()]]);
  const neighbours = createNeighbours((to) => ways.get(to));
  const answers: Refusal[] = [];
  const ask = asking((_name, value) => answers.push(value as Refusal));
  neighbours.ask(1, ask('writes', { mayChange: true }));
  ways.set(1, pipe());
  neighbours.died(1);
  assert.equal(answers[0]?.because, 'outcome-unknown');
});
