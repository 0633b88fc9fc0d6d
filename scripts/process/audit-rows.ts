// Everything that a site's database holds, read in one snapshot, for judging what must be conserved (reliability.md §5.4).
import type { Scope } from '../../actors/address.ts';
import type { Change, Records, TableName } from '../../actors/records.ts';
import { openPool } from '../../storage/driver/open.ts';
import { entities, tableNames } from '../../storage/entity/entities.ts';

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

export interface SiteRows {
  /** Of the site scope. */
  site: string;
  rows: { [T in TableName]: Array<StoredRow<T>> };
  log: StoredEntry[];
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
export type Reading = { unsafe<Rows extends object[]>(text: string): PromiseLike<Rows> };

/** Everything that the transaction sees. */
export async function readRows(tx: Reading): Promise<SiteRows> {
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
  const log = await tx.unsafe<StoredEntry[]>(
    'select scope, shard, epoch, n, operation, what, changes from log order by scope, epoch, shard, n',
  );
  const ended = await tx.unsafe<StreamEnd[]>('select scope, shard, epoch, n from log_end');
  const ownership = await tx.unsafe<SiteRows['ownership']>('select scope, shard, epoch from ownership');
  const site = ownership.find(({ scope }) => scope.startsWith('site:'))?.scope.slice('site:'.length) ?? '';
  return { site, rows: rows as SiteRows['rows'], log: [...log], ended: [...ended], ownership: [...ownership] };
}

export const openForAudit = (url: string) =>
  openPool(url, {
    max: 1,
    isolation: 'serializable',
    applicationName: 'hanse audit',
    statementTimeoutMs: 60_000,
    idleInTransactionMs: 60_000,
  });

/** Reads a site's whole database in one snapshot, also while the site works on it. */
export async function readSite(url: string): Promise<SiteRows> {
  const sql = openForAudit(url);
  try {
    return await sql.begin('isolation level repeatable read read only', (tx) => readRows(tx as unknown as Reading));
  } finally {
    await sql.end({ timeout: 1 });
  }
}
