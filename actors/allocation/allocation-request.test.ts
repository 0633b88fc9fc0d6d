import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { machineTags, parseAllocationRequest, type AskedAllocation } from './allocation-request.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHbuJVlzcmAtWBnn/uYuzv6+C7fuukWMsqtEaTIA0FVH me';
const asked = (more: Partial<AskedAllocation> = {}): AskedAllocation => ({
  role: 'machine',
  creator: 'a@b.c',
  uuid: '',
  name: '',
  description: '',
  hostname: '',
  project: 'p',
  partition: 'muc',
  size: 'c1',
  image: 'ubuntu-24.4',
  filesystemLayout: '',
  sshPubKeys: [],
  userData: '',
  tags: [],
  networks: [{ id: 'n' }],
  ips: [],
  placementTags: [],
  dnsServers: [],
  ntpServers: [],
  firewallRules: null,
  ...more,
});
const kindOf = (more: Partial<AskedAllocation>): string => {
  const result = parseAllocationRequest(asked(more));
  return isRefusal(result) ? result.kind : 'ok';
};

describe('allocation request', () => {
  it('machines.md §8.1: defaults', () => {
    const request = parseAllocationRequest(asked({ ips: ['2001:DB8::1', '2001:db8:0::1'], sshPubKeys: [`${KEY}\n`] }));
    assert.ok(!isRefusal(request));
    assert.equal(request.hostname, 'metal');
    assert.equal(request.machine, null);
    assert.deepEqual(request.networks, [{ id: 'n', autoacquire: true }]);
    assert.deepEqual(request.ips, ['2001:db8::1']);
    assert.deepEqual(request.sshPubKeys, [KEY]);
  });

  it('machines.md §8.1: with a uuid, partition and size of the request are ignored', () => {
    const request = parseAllocationRequest(asked({ uuid: 'm', partition: 'x', size: 'y' }));
    assert.ok(!isRefusal(request));
    assert.deepEqual([request.machine, request.partition, request.size], ['m', '', '']);
    assert.equal(kindOf({ uuid: 'm', partition: '', size: '' }), 'ok');
  });

  it('machines.md §8.2: checks that answer 400', () => {
    assert.equal(kindOf({ networks: [] }), 'Invalid');
    assert.equal(kindOf({ partition: '' }), 'Invalid');
    assert.equal(kindOf({ size: '' }), 'Invalid');
    assert.equal(kindOf({ dnsServers: [{ ip: 'x' }] }), 'Invalid');
    assert.equal(kindOf({ ntpServers: [{ address: 'a b' }] }), 'Invalid');
    const wrong = { egress: [{ ports: [-1], to: [], comment: '' }], ingress: [] };
    assert.equal(kindOf({ role: 'firewall', firewallRules: wrong }), 'Invalid');
    assert.equal(kindOf({ role: 'machine', firewallRules: wrong }), 'ok');
  });

  it('machines.md §8.2: checks that answer 422', () => {
    assert.equal(kindOf({ project: '' }), 'Unprocessable');
    assert.equal(kindOf({ creator: '' }), 'Unprocessable');
    assert.equal(kindOf({ ips: ['1.2.3'] }), 'Unprocessable');
    assert.equal(kindOf({ sshPubKeys: [KEY, 'garbage'] }), 'Unprocessable');
    const noAuto = [{ id: 'n', autoacquire: false }];
    assert.equal(kindOf({ networks: noAuto }), 'Unprocessable');
    assert.equal(kindOf({ networks: noAuto, role: 'firewall' }), 'Unprocessable');
    assert.equal(kindOf({ networks: noAuto, ips: ['1.2.3.4'] }), 'ok');
    const two = [...noAuto, { id: 'm', autoacquire: false }];
    assert.equal(kindOf({ networks: two, ips: ['1.2.3.4', '1.2.3.4'] }), 'Unprocessable');
  });

  it('machines.md §8.7, §23.7: tags, the system overwrites the user', () => {
    const tags = machineTags(['b', 'role=web', 'role=db=x', 'b', 'machine.metal-stack.io/network.primary.asn=x', 'a'], {
      asn: 4_210_000_001,
      rack: 'r1',
      chassisPartSerial: '',
    });
    assert.deepEqual(tags, [
      'a',
      'b',
      'machine.metal-stack.io/network.primary.asn=4210000001',
      'machine.metal-stack.io/rack=r1',
      'role=db=x',
    ]);
    assert.deepEqual(machineTags([], { asn: 0, rack: '', chassisPartSerial: 's' }), [
      'machine.metal-stack.io/chassis=s',
    ]);
  });
});
