import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import type { AllocatorCommands } from '../allocation/messages.ts';
import type { NetworkPatch, NetworkView } from '../network/messages.ts';
import type { NetworkCreateRequest } from '../network/network-rules.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from '../network/plant.fixture.ts';
import { invalid, isRefusal, type Refusal } from '../refusal.ts';
import { claimsOfNetwork, together } from './claims.ts';
import type { Claim } from './messages.ts';

const site = siteScope('s');
const registry = addressOf(site, 'registry', 's');
const directory = addressOf(site, 'directory', 'globalnetwork');
const networkIn = (partition: string, id: string) =>
  addressOf(partition === '' ? site : partitionScope(partition), 'network', id);
const allocator = (partition = 'p') => addressOf(partitionScope(partition), 'allocator', partition);

const plantOf = (partitions = ['p']): Plant & { partitions: string[] } => ({
  ...createPlant({ partitions }),
  partitions,
});
const create = (plant: Plant & { partitions: string[] }, id: string, request: Partial<NetworkCreateRequest>) =>
  plant.ask(registry, 'createNetwork', {
    network: newNetwork(id, request),
    h: `h-${id}`,
    partitions: plant.partitions,
  });
const remove = (plant: Plant & { partitions: string[] }, id: string, partition = 'p') =>
  plant.ask(registry, 'deleteNetwork', { id, partition, partitions: plant.partitions });
const aSuper: Partial<NetworkCreateRequest> = {
  prefixes: ['10.0.0.0/16', '2001:db8::/48'],
  privateSuper: true,
  defaultChildPrefixLength: { IPv4: 22, IPv6: 64 },
};
let children = 0;
const child = (plant: Plant, given: Partial<AllocatorCommands['allocateNetwork']['ask']> = {}, partition = 'p') =>
  plant.ask(allocator(partition), 'allocateNetwork', {
    id: given.id ?? `child-${children++}`,
    name: '',
    description: '',
    labels: {},
    project: 'q',
    shared: false,
    nat: false,
    destinationPrefixes: [],
    length: {},
    ...given,
  });
const patch = (given: Partial<NetworkPatch>): NetworkPatch => ({
  additionalAnnouncableCidrs: [],
  force: false,
  site: 's',
  h: 'h-update',
  ...given,
});
const free = (plant: Plant, network: string, as: 'free' | 'delete' = 'free') =>
  plant.ask(allocator(), 'freeNetwork', { network, as });
const prefixesOf = (view: NetworkView) => view.network.prefixes;

