// What people want to know of a site's database: who owns what, how far the log got and who has read it. Never used for a
// decision.
import { siteScope, type Scope } from '../actors/address.ts';
import type { KeyedOutcome, LogCursor } from '../actors/ports.ts';
import { createPool } from './driver/pool.ts';
import { tableNames } from './entity/entities.ts';
import { ALL_CURSORS } from './sweep.ts';

export interface LeaseView {
  site: string;
  process: string;
  host: string;
  pid: number;
  /** Negative: it ran out. */
  remainingMs: number;
}

export interface StreamView {
  scope: Scope;
  shard: number;
  epoch: number;
  /** Number of its last entry. */
  last: number;
  lastAtMs: number | null;
  ended: boolean;
}

export interface CursorView extends LogCursor {
  consumer: string;
  /** Entries of the stream that it has not passed; null: its stream is over, or the cursor is of an older one. */
  behind: number | null;
}

export interface MigrationView {
  version: number;
  name: string;
  appliedAtMs: number;
}

export interface Inspection {
  leases(): Promise<LeaseView[]>;
  /** Streams that are written now, and the newest `ended` ones. */
  log(): Promise<{ streams: StreamView[]; cursors: CursorView[] }>;
  migrations(): Promise<MigrationView[]>;
  /** Base URLs of the REST edges of the site's processes, as its own roster entry has them. */
  urlsOf(site: string): Promise<string[]>;
  /** Live rows by table. */
  counts(): Promise<Record<string, number>>;
  /** The newest outcomes of Idempotency-Keys. */
  outcomes(most: number): Promise<KeyedOutcome[]>;
  close(): Promise<void>;
}

export const LEASES = `select site, process, host, pid,
  (extract(epoch from (expires - clock_timestamp())) * 1000)::int8 as "remainingMs" from lease order by site`;

export const OPEN_STREAMS = `select o.scope, o.shard, o.epoch, false as ended, coalesce(l.n, 0)::int8 as last,
  (extract(epoch from l.at) * 1000)::int8 as "lastAtMs"
from ownership o left join log l on l.scope = o.scope and l.shard = o.shard and l.epoch = o.epoch and l.n = (
  select max(m.n) from log m where m.scope = o.scope and m.shard = o.shard and m.epoch = o.epoch)
order by o.scope, o.shard`;

export const ENDED_STREAMS = `select scope, shard, epoch, true as ended, n as last from log_end
order by scope, epoch desc, shard limit 50`;

export const MIGRATIONS = `select version, name, (extract(epoch from applied) * 1000)::int8 as "appliedAtMs" from migration order by version`;

/** `$1` scope of the site, `$2` the site. */
export const MEMBER_URLS = `select body -> 'entity' ->> 'httpUrls' as urls from directory
where scope = $1::text and owner = 'member' and not released and body ->> 'id' = $2::text`;

export const COUNTS = tableNames
  .map((table) => `select '${table}' as name, count(*)::int8 as rows from ${table} where not released`)
  .concat(`select 'log' as name, count(*)::int8 as rows from log`)
  .join('\nunion all ');

export const NEWEST_OUTCOMES = `select identity, key, request, operation, reply, (extract(epoch from at) * 1000)::int8 as "atMs"
from idempotency order by at desc limit $1::int8`;

const streamOf = (at: { scope: string; shard: number }): string => `${at.shard}/${at.scope}`;

export function createInspection(options: { url: string; applicationName: string }): Inspection {
  const pool = createPool(options.url, {
    max: 2,
    isolation: 'read committed',
    applicationName: `${options.applicationName}-inspection`,
    statementTimeoutMs: 10_000,
    deadlineMs: 10_000,
  });
  return {
    outcomes: async (most) =>
      (await pool.run<KeyedOutcome & { reply: string }>(NEWEST_OUTCOMES, [most])).map((row) => ({
        ...row,
        reply: JSON.parse(row.reply) as unknown,
      })),

    leases: async () => [...(await pool.run<LeaseView>(LEASES))],

    async log() {
      const [open, ended, cursors] = await Promise.all([
        pool.run<StreamView>(OPEN_STREAMS),
        pool.run<Omit<StreamView, 'lastAtMs'>>(ENDED_STREAMS),
        pool.run<LogCursor & { consumer: string }>(ALL_CURSORS),
      ]);
      const current = new Map(open.map((stream) => [streamOf(stream), stream]));
      return {
        streams: [...open, ...ended.map((stream) => ({ ...stream, lastAtMs: null }))],
        cursors: cursors.map((cursor) => {
          const stream = current.get(streamOf(cursor));
          const isCurrent = stream !== undefined && stream.epoch === cursor.epoch;
          return { ...cursor, behind: isCurrent ? Math.max(0, stream.last - cursor.n) : null };
        }),
      };
    },

    migrations: async () => [...(await pool.run<MigrationView>(MIGRATIONS))],
    async urlsOf(site) {
      const [row] = await pool.run<{ urls: string | null }>(MEMBER_URLS, [siteScope(site), site]);
      return JSON.parse(row?.urls ?? '[]') as string[];
    },
    counts: async () =>
      Object.fromEntries(
        (await pool.run<{ name: string; rows: number }>(COUNTS)).map(({ name, rows }) => [name, rows]),
      ),
    close: () => pool.end(1_000),
  };
}
