import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkFailure } from './link/failure.ts';
import { failedAnswer } from './pass-on.ts';
import { refusedHeaders, spread } from './refused.ts';

test('reliability.md §10: Retry-After is in whole seconds, at least one, and spread', () => {
  assert.deepEqual(
    [0, 0.5, 0.999].map((chance) => spread(0, () => chance)),
    [1, 2, 3],
  );
  assert.equal(
    spread(4.2, () => 0),
    5,
  );
  assert.deepEqual(refusedHeaders('lease', 7), [
    ['retry-after', '7'],
    ['x-refused-because', 'lease'],
  ]);
});

test('reliability.md §10: a full link is overload; a link that is down, and an answer that is late, are named as such', () => {
  const told = (kind: 'Overloaded' | 'LinkDown' | 'Deadline', isUnsure: boolean): string[] => {
    const { status, headers, body } = failedAnswer('site "muc"', linkFailure(kind, 'why'), isUnsure);
    const { message } = JSON.parse(JSON.parse(Buffer.from(body as Uint8Array).toString())) as { message: string };
    return [String(status), new Map(headers).get('x-refused-because') ?? '', message];
  };
  assert.deepEqual(told('Overloaded', false), [
    '503',
    'overloaded',
    'site "muc" has too much to do: why; nothing was done, try again',
  ]);
  assert.deepEqual(told('LinkDown', false), ['503', 'partition-unreachable', `site "muc" can't be reached: why`]);
  assert.deepEqual(told('Deadline', true), [
    '503',
    'outcome-unknown',
    `site "muc" did not answer in time: why; whether it was done is not known`,
  ]);
  assert.deepEqual(told('Deadline', false), ['503', 'deadline', `site "muc" did not answer in time: why`]);
});
