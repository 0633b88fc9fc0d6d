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
  }) as unknown as StoredEntry;
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
