import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { invalid, isRefusal } from '../refusal.ts';
import {
  checkNumbers,
  childLengths,
  networkToCreate,
  parseChildLengths,
  type NetworkCreateRequest,
} from './network-rules.ts';
import { createRequest, granted, newNetwork, refused } from './plant.fixture.ts';
import type { NetworkPatch } from './messages.ts';
import { updatedNetwork } from './update-rules.ts';

const create = (request: Partial<NetworkCreateRequest>) =>
  checkNumbers(createRequest(request)) ?? networkToCreate(createRequest(request), { id: 'n', nowMs: 1 });
const v4 = '172.0.0.0/24';
const v6 = 'fdaa:bbcc::/50';

describe('networks.md §11.1: what is decided from the request alone', () => {
  it('external, one family and two', () => {
    assert.equal(granted(create({ prefixes: [v4], destinationPrefixes: ['0.0.0.0/0'], vrf: 10000 })).type, 'external');
    assert.equal(isRefusal(create({ prefixes: [v4, v6], destinationPrefixes: ['0.0.0.0/0'] })), false);
  });
  const cases: Array<[string, Partial<NetworkCreateRequest>, string | RegExp]> = [
    [
      'destination of another family',
      { prefixes: [v4], destinationPrefixes: ['::/0'] },
      'addressfamily:IPv6 of destination prefixes is not present in existing prefixes',
    ],
    [
      'child length not longer',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { IPv4: 22 } },
      'given defaultchildprefixlength 22 is not greater than prefix length of:172.0.0.0/24',
    ],
    [
      'super without lengths',
      { prefixes: [v4], privateSuper: true },
      'private super network must always contain a defaultchildprefixlength',
    ],
    [
      'super with lengths of one family only',
      { prefixes: [v6, '172.0.0.0/16'], privateSuper: true, defaultChildPrefixLength: { IPv6: 64 } },
      'per addressfamily:IPv4',
    ],
    [
      'super with the length of the prefix',
      { prefixes: [v6], privateSuper: true, defaultChildPrefixLength: { IPv6: 50 } },
      'is not greater',
    ],
    [
      'address out of range',
      { prefixes: ['192.168.265.0/24'] },
      'given cidr 192.168.265.0/24 is not a valid ip with mask: prefixes are',
    ],
    ['three colons', { prefixes: ['fdaa:::/50'] }, 'not a valid ip with mask'],
    ['destination too long', { prefixes: [v4], destinationPrefixes: ['0.0.0.0/33'] }, 'mask: destinationprefixes are'],
    [
      'empty lengths on external',
      { prefixes: [v4], defaultChildPrefixLength: {} },
      'defaultchildprefixlength can only be set for privatesuper networks',
    ],
    ['no prefixes', {}, 'no prefixes given'],
    [
      'unknown family',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { x: 3 } },
      'given addressfamily:"x" is invalid',
    ],
    [
      'length over eight bits',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { IPv4: 300 } },
      '0 to 255',
    ],
    [
      'announcable on external',
      { prefixes: [v4], additionalAnnouncableCidrs: ['10.0.0.0/8'] },
      'additionalannouncablecidrs can only be set in a private super network',
    ],
    [
      'announcable malformed',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { ipv4: 28 }, additionalAnnouncableCidrs: ['x'] },
      'given cidr:"x" in additionalannouncablecidrs is malformed',
    ],
    [
      'child length that no IPv4 prefix can have',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { IPv4: 64 } },
      'defaultchildprefixlength.IPv4 is 64, expected 25 to 32',
    ],
    [
      'child length of a family without prefix: every allocation would fail (§1.4, check 9)',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { IPv4: 28, IPv6: 64 } },
      'defaultchildprefixlength.IPv6 is 64, but prefixes has none of IPv6',
    ],
    [
      'super without partition: nothing would ever find it (§1.2)',
      { prefixes: [v4], privateSuper: true, defaultChildPrefixLength: { IPv4: 28 }, partition: '' },
      'partitionid should not be empty for a network with privatesuper',
    ],
    [
      'underlay without partition',
      { prefixes: [v4], underlay: true, partition: '' },
      'partitionid should not be empty for a network with underlay',
    ],
    [
      'super and underlay',
      { prefixes: [v4], privateSuper: true, underlay: true, defaultChildPrefixLength: { IPv4: 28 } },
      'privatesuper and underlay are both true',
    ],
    ['negative vrf', { prefixes: [v4], vrf: -1 }, 'vrf'],
  ];
  for (const [name, request, text] of cases) it(name, () => refused(create(request), 'Invalid', text));

  it('null lengths on external; keys in any case; both lengths kept', () => {
    assert.deepEqual(granted(create({ prefixes: [v4], defaultChildPrefixLength: null })).defaultChildPrefixLength, {});
    const network = granted(
      create({
        prefixes: [v6, '172.0.0.0/16'],
        destinationPrefixes: ['::/0', '0.0.0.0/0'],
        privateSuper: true,
        defaultChildPrefixLength: { ipv4: 22, IPV6: 64 },
      }),
    );
    assert.deepEqual(network.defaultChildPrefixLength, { IPv4: 22, IPv6: 64 });
    assert.equal(network.type, 'super');
  });
});

