import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText, partitionScope } from '../../actors/address.ts';
import { noAddressLeft } from '../../actors/ipam/refusal-texts.ts';
import { because, conflict, exhausted, unavailable, unreachable, type Refusal } from '../../actors/refusal.ts';
import { unlimited } from '../../actors/directory/tenant.ts';
import type { IpRequest } from '../../actors/network/messages.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf, rowOf, type Asked } from '../testing.ts';

const P = partitionScope('p');
const ip = (address: string, change: Partial<IpRecord> = {}): IpRecord => ({
  address,
  uuid: `uuid of ${address}`,
  network: 'n',
  project: 'x',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix: '10.0.0.0/16',
  created: 0,
  changed: 0,
  ...change,
});

const start = () => {
  const allocated = ({ body }: Asked) => {
    const { address = '10.0.0.1', type, tags, machine } = body as IpRequest;
    return ip(address, { type, tags, machines: machine === undefined ? [] : [machine] });
  };
  const site = createTestSite({ 'network.allocateIp': allocated, 'block.allocateIp': allocated });
  const meta = { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null };
  const base = { name: '', description: '', created: 0, changed: 0 };
  site.entries.push(entryOf('project', { ...base, id: 'x', meta, tenant: 't', quotas: unlimited() }));
  site.networkPlaces.set('n', { partition: 'p', home: 'a' });
  site.networkPlaces.set('internet', { partition: '', home: 'b' });
  const call = clientOf(createApp(site));
  const allocate = (body: object, address = '') =>
    call('Metal-Edit', 'POST', `/v1/ip/allocate${address && `/${address}`}`, {
      projectid: 'x',
      networkid: 'n',
      ...body,
    });
  const lastTo = () => addressText(site.asked.at(-1)!.to);
  return { site, call, allocate, lastTo };
};
const messageOf = ({ body }: { body: unknown }): string => (body as { message: string }).message;

test('networks.md §2.2: an address of a partition’s network, with the tags rendered from the machine', async () => {
  const { site, allocate, lastTo } = start();
  const made = await allocate({ type: 'static', tags: ['b'], machineid: 'm', addressfamily: 'ipv4' });
  assert.equal(made.status, 201);
  assert.deepEqual(made.body, {
    ipaddress: '10.0.0.1',
    allocationuuid: 'uuid of 10.0.0.1',
    name: '',
    description: '',
    networkid: 'n',
    projectid: 'x',
    type: 'static',
    tags: ['b', 'machine.metal-stack.io/id=m'],
    created: '1970-01-01T00:00:00Z',
    changed: '1970-01-01T00:00:00Z',
  });
  assert.equal(lastTo(), 'partition:p/network/n');
  assert.equal((site.asked[0]!.body as IpRequest).family, 'IPv4');
});

test('networks.md §2.2: what is checked before the actor is asked', async () => {
  const { site, allocate } = start();
  assert.deepEqual(messageOf(await allocate({ networkid: null })), 'networkid should not be empty');
  assert.deepEqual(messageOf(await allocate({ projectid: '' })), 'projectid should not be empty');
  assert.equal((await allocate({ networkid: 'none' })).status, 404);
  assert.equal((await allocate({ projectid: 'none' })).status, 404);
  // What the network says comes first.
  site.script['network.get'] = { network: { id: 'n', prefixes: ['10.0.0.0/24'], privateSuper: false }, usage: {} };
  const noFamily = await allocate({ projectid: 'none', addressfamily: 'IPv6' });
  assert.deepEqual(
    [noFamily.status, messageOf(noFamily)],
    [400, 'there is no prefix for the given addressfamily:IPv6 present in network:n'],
  );
  assert.equal((await allocate({ projectid: 'none', addressfamily: 'IPv4' }, '10.0.0.5')).status, 400);
  assert.equal((await allocate({ projectid: 'none', addressfamily: 'IPv4' })).status, 404);
  site.script['network.get'] = { network: { id: 'n', prefixes: [], privateSuper: false }, usage: {} };
  assert.equal((await allocate({ projectid: 'none' })).status, 422);
  site.script['network.get'] = unavailable('its shard starts');
  assert.equal((await allocate({ projectid: 'none' })).status, 404);
  assert.equal((await allocate({ addressfamily: 'x' })).status, 422);
  assert.equal((await allocate({ tags: 'x' })).status, 400);
  assert.ok(site.asked.every(({ command }) => command === 'get'));
  assert.equal((await allocate({ addressfamily: '', machineid: '' })).status, 201);
  assert.deepEqual(Object.keys(site.asked.at(-1)!.body as object).sort(), [
    'description',
    'name',
    'project',
    'tags',
    'type',
  ]);
});

