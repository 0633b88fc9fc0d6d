// go-ipam's own test cases (networks.md §3.7) that need more than one prefix or a client, against the actors that metal-api's
// calls of the IPAM have become: CreatePrefix is a network's creation, AcquireChildPrefix the allocation of a network, a
// namespace is a partition's space. Cases about one prefix stand in actors/ipam/: AcquireIP, AcquireSpecificChildPrefix,
// AcquireChildPrefixFragmented, NoDuplicatesUntilFull, availablePrefixes, AvailablePrefixes, Availableips, fuzz AcquireIP.
// Those of its storage, encodings, namespaces and service stand in go-ipam-storage.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionScope } from '../address.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import type { NetworkView } from './messages.ts';
import {
  acquireChild,
  acquireIp,
  allocator,
  at,
  childOf,
  deletePrefix,
  newPrefix,
  registry,
  releaseChild,
  releaseIp,
  request,
  startChild,
  superOf,
  usageOf,
} from './go-ipam.fixture.ts';
import { createPlant, granted, newNetwork, refused } from './plant.fixture.ts';
import type { IpRecord } from './record.ts';
import { createNetworkState, viewOf } from './state.ts';

const FAMILIES = [
  { v6: false, parent: '192.168.0.0/20', half: 21, halves: ['192.168.0.0/21', '192.168.8.0/21'] },
  {
    v6: true,
    parent: '2001:db8:85a3::/116',
    half: 117,
    halves: ['2001:db8:85a3::/117', '2001:db8:85a3::800/117'],
  },
] as const;

test('go-ipam IPRangeOverlapping, PrefixesOverlapping: what overlaps any stored prefix is refused, new first', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'a', '10.10.10.0/24'));
  refused(newPrefix(plant, 'b', '10.10.10.1/24'), 'Unprocessable', '10.10.10.0/24 overlaps 10.10.10.0/24');
  granted(newPrefix(plant, 'c', '192.168.1.0/24'));
  granted(newPrefix(plant, 'd', '192.168.0.0/24'));
  granted(newPrefix(plant, 'e', '192.168.2.0/23'));
  refused(newPrefix(plant, 'f', '192.168.3.0/24'), 'Unprocessable', '192.168.3.0/24 overlaps 192.168.2.0/23');
  refused(newPrefix(plant, 'g', '192.168.0.0/23'), 'Unprocessable', 'overlaps');
  granted(newPrefix(plant, 'h', '2001:db8:85a3::/126'));
  refused(newPrefix(plant, 'i', '2001:db8:85a3::/126'), 'Unprocessable', 'overlaps');
  granted(newPrefix(plant, 'j', '::ffff:10.10.0.0/112'));
});

test('go-ipam NewPrefix, ReadAllPrefixCidrs, Network: host bits are masked, an unknown network is not found', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'a', '192.169.0.1/24'));
  granted(newPrefix(plant, 'b', '2001:db8:85a3::2/120'));
  const stored = plant.store.live('prefix').map(({ key }) => key);
  assert.deepEqual(stored.sort(), ['192.169.0.0/24', '2001:db8:85a3::/120']);
  assert.equal(granted(acquireIp(plant, 'a')).address, '192.169.0.1');
  refused(plant.ask(at('nowhere'), 'get', {}), 'NotFound');
});

// A prefix is found where somebody names it: in another network, in an update of its own. A find of v1 compares what is stored
// as metal-api does, ip and length apart (networks.md §7.3, http/v1/network.test.ts).
test('go-ipam PrefixFrom v4/v6: any spelling finds the prefix, with what is held in it; an unknown one does not', () => {
  for (const [stored, spellings, unknown] of [
    ['192.169.0.1/24', ['192.169.0.0/24', '192.169.0.77/24'], '192.169.1.0/24'],
    ['2001:db8:85a3::2/120', ['2001:db8:85a3::/120', '2001:0DB8:85a3:0:0::0.0.0.9/120'], '2001:db8:85a3::100/120'],
  ] as const) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', stored));
    const { address } = granted(acquireIp(plant, 'n'));
    const [key] = plant.store.live('prefix').map((row) => row.key);
    for (const spelling of spellings) {
      refused(newPrefix(plant, 'other', spelling), 'Unprocessable', `${key} overlaps ${key} of network n`);
      // Not another prefix: else the one with the address would have to go, and is refused.
      const patch = { prefixes: [spelling], additionalAnnouncableCidrs: [], force: false, site: 's', h: spelling };
      assert.deepEqual(granted(plant.ask(at('n'), 'update', patch)).network.prefixes, [stored]);
      assert.equal(granted(plant.ask(at('n'), 'getIp', { address })).prefix, stored);
    }
    const patch = { prefixes: [unknown], additionalAnnouncableCidrs: [], force: false, site: 's', h: 'unknown' };
    refused(plant.ask(at('n'), 'update', patch), 'Unprocessable', address);
    granted(newPrefix(plant, 'other', unknown));
  }
});

