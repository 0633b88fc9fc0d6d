import { test } from 'node:test';
import assert from 'node:assert/strict';
import { partitionScope } from '../../actors/address.ts';
import { unavailable } from '../../actors/refusal.ts';
import { emptyHardware } from '../../actors/machine/hardware.ts';
import type { RowOf } from '../../actors/records.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, rowOf, withDirectory, type TestSite } from '../testing.ts';

const start = () => {
  const site = withDirectory(createTestSite());
  return { site, call: clientOf(createApp(site)) };
};
type Call = ReturnType<typeof start>['call'];

const messageOf = ({ body }: { body: unknown }): string => (body as { message: string }).message;
const P = partitionScope('p');

const addMachine = (site: TestSite, id: string, size: string): void => {
  const machine = { id, size, partition: 'p', hardware: emptyHardware() } as RowOf<'machine'>['value'];
  site.stored.push(rowOf('machine', P, id, id, machine));
};
const addAllocation = (site: TestSite, machine: string, project: string, image: string): void => {
  const allocation = {
    machine,
    project,
    image,
    role: 'machine',
    networks: [],
  } as unknown as RowOf<'allocation'>['value'];
  site.stored.push(rowOf('allocation', P, machine, machine, allocation));
};

const size = (id: string, cores: number) => ({
  id,
  constraints: [
    { type: 'cores', min: cores, max: cores },
    { type: 'memory', min: 0, max: 10 },
  ],
});

const addSizeAndProject = async (call: Call, site: TestSite): Promise<void> => {
  await call('Metal-Admin', 'PUT', '/v1/size', size('s1', 1));
  await call('Metal-Admin', 'PUT', '/v1/tenant', { meta: { id: 't' } });
  await call('Metal-Admin', 'PUT', '/v1/project', { meta: { id: 'x' }, tenant_id: 't' });
  const partition = { id: 'p', name: '', description: '', created: 0, changed: 0, labels: {}, mgmtServiceAddress: '' };
  const bootConfig = { imageUrl: 'u', kernelUrl: 'k', commandLine: '' };
  const created = { wallMs: 0, counter: 0, site: 'a' };
  const entity = { ...partition, bootConfig, dnsServers: [], ntpServers: [] };
  site.entries.push({ kind: 'partition', id: 'p', home: 'a', revision: 1, created, entity });
};

test('machines.md §15.1: a size is created, listed with its omissions, updated in part, deleted', async () => {
  const { site, call } = start();
  const made = await call('Metal-Admin', 'PUT', '/v1/size', size('s1', 8));
  assert.equal(made.status, 201);
  assert.deepEqual(made.body, {
    id: 's1',
    name: '',
    description: '',
    constraints: [
      { type: 'cores', min: 8, max: 8 },
      { type: 'memory', max: 10 },
    ],
    labels: {},
    created: '2026-11-23T12:00:00Z',
    changed: '2026-11-23T12:00:00Z',
  });
  assert.equal(site.spread.length, 1);
  assert.equal((await call('Metal-View', 'GET', '/v1/size/')).status, 200);
  const updated = await call('Metal-Admin', 'POST', '/v1/size', { id: 's1', description: 'd', labels: null });
  assert.equal((updated.body as { description: string }).description, 'd');
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/size/s1')).status, 200);
  assert.equal(site.spread.at(-1)?.entity, null);
  const gone = await call('Metal-View', 'GET', '/v1/size/s1');
  assert.deepEqual([gone.status, messageOf(gone)], [404, 'NotFound no size with id "s1" found']);
});

test('clients.md §2.3: creating what exists is the typed conflict, before every other rule', async () => {
  const { call } = start();
  await call('Metal-Admin', 'PUT', '/v1/size', size('s1', 8));
  const again = await call('Metal-Admin', 'PUT', '/v1/size', { id: 's1', constraints: [{ type: 'nonsense' }] });
  assert.deepEqual(again, { status: 409, body: { statuscode: 409, message: 'Conflict entity already exists' } });
  const overlapping = await call('Metal-Admin', 'PUT', '/v1/size', size('s2', 8));
  assert.equal(overlapping.status, 400);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size', { constraints: [] })).status, 400);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size', { id: 'x', constraints: [{ min: -1 }] })).status, 400);
});

