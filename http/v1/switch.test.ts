import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RowFilter } from '../../actors/ports.ts';
import type { SwitchView } from '../../actors/switch/messages.ts';
import type { SwitchRecord } from '../../actors/switch/record.ts';
import { rowOf, TEST_NOW_MS, type Asked } from '../testing.ts';
import { allocatedNetwork, allocationRecord, networkRecord, plant, SCOPE } from './machine.fixture.ts';

const NOW = '2026-11-23T12:00:00Z';

const record = (id: string, changes: Partial<SwitchRecord> = {}): SwitchRecord => ({
  id,
  name: id,
  description: '',
  created: TEST_NOW_MS,
  changed: TEST_NOW_MS,
  partition: 'p',
  rack: 'rack01',
  mode: 'operational',
  os: { vendor: 'SONiC', version: '4.2', metalCoreVersion: 'v1' },
  managementIp: '10.0.0.2',
  managementUser: 'admin',
  consoleCommand: '',
  nics: [
    { mac: 'bb', name: 'Ethernet1', identifier: 'Eth1/2' },
    { mac: 'aa', name: 'Ethernet0', identifier: 'Eth1/1' },
  ],
  ...changes,
});

const view = (id: string, changes: Partial<SwitchView> = {}): SwitchView => ({
  switch: record(id),
  status: {
    lastSync: { atMs: TEST_NOW_MS, durationNs: 5_000_000, error: null },
    lastSyncError: null,
    ports: { 'Eth1/1': { actual: 'UP', desired: 'DOWN', wanted: 'DOWN', bgp: null } },
  },
  ports: [{ switch: id, nic: 'Eth1/1', vrf: 'vrf42', machine: 'm1' }],
  ...changes,
});

const scene = (script: Record<string, unknown> = {}) => {
  const made = plant({ 'switch.get': ({ to }: Asked) => view(to.id), ...script });
  const { site } = made;
  for (const id of ['leaf01', 'leaf02']) {
    const { switch: stored, status, ports } = view(id);
    site.switchPlaces.set(id, 'p');
    site.stored.push(rowOf('switch', SCOPE, id, id, stored), rowOf('switch_status', SCOPE, id, id, status));
    for (const port of ports) site.stored.push(rowOf('switch_port', SCOPE, id, `${id}|${port.nic}`, port));
  }
  return made;
};

test('networks.md §5.1: a switch, to the field', async () => {
  const { body } = await scene().call('view', 'GET', '/v1/switch/leaf01');
  const { partition, ...rest } = body as { partition: { id: string } };
  assert.equal(partition.id, 'p');
  const nic = { mac: 'aa', name: 'Ethernet0', identifier: 'Eth1/1', vrf: 'vrf42', bgp_port_state: null, filter: null };
  assert.deepEqual(rest, {
    id: 'leaf01',
    name: 'leaf01',
    description: '',
    rack_id: 'rack01',
    mode: 'operational',
    os: { vendor: 'SONiC', version: '4.2', metal_core_version: 'v1' },
    management_ip: '10.0.0.2',
    management_user: 'admin',
    console_command: '',
    nics: [
      { ...nic, actual: 'DOWN' },
      { ...nic, mac: 'bb', name: 'Ethernet1', identifier: 'Eth1/2', vrf: '', actual: 'UNKNOWN' },
    ],
    connections: [{ machine_id: 'm1', nic: { ...nic, actual: 'UP' } }],
    last_sync: { time: NOW, duration: 5_000_000 },
    last_sync_error: null,
    created: NOW,
    changed: NOW,
  });
});

test('networks.md §11.7, N32: the filter of a machine’s port, from the rows that it needs and no others', async () => {
  const { site, call } = scene();
  const ip = (address: string, network: string, partition = 'p') =>
    rowOf('ip', `partition:${partition}`, network, `${network}|${address}`, {
      address,
      uuid: 'u',
      network,
      project: 'project',
      name: '',
      description: '',
      type: 'static',
      tags: [],
      machines: [],
      prefix: '',
      created: 0,
      changed: 0,
    });
  site.networkPlaces.set('internet', { partition: '', home: 'b' });
  site.networkPlaces.set('abroad', { partition: 'q', home: 'b' });
  site.stored.push(
    rowOf('allocation', SCOPE, 'm1', 'm1', allocationRecord('m1', { networks: [allocatedNetwork('net')] })),
    rowOf('network', SCOPE, 'net', 'net', networkRecord('net', { prefixes: ['10.2.0.0/22', '10.1.0.0/22'] })),
    rowOf(
      'network',
      SCOPE,
      'super',
      'super',
      networkRecord('super', { parent: null, additionalAnnouncableCidrs: ['10.240.0.0/12'] }),
    ),
    rowOf(
      'network',
      SCOPE,
      'underlay',
      'underlay',
      networkRecord('underlay', { parent: null, underlay: true, prefixes: ['10.9.0.0/16'] }),
    ),
    ip('212.89.42.1', 'internet'),
    ip('212.89.42.2', 'internet', 'q'),
    ip('100.127.1.1', 'external'),
    ip('10.1.0.1', 'net'),
    ip('10.9.0.1', 'underlay'),
    ip('10.77.0.1', 'abroad', 'q'),
    ip('2001::1', 'external'),
  );
  const asked: RowFilter[] = [];
  const { rows } = site.rows;
  site.rows.rows = (table, filter = {}) => {
    asked.push(filter);
    return rows(table, filter);
  };
  const { body } = await call('view', 'GET', '/v1/switch/leaf01');
  assert.ok(asked.every(({ keys, project }) => keys !== undefined || project !== undefined));
  assert.deepEqual(
    (body as { nics: { filter: unknown }[] }).nics.map(({ filter }) => filter),
    [
      {
        cidrs: [
          '10.1.0.0/22',
          '10.2.0.0/22',
          '10.240.0.0/12',
          '100.127.1.1/32',
          '2001::1/128',
          '212.89.42.1/32',
          '212.89.42.2/32',
        ],
        vnis: [],
      },
      null,
    ],
  );
});