describe('networks.md §11.1: what several actors decide', () => {
  it('one super (400) and one underlay (422) a partition; nat on neither', () => {
    const plant = plantOf(['p', 'p2']);
    granted(create(plant, 'super', aSuper));
    refused(
      create(plant, 'super2', { ...aSuper, prefixes: ['10.7.0.0/16', '2001:db9::/48'] }),
      'Invalid',
      'partition with id "p" already has a private super network',
    );
    granted(create(plant, 'under', { prefixes: ['10.1.0.0/24'], underlay: true }));
    refused(
      create(plant, 'under2', { prefixes: ['10.2.0.0/24'], underlay: true }),
      'Unprocessable',
      'partition with id "p" already has an underlay network',
    );
    refused(
      create(plant, 'under3', { prefixes: ['10.2.0.0/24'], underlay: true, partition: 'p2', nat: true }),
      'Invalid',
      'private super or underlay network is not supposed to NAT',
    );
    granted(create(plant, 'under3', { prefixes: ['10.2.0.0/24'], underlay: true, partition: 'p2' }));
  });
  it('an existing id is 409 before everything else; an unknown partition 404 after the overlap', () => {
    const plant = plantOf();
    granted(create(plant, 'n', { prefixes: ['10.0.0.0/24'] }));
    refused(create(plant, 'n', { prefixes: ['10.0.0.0/24'] }), 'Conflict', 'Conflict entity already exists');
    refused(
      create(plant, 'o', { prefixes: ['10.0.0.128/25'], partition: 'x' }),
      'Unprocessable',
      '10.0.0.128/25 overlaps 10.0.0.0/24',
    );
    refused(create(plant, 'o', { prefixes: ['10.3.0.0/25'], partition: 'x' }), 'NotFound');
  });
  it('overlaps: within the request, with children of another partition; families never', () => {
    const plant = plantOf(['p', 'p2']);
    refused(
      create(plant, 'n', { prefixes: ['10.9.0.0/24', '10.9.0.128/25'] }),
      'Unprocessable',
      /^10\.9\.0\.128\/25 overlaps 10\.9\.0\.0\/24 of the same request$/,
    );
    granted(create(plant, 'super', aSuper));
    const [v4] = prefixesOf(granted(child(plant)));
    refused(create(plant, 'n', { prefixes: [v4!], partition: 'p2' }), 'Unprocessable', 'overlaps');
    // Check 13 comes before 14.
    const nowhere = { ...plant, partitions: [] };
    refused(create(nowhere, 'n', { prefixes: [v4!], partition: 'p2' }), 'Unprocessable', 'overlaps');
    refused(create(nowhere, 'n', { prefixes: ['10.77.0.0/24'], partition: 'p2' }), 'NotFound', 'no partition with id');
    granted(create(plant, 'n', { prefixes: ['::ffff:10.0.0.0/112'], partition: 'p2' }));
  });
  it('VRF: out of range, taken, shared; free only when the last owner is gone (N10)', () => {
    const plant = plantOf();
    refused(
      create(plant, 'a', { prefixes: ['10.0.0.0/24'], vrf: 131073 }),
      'Unprocessable',
      "could not acquire vrf: value '131073' is outside of the allowed range '1 - 131072'",
    );
    granted(create(plant, 'a', { prefixes: ['10.0.0.0/24'], vrf: 104009 }));
    refused(
      create(plant, 'b', { prefixes: ['10.0.1.0/24'], vrf: 104009 }),
      'Conflict',
      /cannot acquire a unique vrf id twice .* by another: VRF 104009 is that of network a in partition p/,
    );
    granted(create(plant, 'b', { prefixes: ['10.0.1.0/24'], vrf: 104009, vrfShared: true }));
    granted(remove(plant, 'a'));
    refused(create(plant, 'c', { prefixes: ['10.0.2.0/24'], vrf: 104009 }), 'Conflict');
    granted(remove(plant, 'b'));
    granted(create(plant, 'c', { prefixes: ['10.0.0.0/24'], vrf: 104009 }));
  });
  it('8 parallel creates of 10.0.0.0/8 … /15: one, seven times 422 (N02)', () => {
    const plant = plantOf();
    const answers = [8, 9, 10, 11, 12, 13, 14, 15].map((bits) =>
      plant.start(registry, 'createNetwork', {
        network: newNetwork(`n${bits}`, { prefixes: [`10.0.0.0/${bits}`] }),
        h: `h${bits}`,
        partitions: ['p'],
      }),
    );
    plant.settle(1_000);
    const kinds = answers.map((answer) => answer()!).map((one) => ('refusal' in one ? one.kind : 'made'));
    assert.deepEqual(kinds.sort(), [
      'Unprocessable',
      'Unprocessable',
      'Unprocessable',
      'Unprocessable',
      'Unprocessable',
      'Unprocessable',
      'Unprocessable',
      'made',
    ]);
  });
  it('what fails at the end leaves nothing behind (N07)', () => {
    const plant = plantOf();
    granted(create(plant, 'a', { prefixes: ['10.0.0.0/24'], vrf: 7 }));
    refused(create(plant, 'b', { prefixes: ['10.0.1.0/24'], vrf: 7 }), 'Conflict');
    granted(create(plant, 'b', { prefixes: ['10.0.1.0/24'], vrf: 8 }));
  });
  it('a super prefix that has children stays (N04); a deleted child leaves its range free (N03)', () => {
    const plant = plantOf();
    granted(create(plant, 'super', aSuper));
    const made = granted(child(plant));
    const less = patch({ prefixes: ['10.5.0.0/16', '2001:db8::/48'] });
    refused(plant.ask(networkIn('p', 'super'), 'update', less), 'Unprocessable', 'has childprefixes');
    granted(free(plant, made.network.id, 'delete'));
    assert.deepEqual(prefixesOf(granted(child(plant))), prefixesOf(made));
  });
});

