import { test } from 'node:test';
import assert from 'node:assert/strict';
import { z } from 'zod';
import { partitionScope, siteScope } from '../../actors/address.ts';
import { conflict, notFound, unavailable, unprocessable } from '../../actors/refusal.ts';
import { unlimited } from '../../actors/directory/tenant.ts';
import type { Usage } from '../../actors/ipam/usage.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf, rowOf, type Asked } from '../testing.ts';
import { networkAnswer, networkResponse } from './shape/network.ts';

const P = partitionScope('p');
const USAGE = { available_ips: 256, used_ips: 2, available_prefixes: 64, used_prefixes: 0 };

const network = (id: string, change: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id,
  name: '',
  description: '',
  created: 0,
  changed: 0,
  partition: 'p',
  project: '',
  labels: {},
  shared: false,
  prefixes: ['10.0.0.0/24'],
  destinationPrefixes: ['0.0.0.0/0'],
  defaultChildPrefixLength: {},
  nat: false,
  privateSuper: false,
  underlay: false,
  vrf: 0,
  vrfShared: false,
  parent: null,
  additionalAnnouncableCidrs: [],
  type: 'external',
  natType: 'none',
  ...change,
});

const start = () => {
  const site = createTestSite({
    'network.get': ({ to }: Asked) => {
      const row = site.stored.find(({ table, key }) => table === 'network' && key === to.id);
      return { network: row!.value, usage: { IPv4: USAGE, IPv6: null } };
    },
  });
  const meta = { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null };
  const base = { name: '', description: '', created: 0, changed: 0 };
  site.entries.push(entryOf('project', { ...base, id: 'x', meta, tenant: 't', quotas: unlimited() }));
  const bootConfig = { imageUrl: '', kernelUrl: '', commandLine: '' };
  const partition = { ...base, bootConfig, mgmtServiceAddress: '', labels: {}, dnsServers: [], ntpServers: [] };
  for (const id of ['p', 'q']) site.entries.push(entryOf('partition', { ...partition, id }, id === 'p' ? 'a' : 'b'));
  const add = (one: NetworkRecord): void => {
    site.stored.push(rowOf('network', one.partition === '' ? siteScope('a') : P, one.id, one.id, one));
    site.networkPlaces.set(one.id, { partition: one.partition, home: 'a' });
  };
  return { site, add, call: clientOf(createApp(site)) };
};
const messageOf = ({ body }: { body: unknown }): string => (body as { message: string }).message;

test('networks.md §1.1: the response, and null for an empty list', async () => {
  const { add, call } = start();
  assert.equal((await call('Metal-View', 'GET', '/v1/network')).body, null);
  assert.deepEqual((await call('Metal-View', 'POST', '/v1/network/find', {})).body, []);
  add(network('n', { defaultChildPrefixLength: null, parent: 'super', type: 'child' }));
  assert.deepEqual((await call('Metal-View', 'GET', '/v1/network/n')).body, {
    id: 'n',
    name: '',
    description: '',
    partitionid: 'p',
    projectid: '',
    labels: {},
    shared: false,
    prefixes: ['10.0.0.0/24'],
    destinationprefixes: ['0.0.0.0/0'],
    defaultchildprefixlength: null,
    nat: false,
    privatesuper: false,
    underlay: false,
    vrf: 0,
    vrfshared: null,
    parentnetworkid: 'super',
    networktype: 'child',
    nattype: 'none',
    consumption: { ipv4: USAGE, ipv6: null },
    usage: USAGE,
    created: '1970-01-01T00:00:00Z',
    changed: '1970-01-01T00:00:00Z',
  });
  assert.equal((await call('Metal-View', 'GET', '/v1/network/none')).status, 404);
});

test('what the OpenAPI document says of an answer is what is answered: each field, and no other', () => {
  const form = z.strictObject(networkAnswer.shape);
  const answered: Array<[NetworkRecord, Usage | null, Usage | null]> = [
    [network('n'), USAGE, null],
    [network('child', { parent: 'super', type: 'child-shared', defaultChildPrefixLength: null }), null, USAGE],
    [
      network('super', {
        privateSuper: true,
        type: 'super',
        natType: 'ipv4-masq',
        vrf: 131_072,
        created: 1_767_225_600_123,
        defaultChildPrefixLength: { IPv4: 26, IPv6: 128 },
        additionalAnnouncableCidrs: ['10.240.0.0/12'],
      }),
      null,
      null,
    ],
  ];
  for (const [record, IPv4, IPv6] of answered) {
    const body: unknown = JSON.parse(JSON.stringify(networkResponse({ network: record, usage: { IPv4, IPv6 } })));
    assert.deepEqual(form.parse(body), body);
  }
});

