import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import {
  compareInventories,
  inventoryOf,
  inventorySchema,
  type Inventory,
  type InventorySources,
} from './inventory.ts';

const side = (site: string, changes: Partial<InventorySources> = {}): Inventory =>
  inventorySchema.parse(
    inventoryOf({
      site,
      providerTenant: 'metal-stack',
      partitions: [`p-${site}`],
      claims: [],
      entries: [],
      vrfs: [],
      ...changes,
    }),
  );

const claim = (what: ClaimRecord['what'], value: string, site: string, holder = value): ClaimRecord => ({
  what,
  value,
  holder,
  site,
  state: 'owned',
  h: '',
});

const entry = (kind: DirectoryRecord['kind'], id: string, home: string, entity: object): DirectoryRecord =>
  ({
    kind,
    id,
    home,
    revision: 1,
    created: { wallMs: 1, counter: 0, site: home },
    entity: { id, name: id, ...entity },
  }) as DirectoryRecord;

const messages = (ours: Inventory, theirs: Inventory): string[] => {
  const { collisions, differing } = compareInventories(ours, theirs);
  return [...collisions, ...differing].map(({ kind, message }) => `${kind}: ${message}`);
};

test('design.md §11: two sites without anything in common may be one', () => {
  const muc = side('muc', { claims: [claim('prefix', '10.0.0.0/16', 'muc', 'super-muc')] });
  const fra = side('fra', { claims: [claim('prefix', '10.1.0.0/16', 'fra', 'super-fra')] });
  assert.deepEqual(messages(muc, fra), []);
});

test('design.md §11: each collision is listed once', () => {
  const network = newNetwork('internet', { partition: '', prefixes: ['203.0.113.0/24'], vrf: 100 });
  const muc = side('muc', {
    partitions: ['plant'],
    claims: [
      claim('partition', 'plant', 'muc'),
      claim('network', 'internet', 'muc'),
      claim('prefix', '203.0.113.0/24', 'muc', 'internet'),
      claim('prefix', '2001:db8::/32', 'muc', 'super'),
      claim('super', 'plant', 'muc'),
    ],
    entries: [entry('globalnetwork', 'internet', 'muc', network)],
  });
  const fra = side('fra', {
    partitions: ['plant'],
    claims: [
      claim('network', 'internet', 'fra'),
      claim('prefix', '203.0.0.0/16', 'fra', 'dmz'),
      claim('prefix', '2001:db8:1::/48', 'fra', 'super'),
      claim('super', 'plant', 'fra'),
    ],
    vrfs: [100, 101],
  });
  assert.deepEqual(messages(muc, fra), [
    'Partition: partition plant exists at site fra and at site muc',
    'Network: network internet exists at site fra and at site muc',
    'Prefix: prefix 203.0.0.0/16 of network dmz (site fra) overlaps 203.0.113.0/24 of network internet (site muc)',
    'Prefix: prefix 2001:db8:1::/48 of network super (site fra) overlaps 2001:db8::/32 of network super (site muc)',
    'Vrf: VRF 100 of global network internet (site muc) is taken by another network at site fra',
  ]);
});

test('design.md §11: global networks may share a VRF only if both say so', () => {
  const of = (site: string, vrfShared: boolean): Inventory => {
    const network = newNetwork(`n-${site}`, { partition: '', prefixes: ['192.0.2.0/24'], vrf: 7, vrfShared });
    // Their own numbers are taken from their own pools, too.
    return side(site, { entries: [entry('globalnetwork', network.id, site, network)], vrfs: [7] });
  };
  assert.deepEqual(messages(of('muc', true), of('fra', true)), []);
  assert.deepEqual(messages(of('muc', true), of('fra', false)), [
    'Vrf: VRF 7 belongs to global network n-fra (site fra) and to n-muc (site muc)',
  ]);
});

test('design.md §11: equal directory entries merge whatever their times, differing ones are listed', () => {
  const size = { constraints: [{ type: 'cores', min: 1, max: 2 }], labels: { version: '1' } };
  const of = (site: string, created: number, changes: object = {}): Inventory =>
    side(site, {
      entries: [
        entry('size', 'c1', site, { ...size, created, changed: created + 1, ...changes }),
        entry('project', 'demo', site, { created, meta: { version: created, createdTime: created, labels: [] } }),
        entry('tenant', 'metal-stack', site, { description: site }),
        entry('member', site, site, { linkAddresses: [] }),
        { ...entry('size', 'gone', site, {}), entity: null } as DirectoryRecord,
      ],
    });
  assert.deepEqual(messages(of('muc', 1), of('fra', 2)), []);
  assert.deepEqual(messages(of('muc', 1), of('fra', 2, { labels: { version: '2' } })), [
    'Differing: size c1 of site fra differs from the one of site muc: make them equal, or delete one',
  ]);
});
