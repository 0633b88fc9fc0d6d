import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AllocateMachine } from '../../actors/allocation/messages.ts';
import { exhausted, notFound, unavailable } from '../../actors/refusal.ts';
import { entryOf, rowOf } from '../testing.ts';
import { allocationRecord, machineRecord, machineView, plant, putMachine } from './machine.fixture.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKbBPCUJYBpPJUzTQcZ9eqhuOMWIlPkiWLvkOYTt3aAN me@here';

const scene = (answer: unknown = machineView('m1', { allocation: allocationRecord('m1') })) => {
  const made = plant({
    'allocator.allocateMachine': answer,
    'machine.get': machineView('m1', { machine: machineRecord('m1') }),
  });
  const { site } = made;
  site.networkPlaces.set('net', { partition: 'p', home: 'a' });
  site.networkPlaces.set('internet', { partition: '', home: 'b' });
  site.networkPlaces.set('other', { partition: 'q', home: 'a' });
  site.addressPlaces.set('10.0.0.9', { network: 'net', partition: 'p', holder: 'network' });
  site.addressPlaces.set('1.2.3.4', { network: 'internet', partition: 'p', holder: 'block' });
  return made;
};
type Scene = ReturnType<typeof scene>;

const request = (changes: object = {}) => ({
  projectid: 'project',
  partitionid: 'p',
  sizeid: 'small',
  imageid: 'ubuntu-24.4',
  networks: [{ networkid: 'net' }],
  ssh_pub_keys: [KEY],
  ...changes,
});
const allocate = ({ call }: Scene, changes: object = {}, kind = 'machine') =>
  call('edit', 'POST', `/v1/${kind}/allocate`, request(changes));
const sent = ({ site }: Scene): AllocateMachine => site.asked.at(-1)!.body as AllocateMachine;

test('machines.md §8: an allocation goes to the allocator with everything resolved, and answers 200', async () => {
  const made = scene();
  const answer = await allocate(made, {
    name: 'web',
    networks: [{ networkid: 'net', autoacquire: false }, { networkid: 'internet' }],
    ips: ['10.0.0.9', '1.2.3.4'],
    placement_tags: null,
    user_data: 'abc',
  });
  assert.equal(answer.status, 200, answer.message);
  assert.equal((answer.body as { allocation: { hostname: string } }).allocation.hostname, 'web-1');
  assert.deepEqual(made.site.asked.at(-1)!.to, made.to('allocator', 'p'));
  const { request: asked, layouts, ...rest } = sent(made);
  assert.deepEqual([asked.creator, asked.hostname, asked.userData], ['metal-edit@metal-stack.io', 'metal', 'abc']);
  assert.deepEqual(
    layouts.map(({ size, layout }) => [size, layout.id]),
    [['small', 'default']],
  );
  assert.deepEqual(rest, {
    machine: null,
    size: 'small',
    image: 'ubuntu-24.4.20260101',
    role: 'machine',
    networks: [
      { id: 'net', autoacquire: false, holder: 'network' },
      { id: 'internet', autoacquire: true, holder: 'block' },
    ],
    ips: [
      { address: '10.0.0.9', network: 'net', holder: 'network' },
      { address: '1.2.3.4', network: 'internet', holder: 'block' },
    ],
    reservations: [],
    machineQuota: null,
    usedElsewhere: 0,
    dnsServers: [{ ip: '1.1.1.1' }],
    ntpServers: [],
  });
});

test('machines.md §8.1: with a uuid, partition and size are the machine’s, whatever the request says', async () => {
  const made = scene();
  putMachine(made.site, machineView('m1'));
  assert.equal((await allocate(made, { uuid: 'm1', partitionid: '', sizeid: '' })).status, 200);
  const { machine, size, layouts } = sent(made);
  assert.deepEqual([machine, size, layouts[0]!.size], ['m1', '', 'small']);
});

