// Everything that a site's database holds, read in one snapshot, for judging what must be conserved (reliability.md §5.4).
import type { Scope } from '../../actors/address.ts';
import type { Change, Records, TableName } from '../../actors/records.ts';
import { openPool } from '../driver/open.ts';
import { entities, tableNames } from '../entity/entities.ts';

/** A row as it lies there; `value` null: released. */
export interface StoredRow<T extends TableName = TableName> {
  table: T;
  scope: Scope;
  key: string;
  owner: string;
  version: number;
  prev: number;
  value: Records[T] | null;
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

export type LiveRow<T extends TableName> = StoredRow<T> & { value: Records[T] };

export const isLive = <T extends TableName>(row: StoredRow<T>): row is LiveRow<T> => row.value !== null;

/** The rows of a table that are not released. */
export const live = <T extends TableName>(site: SiteRows, table: T): Array<LiveRow<T>> =>
  site.rows[table].filter(isLive) as Array<LiveRow<T>>;

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
export type Reading = { unsafe<Rows extends object[]>(text: string, parameters?: never[]): PromiseLike<Rows> };

const LOG = 'select scope, shard, epoch, n, operation, what, changes from log';

/** All entries, or the newest of the streams that are written now if there are more than `most`. */
async function readLog(tx: Reading, streams: readonly StreamSpan[], ownership: SiteRows['ownership'], most: number) {
  const total = streams.reduce((sum, { entries }) => sum + entries, 0);
  if (total <= most) {
    const log = await tx.unsafe<StoredEntry[]>(`${LOG} order by scope, epoch, shard, n`);
    return { log: [...log], isWholeLog: streams.every(({ first }) => first === 1) };
  }
  const current = streams.filter((span) =>
    ownership.some(({ scope, shard, epoch }) => span.scope === scope && span.shard === shard && span.epoch === epoch),
  );
  const each = Math.max(1, Math.floor(most / Math.max(1, current.length)));
  const log: StoredEntry[] = [];
  for (const { scope, shard, epoch, last } of current)
    log.push(
      ...(await tx.unsafe<StoredEntry[]>(
        `${LOG} where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n > $4::int8 order by n`,
        [scope, shard, epoch, last - each] as never[],
      )),
    );
  return { log, isWholeLog: false };
}

/** Everything that the transaction sees; of the log at most about `entries` (all by default). */
export async function readRows(tx: Reading, { entries = Infinity }: { entries?: number } = {}): Promise<SiteRows> {
  const rows: Partial<Record<TableName, StoredRow[]>> = {};
  for (const table of tableNames) {
    const read = await tx.unsafe<Read[]>(textOf(table));
    rows[table] = read.map(({ scope, key, owner, version, prev, released, body, ...others }) => ({
      table,
      scope,
      key,
      owner,
      version,
      prev,
      value: (released ? null : body) as never,
      columns: Object.fromEntries(
        entities[table].columns.map(({ name }) => [name, others[`column ${name}`] as string | null]),
      ),
    }));
  }
  const ended = await tx.unsafe<StreamEnd[]>('select scope, shard, epoch, n from log_end');
  const ownership = await tx.unsafe<SiteRows['ownership']>('select scope, shard, epoch from ownership');
  const streams = await tx.unsafe<StreamSpan[]>(
    'select scope, shard, epoch, count(*)::int8 as entries, min(n)::int8 as first, max(n)::int8 as last from log group by scope, shard, epoch',
  );
  const { log, isWholeLog } = await readLog(tx, streams, ownership, entries);
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
