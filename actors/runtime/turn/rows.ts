// Rows of a batch: those that it needs and memory does not hold, and what is known of them at its turn.
import type { RowKey } from '../../ports.ts';
import { rowName, type Row } from '../../records.ts';
import type { Cell, Mail } from '../cell.ts';
import type { InHand } from '../in-hand.ts';

export const NONE: RowKey[] = [];

/** The rows that the batch needs and memory does not hold. */
export function neededRows(inHand: InHand, cell: Cell, batch: Mail[]): RowKey[] {
  const needs = cell.behaviour.needs as Record<string, (state: unknown, body: unknown) => RowKey[]> | undefined;
  if (needs === undefined) return NONE;
  let wanted: Map<string, RowKey> | undefined;
  for (const mail of batch) {
    const needed = needs[mail.name];
    if (needed === undefined) continue;
    inHand.ask = mail.ask;
    try {
      for (const key of needed(cell.state, mail.body)) (wanted ??= new Map()).set(`${key.table}:${key.key}`, key);
    } catch (error) {
      mail.thrown = { error };
    }
  }
  inHand.ask = 0;
  return wanted === undefined ? NONE : [...wanted.values()];
}

/** Rows by name, null: known to be absent; null as a whole: none were needed. What a confirmation brought meanwhile is newer. */
export function knownRows(cell: Cell, rows: Row[] | null, wanted: RowKey[]): Map<string, Row | null> | null {
  if (rows === null && cell.rows === null && wanted.length === 0) return null;
  const { scope } = cell.address;
  const known = new Map<string, Row | null>();
  for (const key of wanted) known.set(rowName({ ...key, scope }), null);
  for (const row of rows ?? []) known.set(rowName(row), row);
  for (const [name, row] of cell.rows ?? []) known.set(name, row);
  return known;
}