test('networks.md §2.2: a specific address in canonical text, at its holder; taken is 409', async () => {
  const { site, allocate, lastTo } = start();
  site.addressPlaces.set('2001:db8::ff', { network: 'internet', partition: 'p', holder: 'block' });
  const made = await allocate({ networkid: 'internet' }, '2001:DB8::00FF');
  assert.equal((made.body as { ipaddress: string }).ipaddress, '2001:db8::ff');
  assert.equal(lastTo(), 'partition:p/block/internet');
  site.script['network.allocateIp'] = conflict('ip already allocated');
  const taken = await allocate({}, '10.0.0.5');
  assert.deepEqual(taken, { status: 409, body: { statuscode: 409, message: 'Conflict ip already allocated' } });
});

test('design.md §6: global addresses come from the blocks here, the machine’s partition first', async () => {
  const { site, allocate, lastTo } = start();
  site.hostedNow = ['p', 'q'];
  site.machinePlaces.set('m', 'q');
  await allocate({ networkid: 'internet' });
  assert.equal(lastTo(), 'partition:p/block/internet');
  await allocate({ networkid: 'internet', machineid: 'm' });
  assert.equal(lastTo(), 'partition:q/block/internet');
  const told = site.asked.at(-1)?.body as { machine: string; machinePartition?: string };
  assert.deepEqual([told.machine, told.machinePartition], ['m', 'q'], 'the machine notes it there (N15)');
  site.script['block.allocateIp'] = ({ to }: Asked) =>
    to.scope === P ? exhausted('cannot allocate free ip in ipam, no ips left') : ip('1.2.3.4');
  assert.equal((await allocate({ networkid: 'internet' })).status, 201);
  site.script['block.allocateIp'] = exhausted('cannot allocate free ip in ipam, no ips left');
  const none = await allocate({ networkid: 'internet' });
  assert.deepEqual(none, {
    status: 500,
    body: { statuscode: 500, message: 'Internal cannot allocate free ip in ipam, no ips left' },
  });
});

test('design.md §6: before a site gives up, each of its partitions was asked, and the refusal has what each holds', async () => {
  const { site, allocate } = start();
  site.hostedNow = ['p', 'q'];
  const cut = (partition: string) => unreachable(`partition ${partition} holds no free address, site b is cut off`);
  const none = (partition: string) => exhausted(noAddressLeft('internet', `partition ${partition} holds 1 block`));
  const answers = (p: Refusal | IpRecord, q: Refusal | IpRecord) => {
    site.script['block.allocateIp'] = ({ to }: Asked) => (to.scope === P ? p : q);
    return allocate({ networkid: 'internet' });
  };
  assert.equal((await answers(cut('p'), ip('1.2.3.4'))).status, 201, 'a partition here still has some');
  const all = await answers(none('p'), none('q'));
  assert.equal(all.status, 500);
  assert.equal(
    messageOf(all),
    'Internal cannot allocate free ip in ipam, no ips left in network internet: partition p holds 1 block; partition q holds 1 block',
  );
  for (const some of [await answers(cut('p'), none('q')), await answers(none('q'), cut('p'))]) {
    assert.equal(some.status, 503, 'never exhausted while somebody is missing');
    assert.equal(messageOf(some), cut('p').message);
  }
  const asked = site.asked.length;
  assert.equal((await answers(because('outcome-unknown', unavailable('?')), ip('1.2.3.4'))).status, 503);
  assert.equal(site.asked.length, asked + 1, 'what may have been done is not done elsewhere');
  site.script['block.allocateIp'] = cut('p');
  assert.equal((await allocate({ networkid: 'internet' }, '1.2.3.4')).status, 503);
  assert.equal(site.asked.length, asked + 2);
});

