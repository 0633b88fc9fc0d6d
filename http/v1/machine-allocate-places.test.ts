import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflict } from '../../actors/refusal.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { createTestSite, entryOf } from '../testing.ts';
import { locateIps } from './machine-allocate-places.ts';

const as = { who: 'someone@example.com' };
const scene = (answer: unknown = {}) => {
  const site = createTestSite({ 'block.bring': answer });
  const network = newNetwork('internet', { partition: '', prefixes: ['203.0.113.0/24'] });
  site.entries.push(entryOf('globalnetwork', network, 'b'));
  return site;
};

test('design.md §6: an address of a global network in another plant is brought to the partition of the machine', async () => {
  const site = scene();
  site.members.set('b', () => ({ here: true, partition: 'q' }));
  assert.deepEqual(await locateIps({ site, as }, 'p', ['203.0.113.9']), [
    { address: '203.0.113.9', network: 'internet', holder: 'block' },
  ]);
  const [asked] = site.asked;
  assert.deepEqual([asked?.to.scope, asked?.to.kind, asked?.to.id], ['partition:p', 'block', 'internet']);
  assert.deepEqual(asked?.body, { address: '203.0.113.9', lender: { partition: 'q', site: 'b' }, site: 'a' });
});

test('also from another partition of this site, and from a site that an own address was lent to', async () => {
  const site = scene();
  site.addressPlaces.set('203.0.113.9', { network: 'internet', partition: 'r', holder: 'block' });
  site.addressPlaces.set('203.0.113.8', { network: 'internet', partition: 'q', holder: 'block', site: 'b' });
  await locateIps({ site, as }, 'p', ['203.0.113.9', '203.0.113.8']);
  assert.deepEqual(
    site.asked.map(({ body }) => (body as { lender: unknown }).lender),
    [
      { partition: 'r', site: 'a' },
      { partition: 'q', site: 'b' },
    ],
  );
});

test('what the lender refuses is the answer: 409 naming machine and partition', async () => {
  const site = scene(conflict('ip 203.0.113.9 is attached to machine m in partition q'));
  site.members.set('b', () => ({ here: true, partition: 'q' }));
  const answer = await locateIps({ site, as }, 'p', ['203.0.113.9']);
  assert.match(JSON.stringify(answer), /Conflict ip 203.0.113.9 is attached to machine m in partition q/);
});

test('an address that is on its way is no address that nobody has: 503, whoever knows of it', async () => {
  const site = scene();
  site.members.set('b', () => ({ here: false, passing: 'q' }));
  const there = await locateIps({ site, as }, 'p', ['203.0.113.9']);
  site.members.set('b', () => ({ here: false }));
  const nowhere = await locateIps({ site, as }, 'p', ['203.0.113.9']);
  assert.match(JSON.stringify(there), /Unavailable.*on its way/);
  assert.match(JSON.stringify(nowhere), /no ip .* found/);
});
