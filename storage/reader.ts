// Committed rows for lists: READ COMMITTED, outside the actors, never used for a decision.
import type { Scope } from '../actors/address.ts';
import type { RowFilter } from '../actors/ports.ts';
import type { RowOf, TableName } from '../actors/records.ts';
import { addressBytes, parseAddress, type Family } from '../actors/ipam/address.ts';
import { arrayLiteral, bytesText } from './array.ts';
import type { Pool } from './driver/pool.ts';
import { entities } from './entity/entities.ts';
import type { Statement } from './statement.ts';

export interface ReadRow {
  scope: Scope;
  key: string;
  owner: string;
  version: number;
  body: object;
}

const PORTION = 500;

const BARE = `r.scope, r.key, r.owner, r.version, '{}'::jsonb as body`;

const hasColumn = (table: TableName, name: string): boolean =>
  entities[table].columns.some((column) => column.name === name);

const refuseFilter = (table: TableName, field: string, tables: string): never => {
  throw new RangeError(`filter.${field}: ${table} has no such column, only ${tables}`);
};

const bytesOf = (address: string): string[] => {
  const parsed = parseAddress(address);
  // No row has an address that is none.
  return parsed === undefined ? [] : [bytesText(addressBytes(parsed))];
};

/** The statement for a filter. Throws a RangeError for a filter by a column that the table does not have. */
export function readStatement(
  table: TableName,
  filter: RowFilter,
  wanted = 'r.scope, r.key, r.owner, r.version, r.body',
): Statement {
  const parameters: unknown[] = [];
  const conditions = ['not r.released'];
  const where = (condition: string, value: unknown): void => {
    parameters.push(value);
    conditions.push(condition.replace('$', `$${parameters.length}`));
  };
  if (filter.scopes !== undefined) where('r.scope = any($::text[])', arrayLiteral(filter.scopes));
  // Keys and owners are indexed below their scope; the scopes of a site are few, and all have their row here.
  else if (filter.keys !== undefined || filter.owners !== undefined)
    conditions.push('r.scope = any(array(select distinct o.scope from ownership o))');
  if (filter.owners !== undefined) where('r.owner = any($::text[])', arrayLiteral(filter.owners));
  if (filter.keys !== undefined) where('r.key = any($::text[])', arrayLiteral(filter.keys));
  if (filter.project !== undefined) {
    if (!hasColumn(table, 'project')) refuseFilter(table, 'project', 'ip, allocation and network');
    where('r.project = $::text', filter.project);
  }
  if (filter.standing !== undefined) {
    if (!hasColumn(table, 'standing')) refuseFilter(table, 'standing', 'ip');
    where('r.standing = any($::text[])', arrayLiteral(filter.standing));
  }
  if (filter.addresses !== undefined) {
    if (!hasColumn(table, 'address')) refuseFilter(table, 'addresses', 'ip');
    where('r.address = any($::bytea[])', arrayLiteral(filter.addresses.flatMap(bytesOf)));
  }
  return {
    text: `select ${wanted} from ${table} r where ${conditions.join(' and ')}`,
    parameters,
  };
}

export const countStatement = (table: TableName, filter: RowFilter): Statement =>
  readStatement(table, filter, 'count(*)::int4 as rows');

export async function countRows(pool: Pool, table: TableName, filter: RowFilter): Promise<number> {
  const { text, parameters } = countStatement(table, filter);
  const [counted] = await pool.run<{ rows: number }>(text, parameters);
  return counted!.rows;
}

export const COUNT_HELD = `select owner as network, sum(case when length(address) = 4 then 1 else 0 end)::int4 as "IPv4",
  sum(case when length(address) = 16 then 1 else 0 end)::int4 as "IPv6"
from ip where scope = any($1::text[]) and owner = any($2::text[]) and not released and (standing is null or standing = 'lent')
group by owner`;

export async function countHeld(
  pool: Pool,
  scopes: readonly Scope[],
  networks: readonly string[],
): Promise<Map<string, Record<Family, number>>> {
  const rows = await pool.run<Record<Family, number> & { network: string }>(COUNT_HELD, [
    arrayLiteral([...scopes]),
    arrayLiteral([...networks]),
  ]);
  return new Map(rows.map(({ network, IPv4, IPv6 }) => [network, { IPv4, IPv6 }]));
}

export const countByOwnerText = (table: TableName): string =>
  `select owner, count(*)::int4 as rows from ${table} where scope = $1::text and not released group by owner`;

interface ReadOptions {
  /** Without what the rows say: for who only needs to know that they are there. */
  bare?: boolean;
}

/** In portions, so that a list of a whole plant doesn't hold up the event loop. */
export async function readPortions<T extends TableName>(
  pool: Pool,
  table: T,
  filter: RowFilter,
  each: (rows: RowOf<T>[]) => void,
  { bare = false }: ReadOptions = {},
): Promise<void> {
  const { text, parameters } = readStatement(table, filter, bare ? BARE : undefined);
  const take = (portion: readonly ReadRow[]): void =>
    each(
      portion.map(
        ({ scope, key, owner, version, body }) => ({ table, scope, key, owner, version, value: body }) as RowOf<T>,
      ),
    );
  if (filter.keys !== undefined && filter.keys.length <= PORTION)
    return take(await pool.run<ReadRow>(text, parameters));
  let isOver = false;
  try {
    await pool.transaction(
      async (sql) => {
        await sql.unsafe<ReadRow[]>(text, parameters as never[]).cursor(PORTION, (portion) => {
          if (isOver) throw new Error('the deadline of this list has passed');
          take(portion);
        });
      },
      { readOnly: true },
    );
  } finally {
    isOver = true;
  }
}

export async function readRows<T extends TableName>(
  pool: Pool,
  table: T,
  filter: RowFilter = {},
  options: ReadOptions = {},
): Promise<RowOf<T>[]> {
  const rows: RowOf<T>[] = [];
  await readPortions<T>(pool, table, filter, (portion) => void rows.push(...portion), options);
  return rows;
}

/** A live row, without anything that it says. */
export interface ReadKey {
  key: string;
  version: number;
}

/** So many take the event loop two or three milliseconds. */
const KEYS = 1_000;

export const keysText = (table: TableName): string =>
  `select r.key, r.version from ${table} r where r.scope = $1::text and not r.released`;

/** The keys of a scope's live rows, in portions as they come. */
export async function readKeys(
  pool: Pool,
  table: TableName,
  scope: Scope,
  each: (keys: readonly ReadKey[]) => void,
): Promise<void> {
  let isOver = false;
  try {
    await pool.transaction(
      async (sql) => {
        await sql.unsafe<ReadKey[]>(keysText(table), [scope]).cursor(KEYS, (portion) => {
          if (isOver) throw new Error('the deadline of these keys has passed');
          each(portion);
        });
      },
      { readOnly: true },
    );
  } finally {
    isOver = true;
  }
}

export async function countByOwner(pool: Pool, table: TableName, scope: Scope): Promise<Map<string, number>> {
  const rows = await pool.run<{ owner: string; rows: number }>(countByOwnerText(table), [scope]);
  return new Map(rows.map(({ owner, rows }) => [owner, rows]));
}

/** Ids of the partitions whose home is the site, from its own directory entries. */
export const HOSTED = `select body ->> 'id' as id from directory
where scope = $1::text and owner = 'partition' and not released and body ->> 'home' = $2::text and body -> 'entity' <> 'null'::jsonb
order by key`;