test('machines.md §15.1, W41: a size with reservations or machines stays, also if they are elsewhere or unknown', async () => {
  const { site, call } = start();
  await addSizeAndProject(call, site);
  const reservation = { id: 'r', sizeid: 's1', projectid: 'x', amount: 2, partitionids: ['p'] };
  assert.equal((await call('Metal-Edit', 'PUT', '/v1/size/reservations', reservation)).status, 201);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/size/s1')).status, 422);
  assert.equal((await call('Metal-Edit', 'DELETE', '/v1/size/reservations/r')).status, 200);
  site.members.set('b', () => ({ machines: 1 }));
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/size/s1')).status, 422);
  site.members.set('b', () => unavailable('site b'));
  const unknown = await call('Metal-Admin', 'DELETE', '/v1/size/s1');
  assert.equal(unknown.status, 503);
  assert.match(messageOf(unknown), /site b can't be reached/);
  site.members.set('b', () => ({ machines: 0 }));
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/size/s1')).status, 200);
});

test('machines.md §15.3: suggest asks the machine’s own actor', async () => {
  const { site, call } = start();
  site.machinePlaces.set('m', 'p');
  site.script['machine.get'] = {
    machine: { hardware: { ...emptyHardware(), memory: 4, gpus: [{ vendor: 'v', model: 'g [x]' }] } },
  };
  assert.equal((await call('Metal-View', 'POST', '/v1/size/suggest', {})).status, 400);
  assert.equal((await call('Metal-View', 'POST', '/v1/size/suggest', { machineID: 'n' })).status, 404);
  const { body } = await call('Metal-View', 'POST', '/v1/size/suggest', { machineid: 'm' });
  assert.deepEqual((body as unknown[])[1], { type: 'memory', min: 4, max: 4 });
});

test('machines.md §15.4: reservations: references, find, usage by hosted partition', async () => {
  const { site, call } = start();
  await addSizeAndProject(call, site);
  const reservation = { id: 'r', sizeid: 's1', projectid: 'x', amount: 2, partitionids: ['p'] };
  const put = (change: object) => call('Metal-Edit', 'PUT', '/v1/size/reservations', { ...reservation, ...change });
  assert.equal((await put({ sizeid: 'none' })).status, 404);
  assert.equal((await put({ projectid: 'none' })).status, 404);
  assert.equal((await put({ partitionids: ['none'] })).status, 400);
  assert.equal((await put({ amount: '2' })).status, 400);
  assert.equal((await put({})).status, 201);
  assert.equal((await put({})).status, 409);
  const kept = await call('Metal-Edit', 'POST', '/v1/size/reservations', { id: 'r', amount: null, partitionids: [] });
  assert.deepEqual((kept.body as { partitionids: string[] }).partitionids, ['p']);
  addMachine(site, 'm', 's1');
  addAllocation(site, 'm', 'x', 'ubuntu-1');
  const usage = await call('Metal-View', 'POST', '/v1/size/reservations/usage', { projectid: 'x' });
  assert.deepEqual(usage.body, [
    {
      id: 'r',
      name: '',
      description: '',
      sizeid: 's1',
      partitionid: 'p',
      projectid: 'x',
      amount: 2,
      usedamount: 1,
      projectallocations: 1,
    },
  ]);
  const found = await call('Metal-View', 'POST', '/v1/size/reservations/find', { partitionid: 'q' });
  assert.deepEqual(found.body, []);
});

test('machines.md §17: images: latest, query, usage, delete in use', async () => {
  const { site, call } = start();
  const entry = { name: '', description: '', created: 0, changed: 0, url: 'u', features: [], expirationDate: 0 };
  for (const patch of ['20200401', '20200502']) {
    const id = `ubuntu-20.4.${patch}`;
    const entity = { ...entry, id, os: 'ubuntu', version: `20.4.${patch}`, classification: 'preview' as const };
    site.entries.push({
      kind: 'image',
      id,
      home: 'a',
      revision: 1,
      created: { wallMs: 0, counter: 0, site: 'a' },
      entity,
    });
  }
  const latest = await call('Metal-View', 'GET', '/v1/image/ubuntu-20.4/latest');
  assert.equal((latest.body as { id: string }).id, 'ubuntu-20.4.20200502');
  assert.equal((await call('Metal-View', 'GET', '/v1/image/nonsense/latest')).status, 404);
  assert.equal(((await call('Metal-View', 'GET', '/v1/image/ubuntu-20.4/query')).body as unknown[]).length, 2);
  assert.equal((await call('Metal-View', 'GET', '/v1/image?show-usage=maybe')).status, 400);
  addAllocation(site, 'm', 'x', 'ubuntu-20.4.20200401');
  const all = await call('Metal-View', 'POST', '/v1/image/find?show-usage=true', { features: [] });
  assert.deepEqual(
    (all.body as Array<{ usedby: unknown }>).map(({ usedby }) => usedby),
    [['m'], null],
  );
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/image/ubuntu-20.4.20200401')).status, 422);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/image/ubuntu-20.4.20200502')).status, 200);
  const inside = await call('Metal-Admin', 'PUT', '/v1/image', { id: 'a-1', url: 'http://127.0.0.1:1/x' });
  assert.equal(inside.status, 400);
  assert.match(messageOf(inside), /PROBE_ALLOW/);
});

test('machines.md §16, §18: constraints and layouts', async () => {
  const { call } = start();
  const constraint = { id: 's1', constraints: { images: { ubuntu: '>= 20.4' } } };
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size-image-constraint', constraint)).status, 201);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/size-image-constraint/try', { size: 's1' })).status, 400);
  const layout = {
    id: 'l',
    filesystems: [{ device: '/dev/sda1', format: 'ext4', path: '/' }],
    disks: [{ device: '/dev/sda', partitions: [{ number: 1, size: 0 }] }],
    constraints: { sizes: ['s1'], images: { ubuntu: '*' } },
  };
  const made = await call('Metal-Admin', 'PUT', '/v1/filesystemlayout', layout);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual((made.body as { raid: unknown }).raid, null);
  const tried = await call('Metal-Admin', 'POST', '/v1/filesystemlayout/try', { size: 's1', image: 'ubuntu-20' });
  assert.equal((tried.body as { id: string }).id, 'l');
  assert.equal(
    (await call('Metal-Admin', 'POST', '/v1/filesystemlayout/try', { size: 's2', image: 'ubuntu-20' })).status,
    422,
  );
});

