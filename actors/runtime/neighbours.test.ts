import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import type { Envelope, Pipe } from './envelope.ts';
import { createNeighbours } from './neighbours.ts';

const pipe = (): Pipe => ({ send() {} });
const envelope = (id: number): Envelope => ({ m: 'reply', id, value: null });

test('of what was asked of a shard that died, only that which went the old way is given up', () => {
  const ways = new Map([[1, pipe()]]);
  const neighbours = createNeighbours((to) => ways.get(to));
  const answers: unknown[] = [];
  assert.ok(neighbours.ask(1, envelope, (value) => answers.push(['old', value])));
  ways.set(1, pipe());
  assert.ok(neighbours.ask(1, envelope, (value) => answers.push(['new', value])));
  // It is told of the new life only after that life was asked for the first time.
  neighbours.died(1);
  assert.equal(answers.length, 1);
  assert.ok(isRefusal((answers[0] as [string, unknown])[1]));
  neighbours.replied(2, 'granted');
  assert.deepEqual(answers[1], ['new', 'granted']);
  ways.delete(1);
  assert.equal(
    neighbours.ask(1, envelope, () => assert.fail('nothing was sent')),
    false,
  );
});
