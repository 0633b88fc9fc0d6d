import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../address.ts';
import { notFound } from '../refusal.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { createCell, createMail, reply, type Cell, type Mail } from './cell.ts';
import { createObservation } from './observation.ts';
import { turnSums } from './turn-figures.ts';

const cellOf = (id: string): Cell => createCell(addressOf('partition:p', 'machine', id), {} as AnyBehaviour, 0);
const mailOf = (name: string, respond: (value: unknown) => void = () => {}): Mail =>
  createMail({
    name,
    body: {},
    who: 'anna@example.org',
    deadlineMs: 1_000,
    reserve: null,
    from: 0,
    respond,
    key: null,
    dry: false,
    isUnborn: false,
    ask: 0,
  });

function clock() {
  let nowMs = 0;
  return { monotonicMs: () => nowMs, wallMs: () => 5_000 + nowMs, to: (ms: number) => void (nowMs = ms) };
}

test('a message has one line, however often it is decided: who, when, how long, with what outcome', () => {
  const world = clock();
  const observation = createObservation(world);
  const cell = cellOf('m1');
  const answers: unknown[] = [];
  const mail = mailOf('get', (value) => answers.push(value));
  observation.decided(cell, [mail], 0);
  assert.deepEqual(observation.of(cell).messages[0], {
    name: 'get',
    who: 'anna@example.org',
    atMs: 5_000,
    ms: null,
    outcome: 'open',
  });
  for (let i = 0; i < 1_000; i++) observation.decided(cell, [mail], 0);
  world.to(7);
  reply(mail, notFound('no machine'));
  assert.equal(answers.length, 1);
  assert.deepEqual(
    observation.of(cell).messages.map(({ ms, outcome }) => [ms, outcome]),
    [[7, 'NotFound']],
  );
});

test('turns are counted by kind and time, whoever is kept', () => {
  const world = clock();
  const observation = createObservation(world, { actors: 1 });
  for (const [id, ms] of [
    ['m1', 0.05],
    ['m2', 3],
    ['m3', 5_000],
  ] as const) {
    const cell = cellOf(id);
    observation.end(cell, ms);
  }
  assert.deepEqual(observation.turns, [
    { kind: 'machine', timesMs: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], totalMs: 5_003.05 },
  ]);
  const [sum] = turnSums([observation, observation]);
  assert.deepEqual([sum?.timesMs[0], sum?.totalMs], [2, 10_006.1]);
});

test('the last 16 messages and 64 turns of an actor are kept, oldest first', () => {
  const world = clock();
  const observation = createObservation(world);
  const cell = cellOf('m1');
  observation.decided(
    cell,
    Array.from({ length: 100 }, (_, i) => mailOf(`batch ${i}`)),
    0,
  );
  assert.equal(observation.of(cell).messages[0]?.name, 'batch 84');
  for (let i = 1; i <= 100; i++) {
    cell.touchedMs = 0;
    world.to(i);
    observation.decided(cell, [mailOf(`message ${i}`)], 0);
    observation.end(cell, i);
  }
  const { messages, turnMs } = observation.of(cell);
  assert.deepEqual([messages.length, messages[0]?.name, messages.at(-1)?.name], [16, 'message 85', 'message 100']);
  assert.deepEqual(turnMs, { count: 64, last: 100, p50: 69, p99: 100 });
});

test('only a bounded number of actors has a history: those that had a turn of late', () => {
  const observation = createObservation(clock(), { actors: 2 });
  const [a, b, c] = [cellOf('a'), cellOf('b'), cellOf('c')];
  observation.decided(a, [mailOf('x')], 0);
  observation.decided(b, [mailOf('x')], 0);
  observation.decided(c, [mailOf('x')], 0);
  assert.equal(observation.actors, 2);
  const [stayed, left] = observation.of(a).messages.length > 0 ? [a, b] : [b, a];
  assert.equal(observation.of(left).messages.length, 0);
  // `left` comes back: whoever had a turn since the last time stays.
  observation.decided(c, [mailOf('y')], 0);
  observation.decided(left, [mailOf('x')], 0);
  assert.deepEqual([observation.of(c).messages.length, observation.of(stayed).messages.length], [2, 0]);
  observation.forget(c);
  assert.equal(observation.actors, 1);
  observation.clear();
  assert.equal(left.recent, null);
});