describe('networks.md §11.2: children of 10.0.0.0/16 and 2001:db8::/48', () => {
  const plant = plantOf(['p', 'p2']);
  granted(create(plant, 'super', aSuper));

  it('one prefix a family, own VRF, parent, type', () => {
    const { network } = granted(child(plant, { id: 'first' }));
    assert.deepEqual(
      [network.prefixes, network.parent, network.type, network.defaultChildPrefixLength],
      [['10.0.0.0/22', '2001:db8::/64'], 'super', 'child', null],
    );
    assert.ok(network.vrf > 0);
  });
  it('a family; lengths over the defaults; too short and the last one', () => {
    assert.deepEqual(prefixesOf(granted(child(plant, { family: 'IPv6' }))), ['2001:db8:0:1::/64']);
    assert.deepEqual(prefixesOf(granted(child(plant, { length: { IPv4: 29 }, id: 'small' }))), [
      '10.0.4.0/29',
      '2001:db8:0:2::/64',
    ]);
    const pools = granted(plant.ask(allocator(), 'pools', {}));
    refused(
      child(plant, { length: { IPv4: 16 } }),
      'Unprocessable',
      'cannot allocate free child prefix in ipam: error creating new prefix from:10.0.0.0/16 in ipam: invalid_argument: given length:16 must be greater than prefix length:16',
    );
    assert.deepEqual(granted(plant.ask(allocator(), 'pools', {})), pools);
    const single = granted(child(plant, { length: { IPv4: 32 }, family: 'IPv4' }));
    assert.deepEqual([single.usage.IPv4?.available_ips, single.usage.IPv4?.used_ips, single.usage.IPv6], [1, 1, null]);
  });
  it('families without lengths or prefixes; partition without super', () => {
    const other = plantOf();
    granted(create(other, 'super', { ...aSuper, prefixes: ['10.0.0.0/16'], defaultChildPrefixLength: { IPv4: 22 } }));
    refused(child(other, { family: 'IPv6' }), 'Invalid', 'addressfamily IPv6 specified, but no childprefixlength');
    refused(
      child(other, { length: { IPv6: 64 } }),
      'Unprocessable',
      'cannot allocate free child prefix in one of the given parent prefixes in ipam: [10.0.0.0/16]',
    );
    refused(child(plant, {}, 'p2'), 'NotFound', 'NotFound no network found');
    const malformed = invalid('addressfamily of length is invalid');
    refused(child(plant, { malformed }), 'Invalid', 'addressfamily of length is invalid');
    refused(child(plant, { malformed }, 'p2'), 'NotFound', 'NotFound no network found');
  });
  it('freed ranges are the next again; twice freed is 404; a top-level network is not a child', () => {
    granted(free(plant, 'first'));
    refused(free(plant, 'first'), 'NotFound');
    assert.deepEqual(prefixesOf(granted(child(plant, { id: 'again' }))), ['10.0.0.0/22', '2001:db8::/64']);
    refused(free(plant, 'super'), 'Unprocessable', 'unable to find prefix for cidr:""');
    refused(free(plant, 'super', 'delete'), 'Unprocessable', 'children');
  });
  it('a child with an address is not freed, and its range is not given to another (N01)', () => {
    const { network } = granted(child(plant, { family: 'IPv6', id: 'used' }));
    const ip = granted(
      plant.ask(networkIn('p', 'used'), 'allocateIp', {
        project: 'q',
        name: '',
        description: '',
        type: 'static',
        tags: [],
      }),
    );
    refused(free(plant, 'used'), 'Unprocessable', `prefix ${network.prefixes[0]} has ips, deletion not possible`);
    assert.notDeepEqual(prefixesOf(granted(child(plant, { family: 'IPv6' }))), network.prefixes);
    refused(
      free(plant, 'used', 'delete'),
      'Unprocessable',
      `prefix ${network.prefixes[0]} has ip ${ip.address} in use`,
    );
  });
  it('a super with children is not deleted; 64 fit', () => {
    refused(
      remove(plant, 'super'),
      'Unprocessable',
      'network cannot be deleted because there are children of this network',
    );
    const other = plantOf();
    granted(create(other, 'super', aSuper));
    for (let i = 0; i < 64; i++) granted(child(other));
    refused(child(other), 'Unprocessable', 'no prefix found in 10.0.0.0/16 with length:22');
    const pools = granted(other.ask(allocator(), 'pools', {}));
    assert.equal(pools.vrf.held, 64);
    assert.equal(granted(other.ask(networkIn('p', 'super'), 'get', {})).usage.IPv4?.used_prefixes, 64);
    other.restart();
    refused(child(other), 'Unprocessable', 'no prefix found');
  });
  it('parallel allocations get different ranges, also while some fail', () => {
    const other = plantOf();
    granted(create(other, 'super', aSuper));
    const answers = Array.from({ length: 80 }, (_, i) =>
      other.start(allocator(), 'allocateNetwork', {
        id: `c${i}`,
        name: '',
        description: '',
        labels: {},
        project: 'q',
        shared: i % 2 === 0,
        nat: false,
        destinationPrefixes: [],
        length: {},
      }),
    );
    other.settle(2_000);
    const made = answers.flatMap((answer) => {
      const one = answer()!;
      return isRefusal(one) ? [] : [one.network];
    });
    assert.equal(made.length, 64);
    assert.equal(new Set(made.flatMap(({ prefixes }) => prefixes)).size, 128);
    assert.equal(new Set(made.map(({ vrf }) => vrf)).size, 64);
  });
});

