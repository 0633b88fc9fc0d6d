import assert from 'node:assert/strict';
import test from 'node:test';
import { readHints } from './hints.ts';

test('an id that no row can have says nothing of a place: nobody asks a database for it', () => {
  const hints = readHints(new Map([['id', 'a\0']]), '', Buffer.from(JSON.stringify({ id: 'a\0', meta: { id: '\0' } })));
  assert.deepEqual(
    [hints.path('id'), hints.body('id'), hints.find('id'), hints.body('meta.id')],
    ['', undefined, undefined, undefined],
  );
});