test('networks.md §11.8, N49, N52: projects and tenants; a project goes once every member has said that it is unused', async () => {
  const { site, call } = start();
  const tenant = await call('Metal-Admin', 'PUT', '/v1/tenant', { meta: { id: 'a', kind: 'Tenant' }, quotas: {} });
  assert.equal(tenant.status, 201);
  assert.equal((tenant.body as { meta: { version?: number } }).meta.version, undefined);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/tenant', { meta: { id: 'a' } })).status, 409);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/tenant', { meta: { id: 'b', kind: 'Project' } })).status, 422);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/tenant', { name: 'x' })).status, 400);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/tenant', { meta: { id: 'none' } })).status, 404);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/tenant', { meta: { id: 'a', version: 41 } })).status, 412);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/project', { meta: { id: 'x' } })).status, 400);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/project', { tenant_id: 'none' })).status, 404);
  const project = { meta: { id: 'x' }, tenant_id: 'a', quotas: { machine: { quota: 3 } } };
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/project', project)).status, 201);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/tenant/a')).status, 422);
  const moved = await call('Metal-Admin', 'POST', '/v1/project', { ...project, tenant_id: 'other' });
  assert.equal(moved.status, 422);

  addAllocation(site, 'm', 'x', 'i');
  site.members.set('b', () => ({ machines: 1, networks: 0, ips: 2 }));
  const found = await call('Metal-View', 'GET', '/v1/project/x');
  // The edge answers its own part; who asks for all sites adds the parts up (router/merge.ts, networks.md §10.2).
  assert.deepEqual((found.body as { quotas: unknown }).quotas, {
    machine: { quota: 3, used: 1 },
    ip: { used: 0 },
  });
  const used = await call('Metal-Admin', 'DELETE', '/v1/project/x');
  assert.deepEqual([used.status, messageOf(used)], [400, 'there are still machines allocated by this project']);
  site.members.set('b', () => unavailable('site b'));
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/project/x')).status, 503);
  assert.equal((await call('Metal-View', 'GET', '/v1/project/x')).status, 200);
  site.members.clear();
  site.stored = [];
  const deleted = await call('Metal-Admin', 'DELETE', '/v1/project/x');
  assert.deepEqual([deleted.status, (deleted.body as { meta: { id: string } }).meta.id], [200, 'x']);
  assert.deepEqual((await call('Metal-View', 'GET', '/v1/project')).body, null);
});

test('design.md §2, §12: an id is asked of all members before 404, and a chosen one before it is used', async () => {
  const { site, call } = start();
  await call('Metal-Admin', 'PUT', '/v1/size', size('far', 1));
  const entry = site.entries.pop()!;
  site.members.set('b', (kind, body) => {
    assert.equal(kind, 'directory-entry');
    return { entry: (body as { id: string }).id === 'far' ? { ...entry, home: 'b' } : null };
  });
  assert.equal((await call('Metal-View', 'GET', '/v1/size/far')).status, 200);
  assert.equal((await call('Metal-View', 'GET', '/v1/size/none')).status, 404);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size', size('far', 2))).status, 409);
  site.members.set('c', () => unavailable('site c'));
  assert.equal((await call('Metal-View', 'GET', '/v1/size/none')).status, 503);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size', size('new', 3))).status, 201);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/tenant', { meta: { id: 'chosen' } })).status, 503);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/tenant', { name: 'generated' })).status, 201);
});

test('an entry of our own that was deleted here is not there, whatever the copy of a member still says', async () => {
  const { site, call } = start();
  await call('Metal-Admin', 'PUT', '/v1/size', size('gone', 1));
  const entry = site.entries.pop()!;
  site.members.set('b', (_kind, body) => ({ entry: (body as { id: string }).id === 'gone' ? entry : null }));
  assert.equal((await call('Metal-View', 'GET', '/v1/size/gone')).status, 404);
  assert.equal((await call('Metal-Admin', 'PUT', '/v1/size', size('gone', 2))).status, 201);
});

test('machines.md §1.4: what is switched off is 500', async () => {
  const { call } = start();
  const audit = await call('Metal-View', 'POST', '/v1/audit/find', {});
  assert.deepEqual([audit.status, messageOf(audit)], [500, 'this feature is currently disabled']);
  assert.equal((await call('Metal-Admin', 'GET', '/v1/firmware')).status, 500);
  assert.equal((await call('Metal-Admin', 'DELETE', '/v1/firmware/bios/v/b/1%2F2')).status, 500);
  assert.equal((await call('Metal-Admin', 'POST', '/v1/vpn/authkey', {})).status, 500);
});
