import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, partitionScope } from '../address.ts';
import { reservation } from '../runtime/behaviour.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';
import type { IpRequest, IpsForMachine } from './messages.ts';
import type { NetworkCreateRequest } from './network-rules.ts';
import type { NetworkRecord } from './record.ts';
import { renderTags } from './tags.ts';

const scope = partitionScope('p');
const at = (id: string) => addressOf(scope, 'network', id);
const request = (given: Partial<IpRequest>): IpRequest => ({
  project: 'q',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  ...given,
});

function withNetwork(given: Partial<NetworkCreateRequest>, as: Partial<NetworkRecord> = {}): Plant {
  const plant = createPlant();
  const network = { ...newNetwork('4', given), ...as };
  plant.reserve([reservation(at('4'), 'create', { network })]);
  return plant;
}
const allocate = (plant: Plant, given: Partial<IpRequest>) => plant.ask(at('4'), 'allocateIp', request(given));
const machine = (given: Partial<IpsForMachine>): IpsForMachine => ({
  machine: 'm',
  allocation: 'u',
  project: 'q',
  name: 'n',
  auto: false,
  given: [],
  ...given,
});
const reserveIps = (plant: Plant, given: Partial<IpsForMachine>, commit = true) =>
  plant.reserve([reservation(at('4'), 'acquireIps', machine(given))], commit);

describe('networks.md §11.6: addresses of 10.0.0.0/16', () => {
  const plant = withNetwork({ prefixes: ['10.0.0.0/16'] });

  it('any: the lowest; static ones too', () => {
    assert.equal(granted(allocate(plant, {})).address, '10.0.0.1');
    const ip = granted(allocate(plant, { type: 'static', tags: ['2', '1', '2'] }));
    assert.deepEqual([ip.address, ip.type, ip.tags, ip.prefix], ['10.0.0.2', 'static', ['1', '2'], '10.0.0.0/16']);
  });
  it('specific: once, inside, not a reserved one', () => {
    assert.equal(granted(allocate(plant, { address: '10.0.0.5' })).address, '10.0.0.5');
    refused(
      allocate(plant, { address: '10.0.0.5' }),
      'Conflict',
      'Conflict ip already allocated: 10.0.0.5 is held in network 4',
    );
    refused(
      allocate(plant, { address: '11.0.0.5' }),
      'Unprocessable',
      'specific ip not contained in any of the defined prefixes: 10.0.0.0/16',
    );
    for (const [address, end] of [
      ['10.0.0.0', 'first'],
      ['10.0.255.255', 'last'],
    ] as const) {
      refused(
        allocate(plant, { address }),
        'Conflict',
        `Conflict ip already allocated: ${address} is reserved, it is the ${end} address of 10.0.0.0/16`,
      );
    }
    refused(allocate(plant, { address: '::ffff:10.0.0.9' }), 'Unprocessable', 'not contained');
    const many = withNetwork({ prefixes: Array.from({ length: 10 }, (_, i) => `10.${i}.0.0/16`) });
    refused(allocate(many, { address: '11.0.0.5' }), 'Unprocessable', '10.7.0.0/16 and 2 more');
    refused(allocate(plant, { address: '10.0.0.09' }), 'Unprocessable', 'unable to parse specific ip: 10.0.0.09');
  });
  it('families', () => {
    assert.equal(granted(allocate(plant, { family: 'IPv4' })).address, '10.0.0.3');
    refused(
      allocate(plant, { family: 'IPv6' }),
      'Invalid',
      'there is no prefix for the given addressfamily:IPv6 present in network:4',
    );
    refused(
      allocate(plant, { family: 'IPv4', address: '10.0.0.7' }),
      'Invalid',
      'it is not possible to specify specificIP and addressfamily',
    );
  });
  it('free: unknown, with machine, with service tag; the lowest comes back', () => {
    refused(plant.ask(at('4'), 'freeIp', { address: '10.0.0.99' }), 'NotFound', 'NotFound ');
    const service = 'cluster.metal-stack.io/id/namespace/service=a/b/c';
    const ip = granted(allocate(plant, { address: '10.0.0.20', tags: [service] }));
    assert.equal(granted(plant.ask(at('4'), 'freeIp', { address: '10.0.0.20' })).uuid, ip.uuid);
    refused(plant.ask(at('4'), 'getIp', { address: '10.0.0.20' }), 'NotFound');
    granted(allocate(plant, { address: '10.0.0.21', machine: '1' }));
    refused(
      plant.ask(at('4'), 'freeIp', { address: '10.0.0.21' }),
      'Invalid',
      'ip with machine scope can not be deleted',
    );
    granted(plant.ask(at('4'), 'freeIp', { address: '10.0.0.1' }));
    assert.equal(granted(allocate(plant, {})).address, '10.0.0.1');
  });
  it('update: types, tags; the tag of an attached machine stays one (N15)', () => {
    refused(
      plant.ask(at('4'), 'updateIp', { address: '10.0.0.2', type: 'ephemeral' }),
      'Invalid',
      'cannot change type of ip address from static to ephemeral',
    );
    assert.equal(
      granted(plant.ask(at('4'), 'updateIp', { address: '10.0.0.5', type: 'static', name: 'x' })).type,
      'static',
    );
    const named = ['machine.metal-stack.io/id=1', 'a'];
    const kept = granted(plant.ask(at('4'), 'updateIp', { address: '10.0.0.21', tags: named }));
    assert.deepEqual([kept.tags, kept.machines, renderTags(kept)], [['a'], ['1'], ['a', named[0]]]);
  });
  it('machine tags set by hand hold the address until they are taken away, and own nothing', () => {
    const tags = ['machine.metal-stack.io/id=2'];
    granted(allocate(plant, { address: '10.0.0.30', tags }));
    refused(plant.ask(at('4'), 'freeIp', { address: '10.0.0.30' }), 'Invalid');
    granted(plant.ask(at('4'), 'updateIp', { address: '10.0.0.30', tags: [] }));
    granted(plant.ask(at('4'), 'freeIp', { address: '10.0.0.30' }));
  });
  it('after a restart everything is as before', () => {
    const before = granted(plant.ask(at('4'), 'get', {}));
    plant.restart();
    assert.deepEqual(granted(plant.ask(at('4'), 'get', {})), before);
    assert.equal(before.usage.IPv4?.used_ips, 5 + 2);
  });
});

