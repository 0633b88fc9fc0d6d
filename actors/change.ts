// How a room says what a row becomes: the version that it remembers, and the next one.
import type { Scope } from './address.ts';
import type { Change, Records, TableName } from './records.ts';

/** A live row as a state remembers it; `null`: absent or released. */
export interface Live<V> {
  value: V;
  version: number;
}

/** Where the rows of an actor lie. */
export interface RowOwner {
  scope: Scope;
  /** Id of the actor that the row belongs to. */
  owner: string;
}

/** The row under `key` becomes `value` (null: is released), provided it still is as `live` says. */
export const changeRow = <T extends TableName>(
  at: RowOwner,
  table: T,
  key: string,
  live: Live<Records[T]> | null | undefined,
  version: number,
  value: Records[T] | null,
): Change =>
  // Each field by its name: a copy of `at` and more behind it costs as much as all the rest of a decision.
  ({ scope: at.scope, owner: at.owner, table, key, prev: live?.version ?? 0, version, value }) as Change;

/** What a state remembers after the change. */
export const liveAfter = <V>(change: { version: number; value: V | null }): Live<V> | null =>
  change.value === null ? null : { value: change.value, version: change.version };
