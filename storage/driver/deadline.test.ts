import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withDeadline } from './deadline.ts';

test('reliability.md F07: a missed deadline is said in whole milliseconds and without a code: users read it', async () => {
  const never = new Promise<never>(() => {});
  await assert.rejects(withDeadline(never, 0.9599604), {
    name: 'StatementFailure',
    kind: 'unknown',
    code: 'DEADLINE',
    message: 'no answer came within 1 ms',
  });
});
