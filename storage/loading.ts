// Loads: one statement that proves ownership and reads live rows of several tables, in a serializable transaction. Only
// then is a late group of the owner before either seen by the load or refused (reliability.md §8).
// Loads and lists are not prepared: PostgreSQL keeps the plan that it made for a small table, which reads all of an index,
// until its statistics are renewed, and a table of addresses grows by hundreds of thousands of rows before that.
import type { Fence } from '../actors/ports.ts';
import type { Row, TableName } from '../actors/records.ts';
import { arrayLiteral } from './array.ts';
import { fenceParameters, type Statement } from './statement.ts';

/** By what rows are found. */
export type FoundBy = 'owner' | 'key';

export interface LoadedRow {
  /** '' in the one row that says the fences held; a table's name in the others. */
  kind: TableName | '';
  key: string;
  owner: string;
  version: number;
  body: Row['value'];
}

/**
 * One table's branch. Each key or owner is looked up by itself (`lateral`, and a limit or offset that keeps it so): given the
 * whole list, PostgreSQL reads all of the scope while it has no statistics of a table that grows, and SERIALIZABLE then
 * protects all that was read.
 */
function branch(table: TableName, by: FoundBy, parameter: number, isPacked: boolean): string {
  const apart = isPacked && table === 'ip' ? ' and r.standing is not null' : '';
  const rows = `select '${table}' as kind, r.key, r.owner, r.version, r.body from ${table} r
where (select held from fence) = $4::int8 and r.scope = $5::text and not r.released${apart}`;
  return `union all select f.kind, f.key, f.owner, f.version, f.body from unnest($${parameter}::text[]) as w (wanted) cross join lateral (
${rows} and r.${by} = w.wanted ${by === 'key' ? 'limit 1' : 'offset 0'}) f`;
}

/** The first row of an answer says that the fences hold; nothing else comes where they don't. */
export const PROOF = `with fence as (
  select count(*) as held from ownership o, unnest($1::text[], $2::int4[], $3::int8[]) as p (scope, shard, epoch)
  where o.scope = p.scope and o.shard = p.shard and o.epoch = p.epoch
)`;

/** Text for loads from these tables; a constant for each combination. `isPacked`: of `ip` only what stands apart. */
export function loadText(tables: readonly TableName[], by: FoundBy, isPacked = false): string {
  const branches = tables.map((table, i) => branch(table, by, 6 + i, isPacked));
  return `${PROOF}
select '' as kind, '' as key, '' as owner, 0::int8 as version, null::jsonb as body from fence where held = $4::int8
${branches.join('\n')}`;
}

/** Addresses last: an actor that knows its prefixes and blocks by then finds each one's place at once. Nobody relies on it. */
const inOrder = (one: TableName, other: TableName): number =>
  Number(one === 'ip') - Number(other === 'ip') || (one < other ? -1 : 1);

const texts = new Map<string, string>();

/** `wanted` maps each table to the owners or keys to look for. */
export function loadStatement(
  scope: string,
  wanted: ReadonlyMap<TableName, readonly string[]>,
  by: FoundBy,
  fences: readonly Fence[],
  isPacked = false,
): Statement {
  const tables = [...wanted.keys()].sort(inOrder);
  const name = `${by}:${tables.join()}:${isPacked}`;
  let text = texts.get(name);
  if (text === undefined) texts.set(name, (text = loadText(tables, by, isPacked)));
  const values = tables.map((table) => arrayLiteral(wanted.get(table)!));
  // Without a table only the proof is left, and no parameter may be there that the text does not use.
  return { text, parameters: [...fenceParameters(fences), ...(tables.length === 0 ? [] : [scope]), ...values] };
}

export interface LoadedAddresses {
  /** 4 bytes each; else 16. */
  narrow: boolean;
  bytes: Uint8Array;
}

/** 2 to this many parts a family: of a million addresses half a megabyte each, twice that on the wire. */
const PART_BITS = 5;

/** One of the lowest bits of an address; each by itself, because of a truth value a planner knows that there are but two. */
const bitOf = (bit: number): string => `(get_byte(r.address, octet_length(r.address) - 1) & ${1 << bit}) = 0`;

/**
 * The addresses of an owner's rows, but for those that stand apart, in some parts a family: by the lowest bits, so that a
 * million lie evenly in them and nothing has to be numbered or sorted (database.md §7). Grouped by their sum instead,
 * PostgreSQL expects a million groups, and sorts a million rows on disk to make them: a fifth more work, and the file.
 */
export const PACKED = `select octet_length(r.address) = 4 as narrow, string_agg(r.address, ''::bytea) as bytes from ip r
where r.scope = $1::text and r.owner = $2::text and not r.released and r.standing is null
group by octet_length(r.address) = 4, ${Array.from({ length: PART_BITS }, (_, bit) => bitOf(bit)).join(', ')}`;