test('go-ipam DeletePrefix v4/v6: not with an address in use, after its release it goes', () => {
  for (const prefix of ['192.168.0.0/20', '2001:db8:85a3::/120']) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', prefix));
    const { address } = granted(acquireIp(plant, 'n'));
    refused(deletePrefix(plant, 'n'), 'Unprocessable', `prefix ${prefix} has ip ${address} in use`);
    granted(releaseIp(plant, 'n', address));
    granted(deletePrefix(plant, 'n'));
    refused(deletePrefix(plant, 'n'), 'NotFound');
    assert.equal(plant.store.live('prefix').length, 0);
  }
});

test('go-ipam ReleaseIPFromPrefix v4/v6, AcquireAlreadyAcquired: foreign addresses, unknown prefix, twice', () => {
  for (const [prefix, foreign] of [
    ['192.168.0.0/24', ['1.2.3.4', '2001:db8::1']],
    ['2001:db8:85a3::/120', ['1.2.3.4', '1001:db8:85a3::1']],
  ] as const) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', prefix));
    const notAllocated = (address: string) =>
      `unable to release ip:${address} because it is not allocated in prefix:${prefix}`;
    for (const address of foreign) refused(releaseIp(plant, 'n', address), 'NotFound', notAllocated(address));
    refused(releaseIp(plant, 'unknown', '4.5.6.7'), 'NotFound');
    const { address } = granted(acquireIp(plant, 'n'));
    refused(acquireIp(plant, 'n', address), 'Conflict', 'ip already allocated');
    granted(releaseIp(plant, 'n', address));
    refused(releaseIp(plant, 'n', address), 'NotFound', notAllocated(address));
    assert.equal(granted(acquireIp(plant, 'n', address)).address, address);
  }
});

test('go-ipam AcquireChildPrefix v4/v6: two halves, then none, naming why; not the length of the parent', () => {
  for (const { v6, parent, half, halves } of FAMILIES) {
    const plant = createPlant();
    superOf(plant, parent, half);
    refused(acquireChild(plant, 'same', half - 1, v6), 'Unprocessable', 'must be greater than prefix length');
    const [family, bits] = v6 ? ['IPv6', 128] : ['IPv4', 32];
    refused(
      acquireChild(plant, 'long', 129, v6),
      'Unprocessable',
      `length.${family} is 129, expected ${half} to ${bits}`,
    );
    assert.equal(childOf(acquireChild(plant, 'a', half, v6)), halves[0]);
    assert.equal(childOf(acquireChild(plant, 'b', half, v6)), halves[1]);
    refused(
      acquireChild(plant, 'c', half, v6),
      'Unprocessable',
      `no prefix found in ${parent} with length:${half} (2 children, 0 blocks of /${v6 ? 126 : 30} free)`,
    );
    // A prefix with children gives no addresses; one without a parent can't be released as a child.
    refused(acquireIp(plant, 'super-p'), 'Unprocessable', 'private super network');
    refused(releaseChild(plant, 'super-p'), 'Unprocessable', 'unable to find prefix for cidr:""');
    granted(releaseChild(plant, 'a'));
    assert.equal(childOf(acquireChild(plant, 'd', half, v6)), halves[0]);
  }
});

