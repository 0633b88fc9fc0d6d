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

/** undefined: not asked. */
type Asked<T> = T | undefined;

/** Of refused requests. Equality but where `contains` is said. */
export interface RefusedFilter {
  fromMs: number;
  toMs: number;
  rqid?: Asked<string>;
  caller?: Asked<string>;
  tenant?: Asked<string>;
  method?: Asked<string>;
  status?: Asked<number>;
  /** Contains. */
  path?: Asked<string>;
  forwardedFor?: Asked<string>;
  remoteAddr?: Asked<string>;
  error?: Asked<string>;
  body?: Asked<string>;
}

/** Of operations. */
export interface DoneFilter {
  fromMs: number;
  toMs: number;
  operation?: Asked<string>;
  who?: Asked<string>;
  /** Contains. */
  what?: Asked<string>;
  /** Names of operations that are left out. */
  silent: readonly string[];
}

export interface TraceStore {
  write(rows: readonly TraceRow[]): Promise<void>;
  /** Refused requests, the newest first, at most `most`. */
  refused(filter: RefusedFilter, most: number): Promise<TraceRow[]>;
  /** Operations, the newest first, at most `most`. */
  done(filter: DoneFilter, most: number): Promise<DoneRow[]>;
  /** Deletes what is older; answers how many. */
  sweep(olderMs: number): Promise<number>;
  close(): Promise<void>;
}

const at = (parameter: string): string =>
  `timestamptz '1970-01-01 00:00:00+00' + ${parameter}::int8 * interval '1 millisecond'`;

const is = (column: string, parameter: string): string =>
  `(${parameter}::text is null or ${column} = ${parameter}::text)`;
const has = (column: string, parameter: string): string =>
  `(${parameter}::text is null or strpos(${column}, ${parameter}::text) > 0)`;

export const WRITE_TRACES = `insert into trace (id, at, rqid, caller, tenant, method, path, forwarded_for, remote_addr, status, error, body)
select r.id, ${at('r.at')}, r.rqid, r.caller, r.tenant, r.method, r.path, r.forwarded_for, r.remote_addr, r.status, r.error, r.body
from unnest($1::text[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int4[], $11::text[], $12::text[])
  as r (id, at, rqid, caller, tenant, method, path, forwarded_for, remote_addr, status, error, body)
on conflict (id) do nothing`;

export const FIND_TRACES = `select id, (extract(epoch from at) * 1000)::int8 as "atMs", rqid, caller, tenant, method, path,
  forwarded_for as "forwardedFor", remote_addr as "remoteAddr", status, error, body
from trace where at >= ${at('$1')} and at <= ${at('$2')}
  and ($4::int4 is null or status = $4::int4)
  and ${is('rqid', '$5')} and ${is('caller', '$6')} and ${is('tenant', '$7')} and ${is('method', '$8')}
  and ${has('path', '$9')} and ${has('forwarded_for', '$10')} and ${has('remote_addr', '$11')}
  and ${has('error', '$12')} and ${has('body', '$13')}
order by at desc limit $3::int4`;

export const FIND_DONE = `select operation, what, who, (extract(epoch from at) * 1000)::int8 as "atMs", changes
from log where at >= ${at('$1')} and at <= ${at('$2')} and what <> all($4::text[])
  and ${is('operation', '$5')} and ${is('who', '$6')} and ${has('what', '$7')}
order by at desc limit $3::int4`;

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
    refused: async (filter, most) => {
      const { status, rqid, caller, tenant, method, path, forwardedFor, remoteAddr, error, body } = filter;
      const asked = [status, rqid, caller, tenant, method, path, forwardedFor, remoteAddr, error, body];
      const parameters = [filter.fromMs, filter.toMs, most, ...asked.map((value) => value ?? null)];
      return [...(await pool.run<TraceRow>(FIND_TRACES, parameters))];
    },
    done: async ({ fromMs, toMs, silent, operation, who, what }, most) => {
      const asked = [operation, who, what].map((value) => value ?? null);
      return [...(await pool.run<DoneRow>(FIND_DONE, [fromMs, toMs, most, arrayLiteral(silent), ...asked]))];
    },
    sweep: async (olderMs) => (await pool.run(SWEEP_TRACES, [olderMs])).count,
    close: () => pool.end(1_000),
  };
}
