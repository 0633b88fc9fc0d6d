// Everything that a site's database holds, read in one snapshot, for judging what must be conserved (reliability.md §5.4).
import type { Scope } from '../../actors/address.ts';
import type { Change, Records, TableName } from '../../actors/records.ts';
import { openPool } from '../driver/open.ts';
import { entities, tableNames } from '../entity/entities.ts';

/**
 * A row's value, at least what the rules look at: not a machine's hardware, nor what agents said. Whole values are compared
 * by the fold alone, of rows that the log knows.
 */
export interface Looked extends Omit<Records, 'machine' | 'allocation' | 'provisioning' | 'switch' | 'switch_status'> {
  machine: Pick<Records['machine'], 'created' | 'attached'>;
  allocation: Pick<Records['allocation'], 'uuid' | 'machine' | 'networks' | 'asn' | 'role' | 'succeeded'>;
  provisioning: object;
  switch: object;
  switch_status: object;
}

const LOOKED_AT: { [T in TableName]?: (value: Records[T]) => Looked[T] } = {
  machine: ({ created, attached }) => (attached === undefined ? { created } : { created, attached }),
  allocation: ({ uuid, machine, networks, asn, role, succeeded }) => ({
    uuid,
    machine,
    networks,
    asn,
    role,
    succeeded,
  }),
  provisioning: () => ({}),
  switch: () => ({}),
  switch_status: () => ({}),
};

/** A row as it lies there; `value` null: released. */
export interface StoredRow<T extends TableName = TableName> {
  table: T;
  scope: Scope;
  key: string;
  owner: string;
  version: number;
  prev: number;
  value: Looked[T] | null;
  /** Searchable columns as text; of `bytea`, hexadecimal. */
  columns: Record<string, string | null>;
}

export interface StoredEntry {
  scope: Scope;
  shard: number;
  epoch: number;
  n: number;
  operation: string;
  what: string;
  changes: Change[];
}

export interface StreamEnd {
  scope: Scope;
  shard: number;
  epoch: number;
  n: number;
}

/** What is there of a stream: its older entries may have been swept. */
export interface StreamSpan {
  scope: Scope;
  shard: number;
  epoch: number;
  entries: number;
  first: number;
  last: number;
}

export interface SiteRows {
  /** Of the site scope. */
  site: string;
  rows: { [T in TableName]: Array<StoredRow<T>> };
  /** Oldest first in each stream; not all of them unless `isWholeLog`. */
  log: StoredEntry[];
  /** No entry was swept yet, and all were read. */
  isWholeLog: boolean;
  streams: StreamSpan[];
  ended: StreamEnd[];
  ownership: Array<{ scope: Scope; shard: number; epoch: number }>;
}

export type LiveRow<T extends TableName> = StoredRow<T> & { value: Looked[T] };

export const isLive = <T extends TableName>(row: StoredRow<T>): row is LiveRow<T> => row.value !== null;

/** The rows of a table that are not released. */
export const live = <T extends TableName>(site: SiteRows, table: T): Array<LiveRow<T>> =>
  site.rows[table].filter(isLive) as Array<LiveRow<T>>;

/** Names a row among all of a site. */
export const rowName = (row: { table: string; scope: string; key: string }): string =>
  `${row.table} ${row.scope} ${row.key}`;

type Read = Omit<StoredRow, 'table' | 'columns' | 'value'> & { released: boolean; body: unknown } & Record<
    string,
    unknown
  >;

function textOf(table: TableName): string {
  const columns = entities[table].columns.map(({ name, type }) =>
    type === 'bytea' ? `encode(${name}, 'hex') as "column ${name}"` : `${name} as "column ${name}"`,
  );
  return `select ${['scope', 'key', 'owner', 'version', 'prev', 'released', 'body', ...columns].join(', ')} from ${table}`;
}

/** A connection, or a transaction. */
export type Reading = {
  unsafe<Rows extends object[]>(
    text: string,
    parameters?: never[],
  ): PromiseLike<Rows> & { cursor(rows: number): AsyncIterable<Array<Rows[number]>> };
};

/** Rows that are in hand at a time: text, parsed, and what is kept of it. */
export const PORTION = 500;

const LOG = 'select scope, shard, epoch, n, operation, what, changes from log';