test('networks.md N05: a super network, which only its actor can count, never fails a list by not answering', async () => {
  const { site, add, call } = start();
  add(network('n', { privateSuper: true, defaultChildPrefixLength: { IPv4: 26 }, type: 'super' }));
  site.script['network.get'] = notFound('no prefix');
  const { status, body } = await call('Metal-View', 'GET', '/v1/network');
  assert.equal(status, 200);
  assert.deepEqual((body as Array<{ consumption: unknown }>)[0]?.consumption, { ipv4: null, ipv6: null });
});

test('networks.md §7.3: finds: empty text and false are values, prefixes by parts, family', async () => {
  const { add, call } = start();
  add(network('internet', { partition: '', prefixes: ['1.2.3.0/27'], nat: true }));
  add(network('child', { parent: 'super', labels: { a: '' }, prefixes: ['10.0.4.0/22', '10.9.0.0/26', 'fd00::/64'] }));
  const ids = async (query: object) => {
    const { body } = await call('Metal-View', 'POST', '/v1/network/find', query);
    return (body as Array<{ id: string }>).map(({ id }) => id);
  };
  assert.deepEqual(await ids({ partitionid: '' }), ['internet']);
  assert.deepEqual(await ids({ parentnetworkid: '' }), ['internet']);
  assert.deepEqual(await ids({ nat: false, tags: [] }), ['child']);
  assert.deepEqual(await ids({ prefixes: ['10.0.4.0/26'] }), ['child']);
  assert.deepEqual(await ids({ prefixes: ['10.0.4.0/24'] }), []);
  assert.deepEqual(await ids({ addressfamily: 'ipv6' }), ['child']);
  assert.deepEqual(await ids({ labels: { a: '' }, prefixes: [], destinationprefixes: null }), ['child']);
  assert.equal((await call('Metal-View', 'POST', '/v1/network/find', { prefixes: ['x'] })).status, 400);
  assert.equal((await call('Metal-View', 'POST', '/v1/network/find', { addressfamily: 'x' })).status, 422);
});

test('networks.md §1.3, design.md §11: create with the word of all, known ids first', async () => {
  const { site, add, call } = start();
  site.members.set('b', () => ({ entry: null }));
  site.script['registry.createNetwork'] = ({ body }: Asked) => ({
    network: (body as { network: NetworkRecord }).network,
    usage: { IPv4: USAGE, IPv6: null },
  });
  const body = { id: 'n', prefixes: ['172.0.0.0/24'], destinationprefixes: ['0.0.0.0/0'], partitionid: 'p', vrf: 10 };
  const put = (change: object = {}) => call('Metal-Admin', 'PUT', '/v1/network', { ...body, ...change });
  assert.equal((await put()).status, 201);
  assert.deepEqual(site.proposals[0]?.claims, [
    { what: 'network', value: 'n', holder: 'n' },
    { what: 'prefix', value: '172.0.0.0/24', holder: 'n' },
  ]);
  assert.equal(site.proposals[0]?.made, true);
  assert.equal((await put({ projectid: 'none' })).status, 404);
  assert.equal((await put({ partitionid: 'none' })).status, 404);
  assert.equal((await put({ partitionid: 'q' })).status, 503);
  assert.equal((await put({ prefixes: null })).status, 400);
  assert.equal((await put({ destinationprefixes: ['::/0'] })).status, 400);
  assert.equal((await put({ vrf: 'x' })).status, 400);
  assert.equal((await put({ id: '', partitionid: '' })).status, 201);
  site.script['registry.createNetwork'] = conflict('vrf 10 is taken');
  assert.equal((await put()).status, 409);
  assert.equal(site.proposals.at(-1)?.made, false);
  site.proposalRefusal = unavailable('site b');
  assert.equal((await put()).status, 503);
  add(network('n'));
  const again = await put({ prefixes: [] });
  assert.deepEqual([again.status, messageOf(again)], [409, 'Conflict entity already exists']);
});

