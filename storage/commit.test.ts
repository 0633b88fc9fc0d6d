import assert from 'node:assert/strict';
import { test } from './testing/register.ts';
import { outcomeOf } from './commit.ts';
import { statementFailure } from './driver/failure.ts';

test('reliability.md F09: a group that met others too often was not written, and says so in our words', () => {
  const outcome = outcomeOf(statementFailure('retry', '40001', 'could not serialize access due to concurrent update'));
  assert.deepEqual(outcome, { outcome: 'unsent', message: 'others change the same rows again and again' });
});