test('go-ipam AcquireSpecificChildPrefix v4/v6: a prefix with addresses has no children, one with children no addresses', () => {
  for (const { v6, parent, half, halves } of FAMILIES) {
    const plant = createPlant();
    const lengths = { [v6 ? 'IPv6' : 'IPv4']: half };
    const cut = (id: string, child: string) => plant.reserve([reservation(at(id), 'cutChildren', { child, lengths })]);
    // Only a super network has children, with or without an address, and none ever becomes one.
    const plain = v6 ? '2001:db9::/116' : '10.9.0.0/20';
    granted(newPrefix(plant, 'plain', plain));
    refused(cut('plain', 'child'), 'Unprocessable', 'network plain is not a private super network');
    const { address } = granted(acquireIp(plant, 'plain'));
    refused(cut('plain', 'child'), 'Unprocessable', 'network plain is not a private super network');
    granted(releaseIp(plant, 'plain', address));

    superOf(plant, parent, half);
    const specific = v6 ? '2001:db8:85a3::809' : '192.168.8.9';
    const none = 'network super-p is a private super network; addresses are taken from the networks allocated from it';
    refused(acquireIp(plant, 'super-p', specific), 'Unprocessable', none);
    for (const [id, child] of [
      ['a', halves[0]],
      ['b', halves[1]],
    ] as const) {
      assert.equal(childOf(acquireChild(plant, id, half, v6)), child);
      refused(acquireIp(plant, 'super-p', specific), 'Unprocessable', none);
    }
    // The child that it lies in gives it, and has no children then or before.
    assert.equal(granted(acquireIp(plant, 'b', specific)).address, specific);
    refused(cut('b', 'grandchild'), 'Unprocessable', 'network b is not a private super network');
    refused(releaseChild(plant, 'b'), 'Unprocessable', 'has ips');
    granted(releaseIp(plant, 'b', specific));
    granted(releaseChild(plant, 'b'));
    refused(acquireIp(plant, 'super-p', specific), 'Unprocessable', none);
    assert.equal(usageOf(plant, 'super-p').used_prefixes, 1);
  }
});

test("go-ipam AvailablePrefixes: what is stored and can't be parsed counts 0, beside others nothing", () => {
  const usage = (prefixes: string[]) =>
    viewOf(createNetworkState('n', partitionScope('p')), { ...newNetwork('n', { prefixes: ['10.0.0.0/8'] }), prefixes })
      .usage;
  assert.deepEqual(usage(['no prefix', '10.0.0.0/33']), { IPv4: null, IPv6: null });
  assert.equal(usage(['192.168.0.0/24', '10.0.0.0/33']).IPv4?.available_prefixes, 64);
});

test('go-ipam AcquireChildPrefixCounts: a child with an address is not released, a child is not released twice', () => {
  const plant = createPlant();
  superOf(plant, '192.168.0.0/20', 22);
  const smallest = () => usageOf(plant, 'super-p').available_prefixes;
  assert.equal(smallest(), 1024);
  granted(acquireChild(plant, 'a'));
  assert.equal(smallest(), 768);
  granted(acquireChild(plant, 'b'));
  assert.equal(smallest(), 512);
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 2);
  const { address } = granted(acquireIp(plant, 'a'));
  refused(
    releaseChild(plant, 'a'),
    'Unprocessable',
    /has ips, deletion not possible: 1 prefix of \/22, 1 of 1022 addresses held/,
  );
  granted(releaseIp(plant, 'a', address));
  granted(releaseChild(plant, 'a'));
  refused(releaseChild(plant, 'a'), 'NotFound');
  granted(releaseChild(plant, 'b'));
  assert.equal(smallest(), 1024);
});

test('networks.md N01, go-ipam release of a child v6: with one address in use it stays, and so does its range', () => {
  const plant = createPlant();
  superOf(plant, '2001:db8::/48', 64);
  granted(acquireChild(plant, 'a', undefined, true));
  granted(acquireIp(plant, 'a'));
  refused(releaseChild(plant, 'a'), 'Unprocessable', 'has ips');
  assert.equal(childOf(acquireChild(plant, 'b', undefined, true)), '2001:db8:0:1::/64');
});

test('go-ipam GetHostAddresses v4/v6, IpamerAcquireIP, Integration: all of a prefix, then why there is none', () => {
  for (const [prefix, count, why] of [
    ['192.168.0.0/24', 254, '1 prefix of /24, 254 of 254 addresses held'],
    ['192.168.0.0/26', 62, '1 prefix of /26, 62 of 62 addresses held'],
    ['2001:db8:85a3::/120', 255, '1 prefix of /120, 255 of 255 addresses held'],
    ['2001:db8:85a3::/122', 63, '1 prefix of /122, 63 of 63 addresses held'],
  ] as const) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', prefix));
    const taken = new Set(Array.from({ length: count }, () => granted(acquireIp(plant, 'n')).address));
    assert.equal(taken.size, count);
    refused(
      acquireIp(plant, 'n'),
      'Exhausted',
      `Internal cannot allocate free ip in ipam, no ips left in network n: ${why}`,
    );
    for (const address of taken) granted(releaseIp(plant, 'n', address));
    assert.equal(usageOf(plant, 'n').used_ips, prefix.includes(':') ? 1 : 2);
    granted(deletePrefix(plant, 'n'));
  }
});