describe('networks.md §1.6: prefixes that change', () => {
  it('added ones are claimed, removed ones free again; a larger one may replace what it contains', () => {
    const plant = plantOf();
    granted(create(plant, 'n', { prefixes: ['10.0.0.0/24'] }));
    const n = networkIn('p', 'n');
    granted(plant.ask(n, 'update', patch({ prefixes: ['10.0.0.0/24', '10.1.0.0/24'] })));
    refused(create(plant, 'o', { prefixes: ['10.1.0.0/25'] }), 'Unprocessable', 'overlaps 10.1.0.0/24');
    granted(create(plant, 'o', { prefixes: ['10.2.0.0/24'] }));
    refused(
      plant.ask(n, 'update', patch({ prefixes: ['10.0.0.0/24', '10.2.0.0/16'] })),
      'Unprocessable',
      /^10\.2\.0\.0\/16 overlaps 10\.2\.0\.0\/24 of network o \(site s\)$/,
    );
    granted(plant.ask(n, 'update', patch({ prefixes: ['10.0.0.0/23'] })));
    granted(create(plant, 'p1', { prefixes: ['10.1.0.0/25'] }));
    assert.equal(granted(plant.ask(n, 'get', {})).usage.IPv4?.available_ips, 512);
  });
  it('one with an address stays (networks.md §11.5)', () => {
    const plant = plantOf();
    granted(create(plant, 'n', { prefixes: ['10.0.0.0/24', '10.1.0.0/24'] }));
    const n = networkIn('p', 'n');
    const ip = { project: 'q', name: '', description: '', type: 'static' as const, tags: [] };
    granted(plant.ask(n, 'allocateIp', ip));
    refused(
      plant.ask(n, 'update', patch({ prefixes: ['10.1.0.0/24'] })),
      'Unprocessable',
      'unable to update network: prefix 10.0.0.0/24 has ip 10.0.0.1 in use',
    );
    granted(plant.ask(n, 'freeIp', { address: '10.0.0.1' }));
    granted(plant.ask(n, 'update', patch({ prefixes: ['10.1.0.0/24'] })));
    assert.equal(granted(plant.ask(n, 'allocateIp', ip)).address, '10.1.0.1');
  });
  it('two updates at once: one 409, or one after the other, never half of both', () => {
    const plant = plantOf();
    granted(create(plant, 'n', { prefixes: ['10.0.0.0/24'] }));
    const n = networkIn('p', 'n');
    const one = plant.start(n, 'update', patch({ prefixes: ['10.0.0.0/24', '10.1.0.0/24'] }));
    const two = plant.start(n, 'update', patch({ prefixes: ['10.0.0.0/24', '10.2.0.0/24'], h: 'h2' }));
    plant.settle();
    const made = [one()!, two()!].filter((answer) => !isRefusal(answer));
    assert.equal(made.length, 1);
    const { network } = granted(plant.ask(n, 'get', {}));
    const { claims } = granted(plant.ask(registry, 'claims', { own: true }));
    assert.deepEqual(
      claims
        .filter(({ what }) => what === 'prefix')
        .map(({ value }) => value)
        .sort(),
      [...network.prefixes].sort(),
    );
  });
});

