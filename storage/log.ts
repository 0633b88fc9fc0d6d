// Reading the log: streams, cursors, portions.
import type { LogCursor, LogEntry } from '../actors/ports.ts';
import { arrayLiteral } from './array.ts';
import type { Pool } from './driver/pool.ts';

export interface Stream {
  scope: LogEntry['scope'];
  shard: number;
  epoch: number;
  /** Whether a later epoch has begun: nothing will be added. */
  ended: boolean;
}

/** Every stream there ever was, oldest epochs of a scope first: no row of a new epoch before the old ones' last. */
export const STREAMS = `select scope, shard, epoch, true as ended from log_end
union all select scope, shard, epoch, false from ownership
order by scope, epoch, shard`;

export const CURSORS = `select scope, shard, epoch, n from log_cursor where consumer = $1::text`;

export const ENTRIES = `select n, operation, what, who, (extract(epoch from at) * 1000)::int8 as "atMs", changes, messages from log
where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n > $4::int8 order by n limit $5::int4`;

export const ENTRIES_WITH_MESSAGES = `select n, operation, what, who, (extract(epoch from at) * 1000)::int8 as "atMs", changes, messages from log
where scope = $1::text and shard = $2::int4 and epoch = $3::int8 and n > $4::int8 and messages is not null order by n limit $5::int4`;

export const ENTRIES_OF_ENDED = `select epoch, n, operation, what, who, (extract(epoch from at) * 1000)::int8 as "atMs", changes, messages from log
where scope = $1::text and shard = $2::int4 and (epoch > $3::int8 or (epoch = $3::int8 and n > $4::int8)) and epoch < $5::int8
order by epoch, n`;

/** A cursor never goes back. */
export const SAVE_CURSORS = `insert into log_cursor as t (consumer, scope, shard, epoch, n)
select $1::text, r.scope, r.shard, r.epoch, r.n from unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) as r (scope, shard, epoch, n)
on conflict (consumer, scope, shard) do update set epoch = excluded.epoch, n = excluded.n
where t.epoch < excluded.epoch or (t.epoch = excluded.epoch and t.n < excluded.n)`;

const PORTION = 500;

type EntryRow = Omit<LogEntry, 'scope' | 'shard' | 'epoch' | 'messages'> & { messages: LogEntry['messages'] | null };

const streamOf = (at: { scope: string; shard: number }): string => `${at.shard}/${at.scope}`;

/** How far a consumer got in a stream: all of it when its cursor names a later epoch of the same shard. */
export function passed(stream: Stream, cursor: LogCursor | undefined): number {
  if (cursor === undefined || cursor.epoch < stream.epoch) return 0;
  return cursor.epoch > stream.epoch ? Number.MAX_SAFE_INTEGER : cursor.n;
}

export async function readEnded(pool: Pool, cursor: LogCursor, beforeEpoch: number): Promise<LogEntry[]> {
  const { scope, shard } = cursor;
  const rows = await pool.run<EntryRow & { epoch: number }>(ENTRIES_OF_ENDED, [
    scope,
    shard,
    cursor.epoch,
    cursor.n,
    beforeEpoch,
  ]);
  return rows.map((row) => ({ scope, shard, ...row, messages: row.messages ?? [] }));
}

export async function readBacklog(
  pool: Pool,
  consumer: string,
  messagesOnly: boolean,
  each: (entries: LogEntry[]) => Promise<void>,
): Promise<void> {
  const cursors = new Map(
    (await pool.run<LogCursor>(CURSORS, [consumer])).map((cursor) => [streamOf(cursor), cursor] as const),
  );
  for (const stream of await pool.run<Stream>(STREAMS)) {
    const { scope, shard, epoch } = stream;
    let after = passed(stream, cursors.get(streamOf(stream)));
    if (after === Number.MAX_SAFE_INTEGER) continue;
    for (;;) {
      const rows = await pool.run<EntryRow>(
        messagesOnly ? ENTRIES_WITH_MESSAGES : ENTRIES,
        [scope, shard, epoch, after, PORTION],
        { prepare: true },
      );
      if (rows.length > 0)
        await each(rows.map((row) => ({ scope, shard, epoch, ...row, messages: row.messages ?? [] })));
      if (rows.length < PORTION) break;
      after = rows[rows.length - 1]!.n;
    }
  }
}

export async function saveCursors(pool: Pool, consumer: string, cursors: readonly LogCursor[]): Promise<void> {
  const latest = new Map<string, LogCursor>();
  for (const cursor of cursors) {
    const known = latest.get(streamOf(cursor));
    if (known === undefined || known.epoch < cursor.epoch || (known.epoch === cursor.epoch && known.n < cursor.n))
      latest.set(streamOf(cursor), cursor);
  }
  const rows = [...latest.values()];
  if (rows.length === 0) return;
  await pool.run(SAVE_CURSORS, [
    consumer,
    arrayLiteral(rows.map((row) => row.scope)),
    arrayLiteral(rows.map((row) => row.shard)),
    arrayLiteral(rows.map((row) => row.epoch)),
    arrayLiteral(rows.map((row) => row.n)),
  ]);
}
