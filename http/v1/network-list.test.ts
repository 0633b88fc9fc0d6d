import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionScope, siteScope } from '../../actors/address.ts';
import { wake } from '../../actors/network/address-space.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import { QUARANTINE_LABEL } from '../../actors/network/quarantine.ts';
import type { IpRecord, Loan, NetworkRecord } from '../../actors/network/record.ts';
import { createNetworkState, evolveNetwork, viewOf } from '../../actors/network/state.ts';
import type { Change } from '../../actors/records.ts';
import { unreachable } from '../../actors/refusal.ts';
import { createApp } from '../app.ts';
import { answerQuestion } from '../questions.ts';
import { clientOf, createTestSite, entryOf, rowOf, TEST_NOW_MS } from '../testing.ts';

const P = partitionScope('p');
const ip = (network: NetworkRecord, address: string, change: Partial<IpRecord> = {}): IpRecord => ({
  address,
  uuid: address,
  network: network.id,
  project: 'x',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix: network.prefixes[0]!,
  created: 0,
  changed: 0,
  ...change,
});

const start = () => {
  const site = createTestSite();
  const add = (network: NetworkRecord, ips: readonly IpRecord[]): void => {
    const scope = network.partition === '' ? siteScope('a') : P;
    site.stored.push(rowOf('network', scope, network.id, network.id, network));
    for (const one of ips) site.stored.push(rowOf('ip', P, network.id, `${network.id}|${one.address}`, one));
    if (network.partition === '') site.entries.push(entryOf('globalnetwork', network));
  };
  const list = async () => {
    const { body } = await clientOf(createApp(site))('Metal-View', 'GET', '/v1/network');
    const rows = body as Array<{ id: string; consumption: Record<'ipv4' | 'ipv6', { used_ips: number } | null> }>;
    return Object.fromEntries(rows.map(({ id, consumption }) => [id, consumption]));
  };
  return { site, add, list };
};

test('a list counts rows, so that no actor at rest is woken, and says what the actor would say', async () => {
  const { site, add, list } = start();
  const prefixes = ['10.0.0.0/24', '10.0.4.0/30', '2001:db8::/64'];
  const dual = newNetwork('dual', { partition: 'p', prefixes, labels: { [QUARANTINE_LABEL]: '60' } });
  const empty = newNetwork('empty', { partition: 'p', prefixes: ['10.1.0.0/24'] });
  const rests = (address: string, sinceS: number, forS: number): IpRecord => {
    const changed = TEST_NOW_MS - sinceS * 1_000;
    return ip(dual, address, { changed, restingUntilMs: changed + forS * 1_000 });
  };
  const ips = [
    ...['10.0.0.1', '10.0.0.2', '10.0.4.1', '2001:db8::1'].map((address) => ip(dual, address)),
    rests('10.0.0.3', 30, 60),
    rests('2001:db8::2', 30, 60),
    rests('10.0.0.4', 90, 60),
    // Released under a longer quarantine than the network has now.
    rests('10.0.0.5', 90, 3_600),
  ];
  add(dual, ips);
  add(empty, []);

  const state = createNetworkState('dual', P);
  for (const row of site.stored.filter(({ owner }) => owner === 'dual'))
    evolveNetwork(state, { ...row, prev: 0 } as Change);
  wake(state.space, TEST_NOW_MS);
  const { usage } = viewOf(state, dual);
  assert.equal(usage.IPv4?.used_ips, 4 + 4);

  const listed = await list();
  assert.deepEqual(listed['dual'], { ipv4: usage.IPv4, ipv6: usage.IPv6 });
  assert.deepEqual([listed['empty']?.ipv4?.used_ips, listed['empty']?.ipv6], [2, null]);
  assert.deepEqual(site.asked, []);
});

test('a global network is counted over all sites with one question each; who can’t be asked is left out', async () => {
  const { site, add, list } = start();
  const internet = newNetwork('internet', { partition: '', prefixes: ['203.0.113.0/24'] });
  const dmz = newNetwork('dmz', { partition: '', prefixes: ['198.51.100.0/24'] });
  const loan = { site: 'b', h: 'h' };
  const loans: Loan[] = [
    { as: 'lent', to: 'q', state: 'delivered', ...loan },
    { as: 'borrowed', from: 'q', state: 'held', ...loan },
  ];
  add(internet, [
    ip(internet, '203.0.113.1'),
    ip(internet, '203.0.113.2', { loan: loans[0]! }),
    ip(internet, '203.0.113.200', { loan: loans[1]! }),
  ]);
  add(dmz, []);
  const asked: unknown[] = [];
  site.members.set('b', (kind, body) => {
    asked.push([kind, body]);
    return { held: { internet: { IPv4: 4, IPv6: 0 } } };
  });
  site.members.set('c', () => unreachable('site c is away'));
  const listed = await list();
  assert.equal(listed['internet']?.ipv4?.used_ips, 2 + 2 + 4, 'what is lent counts where it comes from');
  assert.equal(listed['dmz']?.ipv4?.used_ips, 2);
  assert.deepEqual(asked, [['network-held', { networks: ['internet', 'dmz'] }]]);
  const told = await answerQuestion(site, 'network-held', { networks: ['internet', 'unknown'] });
  assert.deepEqual(told, { held: { internet: { IPv4: 2, IPv6: 0 } } });
});