describe('networks.md §11.2: lengths of children', () => {
  const parent = { id: 'super', defaultChildPrefixLength: { IPv4: 22, IPv6: 64 } };
  it('given ones lie over the defaults; a family restricts', () => {
    assert.deepEqual(childLengths(parent, { lengths: { IPv4: 29 } }), { IPv4: 29, IPv6: 64 });
    assert.deepEqual(childLengths(parent, { lengths: { IPv4: 29 }, family: 'IPv6' }), { IPv6: 64 });
    refused(
      childLengths({ id: 's', defaultChildPrefixLength: { IPv4: 22 } }, { lengths: {}, family: 'IPv6' }),
      'Invalid',
      'no childprefixlength',
    );
    refused(
      childLengths({ id: 's', defaultChildPrefixLength: null }, { lengths: {} }),
      'Internal',
      'supernetwork s has no defaultchildprefixlength specified',
    );
    const malformed = invalid('addressfamily is invalid');
    refused(childLengths({ id: 's', defaultChildPrefixLength: {} }, { lengths: {}, malformed }), 'Internal');
    refused(childLengths(parent, { lengths: {}, malformed }), 'Invalid', 'addressfamily is invalid');
  });
  it('keys and values of the request', () => {
    assert.deepEqual(parseChildLengths('length', { ipv4: 29 }), { IPv4: 29 });
    refused(parseChildLengths('length', { x: 3 }), 'Invalid', 'addressfamily of length is invalid');
    refused(parseChildLengths('length', { IPv4: 300 }), 'Invalid');
    refused(parseChildLengths('length', { x: 3, IPv4: 300 }), 'Invalid', 'length of IPv4 is 300');
  });
});

