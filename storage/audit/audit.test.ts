import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope } from '../../actors/address.ts';
import type { TableName } from '../../actors/records.ts';
import { tableNames } from '../entity/entities.ts';
import { audit } from './audit.ts';
import type { SiteRows, StoredEntry, StoredRow } from './rows.ts';

const own: Scope = 'site:muc';
const muc: Scope = 'partition:muc';

function siteRows(
  rows: StoredRow[],
  rest: Partial<Pick<SiteRows, 'log' | 'isWholeLog' | 'streams' | 'ended'>> = {},
): SiteRows {
  const byTable = Object.fromEntries(tableNames.map((table) => [table, rows.filter((row) => row.table === table)]));
  return {
    site: 'muc',
    rows: byTable as SiteRows['rows'],
    log: [],
    isWholeLog: false,
    streams: [],
    ended: [],
    ownership: [own, muc].map((scope) => ({ scope, shard: 0, epoch: 2 })),
    ...rest,
  };
}

const row = (table: TableName, scope: Scope, key: string, owner: string, value: unknown, version = 5): StoredRow =>
  ({ table, scope, key, owner, version, prev: 0, value, columns: {} }) as StoredRow;

const globalNetwork = (home: string): StoredRow =>
  row('directory', own, 'globalnetwork|internet', 'globalnetwork', {
    kind: 'globalnetwork',
    id: 'internet',
    home,
    entity: { id: 'internet' },
  });
const holding = row('holding', muc, 'internet|1.2.3.0', 'internet', {
  network: 'internet',
  first: '1.2.3.0',
  length: 26,
  prefix: '1.2.3.0/24',
  h: 'h1',
  state: 'held',
});

test('reliability.md §4 I03: a held block must stand in the ledger of the network’s home, if that is among the sites', () => {
  assert.deepEqual(audit([siteRows([globalNetwork('fra'), holding])]), []);
  assert.match(audit([siteRows([globalNetwork('muc'), holding])])[0] ?? '', /^block holder: .* the ledger says nobody/);
});

const size = (version: number, id = 'c1'): StoredRow =>
  row('directory', own, 'size|c1', 'size', { kind: 'size', id }, version);
const entry = (n: number, prev: number, version: number): StoredEntry =>
  ({
    scope: own,
    shard: 0,
    epoch: 2,
    n,
    operation: `o${n}`,
    what: 'directory.update',
    changes: [
      {
        table: 'directory',
        scope: own,
        key: 'size|c1',
        owner: 'size',
        prev,
        version,
        value: { kind: 'size', id: 'c1' },
      },
    ],
  }) as StoredEntry;
const span = (first: number, last: number, entries = last - first + 1) => ({
  scope: own,
  shard: 0,
  epoch: 2,
  first,
  last,
  entries,
});

test('reliability.md §5.4: a log whose beginning was swept is no hole, and still contradicts a row', () => {
  const swept = { log: [entry(9, 4, 5)], streams: [span(9, 9)] };
  assert.deepEqual(audit([siteRows([size(5)], swept)]), []);
  // Changed later by an entry that was not read.
  assert.deepEqual(audit([siteRows([size(7)], swept)]), []);
  assert.match(audit([siteRows([size(4)], swept)])[0] ?? '', /^fold: .* is at version 4, the log at 5/);
  assert.match(audit([siteRows([size(5, 'c2')], swept)])[0] ?? '', /^fold: .* differs from the log/);
});

test('reliability.md §5.4: of a whole log each row has its entry, and each change replaces the one before', () => {
  const whole = { log: [entry(1, 0, 4), entry(2, 4, 5)], streams: [span(1, 2)], isWholeLog: true };
  assert.deepEqual(audit([siteRows([size(5)], whole)]), []);
  assert.match(audit([siteRows([size(7)], whole)])[0] ?? '', /^fold: .* is at version 7, the log at 5/);
  const broken = { ...whole, log: [entry(1, 0, 4), entry(2, 3, 5)] };
  assert.match(audit([siteRows([size(5)], broken)])[0] ?? '', /^log chain: /);
});