test('networks.md §2.3, §2.5: read, update and free at the holder', async () => {
  const { site, call, lastTo } = start();
  site.addressPlaces.set('10.0.0.1', { network: 'n', partition: 'p', holder: 'network' });
  site.addressPlaces.set('2001:db8::1', { network: 'n', partition: 'p', holder: 'network' });
  for (const name of ['getIp', 'updateIp', 'freeIp']) site.script[`network.${name}`] = ip('10.0.0.1');
  assert.equal((await call('Metal-View', 'GET', '/v1/ip/10.0.0.1')).status, 200);
  assert.equal((await call('Metal-View', 'GET', '/v1/ip/10.0.0.2')).status, 404);
  assert.equal((await call('Metal-Edit', 'DELETE', '/v1/ip/free/2001%3Adb8%3A%3A1')).status, 200);
  assert.deepEqual([lastTo(), site.asked.at(-1)?.body], ['partition:p/network/n', { address: '2001:db8::1' }]);
  const update = { ipaddress: '10.0.0.1', type: 'other', tags: [] };
  assert.equal((await call('Metal-Edit', 'POST', '/v1/ip', update)).status, 200);
  assert.deepEqual(site.asked.at(-1)?.body, { address: '10.0.0.1', tags: [] });
  const unnamed = await call('Metal-Edit', 'POST', '/v1/ip', {});
  assert.deepEqual([unnamed.status, messageOf(unnamed)], [404, 'NotFound no ip with id "" found']);
  assert.equal((await call('Metal-Edit', 'POST', '/v1/ip', { ipaddress: '10.9.9.9' })).status, 404);
});

test('networks.md §2.6, §7.3: lists and finds from the rows of this site only', async () => {
  const { site, call } = start();
  assert.deepEqual((await call('Metal-View', 'GET', '/v1/ip')).body, []);
  site.stored.push(rowOf('ip', P, 'n', 'n|10.0.0.1', ip('10.0.0.1', { machines: ['m'], tags: ['t'] })));
  site.stored.push(rowOf('ip', P, 'n', 'n|2001:db8::1', ip('2001:db8::1', { project: 'y', type: 'static' })));
  site.stored.push(rowOf('ip', partitionScope('far'), 'n', 'n|10.0.0.9', ip('10.0.0.9')));
  const found = async (query: object) => {
    const { body } = await call('Metal-View', 'POST', '/v1/ip/find', query);
    return (body as Array<{ ipaddress: string }>).map(({ ipaddress }) => ipaddress);
  };
  assert.deepEqual(await found({}), ['10.0.0.1', '2001:db8::1']);
  assert.deepEqual(await found({ machineid: 'm' }), ['10.0.0.1']);
  assert.deepEqual(await found({ tags: ['machine.metal-stack.io/id=m', 't'] }), ['10.0.0.1']);
  assert.deepEqual(await found({ projectid: 'y', networkid: 'n' }), ['2001:db8::1']);
  assert.deepEqual(await found({ addressfamily: 'ipv6' }), ['2001:db8::1']);
  assert.deepEqual(await found({ ipaddress: '2001:DB8::1' }), ['2001:db8::1']);
  assert.deepEqual(await found({ networkprefix: '10.0.0.0/16', type: 'static' }), ['2001:db8::1']);
  assert.equal((await call('Metal-View', 'POST', '/v1/ip/find', { addressfamily: 'x' })).status, 422);
});

test('networks.md §2: a list is rendered as its rows come, so that a million of them never lie here at once', async () => {
  const { site, call } = start();
  const rows = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => rowOf('ip', P, 'n', `n|${address}`, ip(address)));
  site.rows.rows = () => Promise.reject(new Error('all rows at once'));
  site.rows.portions = async (_table, _filter, each) => {
    for (const row of rows) each([row] as never);
  };
  const listed = await call('Metal-View', 'GET', '/v1/ip');
  assert.equal(listed.status, 200);
  assert.deepEqual(
    (listed.body as Array<{ ipaddress: string }>).map(({ ipaddress }) => ipaddress),
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
  );
  site.rows.portions = async (_table, _filter, each) => {
    each([rows[0]] as never);
    throw new Error('the database went away');
  };
  assert.equal((await call('Metal-View', 'POST', '/v1/ip/find', {})).status, 500, 'what fails midway is an error');
});