test('the counts name several prefixes and the oldest reservation', () => {
  const plant = createPlant();
  const network = newNetwork('n', { prefixes: ['10.0.0.0/30', '10.0.1.0/30', '10.0.2.0/29'] });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'n', partitions: ['p'] }));
  for (let n = 0; n < 9; n++) granted(acquireIp(plant, 'n'));
  const machine = { machine: 'm', allocation: 'u', project: 'q', name: '', auto: true, given: [] };
  // So that it is loaded.
  plant.reserve([reservation(at('n'), 'acquireIps', machine)], false);
  plant.store.down = true;
  plant.startReserve([reservation(at('n'), 'acquireIps', machine)]);
  plant.settle(300);
  const answer = plant.start(at('n'), 'allocateIp', request);
  plant.settle(100);
  refused(answer(), 'Exhausted', '1 prefix of /29 and 2 of /30, 10 of 10 addresses held, oldest reservation 1 s');
});

test('so do those of a super network: children of the prefix, of them in operation, the oldest reservation', () => {
  const plant = createPlant();
  const network = newNetwork('super-p', {
    prefixes: ['10.0.0.0/29', '2001:db8::/125'],
    privateSuper: true,
    defaultChildPrefixLength: { IPv4: 30, IPv6: 126 },
  });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'super', partitions: ['p'] }));
  granted(acquireChild(plant, 'a'));
  const cut = (child: string) => reservation(at('super-p'), 'cutChildren', { child, lengths: {} });
  // So that they are loaded.
  plant.reserve([cut('b')], false);
  plant.store.down = true;
  plant.startReserve([cut('b')]);
  plant.settle(2_300);
  const full = (child: string, family: 'IPv4' | 'IPv6') =>
    plant.reserve([reservation(at('super-p'), 'cutChildren', { child, lengths: {}, family })]);
  // Of two families each counts its own.
  refused(
    full('c', 'IPv4'),
    'Unprocessable',
    'no prefix found in 10.0.0.0/29 with length:30 (2 children, 1 of them part of operations under way, oldest reservation 3 s, 0 blocks of /30 free)',
  );
  refused(
    full('c', 'IPv6'),
    'Unprocessable',
    '(2 children, 1 of them part of operations under way, oldest reservation',
  );
});

test('go-ipam AcquireIPParallel: 50 at once on a /20, no error, no duplicate; all are released, and the prefix goes', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '192.169.0.0/20'));
  const acquiring = Array.from({ length: 50 }, () => plant.start(at('n'), 'allocateIp', request));
  plant.settle(1_000);
  const addresses = acquiring.map((answer) => granted(answer()!).address);
  assert.equal(new Set(addresses).size, 50);
  assert.equal(usageOf(plant, 'n').used_ips, 2 + 50);
  const releasing = addresses.map((address) => plant.start(at('n'), 'freeIp', { address }));
  plant.settle(1_000);
  for (const answer of releasing) granted(answer()!);
  assert.equal(usageOf(plant, 'n').used_ips, 2);
  granted(deletePrefix(plant, 'n'));
});

test('go-ipam ConcurrentAcquireIP: 64 clients exhaust a /24, 254 get one and not one more', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const answers: Array<() => IpRecord | Refusal | undefined> = [];
  for (let client = 0; client < 64; client++) {
    for (let n = 0; n < 5; n++) answers.push(plant.start(at('n'), 'allocateIp', request));
    if (client % 8 === 7) plant.settle(1);
  }
  plant.settle(2_000);
  const got = answers.map((answer) => answer()!);
  const addresses = got.flatMap((answer) => (isRefusal(answer) ? [] : [answer.address]));
  assert.equal(addresses.length, 254);
  assert.equal(new Set(addresses).size, 254);
  for (const answer of got) if (isRefusal(answer)) refused(answer, 'Exhausted', '254 of 254 addresses held');
  const released = addresses.map((address) => plant.start(at('n'), 'freeIp', { address }));
  plant.settle(2_000);
  for (const answer of released) granted(answer()!);
  granted(deletePrefix(plant, 'n'));
});