test('networks.md §1.3: of several mistakes the first check’s is told: 1, 2, 3, then 13, 14', async () => {
  const { site, call } = start();
  const put = async (change: object) => {
    const { status, body } = await call('Metal-Admin', 'PUT', '/v1/network', { prefixes: ['10.0.0.0/25'], ...change });
    return [status, (body as { message: string }).message];
  };
  const claims: Array<{ partitions: string[] }> = [];
  site.script['registry.createNetwork'] = ({ body }: Asked) => {
    claims.push(body as { partitions: string[] });
    return unprocessable('10.0.0.0/25 overlaps 10.0.0.0/24');
  };
  const noProject = [404, 'NotFound no project with id "none" found'];
  assert.deepEqual(await put({ projectid: 'none', prefixes: [] }), noProject);
  assert.deepEqual(await put({ projectid: 'none', prefixes: ['x'], partitionid: 'none' }), noProject);
  const lengths = { projectid: 'none', privatesuper: true, defaultchildprefixlength: { IPv4: 300 } };
  assert.equal((await put(lengths))[0], 400);
  assert.equal((await put({ projectid: 'none', vrf: -1 }))[0], 400);
  assert.deepEqual(await put({ partitionid: 'none', prefixes: [] }), [400, 'no prefixes given']);
  assert.equal(claims.length, 0);

  assert.deepEqual(await put({ partitionid: 'none' }), [422, '10.0.0.0/25 overlaps 10.0.0.0/24']);
  assert.deepEqual(await put({ partitionid: 'q' }), [422, '10.0.0.0/25 overlaps 10.0.0.0/24']);
  // Whatever happens meanwhile, this question makes no network.
  assert.deepEqual(claims[0]?.partitions, []);
  site.script['registry.createNetwork'] = notFound('no partition with id "none" found');
  assert.deepEqual(await put({ partitionid: 'none' }), [404, 'NotFound no partition with id "none" found']);
  assert.equal((await put({ partitionid: 'q' }))[0], 503);
});

test('a create whose outcome is unknown settles only what the registry says', async () => {
  const { site, call } = start();
  site.members.set('b', () => ({ entry: null }));
  const body = { prefixes: ['172.0.0.0/24'] };
  site.script['registry.createNetwork'] = unavailable('the outcome is unknown');
  site.script['registry.claims'] = unavailable('the registry');
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/network', body)).status, 503);
  assert.equal(site.proposals.at(-1)?.made, undefined);
  site.script['registry.claims'] = () => ({ claims: [{ h: site.proposals.at(-1)?.h }] });
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/network', body)).status, 503);
  assert.equal(site.proposals.at(-1)?.made, true);
  site.script['registry.claims'] = { claims: [] };
  await call('Metal-Admin', 'PUT', '/v1/network', body);
  assert.equal(site.proposals.at(-1)?.made, false);
});

