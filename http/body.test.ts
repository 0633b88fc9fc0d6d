import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRefusal } from '../actors/refusal.ts';
import { parseJson } from './body.ts';

test('networks.md §6.5: of a body that is no JSON the answer, which the audit trail keeps, holds nothing', () => {
  for (const text of ['{"password": hunter2}', '{"password": "hunter2', '{"password":"x" hunter2}', 'hunter2']) {
    const parsed = parseJson(Buffer.from(text));
    assert.ok(isRefusal(parsed));
    assert.match(parsed.message, /^the request body is not JSON: .*expected/);
    assert.doesNotMatch(parsed.message, /hunter|assword|'h'/);
  }
});