test('reliability.md §5.4: holes and late entries of a stream', () => {
  assert.match(
    audit([siteRows([], { streams: [span(1, 5, 4)] })])[0] ?? '',
    /^log hole: .* lacks 1 of its entries 1 to 5/,
  );
  const old = { ...span(1, 5), epoch: 1 };
  assert.match(audit([siteRows([], { streams: [old] })])[0] ?? '', /^log end: .* is over/);
  const ended = [{ scope: own, shard: 0, epoch: 1, n: 4 }];
  assert.match(audit([siteRows([], { streams: [old], ended })])[0] ?? '', /^log end: .* ended at 4, and has entry 5/);
});

const claimed = (at: string, value: object): StoredRow => {
  const claim = { what: 'prefix', value: '10.0.0.0/24', holder: 'n', site: 'muc', state: 'owned', h: 'h', ...value };
  return row('claim', `site:${at}`, `${claim.what}|${claim.value}`, at, claim);
};
const member = (at: string, id: string): StoredRow =>
  row('directory', `site:${at}`, `member|${id}`, 'member', { kind: 'member', id, home: id, entity: { id } });
const network = (at: Scope, prefixes: string[]): StoredRow =>
  row('network', at, 'n', 'n', { id: 'n', parent: null, prefixes });

test('design.md §12: members keep for each other what is there, and nothing else, once all is quiet', () => {
  const id = { what: 'network', value: 'n' };
  const home = siteRows([network(own, ['10.0.0.0/24']), claimed('muc', id), claimed('muc', {}), member('muc', 'fra')]);
  const ownership = [{ scope: 'site:fra' as Scope, shard: 0, epoch: 2 }];
  const auditWith = (isQuiet: boolean, ...kept: object[]): string[] =>
    audit(
      [
        home,
        { ...siteRows([member('fra', 'muc'), ...kept.map((one) => claimed('fra', one))]), site: 'fra', ownership },
      ],
      { isQuiet },
    );
  assert.deepEqual(auditWith(true, id, {}, { what: 'vrf', value: '7' }), []);
  const stale = { value: '10.1.0.0/24' };
  assert.match(
    auditWith(true, id, {}, stale).join(),
    /^claim leak: prefix 10\.1\.0\.0\/24 of n \(site muc\) is kept at site fra/,
  );
  assert.match(auditWith(true, id, {}, { what: 'partition', value: 'p' }).join(), /^claim leak: partition p/);
  assert.match(auditWith(true, id, { state: 'promised' }).join(), /^claim on its way: prefix 10\.0\.0\.0\/24/);
  assert.match(auditWith(true, id).join(), /^claim unknown: prefix 10\.0\.0\.0\/24/);
  assert.deepEqual(auditWith(false, id, stale), []);
  assert.match(auditWith(false, {}, { value: '10.0.0.0/16', holder: 'm' }).join(), /^claim twice: .* overlaps/);
});

test('networks.md §1.3: a prefix may be written in another way than the canonical one', () => {
  const prefix = row('prefix', own, 'fd00::/56', 'n', { cidr: 'fd00::/56', network: 'n', root: 'fd00::/56' });
  const found = (rows: StoredRow[]): string[] => audit([siteRows(rows)]).filter((one) => one.startsWith('prefix'));
  assert.deepEqual(found([network(own, ['fd00:0::1/56']), prefix]), []);
  assert.match(found([network(own, ['fd01::/56']), prefix]).join(), /^prefix leak: fd00::\/56/);
});

test('networks.md §1.3: a top-level network claims what it is, and nothing else is claimed', () => {
  const id = claimed('muc', { what: 'network', value: 'n' });
  const net = network(muc, ['10.0.0.0/24']);
  assert.deepEqual(
    audit([siteRows([net, id, claimed('muc', {})])]).filter((one) => one.startsWith('claim')),
    [],
  );
  assert.match(audit([siteRows([net, id])]).join(), /claim owner: prefix\|10\.0\.0\.0\/24\|n is not claimed/);
  assert.match(audit([siteRows([claimed('muc', {})])]).join(), /claim leak: prefix 10\.0\.0\.0\/24 of n .* no network/);
});