describe('global networks', () => {
  const internet = { prefixes: ['212.34.80.0/24'], partition: '', vrf: 104009 };
  it('published with the network, VRF kept clear in every partition of the site, withdrawn with it', () => {
    const plant = plantOf(['a', 'b']);
    granted(create(plant, 'internet', internet));
    const { entries } = granted(plant.ask(directory, 'all', {}));
    assert.deepEqual(
      entries.map(({ id, entity }) => [id, entity !== null]),
      [['internet', true]],
    );
    for (const partition of ['a', 'b']) {
      refused(create(plant, 'x', { prefixes: ['10.0.0.0/24'], vrf: 104009, partition }), 'Conflict');
    }
    granted(plant.ask(networkIn('', 'internet'), 'update', patch({ name: 'the internet' })));
    const [renamed] = granted(plant.ask(directory, 'all', {})).entries;
    assert.equal((renamed?.entity as { name: string } | undefined)?.name, 'the internet');
    granted(remove(plant, 'internet', ''));
    assert.equal(granted(plant.ask(directory, 'all', {})).entries[0]?.entity, null);
    granted(create(plant, 'x', { prefixes: ['212.34.80.0/25'], vrf: 104009, partition: 'a' }));
  });
});

describe('design.md §12: promises to other sites', () => {
  const network = newNetwork('internet', { prefixes: ['212.34.80.0/24'], partition: '', vrf: 104009 });
  const ask = { h: 'h1', site: 't', claims: claimsOfNetwork(network), partitions: ['p'] };

  it('a promise holds prefix, id and VRF until it is dropped; repeated words change nothing', () => {
    const plant = plantOf();
    granted(plant.ask(registry, 'promise', ask));
    granted(plant.ask(registry, 'promise', ask));
    refused(
      create(plant, 'x', { prefixes: ['212.34.80.128/25'] }),
      'Unprocessable',
      '212.34.80.128/25 overlaps 212.34.80.0/24',
    );
    const undecided = create(plant, 'internet', { prefixes: ['10.0.0.0/24'] });
    refused(undecided, 'Conflict');
    assert.equal((undecided as Refusal).retryAfterS, 1, 'it may be given up');
    refused(create(plant, 'x', { prefixes: ['10.0.0.0/24'], vrf: 104009 }), 'Conflict');
    plant.restart();
    refused(
      plant.ask(registry, 'promise', { ...ask, h: 'h2', site: 'z' }),
      'Conflict',
      /entity already exists: network internet \(promised to site t\); .* overlaps /,
    );
    granted(plant.ask(registry, 'settle', { h: 'h1', made: false, partitions: ['p'] }));
    granted(plant.ask(registry, 'settle', { h: 'h1', made: false, partitions: ['p'] }));
    granted(create(plant, 'x', { prefixes: ['212.34.80.128/25'], vrf: 104009 }));
  });
  it("a settled one is the other site's own; what collides with ours is refused with every collision", () => {
    const plant = plantOf();
    granted(plant.ask(registry, 'promise', ask));
    granted(plant.ask(registry, 'settle', { h: 'h1', made: true, partitions: ['p'] }));
    const { claims } = granted(plant.ask(registry, 'claims', { own: false }));
    assert.deepEqual(new Set(claims.map(({ site: owner, state }) => `${owner} ${state}`)), new Set(['t owned']));
    assert.deepEqual(granted(plant.ask(registry, 'claims', { own: true })).claims, []);
    granted(create(plant, 'mine', { prefixes: ['10.0.0.0/24', '10.1.0.0/24'], vrf: 12 }));
    const clash = { h: 'h9', site: 't', partitions: ['p'] };
    refused(
      plant.ask(registry, 'promise', {
        ...clash,
        claims: [
          { what: 'prefix', value: '10.0.0.0/8', holder: 'x' },
          { what: 'prefix', value: '10.1.0.0/25', holder: 'x' },
        ],
      }),
      'Unprocessable',
      /10\.0\.0\.0\/8 overlaps .*; 10\.1\.0\.0\/25 overlaps 10\.1\.0\.0\/24/,
    );
    refused(
      plant.ask(registry, 'promise', { ...clash, claims: [{ what: 'vrf', value: '12', holder: 'x' }] }),
      'Conflict',
    );
  });
  it('design.md §12: of many collisions the first are named, and how many more there are; each once', () => {
    const collided = (count: number): Refusal[] =>
      Array.from({ length: count }, (_, i) => invalid(`collision ${i % 53}`));
    assert.equal(together(collided(2))?.message, 'collision 0; collision 1');
    assert.equal(together(collided(16))?.message.split('; ').length, 16);
    const { message = '', kind } = together(collided(106)) ?? {};
    assert.equal(kind, 'Invalid');
    assert.ok(message.startsWith('collision 0; collision 1;') && message.endsWith('; collision 15; … and 37 more'));
  });
  it('F04: claims are told by nobody who is not their owner any more, whatever he remembers', () => {
    const plant = plantOf();
    granted(create(plant, 'mine', { prefixes: ['10.0.0.0/24'] }));
    for (const own of [true, false]) granted(plant.ask(registry, 'claims', { own }));
    plant.store.takeOver([site], 2);
    for (const own of [true, false])
      refused(plant.ask(registry, 'claims', { own }), 'Unavailable', 'site:s lost its ownership');
  });
  it("a joining site's claims are taken over, or refused", () => {
    const plant = plantOf();
    granted(create(plant, 'mine', { prefixes: ['10.0.0.0/24'] }));
    const theirs = {
      site: 't',
      claims: [
        { what: 'prefix' as const, value: '10.3.0.0/24', holder: 'x' },
        { what: 'partition' as const, value: 'q', holder: 'q' },
      ],
    };
    granted(plant.ask(registry, 'adopt', theirs));
    granted(plant.ask(registry, 'adopt', theirs));
    refused(
      plant.ask(registry, 'adopt', { site: 'u', claims: theirs.claims }),
      'Unprocessable',
      /overlaps 10\.3\.0\.0\/24 of network x \(site t\); .*partition with id "q" already exists \(site t\)/,
    );
  });
  it('what a network gives up ends claim by claim, also what was taken over when the sites joined', () => {
    const plant = plantOf();
    const known = (): string[] =>
      granted(plant.ask(registry, 'claims', { own: false })).claims.map(({ what, value }) => `${what} ${value}`);
    const prefix = (value: string, holder = 'internet') => ({ what: 'prefix' as const, value, holder });
    const end = (h: string, ...claims: Claim[]) =>
      granted(plant.ask(registry, 'settle', { h, made: false, only: { site: 't', claims }, partitions: ['p'] }));
    granted(plant.ask(registry, 'promise', { ...ask, claims: [...ask.claims, prefix('198.51.100.0/24')] }));
    granted(plant.ask(registry, 'settle', { h: 'h1', made: true, partitions: ['p'] }));
    granted(
      plant.ask(registry, 'adopt', { site: 't', claims: [prefix('10.3.0.0/24', 'x'), prefix('10.4.0.0/24', 'x')] }),
    );

    end('h1', prefix('198.51.100.0/24'));
    assert.deepEqual(known(), [
      'network internet',
      'prefix 212.34.80.0/24',
      'vrf 104009',
      'prefix 10.3.0.0/24',
      'prefix 10.4.0.0/24',
    ]);
    granted(create(plant, 'x', { prefixes: ['198.51.100.0/24'] }));
    // Said of another operation, or by another site: it is not what is kept.
    end('h0', prefix('212.34.80.0/24'));
    const stranger = { site: 'z', claims: [prefix('212.34.80.0/24')] };
    granted(plant.ask(registry, 'settle', { h: 'h1', made: false, only: stranger, partitions: ['p'] }));
    assert.ok(known().includes('prefix 212.34.80.0/24'));
    end('h-of-its-home', prefix('10.3.0.0/24', 'x'));
    assert.ok(!known().includes('prefix 10.3.0.0/24') && known().includes('prefix 10.4.0.0/24'));

    end('h1', { what: 'network', value: 'internet', holder: 'internet' }, prefix('212.34.80.0/24'));
    granted(create(plant, 'internet', { prefixes: ['212.34.80.0/25'], vrf: 104009 }));
  });
  it('a prefix may be replaced by another over the same addresses: both are kept until one is sure', () => {
    const plant = plantOf();
    const prefix = (value: string, ...replaces: string[]): Claim => ({
      what: 'prefix',
      value,
      holder: 'n',
      ...(replaces.length > 0 && { replaces }),
    });
    const propose = (h: string, claim: Claim, site = 't') =>
      plant.ask(registry, 'promise', { h, site, claims: [claim], partitions: ['p'] });
    const settle = (h: string, made: boolean) => granted(plant.ask(registry, 'settle', { h, made, partitions: ['p'] }));
    const kept = (): string[] =>
      granted(plant.ask(registry, 'claims', { own: false })).claims.map(({ value, state }) => `${value} ${state}`);
    granted(propose('h1', prefix('10.0.0.0/24')));
    settle('h1', true);
    const final = propose('h2', prefix('10.0.0.0/23'));
    refused(final, 'Unprocessable', 'overlaps 10.0.0.0/24 of network n (site t)');
    assert.equal((final as Refusal).retryAfterS, undefined);
    refused(propose('h2', prefix('10.0.0.0/23', '10.0.0.0/24'), 'z'), 'Unprocessable', 'overlaps 10.0.0.0/24');
    refused(propose('h2', { ...prefix('10.0.0.0/23', '10.0.0.0/24'), holder: 'm' }), 'Unprocessable', 'overlaps');

    granted(propose('h2', prefix('10.0.0.0/23', '10.0.0.0/24')));
    assert.deepEqual(kept(), ['10.0.0.0/24 owned', '10.0.0.0/23 promised']);
    refused(create(plant, 'x', { prefixes: ['10.0.1.0/24'] }), 'Unprocessable', 'n (promised to site t)');
    settle('h2', false);
    assert.deepEqual(kept(), ['10.0.0.0/24 owned']);

    granted(propose('h3', prefix('10.0.0.0/25', '10.0.0.0/24')));
    plant.restart();
    settle('h3', true);
    assert.deepEqual(kept(), ['10.0.0.0/25 owned']);
    granted(create(plant, 'x', { prefixes: ['10.0.0.128/25'] }));
  });
});