test('networks.md §1.4–1.7: allocate, free and delete go to the allocator or the registry', async () => {
  const { site, add, call } = start();
  const view = { network: network('n'), usage: { IPv4: null, IPv6: null } };
  for (const name of ['allocator.freeNetwork', 'registry.deleteNetwork']) site.script[name] = view;
  // Whether there is a super network comes before what is malformed.
  site.script['allocator.allocateNetwork'] = ({ body }: Asked) => (body as { malformed?: unknown }).malformed ?? view;
  const allocate = (body: object) => call('Metal-Edit', 'POST', '/v1/network/allocate', body);
  assert.equal((await allocate({})).status, 400);
  assert.equal((await allocate({ projectid: 'x', partitionid: 'none' })).status, 404);
  assert.equal((await allocate({ projectid: 'x', partitionid: 'p', length: { x: 3 } })).status, 400);
  assert.equal((await allocate({ projectid: 'x', partitionid: 'p', addressfamily: 'x' })).status, 400);
  const tooLong = await allocate({ projectid: 'none', partitionid: 'none', length: { x: 300 } });
  assert.deepEqual([tooLong.status, site.asked.length], [400, 2], 'no request of metal-api can carry it');
  const labels = { 'ipam.hanse/quarantine-seconds': 'ten' };
  const resting = await allocate({ projectid: 'x', partitionid: 'p', labels });
  assert.equal(resting.status, 400);
  assert.match(messageOf(resting), /quarantine-seconds is "ten", expected whole seconds/);
  const malformed = await allocate({ projectid: 'x', partitionid: 'p', destinationprefixes: ['x'] });
  assert.match(messageOf(malformed), /given cidr x is not a valid ip with mask: destinationprefixes are/);
  const made = await allocate({ projectid: 'x', partitionid: 'p', length: { ipv4: 29 }, addressfamily: 'ipv4' });
  assert.equal(made.status, 201);
  const asked = site.asked.at(-1)!;
  assert.deepEqual([asked.to.kind, asked.to.id, asked.options.who], ['allocator', 'p', 'metal-edit@metal-stack.io']);
  assert.deepEqual((asked.body as { length: unknown; family: unknown }).length, { IPv4: 29 });

  add(network('child', { parent: 'super' }));
  add(network('dmz'));
  add(network('internet', { partition: '' }));
  const last = () => [site.asked.at(-1)?.to.kind, site.asked.at(-1)?.command];
  assert.equal((await call('Metal-Edit', 'DELETE', '/v1/network/free/child')).status, 200);
  assert.deepEqual(last(), ['allocator', 'freeNetwork']);
  assert.equal((await call('Metal-Edit', 'POST', '/v1/network/free/child', {})).status, 200);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/child')).status, 200);
  assert.deepEqual(site.asked.at(-1)?.body, { network: 'child', as: 'delete' });
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/dmz')).status, 200);
  assert.deepEqual(site.asked.at(-1)?.body, { id: 'dmz', partition: 'p', partitions: ['p'] });
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/internet')).status, 200);
  assert.deepEqual(last(), ['registry', 'deleteNetwork']);
  const notAChild = await call('Metal-Edit', 'DELETE', '/v1/network/free/internet');
  assert.deepEqual(
    [notAChild.status, messageOf(notAChild)],
    [
      422,
      'error releasing child prefix in ipam: invalid_argument: NotFound: unable to find prefix for cidr:"" because network internet is not a child',
    ],
  );
  assert.equal((await call('Metal-Edit', 'DELETE', '/v1/network/free/none')).status, 404);
});

test('design.md §12: what is deleted is no longer promised by the others', async () => {
  const { site, add, call } = start();
  site.members.set('b', () => ({}));
  add(network('dmz'));
  const [id, one, two, others] = [
    { what: 'network', value: 'dmz', holder: 'dmz', h: 'h1' },
    { what: 'prefix', value: '10.0.0.0/24', holder: 'dmz', h: 'h1' },
    { what: 'prefix', value: '10.2.0.0/24', holder: 'dmz', h: 'h2' },
    { what: 'prefix', value: '10.3.0.0/24', holder: 'other', h: 'h3' },
  ];
  let claims = [id, one, two, others];
  site.script['registry.claims'] = () => ({ claims });
  site.script['registry.deleteNetwork'] = () => {
    claims = [two, others];
    return { network: network('dmz'), usage: { IPv4: null, IPv6: null } };
  };
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/dmz')).status, 200);
  assert.deepEqual(site.released, [[id, one]]);

  // Nobody knows what came of it: the others are told when it is known.
  site.script['registry.deleteNetwork'] = unavailable('the outcome is unknown');
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/dmz')).status, 503);
  assert.deepEqual(site.released[1], undefined);
  assert.equal(site.released.length, 2);
  site.script['registry.deleteNetwork'] = conflict('it is in use');
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/dmz')).status, 409);
  assert.equal(site.released.length, 2);
});

