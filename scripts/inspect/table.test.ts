import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock, duration, pairs, table } from './table.ts';

// Standard output of a test is no terminal, so nothing is painted.
test('columns are as wide as what is in them, numbers stand at the right, empty columns are left out', () => {
  const text = table(
    [{ name: 'SITE' }, { name: 'NOTE' }, { name: 'EPOCH', right: true }],
    [
      ['muc', '', 2],
      ['frankfurt', '', 1_234_567],
    ],
  );
  assert.equal(text, ['SITE         EPOCH', 'muc              2', 'frankfurt  1234567'].join('\n'));
});

test('colours do not count as width, and no line ends in blanks', () => {
  const paint = (text: string): string => `<${text}>`;
  const lines = table(
    [{ name: 'A' }, { name: 'B' }],
    [
      [{ text: 'x', paint }, 'y'],
      ['long', ''],
    ],
  ).split('\n');
  assert.deepEqual(lines, ['A     B', '<x>     y', 'long']);
});

test('an empty table says what is not there', () => {
  assert.equal(table([{ name: 'A' }], [], 'no other site'), 'no other site');
});

test('pairs are aligned; durations and times are short', () => {
  assert.equal(
    pairs([
      ['site', 'muc'],
      ['epoch', 3],
    ]),
    'site   muc\nepoch  3',
  );
  assert.deepEqual([null, 0.04, 12.4, 1_500, 180_000, 8_000_000].map(duration), [
    '',
    '0.0 ms',
    '12 ms',
    '1.5 s',
    '3 min',
    '2 h',
  ]);
  const now = new Date(2026, 0, 2, 12).getTime();
  assert.equal(clock(new Date(2026, 0, 2, 3, 4, 5).getTime(), now), '03:04:05');
  assert.equal(clock(new Date(2026, 0, 1, 3, 4, 5).getTime(), now), '2026-01-01 03:04:05');
});
