// What networks held, now and then (actors/network/growth.ts). No decision rests on it, so it is written without a fence.
import type { Scope } from '../actors/address.ts';
import { arrayLiteral } from './array.ts';
import { createPool } from './driver/pool.ts';

export interface GrowthRow {
  scope: Scope;
  network: string;
  atMs: number;
  held: number;
}

export interface GrowthStore {
  write(rows: readonly GrowthRow[]): Promise<void>;
  /** Oldest first. */
  since(fromMs: number): Promise<GrowthRow[]>;
  /** Deletes what is older. */
  sweep(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

const at = (parameter: string): string =>
  `timestamptz '1970-01-01 00:00:00+00' + ${parameter}::int8 * interval '1 millisecond'`;

export const WRITE_GROWTH = `insert into growth (scope, network, at, held)
select r.scope, r.network, ${at('r.at')}, r.held
from unnest($1::text[], $2::text[], $3::int8[], $4::int8[]) as r (scope, network, at, held)
on conflict (scope, network, at) do nothing`;

export const READ_GROWTH = `select scope, network, (extract(epoch from at) * 1000)::int8 as "atMs", held
from growth where at >= ${at('$1')} order by growth.at`;

export const SWEEP_GROWTH = `delete from growth where at < ${at('$1')}`;

export function createGrowthStore(options: { url: string; applicationName: string }): GrowthStore {
  const pool = createPool(options.url, {
    max: 1,
    isolation: 'read committed',
    applicationName: `${options.applicationName}-growth`,
    statementTimeoutMs: 10_000,
    deadlineMs: 10_000,
  });
  return {
    async write(rows) {
      if (rows.length === 0) return;
      await pool.run(WRITE_GROWTH, [
        arrayLiteral(rows.map(({ scope }) => scope)),
        arrayLiteral(rows.map(({ network }) => network)),
        arrayLiteral(rows.map(({ atMs }) => Math.round(atMs))),
        arrayLiteral(rows.map(({ held }) => held)),
      ]);
    },
    since: async (fromMs) => [...(await pool.run<GrowthRow>(READ_GROWTH, [Math.round(fromMs)]))],
    sweep: async (beforeMs) => void (await pool.run(SWEEP_GROWTH, [Math.round(beforeMs)])),
    close: () => pool.end(1_000),
  };
}
