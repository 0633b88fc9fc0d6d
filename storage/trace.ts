// The audit trail: what was done stands in the log, what was refused in `trace`. Written in batches, read for searches.
import type { LogEntry } from '../actors/ports.ts';
import { arrayLiteral } from './array.ts';
import { createPool } from './driver/pool.ts';

/** A refused request. */
export interface TraceRow {
  id: string;
  atMs: number;
  rqid: string;
  caller: string;
  tenant: string;
  method: string;
  path: string;
  forwardedFor: string;
  remoteAddr: string;
  status: number;
  error: string;
  body: string;
}

export type DoneRow = Pick<LogEntry, 'operation' | 'what' | 'who' | 'atMs'> & { changes: unknown };

export interface TraceStore {
  write(rows: readonly TraceRow[]): Promise<void>;
  /** Refused requests of a time, the newest first, at most `most`. */
  refused(fromMs: number, toMs: number, most: number): Promise<TraceRow[]>;
  /** Operations of a time, the newest first, at most `most`; without those named in `silent`. */
  done(fromMs: number, toMs: number, most: number, silent: readonly string[]): Promise<DoneRow[]>;
  /** Deletes what is older; answers how many. */
  sweep(olderMs: number): Promise<number>;
  close(): Promise<void>;
}

const at = (parameter: string): string =>
  `timestamptz '1970-01-01 00:00:00+00' + ${parameter}::int8 * interval '1 millisecond'`;

export const WRITE_TRACES = `insert into trace (id, at, rqid, caller, tenant, method, path, forwarded_for, remote_addr, status, error, body)
select r.id, ${at('r.at')}, r.rqid, r.caller, r.tenant, r.method, r.path, r.forwarded_for, r.remote_addr, r.status, r.error, r.body
from unnest($1::text[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int4[], $11::text[], $12::text[])
  as r (id, at, rqid, caller, tenant, method, path, forwarded_for, remote_addr, status, error, body)
on conflict (id) do nothing`;

export const FIND_TRACES = `select id, (extract(epoch from at) * 1000)::int8 as "atMs", rqid, caller, tenant, method, path,
  forwarded_for as "forwardedFor", remote_addr as "remoteAddr", status, error, body
from trace where at >= ${at('$1')} and at <= ${at('$2')} order by at desc limit $3::int4`;

export const FIND_DONE = `select operation, what, who, (extract(epoch from at) * 1000)::int8 as "atMs", changes
from log where at >= ${at('$1')} and at <= ${at('$2')} and what <> all($4::text[]) order by at desc limit $3::int4`;

export const SWEEP_TRACES = `delete from trace where id in (
  select id from trace where at < clock_timestamp() - $1::int8 * interval '1 millisecond' order by at limit 500)`;

export function createTraceStore(options: { url: string; applicationName: string }): TraceStore {
  const pool = createPool(options.url, {
    max: 1,
    isolation: 'read committed',
    applicationName: `${options.applicationName}-trace`,
    statementTimeoutMs: 10_000,
    deadlineMs: 10_000,
  });
  const texts = (rows: readonly TraceRow[], of: (row: TraceRow) => string | number): string =>
    arrayLiteral(rows.map(of));
  return {
    async write(rows) {
      await pool.run(WRITE_TRACES, [
        texts(rows, ({ id }) => id),
        texts(rows, ({ atMs }) => Math.round(atMs)),
        texts(rows, ({ rqid }) => rqid),
        texts(rows, ({ caller }) => caller),
        texts(rows, ({ tenant }) => tenant),
        texts(rows, ({ method }) => method),
        texts(rows, ({ path }) => path),
        texts(rows, ({ forwardedFor }) => forwardedFor),
        texts(rows, ({ remoteAddr }) => remoteAddr),
        texts(rows, ({ status }) => status),
        texts(rows, ({ error }) => error),
        texts(rows, ({ body }) => body),
      ]);
    },
    refused: async (fromMs, toMs, most) => [...(await pool.run<TraceRow>(FIND_TRACES, [fromMs, toMs, most]))],
    done: async (fromMs, toMs, most, silent) => [
      ...(await pool.run<DoneRow>(FIND_DONE, [fromMs, toMs, most, arrayLiteral(silent)])),
    ],
    sweep: async (olderMs) => (await pool.run(SWEEP_TRACES, [olderMs])).count,
    close: () => pool.end(1_000),
  };
}