test('networks.md §7.3: lists and finds, unknown 404', async () => {
  const { call } = scene();
  const ids = (body: unknown) => (body as { id: string }[]).map(({ id }) => id);
  assert.deepEqual(ids((await call('view', 'GET', '/v1/switch')).body), ['leaf01', 'leaf02']);
  const find = async (query: object) => ids((await call('view', 'POST', '/v1/switch/find', query)).body);
  assert.deepEqual(await find({}), ['leaf01', 'leaf02']);
  assert.deepEqual(await find({ id: 'leaf02', osvendor: 'SONiC', rackid: 'rack01', partitionid: 'p' }), ['leaf02']);
  assert.deepEqual(await find({ osvendor: 'Cumulus' }), []);
  assert.equal((await call('view', 'GET', '/v1/switch/nobody')).status, 404);
});

test('networks.md §5.2: register, 201 the first time and 200 afterwards', async () => {
  let isNew = true;
  const { site, call } = scene({
    'switch.register': ({ to }: Asked) => ({ view: view(to.id), created: isNew }),
  });
  const body = {
    id: 'leaf03',
    name: 'leaf03',
    partition_id: 'p',
    rack_id: 'rack01',
    room_id: 'room',
    nics: [{ actual: null, identifier: 'Eth1/1', mac: null, name: 'Ethernet0' }],
    os: { vendor: 'SONiC', version: '4.2', metal_core_version: 'v1' },
    management_ip: '10.0.0.4',
    management_user: 'admin',
  };
  const register = (changes: object = {}) => call('edit', 'POST', '/v1/switch/register', { ...body, ...changes });
  assert.equal((await register()).status, 201);
  assert.deepEqual(site.asked.at(-1)!.body, {
    name: 'leaf03',
    description: null,
    partition: 'p',
    rack: 'rack01',
    nics: [{ identifier: 'Eth1/1', mac: '', name: 'Ethernet0', vrf: '' }],
    os: { vendor: 'SONiC', version: '4.2', metalCoreVersion: 'v1' },
    managementIp: '10.0.0.4',
    managementUser: 'admin',
  });
  isNew = false;
  assert.equal((await register()).status, 200);
  assert.equal((await register({ id: '' })).status, 400);
  assert.equal((await register({ partition_id: 'q' })).status, 404);
});

test('networks.md §5.7: notify answers the two syncs with empty name and description', async () => {
  const { site, call } = scene({ 'switch.notify': view('leaf01') });
  const answer = await call('edit', 'POST', '/v1/switch/leaf01/notify', {
    sync_duration: 5_000_000,
    error: null,
    port_states: { Ethernet0: 'UP' },
    bgp_port_states: { Ethernet0: { Neighbor: 'n', BgpState: 'Established', BgpTimerUpEstablished: 7, VrfName: null } },
  });
  assert.deepEqual(answer.body, {
    id: 'leaf01',
    name: '',
    description: '',
    last_sync: { time: NOW, duration: 5_000_000 },
    last_sync_error: null,
  });
  const sent = site.asked.at(-1)!.body as { bgpPortStates: Record<string, object> };
  assert.deepEqual(sent.bgpPortStates['Ethernet0'], {
    neighbor: 'n',
    peerGroup: '',
    vrfName: '',
    bgpState: 'Established',
    bgpTimerUpEstablished: 7,
    sentPrefixCounter: 0,
    acceptedPrefixCounter: 0,
  });
  assert.equal((await call('edit', 'POST', '/v1/switch/nobody/notify', {})).status, 404);
});

test('networks.md §5.7: update, port and delete', async () => {
  const { site, call } = scene({
    'switch.update': view('leaf01'),
    'switch.toggle': view('leaf01'),
    'switch.delete': view('leaf01'),
  });
  const sentByMetalctl = { id: 'leaf01', mode: 'replace', os: { vendor: '4.2' }, rack_id: 'rack01', description: null };
  assert.equal((await call('admin', 'POST', '/v1/switch', sentByMetalctl)).status, 200);
  assert.deepEqual(site.asked.at(-1)!.body, { mode: 'replace' });
  await call('admin', 'POST', '/v1/switch/leaf01/port', { nic: 'Ethernet0', status: 'DOWN' });
  assert.deepEqual(site.asked.at(-1)!.body, { nic: 'Ethernet0', status: 'DOWN' });
  await call('edit', 'DELETE', '/v1/switch/leaf01?force=true');
  assert.deepEqual(site.asked.at(-1)!.body, { force: true });
  assert.equal((await call('edit', 'DELETE', '/v1/switch/leaf01?force=perhaps')).status, 400);
  assert.equal(
    (await call('admin', 'POST', '/v1/switch/migrate', { old_switch_id: 'a', new_switch_id: 'b' })).status,
    422,
  );
  assert.equal((await call('admin', 'POST', '/v1/switch/migrate', { old_switch_id: 'a' })).status, 400);
});
