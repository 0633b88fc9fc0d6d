import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRefusal } from '../actors/refusal.ts';
import { parseJson } from './body.ts';

const REFUSED = [
  ['"\\u0000"', /^the request body: the character U\+0000 /],
  ['{"id":"\\u0000"}', /^id: the character U\+0000 can't be kept, leave it out$/],
  ['{"name":"a","tags":["x","y\\u0000"]}', /^tags\[1\]: the character U\+0000 /],
  ['{"meta":{"labels":{"a\\u0000":"b"}}}', /^a key of meta\.labels: the character U\+0000 /],
  ['{"\\u0000":1}', /^a key: the character U\+0000 /],
  ['{"name":"\\ud800"}', /^name: half of a surrogate pair \(U\+D800\) is no character$/],
  ['{"name":"\\uDE00\\uD83D"}', /^name: half of a surrogate pair \(U\+DE00\)/],
] as const;
for (const [text, message] of REFUSED) {
  test(`a text that the database can't keep is Invalid, and its field named: ${text}`, () => {
    const parsed = parseJson(Buffer.from(text));
    assert.ok(isRefusal(parsed));
    assert.equal(parsed.kind, 'Invalid');
    assert.match(parsed.message, message);
  });
}

for (const text of [
  '{"name":"\\ud83d\\ude00"}',
  '{"name":"\\\\u0000"}',
  '{"name":"\\u00e4\\ud7ff"}',
  '{"name":"😀"}',
]) {
  test(`other escapes are fine: ${text}`, () => {
    assert.deepEqual(parseJson(Buffer.from(text)), { json: JSON.parse(text) as unknown });
  });
}

test('networks.md §6.5: of a body that is no JSON the answer, which the audit trail keeps, holds nothing', () => {
  for (const text of ['{"password": hunter2}', '{"password": "hunter2', '{"password":"x" hunter2}', 'hunter2']) {
    const parsed = parseJson(Buffer.from(text));
    assert.ok(isRefusal(parsed));
    assert.match(parsed.message, /^the request body is not JSON: .*expected/);
    assert.doesNotMatch(parsed.message, /hunter|assword|'h'/);
  }
});