describe('networks.md §11.5: update', () => {
  const patch = (given: Partial<NetworkPatch>): NetworkPatch => ({
    additionalAnnouncableCidrs: [],
    force: false,
    site: 's',
    h: 'h',
    ...given,
  });
  const aSuper = newNetwork('super', {
    prefixes: ['10.0.0.0/16'],
    privateSuper: true,
    defaultChildPrefixLength: { IPv4: 22 },
    additionalAnnouncableCidrs: ['10.240.0.0/12'],
  });
  const kept = { additionalAnnouncableCidrs: ['10.240.0.0/12'] };
  const external = newNetwork('ext', {
    prefixes: ['10.9.0.5/24'],
    destinationPrefixes: ['0.0.0.0/0'],
    labels: { a: 'b' },
  });
  const update = (stored: typeof external, given: Partial<NetworkPatch>) => updatedNetwork(stored, patch(given), 2);

  it('shared is never taken back', () => {
    refused(update({ ...external, shared: true }, { shared: false }), 'Invalid', 'not possible to unshare');
    assert.equal(granted(update(external, { shared: true })).network.shared, true);
  });
  it('announcable CIDRs are replaced always, removed by force only', () => {
    refused(
      update(aSuper, { name: 'x' }),
      'Invalid',
      'you cannot remove "10.240.0.0/12" from additionalannouncablecidrs without force flag set',
    );
    assert.deepEqual(granted(update(aSuper, { force: true })).network.additionalAnnouncableCidrs, []);
    const two = ['10.240.0.0/12', '10.1.0.0/16'];
    assert.deepEqual(
      granted(update(aSuper, { additionalAnnouncableCidrs: two })).network.additionalAnnouncableCidrs,
      two,
    );
    refused(update(external, { additionalAnnouncableCidrs: ['10.1.0.0/16'] }), 'Unprocessable');
  });
  it('a second family: external, and super with its lengths (N09)', () => {
    assert.deepEqual(granted(update(external, { prefixes: ['10.9.0.0/24', v6] })).addedPrefixes, [v6]);
    const both = { prefixes: ['10.0.0.0/16', '2001:db8::/48'], ...kept };
    refused(update(aSuper, both), 'Invalid', 'per addressfamily:IPv6');
    const lengths = { defaultChildPrefixLength: { IPv4: 22, IPv6: 64 } };
    assert.deepEqual(
      granted(update(aSuper, { ...both, ...lengths })).network.defaultChildPrefixLength,
      lengths.defaultChildPrefixLength,
    );
  });
  it('lengths that no child could have are refused; those that are stored come back with every update', () => {
    refused(
      update(aSuper, { defaultChildPrefixLength: { IPv4: 8 }, ...kept }),
      'Invalid',
      'given defaultchildprefixlength 8 is not greater than prefix length of:10.0.0.0/16',
    );
    refused(update(aSuper, { defaultChildPrefixLength: { IPv4: 33 }, ...kept }), 'Invalid', 'expected 17 to 32');
    const old = { ...aSuper, defaultChildPrefixLength: { IPv4: 8 } };
    granted(update(old, { defaultChildPrefixLength: { IPv4: 8 }, name: 'x', ...kept }));
  });
  it('prefixes that do not parse are named with their list', () => {
    refused(update(external, { prefixes: ['10.0.0.0/33'] }), 'Unprocessable', 'mask: prefixes are');
    refused(update(external, { destinationPrefixes: ['x'] }), 'Unprocessable', 'mask: destinationprefixes are');
  });
  it('a prefix in another spelling stays as it is stored', () => {
    const same = granted(update(external, { prefixes: ['10.9.0.0/24'] }));
    assert.deepEqual([same.network.prefixes, same.addedPrefixes, same.removedPrefixes], [['10.9.0.5/24'], [], []]);
  });
  it('lists that are empty change nothing; labels are replaced if given', () => {
    assert.deepEqual(granted(update(external, { destinationPrefixes: [], prefixes: [] })).network.destinationPrefixes, [
      '0.0.0.0/0',
    ]);
    assert.deepEqual(granted(update(external, { labels: {} })).network.labels, {});
    assert.deepEqual(granted(update(external, {})).network.labels, { a: 'b' });
  });
  it('prefixes of children do not change (N06); lengths only on supers', () => {
    refused(
      update({ ...external, parent: 'super' }, { prefixes: ['10.8.0.0/24'] }),
      'Unprocessable',
      'is a child of super',
    );
    refused(
      update(external, { defaultChildPrefixLength: { IPv4: 28 } }),
      'Unprocessable',
      'can only be set on privatesuper',
    );
    refused(
      update(aSuper, { defaultChildPrefixLength: { IPv6: 64 }, ...kept }),
      'Unprocessable',
      'no addressfamily "IPv6" present',
    );
  });
});
