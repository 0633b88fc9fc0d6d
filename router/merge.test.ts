import test from 'node:test';
import assert from 'node:assert/strict';
import { isMergeable, mergeParts } from './merge.ts';
import { staleHeaders } from './stale.ts';
import type { Merge } from './where.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const merged = (merge: Merge, parts: string[], body = ''): string =>
  Buffer.from(mergeParts(merge, parts.map(bytes), bytes(body))).toString();
const json = (merge: Merge, parts: unknown[], body: unknown = {}): unknown =>
  JSON.parse(
    merged(
      merge,
      parts.map((part) => JSON.stringify(part)),
      JSON.stringify(body),
    ),
  );

test('networks.md §10.2: lists are concatenated, null counts as empty, nothing found stays as it was', () => {
  assert.equal(merged('concatenate', [' [{"a":1}]\n', 'null', '[]', '[ 2, 3 ]', '[\n]']), '[{"a":1},2, 3 ]');
  assert.equal(merged('concatenate', ['null', '[]']), 'null');
  assert.equal(merged('concatenate', ['[]', 'null']), '[]');
  assert.deepEqual(json('concatenate', [['a]'], ['[b', { c: [] }]]), ['a]', '[b', { c: [] }]);
});

test('networks.md §10.2: what is no list is not merged', () => {
  for (const part of ['{}', '', '"[]"', '7', 'nul', '[', '{"a":[]'])
    assert.equal(isMergeable('concatenate', bytes(part)), false);
  assert.equal(isMergeable('concatenate', bytes('null')), true);
  assert.equal(isMergeable('project', bytes('[]')), false);
  assert.equal(isMergeable('project', bytes('{}')), true);
});

test('networks.md §10.2: issues are sorted by machine id, null if all are null', () => {
  assert.deepEqual(json('issues', [[{ machineid: 'b' }], null, [{ machineid: 'a' }, { machineid: 'c' }]]), [
    { machineid: 'a' },
    { machineid: 'b' },
    { machineid: 'c' },
  ]);
  assert.equal(json('issues', [null, null]), null);
});

test('networks.md §10.2: one entry per image, usedby joined, null if all are null', () => {
  assert.deepEqual(
    json('images', [
      [
        { id: 'a', usedby: ['m1'] },
        { id: 'b', usedby: null },
        { id: 'c', usedby: null },
      ],
      [
        { id: 'a', usedby: ['m2'] },
        { id: 'b', usedby: ['m3'] },
        { id: 'c', usedby: null },
        { id: 'd', usedby: null },
      ],
    ]),
    [
      { id: 'a', usedby: ['m1', 'm2'] },
      { id: 'b', usedby: ['m3'] },
      { id: 'c', usedby: null },
      { id: 'd', usedby: null },
    ],
  );
});

test('networks.md §10.2: used numbers of a project are summed', () => {
  assert.deepEqual(
    json('project', [
      { name: 'p', quotas: { machine: { quota: 5, used: 1 }, ip: { used: 2 }, cluster: {} } },
      { name: 'p', quotas: { machine: { quota: 5, used: 3 }, ip: {}, cluster: { used: 7 } } },
      { name: 'p', quotas: null },
    ]),
    { name: 'p', quotas: { machine: { quota: 5, used: 4 }, ip: { used: 2 }, cluster: { used: 7 } } },
  );
});

test('networks.md §10.2: audit is sorted by time, a limit keeps the newest (N50)', () => {
  const at = (timestamp: string): { timestamp: string } => ({ timestamp });
  const parts = [[at('2026-01-01T00:00:02Z'), at('2026-01-01T00:00:00.5Z')], [at('2026-01-01T00:00:01Z')]];
  assert.deepEqual(json('audit', parts, { Limit: 2 }), [at('2026-01-01T00:00:01Z'), at('2026-01-01T00:00:02Z')]);
  assert.equal((json('audit', parts, { limit: 0 }) as unknown[]).length, 3);
});

test('design.md §3: an answer names whose part is missing or old', () => {
  assert.deepEqual(staleHeaders([]), []);
  assert.deepEqual(
    staleHeaders([
      { member: { site: 'fra', partitions: ['b', 'c'] }, ageS: 12.4 },
      { member: { site: 'x', partitions: [] } },
    ]),
    [
      [
        'Warning',
        `199 hanse "partitions 'b', 'c' (site 'fra') can't be reached: this part is 12 s old", ` +
          `199 hanse "site 'x' can't be reached: not part of this answer"`,
      ],
      ['X-Stale-Partitions', 'b;age=12, c;age=12, site:x'],
    ],
  );
  const [, value] = staleHeaders([{ member: { site: 'a\r\nb', partitions: ['"\\'] } }])[0]!;
  assert.doesNotMatch(value, /[\r\n\\]/);
});
