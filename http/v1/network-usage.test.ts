import { test } from 'node:test';
import assert from 'node:assert/strict';
import { partitionScope, siteScope } from '../../actors/address.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf, rowOf } from '../testing.ts';

const PREFIX = '203.0.113.0/24';
const USAGE = { available_ips: 256, used_ips: 2, available_prefixes: 64, used_prefixes: 0 };
const internet = newNetwork('internet', { partition: '', prefixes: [PREFIX] });

const usedOf = (body: unknown): unknown =>
  (body as { consumption: { ipv4: { used_ips: number } | null } }).consumption.ipv4?.used_ips;

test('a global network tells what all partitions hold, read, listed and after an update', async () => {
  const view = { network: internet, usage: { IPv4: USAGE, IPv6: null } };
  const counts = { size: 16, reserved: 1, held: 5, resting: 1, free: 9, largestFree: 9 };
  const range = { prefix: PREFIX, range: '203.0.113.0/28', ...counts, open: true, doubtful: false };
  const part = { network: 'internet', ranges: [range], children: [], inOperation: 0, lent: 0, borrowed: 0 };
  const site = createTestSite({
    'network.get': view,
    'network.update': view,
    'network.ledger': { blocks: [], blockLength: {}, spare: [] },
    'block.usage': { ...part, families: [], hoursLeft: null },
  });
  site.networkPlaces.set('internet', { partition: '', home: 'a' });
  site.stored.push(rowOf('network', siteScope('a'), 'internet', 'internet', internet));
  site.entries.push(entryOf('globalnetwork', internet, 'a'));
  // What a list counts are rows.
  for (let i = 1; i <= 6; i++) {
    const address = `203.0.113.${i}`;
    const ip = { address, network: 'internet' } as IpRecord;
    site.stored.push(rowOf('ip', partitionScope('p'), 'internet', `internet|${address}`, ip));
  }
  const call = clientOf(createApp(site));
  assert.equal(usedOf((await call('Metal-View', 'GET', '/v1/network/internet')).body), 8);
  const listed = await call('Metal-View', 'POST', '/v1/network/find', {});
  assert.equal(usedOf((listed.body as unknown[])[0]), 8);
  const updated = await call('Metal-Admin', 'POST', '/v1/network', { id: 'internet', description: 'up' });
  assert.equal(updated.status, 200, JSON.stringify(updated.body));
  assert.equal(usedOf(updated.body), 8);
});