describe('networks.md §11.6: families, projects, exhaustion', () => {
  it('dual stack: IPv4 unless asked; IPv6 alone: IPv6; spelling', () => {
    const plant = withNetwork({ prefixes: ['2001:db8::/64', '10.0.0.0/24'] });
    assert.equal(granted(allocate(plant, {})).address, '10.0.0.1');
    assert.equal(granted(allocate(plant, { family: 'IPv6' })).address, '2001:db8::1');
    assert.equal(granted(allocate(plant, { address: '2001:DB8::00FF' })).address, '2001:db8::ff');
    assert.equal(granted(allocate(withNetwork({ prefixes: ['2001:db8::/64'] }), {})).address, '2001:db8::1');
  });
  it('a child belongs to its project unless shared', () => {
    const child = { parent: 'super', project: 'owner' };
    const text = 'can not allocate ip for project "q" because network belongs to "owner" and the network is not shared';
    refused(allocate(withNetwork({ prefixes: ['10.0.0.0/24'] }, child), {}), 'Unprocessable', text);
    granted(allocate(withNetwork({ prefixes: ['10.0.0.0/24'] }, { ...child, shared: true }), {}));
    granted(allocate(withNetwork({ prefixes: ['10.0.0.0/24'] }, { project: 'owner' }), {}));
  });
  it('N11: a super network gives no addresses', () => {
    const plant = withNetwork({
      prefixes: ['10.0.0.0/16'],
      privateSuper: true,
      defaultChildPrefixLength: { IPv4: 22 },
    });
    refused(allocate(plant, {}), 'Unprocessable', 'super network');
  });
  it('300 parallel on one /24: 254 addresses, 46 times exhausted, none double', () => {
    const plant = withNetwork({ prefixes: ['10.0.0.0/24'] });
    const answers = Array.from({ length: 300 }, () => plant.start(at('4'), 'allocateIp', request({})));
    plant.settle(1_000);
    const all = answers.map((answer) => answer()!);
    const given = new Set(all.flatMap((one) => ('address' in one ? [one.address] : [])));
    const failed = all.filter((one) => 'refusal' in one);
    assert.deepEqual([given.size, failed.length], [254, 46]);
    refused(failed[0], 'Exhausted', 'Internal cannot allocate free ip in ipam, no ips left');
  });
  it('a full first prefix is passed over; /32 has nothing', () => {
    const plant = withNetwork({ prefixes: ['10.0.0.0/31', '10.1.0.0/30'] });
    assert.equal(granted(allocate(plant, {})).address, '10.1.0.1');
    refused(allocate(withNetwork({ prefixes: ['10.0.0.1/32'] }), {}), 'Exhausted');
  });
});

