import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link, Peer } from '../../router/link/link.ts';
import { standbysOf } from './standbys.ts';

const linkTo = (process: string, greeting: unknown, lastHeardMs?: number): Pick<Link, 'peer' | 'lastHeardMs'> => ({
  peer: { kind: 'site', name: 'muc', site: 'muc', process, greeting } as Peer,
  lastHeardMs,
});
const world = { monotonicMs: () => 10_000, wallMs: () => 1_000_000 };

test('design.md §2: who stands by is told by its link: its name, its addresses, since when, when it was last heard', () => {
  const greeting = { links: ['there:8443'], urls: ['http://there:8080/'], startedAtMs: 5, later: 'unknown here' };
  assert.deepEqual(standbysOf([linkTo('there:7:5', greeting, 9_600), linkTo('here:3:1', greeting, 10_000)], world), [
    { process: 'here:3:1', links: greeting.links, urls: greeting.urls, startedAtMs: 5, seenAtMs: 1_000_000 },
    { process: 'there:7:5', links: greeting.links, urls: greeting.urls, startedAtMs: 5, seenAtMs: 999_600 },
  ]);
});

test('a process of the version before says less, one that says something unreadable nothing: both are listed', () => {
  const before = { links: ['there:8443'], urls: ['http://there:8080/'] };
  assert.deepEqual(
    standbysOf([linkTo('a', before, 9_000), linkTo('b', { links: 'x'.repeat(9_999) }, 9_000)], world).map(
      ({ process, urls, startedAtMs }) => [process, urls, startedAtMs],
    ),
    [
      ['a', before.urls, null],
      ['b', [], null],
    ],
  );
  assert.deepEqual(standbysOf([{ peer: undefined, lastHeardMs: undefined }], world), []);
});