const REFUSED: [string, object, number, RegExp][] = [
  ['1: no networks', { networks: null }, 400, /network/],
  ['2: unknown image', { imageid: 'debian-12' }, 400, /debian-12/],
  ['4: image without the feature', { imageid: 'firewall-3.0' }, 400, /not usable for a machine/],
  ['5: neither uuid nor partition', { partitionid: '' }, 400, /partition/],
  ['5: unknown machine', { uuid: 'nobody' }, 400, /nobody/],
  ['6: unknown size', { sizeid: 'unknown' }, 400, /size/],
  ['6: unknown partition', { partitionid: 'q' }, 400, /partition/],
  [
    '7: four DNS servers',
    { dns_servers: ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'].map((ip) => ({ ip })) },
    400,
    /three/,
  ],
  ['9: no project', { projectid: '' }, 422, /project/],
  ['9: invalid SSH key', { ssh_pub_keys: ['nonsense'] }, 422, /./],
  ['9: invalid IP', { ips: ['1.2.3'] }, 422, /1\.2\.3/],
  ['11: more networks without address than IPs', { networks: [{ networkid: 'net', autoacquire: false }] }, 422, /ip/],
  ['13: unknown project', { projectid: 'nobody' }, 404, /project/],
  ['15: unknown layout', { filesystemlayoutid: 'nobody' }, 404, /filesystemlayout/],
  ['18: unknown network', { networks: [{ networkid: 'nobody' }] }, 404, /network/],
  ['18: network of another partition', { networks: [{ networkid: 'other' }] }, 422, /other/],
  ['18: unknown IP', { ips: ['10.0.0.77'] }, 404, /10\.0\.0\.77/],
];

for (const [name, changes, status, message] of REFUSED) {
  test(`machines.md §8.2, ${name}: ${status}`, async () => {
    const made = scene();
    const answer = await allocate(made, changes);
    assert.equal(answer.status, status, answer.message);
    assert.match(answer.message, message);
    assert.ok(!made.site.asked.some(({ command }) => command === 'allocateMachine'));
  });
}

test('machines.md §8.2: what is wrong with the request comes before what is wrong with the plant', async () => {
  const made = scene();
  assert.equal((await allocate(made, { imageid: 'debian-12', ssh_pub_keys: ['nonsense'] })).status, 400);
  assert.equal((await allocate(made, { sizeid: 'none', projectid: 'nobody' })).status, 400);
});

test('machines.md §8.2, 12: the size image constraint is asked with the resolved image', async () => {
  const made = scene();
  made.site.entries.push(
    entryOf('sizeimageconstraint', {
      id: 'small',
      name: '',
      description: '',
      created: 0,
      changed: 0,
      images: { ubuntu: '>= 24.4.20270101' },
    }),
  );
  assert.equal((await allocate(made)).status, 422);
});

test('machines.md §9: firewalls, with rules and the feature', async () => {
  const made = scene();
  const rules = { egress: [{ protocol: 'tcp', ports: [443], to: ['0.0.0.0/0'] }], ingress: null };
  const answer = await allocate(made, { imageid: 'firewall-3.0', firewall_rules: rules }, 'firewall');
  assert.equal(answer.status, 200, answer.message);
  const { role, request: asked } = sent(made);
  assert.equal(role, 'firewall');
  assert.deepEqual(asked.firewallRules?.egress[0]?.protocol, 'TCP');
  assert.equal((await allocate(made, {}, 'firewall')).status, 400);
  const mixed = { egress: [{ ports: [1], to: ['0.0.0.0/0', '::/0'] }] };
  assert.equal((await allocate(made, { imageid: 'firewall-3.0', firewall_rules: mixed }, 'firewall')).status, 400);
});

test('machines.md §8.3, design.md §12: the quota counts other partitions, of sites cut off by their copies', async () => {
  const made = scene();
  const { site } = made;
  const project = site.entries.find(({ kind }) => kind === 'project')!;
  (project.entity as { quotas: object }).quotas = { cluster: null, machine: 9, ip: 7, project: null };
  site.hostedNow = ['p', 'p2'];
  site.places.partition = (id) => ({ p: 'a', p2: 'a', q: 'b', r: 'c' })[id];
  const at = (partition: string, machine: string) =>
    site.stored.push(rowOf('allocation', `partition:${partition}`, machine, machine, allocationRecord(machine)));
  at('p', 'here');
  at('p2', 'beside');
  at('q', 'copy-of-b');
  at('r', 'copy-of-c');
  site.members.set('b', () => ({ machines: 3, networks: 0, ips: 0 }));
  site.members.set('c', () => unavailable('site c'));
  assert.equal((await allocate(made)).status, 200);
  assert.deepEqual([sent(made).machineQuota, sent(made).usedElsewhere], [9, 1 + 3 + 1]);
  assert.equal(sent(made).ipQuota?.max, 7);
});

test('machines.md §8.2, 18: an address or network of another partition is refused with its name, 503 while nobody can say', async () => {
  const made = scene();
  const { site } = made;
  const asked: unknown[] = [];
  site.members.set('b', (kind, body) => {
    asked.push([kind, body]);
    const known = ['1.2.4.1', 'abroad'].includes((body as { id: string }).id);
    return known ? { here: true, partition: 'q' } : { here: false };
  });
  const held = await allocate(made, { ips: ['1.2.4.1'] });
  assert.equal(held.status, 422);
  assert.match(held.message, /held by partition "q"/);
  assert.deepEqual(asked, [['locate', { by: 'address', id: '1.2.4.1' }]]);
  assert.equal((await allocate(made, { ips: ['1.2.4.2'] })).status, 404);
  site.addressPlaces.set('10.9.0.1', { network: 'other', partition: 'q', holder: 'network' });
  assert.equal((await allocate(made, { ips: ['10.9.0.1'] })).status, 422);
  site.members.set('c', () => unavailable('site c'));
  assert.equal((await allocate(made, { ips: ['1.2.4.2'] })).status, 503);

  assert.equal((await allocate(made, { networks: [{ networkid: 'abroad' }] })).status, 422);
});

test('what the allocator refuses is the answer', async () => {
  assert.equal((await allocate(scene(exhausted('network net has no address left')))).status, 500);
  assert.equal((await allocate(scene(notFound('no ip')))).status, 404);
  assert.equal((await allocate(scene(unavailable('site b')))).status, 503);
  assert.equal((await scene().call('view', 'POST', '/v1/machine/allocate', request())).status, 403);
});
