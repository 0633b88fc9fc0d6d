import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createWaitingLine } from './waiting-line.ts';

interface One {
  name: string;
  number: number;
}

test('a waiting line gives each name its turn, and of a name who came first', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.constantFrom('a', 'b', 'c'), count: fc.nat(3_000) }) },
    { weight: 3, arbitrary: fc.record({ take: fc.nat(3_000), not: fc.constantFrom('a', 'b', '') }) },
    { weight: 1, arbitrary: fc.record({ below: fc.nat(20_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const line = createWaitingLine<One>();
      /** Names in the order of their turns. */
      let model: Array<{ name: string; numbers: number[] }> = [];
      let next = 0;
      for (const one of steps) {
        if ('push' in one) {
          for (let n = 0; n < one.count; n++) {
            line.push(one.push, { name: one.push, number: next });
            const known = model.find(({ name }) => name === one.push);
            if (known === undefined) model.push({ name: one.push, numbers: [next] });
            else known.numbers.push(next);
            next++;
          }
        } else if ('take' in one) {
          for (let n = 0; n < one.take; n++) {
            const taken = line.take(({ name }) => name !== one.not);
            const before = model.filter(({ numbers }) => numbers.length > 0);
            const at = before.findIndex(({ name }) => name !== one.not);
            const expected = before[at];
            assert.deepEqual(taken, expected && { name: expected.name, number: expected.numbers.shift() });
            model = at < 0 ? before : [...before.slice(at + 1), ...before.slice(0, at + 1)];
          }
        } else {
          const over = line.drop(({ number }) => number < one.below).map(({ number }) => number);
          const expected = model.flatMap(({ numbers }) => {
            const first = numbers.findIndex((number) => number >= one.below);
            return numbers.splice(0, first < 0 ? numbers.length : first);
          });
          assert.deepEqual(
            over.sort((a, b) => a - b),
            expected.sort((a, b) => a - b),
          );
          model = model.filter(({ numbers }) => numbers.length > 0);
        }
        assert.equal(
          line.length,
          model.reduce((sum, { numbers }) => sum + numbers.length, 0),
        );
      }
    }),
    { numRuns: 50 },
  );
});

test('of which nobody may come in, at most a few names are asked at a time, and all of them in turn', () => {
  const line = createWaitingLine<number>();
  for (let n = 0; n < 20; n++) line.push(`name ${n}`, n);
  const asked = new Set<number>();
  for (let round = 0; round < 3; round++) {
    let now = 0;
    line.take((one) => (asked.add(one), now++, false));
    assert.ok(now <= 8);
  }
  assert.equal(asked.size, 20);
});

test('names under which nobody waits any more use up nobody’s turn', () => {
  const line = createWaitingLine<number>();
  for (let n = 0; n < 1_000; n++) line.push(`name ${n}`, n);
  line.push('one', -1);
  assert.equal(line.drop((one) => one >= 0).length, 1_000);
  assert.equal(
    line.take(() => true),
    -1,
  );
});

test('what is over leaves from behind what is not', () => {
  const line = createWaitingLine<number>();
  for (const n of [1, 2, 3, 4]) line.push('one', n);
  assert.deepEqual(
    line.drop((n) => n % 2 === 0),
    [2, 4],
  );
  assert.deepEqual(
    [line.length, line.take(() => true), line.take(() => true), line.take(() => true)],
    [2, 1, 3, undefined],
  );
});