test('design.md §12: an update frees the others of the prefixes that it removes, also when it adds some', async () => {
  const { site, add, call } = start();
  site.members.set('b', () => ({}));
  add(network('n', { prefixes: ['10.0.0.0/24', '10.2.0.0/24'] }));
  const prefix = (value: string) => ({ what: 'prefix', value, holder: 'n', h: 'h1' });
  let claims = ['10.0.0.0/24', '10.2.0.0/24'].map(prefix);
  site.script['registry.claims'] = () => ({ claims });
  site.script['network.update'] = ({ body }: Asked) => {
    const { prefixes } = body as { prefixes: string[] };
    claims = prefixes.map(prefix);
    return { network: network('n', { prefixes }), usage: { IPv4: null, IPv6: null } };
  };
  const update = (...prefixes: string[]) => call('Metal-Admin', 'POST', '/v1/network', { id: 'n', prefixes });
  assert.equal((await update('10.0.0.0/23', '10.9.0.0/24')).status, 200);
  assert.deepEqual(site.proposals.at(-1)?.claims, [
    { what: 'prefix', value: '10.0.0.0/23', holder: 'n', replaces: ['10.0.0.0/24'] },
    { what: 'prefix', value: '10.9.0.0/24', holder: 'n' },
  ]);
  assert.deepEqual(site.released, [['10.0.0.0/24', '10.2.0.0/24'].map(prefix)]);
});

test('networks.md §1.6: update: force is a boolean by Go’s rules, added prefixes need the word of all', async () => {
  const { site, add, call } = start();
  site.members.set('b', () => ({}));
  add(network('n'));
  site.script['network.update'] = { network: network('n'), usage: { IPv4: null, IPv6: null } };
  const update = (body: object, query = '') => call('Metal-Admin', 'POST', `/v1/network${query}`, { id: 'n', ...body });
  assert.equal((await update({}, '?force=maybe')).status, 400);
  assert.equal((await update({ name: 'x', prefixes: null }, '?force=T')).status, 200);
  assert.equal(site.proposals.length, 0);
  assert.equal((await update({ prefixes: ['10.0.0.0/24', '10.9.0.0/24'] }, '?force=false')).status, 200);
  assert.deepEqual(site.proposals[0]?.claims, [{ what: 'prefix', value: '10.9.0.0/24', holder: 'n' }]);
  const patch = site.asked.at(-1)?.body as { h: string; site: string; force: boolean };
  assert.deepEqual([patch.h, patch.site, patch.force], [site.proposals[0]?.h, 'a', false]);
  assert.equal((await update({ defaultchildprefixlength: { IPv4: 28 } })).status, 422);
  const noFamily = await update({ defaultchildprefixlength: { x: 23 } });
  assert.deepEqual(
    [noFamily.status, messageOf(noFamily)],
    [422, 'no addressfamily "x" present for defaultchildprefixlength: 23'],
  );
  assert.equal((await update({ defaultchildprefixlength: { x: 23, IPv4: 256 } })).status, 400);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/network', { id: 'none' })).status, 404);
  const unnamed = await call('Metal-Admin', 'POST', '/v1/network', { name: 'x' });
  assert.deepEqual([unnamed.status, messageOf(unnamed)], [404, 'NotFound no network with id "" found']);
});

test('networks.md §1.3: a network has at most 500 prefixes; of each of its lists the answer names the field and the limit', async () => {
  const { site, add, call } = start();
  add(network('n', { privateSuper: true, type: 'super' }));
  const cidrs = (count: number): string[] => Array.from({ length: count }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const writes = [
    ['PUT', '/v1/network', ['prefixes', 'destinationprefixes', 'additionalAnnouncableCIDRs']],
    ['POST', '/v2/network', ['prefixes', 'destinationprefixes', 'additionalAnnouncableCIDRs']],
    ['POST', '/v1/network/allocate', ['destinationprefixes']],
  ] as const;
  for (const [method, path, fields] of writes)
    for (const field of fields) {
      const refused = await call('Metal-Admin', method, path, { id: 'n', [field]: cidrs(501) });
      assert.deepEqual(
        [refused.status, messageOf(refused)],
        [400, `${field}: 501 are given, at most 500 are taken`],
        `${method} ${path}`,
      );
      const most = await call('Metal-Admin', method, path, { id: 'n', [field]: cidrs(500) });
      assert.doesNotMatch(messageOf(most) ?? '', /at most/);
    }
  assert.deepEqual(site.proposals.length, 0);
});

test('design.md §2: a global network of another site is read from the copy, and never written here', async () => {
  const { site, call } = start();
  site.networkPlaces.set('far', { partition: '', home: 'b' });
  site.entries.push(entryOf('globalnetwork', network('far', { partition: '' }), 'b'));
  assert.equal((await call('Metal-View', 'GET', '/v1/network/far')).status, 200);
  const refused = await call('Metal-Admin', 'DELETE', '/v1/network/far');
  assert.equal(refused.status, 503);
  assert.match(messageOf(refused), /site b/);
});

test('reliability.md F24: a restored site leaves global networks as they are until it was compared; those of partitions serve', async () => {
  const { add, call, site } = start();
  add(network('global', { partition: '' }));
  add(network('n'));
  site.refuseFenced = () => unavailable('site a was restored from a backup');
  site.script['registry.createNetwork'] = { network: network('m'), usage: { IPv4: USAGE, IPv6: null } };
  site.script['registry.deleteNetwork'] = { network: network('n'), usage: { IPv4: null, IPv6: null } };
  const made = { prefixes: ['10.1.0.0/24'], destinationprefixes: [], privatesuper: false, nat: false, underlay: false };
  for (const [method, path, body] of [
    ['PUT', '/v1/network', { ...made, id: 'new' }],
    ['POST', '/v1/network', { id: 'global', name: 'other' }],
    ['DELETE', '/v1/network/global', undefined],
  ] as const) {
    const refused = await call('Metal-Admin', method, path, body);
    assert.deepEqual([refused.status, messageOf(refused)], [503, 'site a was restored from a backup'], method);
  }
  assert.deepEqual([...new Set(site.asked.map(({ command }) => command))], ['get'], 'nothing was asked to change');
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/network', { ...made, id: 'm', partitionid: 'p' })).status, 201);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/network/n')).status, 200);
});

