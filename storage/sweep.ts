// Deleting what is over its retention, in small batches by key. None of it can change what a group decides, so no fence is
// needed: a released row and an absent one are the same to `prev`, and the batch looks at the row again while it deletes.
import type { LogCursor } from '../actors/ports.ts';
import type { TableName } from '../actors/records.ts';
import type { Pool } from './driver/pool.ts';
import { tableNames } from './entity/entities.ts';
import { passed, STREAMS, type Stream } from './log.ts';
import { retrying } from './retry.ts';

const BATCH = 500;
const before = (parameter: string): string => `clock_timestamp() - ${parameter}::int8 * interval '1 millisecond'`;

export const SWEEP_GROUPS = `delete from commit_group where id in (
  select id from commit_group where at < ${before('$1')} order by at limit ${BATCH}) and at < ${before('$1')}`;

export const SWEEP_OUTCOMES = `delete from idempotency where (identity, key) in (
  select identity, key from idempotency where at < ${before('$1')} order by at limit ${BATCH}) and at < ${before('$1')}`;

export const sweepRowsText = (table: TableName): string => `delete from ${table} where (scope, key) in (
  select scope, key from ${table} where released and released_at < ${before('$1')} order by released_at limit ${BATCH})
and released and released_at < ${before('$1')}`;

/** `$4`: up to this number, itself included. */
export const SWEEP_ENTRIES = `delete from log where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n in (
  select n from log where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n <= $4::int8 order by n limit ${BATCH})
and at < ${before('$5')}`;

export const LAST_ENTRY = `select coalesce(max(n), 0)::int8 as n from log where scope = $1::text and shard = $2::int4 and epoch = $3::int8`;
export const ALL_CURSORS = `select consumer, scope, shard, epoch, n from log_cursor`;
export const SWEEP_END = `delete from log_end where scope = $1::text and shard = $2::int4 and epoch = $3::int8`;

/** Rows deleted, batch after batch, until one is not full. */
async function sweepAll(pool: Pool, text: string, parameters: readonly unknown[]): Promise<number> {
  for (let deleted = 0; ;) {
    const { count } = await retrying((deadlineMs) => pool.run(text, parameters, { deadlineMs }), {
      deadlineMs: 10_000,
      on: ['retry'],
    });
    deleted += count;
    if (count < BATCH) return deleted;
  }
}

export const sweepGroups = (pool: Pool, groupMs: number): Promise<number> => sweepAll(pool, SWEEP_GROUPS, [groupMs]);

export const sweepOutcomes = (pool: Pool, outcomeMs: number): Promise<number> =>
  sweepAll(pool, SWEEP_OUTCOMES, [outcomeMs]);

export async function sweepReleased(pool: Pool, releasedMs: number): Promise<number> {
  let rows = 0;
  for (const table of tableNames) rows += await sweepAll(pool, sweepRowsText(table), [releasedMs]);
  return rows;
}

/** Entries that every consumer has passed. The last one of an open stream stays: it says how far its epoch got. */
export async function sweepLog(pool: Pool, logMs: number): Promise<number> {
  const cursors = await pool.run<LogCursor & { consumer: string }>(ALL_CURSORS);
  const consumers = new Set(cursors.map((cursor) => cursor.consumer));
  let entries = 0;
  for (const stream of await pool.run<Stream>(STREAMS)) {
    const { scope, shard, epoch, ended } = stream;
    const last = (await pool.run<{ n: number }>(LAST_ENTRY, [scope, shard, epoch]))[0]?.n ?? 0;
    const positions = [...consumers].map((consumer) =>
      passed(
        stream,
        cursors.find((at) => at.consumer === consumer && at.scope === scope && at.shard === shard),
      ),
    );
    const seen = Math.min(Number.MAX_SAFE_INTEGER, ...positions);
    const upTo = Math.min(ended ? last : last - 1, seen);
    if (upTo > 0) entries += await sweepAll(pool, SWEEP_ENTRIES, [scope, shard, epoch, upTo, logMs]);
    // A stream that ended empty, and that every consumer has left behind, has nothing more to say.
    if (ended && last === 0 && seen === Number.MAX_SAFE_INTEGER) await pool.run(SWEEP_END, [scope, shard, epoch]);
  }
  return entries;
}
