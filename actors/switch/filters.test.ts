import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { contains, parsePrefix } from '../ipam/prefix.ts';
import type { AllocatedNetwork, AllocationRecord } from '../machine/record.ts';
import { compactPrefixes } from './compaction.ts';
import { portFilters, type FilterSources } from './filters.ts';

const network = (part: Partial<AllocatedNetwork>): AllocatedNetwork => ({
  network: 'n',
  holder: 'network',
  prefixes: [],
  ips: [],
  destinationPrefixes: [],
  vrf: 0,
  asn: 1,
  nat: false,
  private: false,
  privatePrimary: false,
  shared: false,
  underlay: false,
  project: '',
  networkTypeV2: '',
  natTypeV2: '',
  ...part,
});
const allocated = (role: 'machine' | 'firewall', networks: AllocatedNetwork[], project = 'p1') =>
  ({ role, networks, project }) as AllocationRecord;

const firewall = allocated('firewall', [
  network({ vrf: 104_010 }),
  network({ underlay: true, ips: ['10.0.0.2', '10.0.0.1'] }),
  network({ vrf: 104_009 }),
  network({ vrf: 104_011 }),
  network({ underlay: true, ips: ['2002::', 'fe81::'] }),
]);
const machine = allocated('machine', [network({ network: 'priv', private: true })]);

const sources = (allocations: Record<string, AllocationRecord>, part: Partial<FilterSources> = {}): FilterSources => ({
  allocation: (id) => allocations[id],
  prefixes: (id) => (id === 'priv' ? ['10.2.0.0/22', '10.1.0.0/22'] : undefined),
  announcable: () => ['10.240.0.0/12'],
  addresses: () => ['212.89.42.1', '212.89.42.2', '100.127.1.1', '10.1.0.1', '2001::1'],
  underlay: [],
  ...part,
});
const port = (nic: string, vrf: string, id: string) => ({ switch: 's', nic, vrf, machine: id });

describe('networks.md §5.5, §11.7: BGP filters', () => {
  it('firewall', () => {
    const filters = portFilters([port('a', 'default', 'f')], sources({ f: firewall }));
    assert.deepEqual(filters.get('a'), {
      cidrs: ['10.0.0.1/32', '10.0.0.2/32', '2002::/128', 'fe81::/128'],
      vnis: ['104009', '104010', '104011'],
    });
  });
  it('N30: firewall port, VRF "": an object with two nulls', () => {
    assert.deepEqual(portFilters([port('a', '', 'f')], sources({ f: firewall })).get('a'), { cidrs: null, vnis: null });
  });
  it('machine', () => {
    assert.deepEqual(portFilters([port('a', 'vrf1', 'm')], sources({ m: machine })).get('a'), {
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
    });
  });
  it('addresses inside the underlay are left out; an empty list is null; a network that is gone harms nobody else (N33)', () => {
    const only = {
      prefixes: () => [],
      announcable: () => [],
      addresses: () => ['10.240.0.7'],
      underlay: ['10.240.0.0/24'],
    };
    assert.deepEqual(portFilters([port('a', 'vrf1', 'm')], sources({ m: machine }, only)).get('a'), {
      cidrs: null,
      vnis: [],
    });
    const gone = allocated('machine', [network({ network: 'gone', private: true })]);
    const filters = portFilters([port('a', 'vrf1', 'g'), port('b', 'vrf2', 'm')], sources({ g: gone, m: machine }));
    assert.equal(filters.get('a')!.cidrs, null);
    assert.equal(filters.get('b')!.cidrs!.length, 7);
  });
  it('N29: every port of the machine; N38: one list for all ports of a VRF; none for free machines', () => {
    const other = allocated('machine', machine.networks, 'p2');
    const known = sources(
      { m: machine, o: other },
      { addresses: (project) => [project === 'p1' ? '192.0.2.1' : '192.0.2.9'] },
    );
    const ports = [
      port('a', 'vrf1', 'm'),
      port('b', 'vrf1', 'm'),
      port('c', 'vrf1', 'o'),
      port('d', '', 'o'),
      port('e', '', 'free'),
    ];
    const filters = portFilters(ports, known);
    assert.deepEqual(filters.get('a'), filters.get('b'));
    assert.deepEqual(filters.get('a'), filters.get('c'));
    assert.ok(filters.get('a')!.cidrs!.includes('192.0.2.1/32') && filters.get('a')!.cidrs!.includes('192.0.2.9/32'));
    assert.ok(!filters.get('d')!.cidrs!.includes('192.0.2.1/32'));
    assert.equal(filters.has('e'), false);
  });
});

describe('networks.md §11.7: compaction', () => {
  const hosts = (base: string, numbers: number[], length: number) => numbers.map((n) => `${base}${n}/${length}`);
  it('vectors', () => {
    assert.deepEqual(compactPrefixes(hosts('10.0.0.', [2, 3, 4, 5, 6, 7, 8, 9], 32)), [
      '10.0.0.2/31',
      '10.0.0.4/30',
      '10.0.0.8/31',
    ]);
    assert.deepEqual(compactPrefixes(hosts('10.0.0.', [12, 14, 15, 16, 17], 32)), [
      '10.0.0.12/32',
      '10.0.0.14/31',
      '10.0.0.16/31',
    ]);
    assert.deepEqual(compactPrefixes(hosts('2001::', [8, 9], 128)), ['2001::8/127']);
    assert.deepEqual(compactPrefixes(['0.0.0.0/0', '10.0.0.0/8', '::/0']), ['0.0.0.0/0', '::/0']);
  });
  it('covers exactly the same addresses, and is stable', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 24, max: 32 })), { maxLength: 12 }), (parts) => {
        const given = parts.map(([last, length]) => parsePrefix(`10.0.0.${last}/${length}`)!);
        const compact = compactPrefixes(given.map((prefix) => prefix.canonical));
        assert.deepEqual(compactPrefixes(compact), compact);
        const after = compact.map((text) => parsePrefix(text)!);
        for (let n = 0; n < 256; n++) {
          const address = { family: 'IPv4', value: 0x0a000000 + n } as const;
          assert.equal(
            after.filter((prefix) => contains(prefix, address)).length,
            given.some((prefix) => contains(prefix, address)) ? 1 : 0,
          );
        }
      }),
    );
  });
});
