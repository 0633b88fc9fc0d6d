// That a database was restored, written in itself: every process of the site finds it, from whichever machine it runs.
import type { Reading } from '../audit/rows.ts';

export interface RestoreMark {
  /** One more with each restore; 1: never restored. */
  incarnation: number;
  /** When it was restored, or found so; until the site has compared itself with the others (reliability.md F24). */
  restoredMs?: number;
}

export const MARK = `select incarnation, (extract(epoch from restored) * 1000)::int8 as "restoredMs" from standing`;

export const SET_MARK = `insert into standing (one, incarnation, restored)
values (true, $1::int8, timestamptz '1970-01-01 00:00:00+00' + $2::int8 * interval '1 millisecond')
on conflict (one) do update set incarnation = excluded.incarnation, restored = excluded.restored`;

export const CLEAR_MARK = `update standing set restored = null where incarnation = $1::int8`;

export async function readMark(tx: Reading): Promise<RestoreMark> {
  const [row] = await tx.unsafe<Array<{ incarnation: number; restoredMs: number | null }>>(MARK);
  if (row === undefined) return { incarnation: 1 };
  const { incarnation, restoredMs } = row;
  return restoredMs === null ? { incarnation } : { incarnation, restoredMs };
}

/**
 * Marks the database as restored, above all that `known` have seen. One that waits for its comparison already waits since
 * then. To be called in the transaction that restores it, or that raises its epochs.
 */
export async function markRestored(
  tx: Reading,
  known: readonly RestoreMark[],
  nowMs: number,
): Promise<Required<RestoreMark>> {
  const mark = {
    incarnation: 1 + Math.max(1, ...known.map(({ incarnation }) => incarnation)),
    restoredMs: Math.min(nowMs, ...known.flatMap(({ restoredMs }) => restoredMs ?? [])),
  };
  await tx.unsafe(SET_MARK, [mark.incarnation, mark.restoredMs] as never[]);
  return mark;
}

/** The site was compared with the others. A mark of a later restore stays. */
export async function clearMark(sql: Reading, incarnation: number): Promise<void> {
  await sql.unsafe(CLEAR_MARK, [incarnation] as never[]);
}
