// How a record becomes a row: the common columns are the same for all, an entity adds what is searched or unique.
import type { Records, TableName } from '../../actors/records.ts';

export interface Column {
  name: string;
  type: 'text' | 'bytea';
}

export interface Entity<T extends TableName> {
  table: T;
  columns: readonly Column[];
  /** Texts of the columns, in their order. Throws a RangeError naming the field that can't be stored. */
  values(value: Records[T], key: string): readonly (string | null)[];
  /**
   * What must hold among the rows besides unique keys, as SQL: true where the group is to be refused. `rows` has the columns
   * of the rows that the group writes, `released` among them. One statement sees its rows here, and those before it.
   */
  refusedWhen?(rows: string): string;
}

const NOTHING: readonly string[] = [];

/** An entity that is found by key and owner alone. */
export const plainEntity = <T extends TableName>(table: T): Entity<T> => ({
  table,
  columns: [],
  values: () => NOTHING,
});

export const text = (name: string): Column => ({ name, type: 'text' });
export const bytea = (name: string): Column => ({ name, type: 'bytea' });