test('go-ipam ChildPrefixParallel, ConcurrentAcquirePrefix: 64 clients exhaust a /26 of /30 children; then all are released', () => {
  const plant = createPlant();
  superOf(plant, '10.0.0.0/26', 30);
  const answers = Array.from({ length: 64 }, (_, n) => startChild(plant, `c${n}`, 30));
  plant.settle(5_000);
  const got = answers.map((answer) => answer() as NetworkView | Refusal);
  const children = got.flatMap((answer) => (isRefusal(answer) ? [] : [answer.network]));
  assert.equal(children.length, 16);
  assert.equal(new Set(children.map(({ prefixes }) => prefixes[0])).size, 16);
  assert.equal(new Set(children.map(({ vrf }) => vrf)).size, 16);
  for (const answer of got) if (isRefusal(answer)) refused(answer, 'Unprocessable', 'no prefix found in 10.0.0.0/26');
  const released = children.map(({ id }) => plant.start(allocator(), 'freeNetwork', { network: id, as: 'free' }));
  plant.settle(5_000);
  for (const answer of released) granted(answer() as NetworkView | Refusal);
  assert.equal(usageOf(plant, 'super-p').available_prefixes, 16);
  assert.deepEqual([plant.store.live('pool').length, plant.store.live('prefix').length], [0, 1]);
});

test('go-ipam ChildPrefixParallel: 100 at once out of a /14, and 100 releases at once, without an error', () => {
  const plant = createPlant();
  superOf(plant, '10.64.0.0/14', 22);
  const made = Array.from({ length: 100 }, (_, n) => startChild(plant, `c${n}`, 22));
  plant.settle(8_000);
  const children = made.map((answer) => granted(answer() as NetworkView | Refusal).network);
  assert.equal(new Set(children.map(({ prefixes }) => prefixes[0])).size, 100);
  const freed = children.map(({ id }) => plant.start(allocator(), 'freeNetwork', { network: id, as: 'free' }));
  plant.settle(8_000);
  for (const answer of freed) granted(answer() as NetworkView | Refusal);
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 0);
});

test('go-ipam AcquireSpecificIP under contention: one winner of a named address', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const answers = Array.from({ length: 64 }, () =>
    plant.start(at('n'), 'allocateIp', { ...request, address: '10.0.0.77' }),
  );
  plant.settle(1_000);
  const got = answers.map((answer) => answer()!);
  assert.equal(got.filter((answer) => !isRefusal(answer)).length, 1);
  for (const answer of got) if (isRefusal(answer)) refused(answer, 'Conflict', 'ip already allocated');
});

test('go-ipam AcquireSpecificIP, AcquireIPCounts v4/v6: used counts up and down, available never changes', () => {
  for (const [prefix, first, second, outside, available, reserved] of [
    ['192.168.99.0/24', '192.168.99.1', '192.168.99.2', '192.168.98.2', 256, 2],
    ['2001:db8:85a3::/120', '2001:db8:85a3::1', '2001:db8:85a3::2', '2001:db8:85a4::2', 256, 1],
  ] as const) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', prefix));
    const used = (): number => {
      const { available_ips, used_ips } = usageOf(plant, 'n');
      assert.equal(available_ips, available);
      return used_ips - reserved;
    };
    assert.equal(used(), 0);
    assert.equal(granted(acquireIp(plant, 'n', first)).address, first);
    assert.equal(used(), 1);
    assert.equal(granted(acquireIp(plant, 'n', second)).address, second);
    assert.equal(used(), 2);
    refused(
      acquireIp(plant, 'n', outside),
      'Unprocessable',
      'specific ip not contained in any of the defined prefixes',
    );
    refused(
      acquireIp(plant, 'n', `${first}.invalid`),
      'Unprocessable',
      `unable to parse specific ip: ${first}.invalid`,
    );
    refused(acquireIp(plant, 'unknown', first), 'NotFound');
    assert.equal(used(), 2);
    granted(releaseIp(plant, 'n', first));
    assert.equal(used(), 1);
    granted(releaseIp(plant, 'n', second));
    assert.equal(used(), 0);
  }
});

test('go-ipam NoDuplicatesUntilFull v4/v6: as many child networks as there is room, all different', () => {
  for (const [parent, length, v6] of [
    ['192.168.0.0/20', 24, false],
    ['2001:db8:85a3::/116', 120, true],
  ] as const) {
    const plant = createPlant();
    superOf(plant, parent, length);
    const children = Array.from({ length: 16 }, (_, n) => childOf(acquireChild(plant, `c${n}`, undefined, v6)));
    assert.equal(new Set(children).size, 16);
    refused(acquireChild(plant, 'more', undefined, v6), 'Unprocessable', 'no prefix found in');
    const { available_prefixes, used_prefixes } = usageOf(plant, 'super-p');
    assert.deepEqual([available_prefixes, used_prefixes], [0, 16]);
  }
});