describe('addresses of machines', () => {
  it('machines.md §8.6: one of each family, attached, ephemeral', () => {
    const plant = withNetwork({ prefixes: ['2001:db8::/64', '10.0.0.0/24'] });
    const [reply] = reserveIps(plant, { auto: true }) as Array<{ ips: string[] }>;
    assert.deepEqual(reply?.ips, ['10.0.0.1', '2001:db8::1']);
    const ip = granted(plant.ask(at('4'), 'getIp', { address: '10.0.0.1' }));
    assert.deepEqual([ip.machines, ip.type, ip.description], [['m'], 'ephemeral', 'autoassigned']);
  });
  it('given ones: exist, of the project, of no other machine (W11)', () => {
    const plant = withNetwork({ prefixes: ['10.0.0.0/24'] });
    refused(reserveIps(plant, { given: ['10.0.0.9'] }), 'NotFound');
    granted(allocate(plant, { address: '10.0.0.9', type: 'static' }));
    refused(reserveIps(plant, { given: ['10.0.0.9'], project: 'other' }), 'Unprocessable', 'does not belong to');
    reserveIps(plant, { given: ['10.0.0.9'] });
    refused(
      reserveIps(plant, { given: ['10.0.0.9'], machine: 'm2' }),
      'Unprocessable',
      'attached to machine m already',
    );
    refused(plant.ask(at('4'), 'freeIp', { address: '10.0.0.9' }), 'Invalid');
  });
  it('released: ephemeral ones go, static ones stay, gone ones do not matter', () => {
    const plant = withNetwork({ prefixes: ['10.0.0.0/24'] });
    granted(allocate(plant, { address: '10.0.0.9', type: 'static' }));
    reserveIps(plant, { given: ['10.0.0.9'], auto: true });
    const ips = ['10.0.0.9', '10.0.0.1', '10.0.0.77'];
    const release = reservation(at('4'), 'releaseIps', { machine: 'm', ips });
    assert.deepEqual(plant.reserve([release]), [{ released: ['10.0.0.1'], kept: ['10.0.0.9'] }]);
    assert.deepEqual(plant.reserve([release]), [{ released: [], kept: [] }]);
    refused(plant.ask(at('4'), 'getIp', { address: '10.0.0.1' }), 'NotFound');
    assert.deepEqual(granted(plant.ask(at('4'), 'getIp', { address: '10.0.0.9' })).machines, []);
  });
  it('what a cancelled operation took is free again', () => {
    const plant = withNetwork({ prefixes: ['10.0.0.0/24'] });
    refused(reserveIps(plant, { auto: true }, false), 'Conflict', 'given up');
    assert.equal(granted(allocate(plant, {})).address, '10.0.0.1');
  });
  it('attaching 123 to hand-set tags (networks.md §11.6)', () => {
    for (const [tags, rendered] of [
      [[], ['machine.metal-stack.io/id=123']],
      [['machine.metal-stack.io/id'], ['machine.metal-stack.io/id=123']],
      [['machine.metal-stack.io/id=1'], ['machine.metal-stack.io/id=1', 'machine.metal-stack.io/id=123']],
    ] as const) {
      const plant = withNetwork({ prefixes: ['10.0.0.0/24'] });
      granted(allocate(plant, { address: '10.0.0.9', tags: [...tags] }));
      reserveIps(plant, { given: ['10.0.0.9'], machine: '123' });
      assert.deepEqual(renderTags(granted(plant.ask(at('4'), 'getIp', { address: '10.0.0.9' }))), rendered);
    }
  });
});
