// What a database holds, by its own catalogue: a backup must not forget a table that a later migration brings.
import type { Reading } from '../audit/rows.ts';

export interface TableShape {
  table: string;
  /** Name and SQL type, in the order of the table; without those that the server computes. */
  columns: Array<[name: string, type: string]>;
}

/** `lease` is who is active now, `migration` what this code made of the schema: neither is the site's content. */
const LEFT_OUT = new Set(['lease', 'migration']);

const IDENTIFIER = /^[a-z_][a-z0-9_]*$/;

export const COLUMNS = `select c.table_name as "table", c.column_name as "column", c.data_type as type
from information_schema.columns c join information_schema.tables t
  on t.table_schema = c.table_schema and t.table_name = c.table_name
where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.is_generated not in ('ALWAYS', 'YES')
order by c.table_name, c.ordinal_position`;

/** Tables with the site's content, by name. Throws at a name that would need quotes: no migration makes one. */
export async function readShapes(tx: Reading): Promise<TableShape[]> {
  const shapes = new Map<string, TableShape>();
  for (const { table, column, type } of await tx.unsafe<Array<{ table: string; column: string; type: string }>>(
    COLUMNS,
  )) {
    if (LEFT_OUT.has(table)) continue;
    if (![table, column].every((name) => IDENTIFIER.test(name)))
      throw new Error(`the database has a table or column that no migration of Hanse made: ${table}.${column}`);
    const shape = shapes.get(table) ?? { table, columns: [] };
    shape.columns.push([column, type]);
    shapes.set(table, shape);
  }
  return [...shapes.values()];
}

/** Types that a backup may hold and a restore casts to; anything else is refused before something is written. */
const TYPES = new Set([
  'text',
  'integer',
  'bigint',
  'boolean',
  'jsonb',
  'bytea',
  'double precision',
  'timestamp with time zone',
]);

export function refuseType({ table, columns }: TableShape): string | undefined {
  const odd = columns.find(([, type]) => !TYPES.has(type));
  return odd && `${table}.${odd[0]} has type ${odd[1]}, which a backup can't hold`;
}
