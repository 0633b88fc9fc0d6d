// Makes a database what a backup says, in one transaction: afterwards it is that, or what it was before.
import { arrayLiteral } from '../array.ts';
import { openPool } from '../driver/open.ts';
import { readShapes, refuseType, type TableShape } from './catalogue.ts';
import type { DumpRow } from './dump.ts';
import { markRestored, readMark, type RestoreMark } from './mark.ts';
import { highest, liftEpochs, readStanding, type Standing } from './standing.ts';

export type LoadPart = { shape: TableShape } | { rows: DumpRow[] };

export interface LoadOptions {
  /** What is known besides database and backup: epochs and incarnations of all of them are passed over. */
  seen: ReadonlyArray<Standing & RestoreMark>;
  nowMs: number;
}

/** What a restore left behind. */
export type Restored = Standing & Required<RestoreMark>;

const LONGEST_MS = 3_600_000;

const insertText = ({ table, columns }: TableShape): string => {
  const names = columns.map(([name]) => name);
  const parameters = columns.map((_, i) => `$${i + 1}::text[]`);
  const casts = columns.map(([name, type]) => `r.${name}::${type}`);
  return `insert into ${table} (${names.join(', ')}) select ${casts.join(', ')} from unnest(${parameters.join(', ')}) as r (${names.join(', ')})`;
};

/** Why the backup does not fit a database of this code's schema; undefined: it does. */
export function refuseShape(there: readonly TableShape[], shape: TableShape): string | undefined {
  const odd = refuseType(shape);
  if (odd !== undefined) return odd;
  const own = there.find(({ table }) => table === shape.table);
  if (own === undefined)
    return `the backup has a table ${shape.table}, this version has none: use the version that made it`;
  const missing = shape.columns.find(([name]) => !own.columns.some(([known]) => known === name));
  return (
    missing &&
    `the backup has a column ${shape.table}.${missing[0]}, this version has none: use the version that made it`
  );
}

/** Replaces all content by that of the parts, and marks it as restored. The lease must be held. */
export async function loadDatabase(
  url: string,
  parts: AsyncIterable<LoadPart>,
  { seen, nowMs }: LoadOptions,
): Promise<Restored> {
  const sql = openPool(url, {
    max: 1,
    isolation: 'serializable',
    applicationName: 'hanse restore',
    statementTimeoutMs: LONGEST_MS,
    idleInTransactionMs: LONGEST_MS,
  });
  try {
    return (await sql.begin('isolation level serializable', async (tx) => {
      const there = await readShapes(tx);
      const before = { ...(await readStanding(tx)), ...(await readMark(tx)) };
      for (const { table } of there) await tx.unsafe(`delete from ${table}`);
      let shape: TableShape | undefined;
      for await (const part of parts) {
        if ('shape' in part) {
          const refused = refuseShape(there, part.shape);
          if (refused !== undefined) throw new Error(refused);
          shape = part.shape;
        } else if (shape !== undefined && part.rows.length > 0) {
          const { columns } = shape;
          const lists = columns.map((_, i) => arrayLiteral(part.rows.map((row) => row[i] ?? null)));
          await tx.unsafe(insertText(shape), lists);
        }
      }
      const known = [before, { ...(await readStanding(tx)), ...(await readMark(tx)) }, ...seen];
      await liftEpochs(tx, highest(...known));
      const mark = await markRestored(tx, known, nowMs);
      return { ...(await readStanding(tx)), ...mark };
    })) as Restored;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