test('go-ipam Integration: a super network with children, one of them with an address', () => {
  const plant = createPlant();
  superOf(plant, '10.64.0.0/14', 22);
  for (let n = 0; n < 18; n++) granted(acquireChild(plant, `c${n}`));
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 18);
  granted(acquireIp(plant, 'c7'));
  refused(releaseChild(plant, 'c7'), 'Unprocessable', 'has ips');
  for (let n = 0; n < 18; n++) granted(acquireChild(plant, `d${n}`, 24));
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 36);
  plant.restart();
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 36);
});

test('go-ipam NamespacedOps, CreateNamespace: two partitions hold the same prefix, children and address', () => {
  const plant = createPlant({ partitions: ['p', 'q'] });
  // Made before the two were joined: afterwards a second one overlaps (design.md §12).
  for (const partition of ['p', 'q']) {
    const prefixes = ['192.168.0.0/20', '2001:db8:85a3::/124'];
    const network = newNetwork(`n-${partition}`, { partition, prefixes });
    plant.reserve([reservation(at(network.id, partition), 'create', { network })]);
  }
  const addresses = ['p', 'q'].map((partition) => granted(acquireIp(plant, `n-${partition}`, undefined, partition)));
  assert.deepEqual(
    addresses.map(({ address }) => address),
    ['192.168.0.1', '192.168.0.1'],
  );
  const v6 = ['p', 'q'].map((partition) =>
    plant.ask(at(`n-${partition}`, partition), 'allocateIp', { ...request, family: 'IPv6' as const }),
  );
  assert.deepEqual(
    v6.map((answer) => granted(answer).address),
    ['2001:db8:85a3::1', '2001:db8:85a3::1'],
  );
  refused(plant.ask(at('n-p', 'q'), 'get', {}), 'NotFound', 'n-p');
  granted(plant.ask(at('n-p', 'p'), 'freeIp', { address: '192.168.0.1' }));
  assert.equal(granted(plant.ask(at('n-q', 'q'), 'getIp', { address: '192.168.0.1' })).network, 'n-q');
});

// "Load into a non-empty store refused" can't occur: an actor loads once, when it begins, and has nothing before; a backup is
// not loaded beside what is there, it takes its place in one transaction, which names before what will be lost, and is
// refused while a process is active for the site (scripts/site/backup.test.ts).
test('go-ipam DumpAndLoad: what is loaded from the rows gives the same answers', () => {
  const plant = createPlant();
  superOf(plant, '192.168.0.0/20', 22);
  granted(acquireChild(plant, 'a'));
  granted(acquireChild(plant, 'b', 28));
  for (let n = 0; n < 5; n++) granted(acquireIp(plant, 'a'));
  granted(releaseIp(plant, 'a', '192.168.0.3'));
  const before = ['a', 'b', 'super-p'].map((id) => plant.ask(at(id), 'get', {}));
  plant.restart();
  assert.deepEqual(
    ['a', 'b', 'super-p'].map((id) => plant.ask(at(id), 'get', {})),
    before,
  );
  assert.equal(granted(acquireIp(plant, 'a')).address, '192.168.0.3');
  assert.equal(childOf(acquireChild(plant, 'c', 28)), '192.168.4.16/28');
});

test('go-ipam sql CreatePrefix, N02: one id made twice at the same time is one network', () => {
  const plant = createPlant();
  const answers = Array.from({ length: 8 }, (_, n) =>
    plant.start(registry, 'createNetwork', {
      network: newNetwork(`n${n}`, { prefixes: [`10.0.0.0/${8 + n}`] }),
      h: `h${n}`,
      partitions: ['p'],
    }),
  );
  plant.settle(2_000);
  assert.equal(answers.filter((answer) => !isRefusal(answer())).length, 1);
  for (const answer of answers) if (isRefusal(answer())) refused(answer(), 'Unprocessable', 'overlaps');
  const ids = Array.from({ length: 8 }, (_, n) =>
    plant.start(registry, 'createNetwork', {
      network: newNetwork('same', { prefixes: [`11.0.${n}.0/24`] }),
      h: `s${n}`,
      partitions: ['p'],
    }),
  );
  plant.settle(2_000);
  assert.equal(ids.filter((answer) => !isRefusal(answer())).length, 1);
  assert.equal(plant.store.live('network').length, 2);
});