/** All entries, or the newest of the streams that are written now if there are more than `most`. */
async function readLog(tx: Reading, streams: readonly StreamSpan[], ownership: SiteRows['ownership'], most: number) {
  const log: StoredEntry[] = [];
  const read = async (text: string, parameters: never[] = []): Promise<void> => {
    for await (const portion of tx.unsafe<StoredEntry[]>(text, parameters).cursor(PORTION)) log.push(...portion);
  };
  const total = streams.reduce((sum, { entries }) => sum + entries, 0);
  if (total <= most) {
    await read(`${LOG} order by scope, epoch, shard, n`);
    return { log, isWholeLog: streams.every(({ first }) => first === 1) };
  }
  const current = streams.filter((span) =>
    ownership.some(({ scope, shard, epoch }) => span.scope === scope && span.shard === shard && span.epoch === epoch),
  );
  const each = Math.max(1, Math.floor(most / Math.max(1, current.length)));
  for (const { scope, shard, epoch, last } of current)
    await read(`${LOG} where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n > $4::int8 order by n`, [
      scope,
      shard,
      epoch,
      last - each,
    ] as never[]);
  return { log, isWholeLog: false };
}

/** What is kept of rows as they are read. */
function createKept(log: readonly StoredEntry[]): (table: TableName, read: Read) => StoredRow {
  const changed = new Set(log.flatMap(({ changes }) => changes.map(rowName)));
  // Each row comes with a text of its own for the few scopes that there are.
  const scopes = new Map<string, Scope>();
  const lookedAt = LOOKED_AT as { [T in TableName]?: (value: never) => object };
  return (table, { scope, key, owner, version, prev, released, body, ...others }) => {
    if (!scopes.has(scope)) scopes.set(scope, scope);
    // What no entry speaks of is compared with none.
    const isWhole = changed.has(rowName({ table, scope, key }));
    const value = released ? null : isWhole ? body : (lookedAt[table]?.(body as never) ?? body);
    return {
      table,
      scope: scopes.get(scope)!,
      key,
      owner: owner === key ? key : owner,
      version,
      prev,
      value: value as never,
      columns: Object.fromEntries(
        entities[table].columns.map(({ name }) => [name, others[`column ${name}`] as string | null]),
      ),
    };
  };
}

/**
 * Everything that the transaction sees, in portions; of the log at most about `entries` (all by default), and of rows that
 * none of these speaks of what the rules look at.
 */
export async function readRows(tx: Reading, { entries = Infinity }: { entries?: number } = {}): Promise<SiteRows> {
  const ended = await tx.unsafe<StreamEnd[]>('select scope, shard, epoch, n from log_end');
  const ownership = await tx.unsafe<SiteRows['ownership']>('select scope, shard, epoch from ownership');
  const streams = await tx.unsafe<StreamSpan[]>(
    'select scope, shard, epoch, count(*)::int8 as entries, min(n)::int8 as first, max(n)::int8 as last from log group by scope, shard, epoch',
  );
  const { log, isWholeLog } = await readLog(tx, streams, ownership, entries);
  const kept = createKept(log);
  const rows: Partial<Record<TableName, StoredRow[]>> = {};
  for (const table of tableNames) {
    const list: StoredRow[] = (rows[table] = []);
    for await (const portion of tx.unsafe<Read[]>(textOf(table)).cursor(PORTION))
      for (const row of portion) list.push(kept(table, row));
  }
  const isThere = new Set(streams.map(({ scope, shard, epoch }) => `${shard}/${epoch}/${scope}`));
  const wasSwept = ended.some(({ scope, shard, epoch, n }) => n > 0 && !isThere.has(`${shard}/${epoch}/${scope}`));
  const site = ownership.find(({ scope }) => scope.startsWith('site:'))?.scope.slice('site:'.length) ?? '';
  return {
    site,
    rows: rows as SiteRows['rows'],
    log,
    isWholeLog: isWholeLog && !wasSwept,
    streams: [...streams],
    ended: [...ended],
    ownership: [...ownership],
  };
}

export const openForAudit = (url: string) =>
  openPool(url, {
    max: 1,
    isolation: 'serializable',
    applicationName: 'hanse audit',
    statementTimeoutMs: 60_000,
    idleInTransactionMs: 60_000,
  });

/**
 * Reads a site's database in one snapshot, also while the site works on it. A snapshot is enough: unlike a serializable
 * reading it costs no writer a conflict.
 */
export async function readSite(url: string, options: { entries?: number } = {}): Promise<SiteRows> {
  const sql = openForAudit(url);
  try {
    return await sql.begin('isolation level repeatable read read only', (tx) => readRows(tx, options));
  } finally {
    await sql.end({ timeout: 1 });
  }
}
