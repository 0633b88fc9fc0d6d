import assert from 'node:assert/strict';
import { test } from '../testing/register.ts';
import { briefOf, MOST_OF_A_RULE } from './brief.ts';

const sentences = (rule: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${rule}: ${i}`);

test('however much is wrong, a brief has room for the first findings of each rule, and counts the others', () => {
  const { findings, more } = briefOf([...sentences('fold', 100_000), ...sentences('address twice', 1)]);
  assert.equal(findings.length, MOST_OF_A_RULE + 1);
  assert.equal(findings[0], 'fold: 0');
  assert.equal(findings[MOST_OF_A_RULE], 'address twice: 0');
  assert.deepEqual(more, { fold: 100_000 - MOST_OF_A_RULE });
});

test('what is just enough is not said to go on, and a sentence without end has one', () => {
  assert.deepEqual(briefOf(sentences('fold', MOST_OF_A_RULE)).more, {});
  assert.deepEqual(briefOf([]), { findings: [], more: {} });
  assert.ok(briefOf([`pool twice: ${'x'.repeat(100_000)}`]).findings[0]!.length < 1_100);
});
