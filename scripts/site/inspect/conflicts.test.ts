import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DirectoryRecord } from '../../../actors/directory/record.ts';
import type { Size } from '../../../actors/directory/size.ts';
import { createTestSite, entryOf, rowOf } from '../../../http/testing.ts';
import { readConflicts } from './conflicts.ts';

const size = (id: string, name = ''): Size => ({
  id,
  name,
  description: '',
  created: 0,
  changed: 0,
  constraints: [],
  labels: {},
});
const lost = (home: string, seenMs: number, name: string) => ({
  home,
  revision: 1,
  created: { wallMs: 5, counter: 0, site: home },
  seenMs,
  entity: size('any', name),
});
/** The row of an entry of site c, at site a. */
const row = (id: string, more: object = {}) =>
  rowOf('directory', 'site:a', 'size', `size|${id}`, { ...entryOf('size', size(id), 'c'), ...more } as DirectoryRecord);

test('reliability.md F15: conflicts are read from the rows, the latest first, also those of deleted entries', async () => {
  const site = createTestSite();
  site.stored = [
    row('s', { lost: [lost('b', 7, 'of b')] }),
    row('t', { entity: null, lost: [lost('b', 8, 'of b'), lost('d', 9, 'of d')] }),
    row('u'),
  ];
  const { conflicts, unread } = await readConflicts(site);
  assert.deepEqual(
    conflicts.map((one) => [one.id, one.winner, one.isDeleted, one.loser, one.seenAtMs, one.entity?.name]),
    [
      ['t', 'c', true, 'd', 9, 'of d'],
      ['t', 'c', true, 'b', 8, 'of b'],
      ['s', 'c', false, 'b', 7, 'of b'],
    ],
  );
  assert.deepEqual(unread, []);
});

test('an entry that can not be read is named, and not counted as one without conflict', async () => {
  const site = createTestSite();
  site.stored = [row('s', { lost: 'as a later version has it' }), row('t', { lost: [lost('b', 8, 'of b')] }), row('u')];
  const { conflicts, unread } = await readConflicts(site);
  assert.deepEqual([conflicts.map(({ id }) => id), unread.map(({ key }) => key)], [['t'], ['size|s']]);
  assert.match(unread[0]?.reason ?? '', /^lost: .*expected array/);
});

test('where no row can be read, nothing is said to be without conflict', async () => {
  const { id, rows } = createTestSite();
  const away = { ...rows, rows: () => Promise.reject(new Error('the database is away')) };
  await assert.rejects(readConflicts({ id, rows: away }), /the database is away/);
});