test('networks.md §1.8: a global network shows what all partitions hold; design.md §6: its idle blocks come home before it goes', async () => {
  const site = createTestSite({
    'network.get': {
      network: network('internet', { partition: '', prefixes: ['203.0.113.0/24'] }),
      usage: { IPv4: { ...USAGE }, IPv6: null },
    },
    'network.ledger': { blocks: [], blockLength: {}, spare: [] },
    'block.usage': {
      network: 'internet',
      ranges: [{ prefix: '203.0.113.0/24', range: '203.0.113.0/28', held: 5, resting: 1, free: 10, size: 16 }],
    },
    'registry.deleteNetwork': { network: network('internet'), usage: { IPv4: null, IPv6: null } },
  });
  site.networkPlaces.set('internet', { partition: '', home: 'a' });
  site.members.set('b', (kind) =>
    kind === 'network-parts'
      ? { parts: [{ ranges: [{ range: '203.0.113.16/28', held: 3, resting: 0 }] }], ledger: null }
      : {},
  );
  const call = clientOf(createApp(site));
  const found = await call('Metal-View', 'GET', '/v1/network/internet');
  assert.equal((found.body as { usage: { used_ips: number } }).usage.used_ips, 2 + 5 + 1 + 3);

  site.recallBlocks = async () => ({ missing: ["partition q (site b) can't be reached"], isCalled: false });
  const held = await call('Metal-Admin', 'DELETE', '/v1/network/internet');
  assert.equal(held.status, 503);
  assert.match(JSON.stringify(held.body), /partition q \(site b\) can't be reached/);
  const fewer = { id: 'internet', prefixes: ['198.51.100.0/24'] };
  const kept = await call('Metal-Admin', 'POST', '/v1/network', fewer);
  assert.equal(kept.status, 503);
  assert.match(JSON.stringify(kept.body), /prefixes 203.0.113.0\/24 can't be removed .* partition q \(site b\)/);
  site.recallBlocks = async () => ({ missing: [], isCalled: true });
  const deleted = await call('Metal-Admin', 'DELETE', '/v1/network/internet');
  assert.equal(deleted.status, 200, JSON.stringify(deleted.body));
});

const INTERNET = {
  network: network('internet', { partition: '', prefixes: ['203.0.113.0/24', '198.51.100.0/24'] }),
  usage: { IPv4: { ...USAGE }, IPv6: null },
};

/** At home here, no block of it is out; `script` says how it ends. */
function siteOfInternet(script: Parameters<typeof createTestSite>[0]) {
  const site = createTestSite({
    'network.get': INTERNET,
    'network.ledger': { blocks: [], blockLength: {}, spare: [] },
    'block.usage': { network: 'internet', ranges: [] },
    ...script,
  });
  site.networkPlaces.set('internet', { partition: '', home: 'a' });
  return site;
}

test('design.md §6, §10: a dry run of the end of a global network looks at its blocks, and says what the real one would', async () => {
  const site = siteOfInternet({ 'registry.deleteNetwork': INTERNET, 'network.update': INTERNET });
  const call = clientOf(createApp(site));
  const remove = () => call('Metal-Admin', 'DELETE', '/v2/network/internet?dryRun=true');
  const fewer = { id: 'internet', prefixes: ['203.0.113.0/24'] };
  const shrink = () => call('Metal-Admin', 'POST', '/v2/network?dryRun=true', fewer);
  const ended = () =>
    site.asked.flatMap(({ command, body }) =>
      ['deleteNetwork', 'update'].includes(command) ? [(body as { blocksIdle?: true }).blocksIdle] : [],
    );

  const looked: unknown[] = [];
  site.recallBlocks = async (_network, of) => {
    looked.push(of);
    return { missing: [], isCalled: true };
  };
  for (const answer of [await remove(), await shrink()]) assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(looked, [
    { prefixes: undefined, looks: true },
    { prefixes: ['198.51.100.0/24'], looks: true },
  ]);
  assert.deepEqual(ended(), [true, true]);
  // What an older site did not say is not known to be idle.
  site.recallBlocks = async () => ({ missing: [], isCalled: false });
  await remove();
  assert.equal(ended().at(-1), undefined);
  site.recallBlocks = async () => ({ missing: [], isCalled: false, held: unprocessable('prefix P has ip I in use') });
  for (const answer of [await remove(), await shrink()]) {
    assert.equal(answer.status, 422);
    assert.match(JSON.stringify(answer.body), /prefix P has ip I in use/);
  }
  site.recallBlocks = async () => ({ missing: ["partition q (site b) can't be reached"], isCalled: false });
  assert.deepEqual([(await remove()).status, (await shrink()).status], [503, 503]);
  assert.equal(ended().length, 3);
});

test('design.md §6: whatever refuses the end of a global network after a recall, the partitions lease a block anew', async () => {
  const site = siteOfInternet({
    'registry.deleteNetwork': conflict('another operation'),
    'network.update': conflict('changed meanwhile'),
  });
  const call = clientOf(createApp(site));
  const remove = () => call('Metal-Admin', 'DELETE', '/v1/network/internet');
  const shrink = () => call('Metal-Admin', 'POST', '/v1/network', { id: 'internet', prefixes: ['203.0.113.0/24'] });

  assert.deepEqual([(await remove()).status, (await shrink()).status], [409, 409]);
  assert.deepEqual(site.leased, ['internet', 'internet']);
  site.recallBlocks = async () => ({ missing: ["partition q (site b) can't be reached"], isCalled: true });
  assert.deepEqual([(await remove()).status, (await shrink()).status], [503, 503]);
  assert.equal(site.leased.length, 4);
  site.script['registry.deleteNetwork'] = () => {
    throw new Error('broken');
  };
  site.recallBlocks = async () => ({ missing: [], isCalled: true });
  assert.equal((await remove()).status, 500);
  assert.equal(site.leased.length, 5);
  // A dry run calls nothing back, so that there is nothing to lease anew.
  site.script['registry.deleteNetwork'] = conflict('another operation');
  assert.equal((await call('Metal-Admin', 'DELETE', '/v2/network/internet?dryRun=true')).status, 409);
  assert.equal(site.leased.length, 5);

  site.recallBlocks = async () => ({ missing: [], isCalled: false, held: unprocessable('prefix P has ip I in use') });
  for (const answer of [await remove(), await shrink()]) {
    assert.equal(answer.status, 422);
    assert.match(JSON.stringify(answer.body), /prefix P has ip I in use/);
  }

  // Nothing was called, or it is done.
  site.script['registry.deleteNetwork'] = conflict('in use');
  site.recallBlocks = async () => ({ missing: [], isCalled: false });
  assert.equal((await remove()).status, 409);
  site.script['registry.deleteNetwork'] = INTERNET;
  site.script['network.update'] = INTERNET;
  site.recallBlocks = async () => ({ missing: [], isCalled: true });
  assert.deepEqual([(await remove()).status, (await shrink()).status], [200, 200]);
  assert.equal(site.leased.length, 5);
});
