import type { Change, TableName } from '../records.ts';

/** What an operation would have done, instead of doing it. */
export interface DryAnswer {
  dryRun: true;
  /** What the real run would have answered in this state. */
  reply: unknown;
  /** Rows that it would have written, secrets and all: the edge hides them (http/secrets.ts). `value` null: released. */
  changes: Array<{ table: TableName; key: string; value: unknown }>;
}

export const dryAnswer = (reply: unknown, changes: Change[]): DryAnswer => ({
  dryRun: true,
  reply,
  changes: changes.map(({ table, key, value }) => ({ table, key, value })),
});

export const isDryAnswer = (value: unknown): value is DryAnswer =>
  typeof value === 'object' && value !== null && (value as { dryRun?: unknown }).dryRun === true;
