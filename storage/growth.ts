// What was taken of networks, now and then (actors/network/growth.ts). No decision rests on it, so it is written without a
// fence.
import type { Scope } from '../actors/address.ts';
import type { Taken } from '../actors/network/growth.ts';
import { arrayLiteral } from './array.ts';
import { createPool } from './driver/pool.ts';

export interface TakenNow {
  network: string;
  /** Rows of addresses; of a super network those of its children. */
  held: number;
  taken: Taken;
}

export interface GrowthRow extends Omit<TakenNow, 'taken'> {
  scope: Scope;
  atMs: number;
  /** null: noted before it was counted by family. */
  taken: Taken | null;
}

export interface GrowthStore {
  write(rows: readonly GrowthRow[]): Promise<void>;
  /** What is taken now of the networks of a partition, by its rows. */
  now(scope: Scope): Promise<TakenNow[]>;
  /** Oldest first. */
  since(fromMs: number): Promise<GrowthRow[]>;
  /** Deletes what is older. */
  sweep(beforeMs: number): Promise<void>;
  close(): Promise<void>;
}

const at = (parameter: string): string =>
  `timestamptz '1970-01-01 00:00:00+00' + ${parameter}::int8 * interval '1 millisecond'`;

export const WRITE_GROWTH = `insert into growth (scope, network, at, held, taken_ipv4, taken_ipv6)
select r.scope, r.network, ${at('r.at')}, r.held, r.taken_ipv4, r.taken_ipv6
from unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::float8[], $6::float8[])
  as r (scope, network, at, held, taken_ipv4, taken_ipv6)
on conflict (scope, network, at) do nothing`;

export const READ_GROWTH = `select scope, network, (extract(epoch from at) * 1000)::int8 as "atMs", held,
  taken_ipv4 as "ipv4", taken_ipv6 as "ipv6"
from growth where at >= ${at('$1')} order by growth.at`;

/** Addresses in use: those of networks, and of blocks of global ones. Not what is kept back after its release, or was. */
export const TAKEN_ADDRESSES = `select owner as network, count(*)::int8 as held,
  coalesce(sum(case when length(address) = 4 then 1::float8 end), 0::float8) as "ipv4",
  coalesce(sum(case when length(address) = 16 then 1::float8 end), 0::float8) as "ipv6"
from ip where scope = $1::text and not released and (standing is null or standing <> 'resting') group by owner`;

/** Addresses in children of super networks. */
export const TAKEN_PREFIXES = `select owner as network, count(*)::int8 as held,
  coalesce(sum(case when length(first) = 4 then pow(2::float8, 32 - split_part(key, '/', 2)::float8) end), 0::float8) as "ipv4",
  coalesce(sum(case when length(first) = 16 then pow(2::float8, 128 - split_part(key, '/', 2)::float8) end), 0::float8) as "ipv6"
from prefix where scope = $1::text and not released and root <> key group by owner`;

export const SWEEP_GROWTH = `delete from growth where at < ${at('$1')}`;

interface CountedRow {
  network: string;
  held: number;
  ipv4: number | null;
  ipv6: number | null;
}

const takenOf = ({ ipv4, ipv6 }: CountedRow): Taken | null =>
  ipv4 === null || ipv6 === null ? null : { IPv4: ipv4, IPv6: ipv6 };

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
        arrayLiteral(rows.map(({ taken }) => taken?.IPv4 ?? null)),
        arrayLiteral(rows.map(({ taken }) => taken?.IPv6 ?? null)),
      ]);
    },
    async now(scope) {
      const texts = [TAKEN_ADDRESSES, TAKEN_PREFIXES];
      const found = await Promise.all(texts.map((text) => pool.run<CountedRow>(text, [scope])));
      return found.flat().map((row) => ({ network: row.network, held: row.held, taken: takenOf(row)! }));
    },
    async since(fromMs) {
      const rows = await pool.run<CountedRow & Pick<GrowthRow, 'scope' | 'atMs'>>(READ_GROWTH, [Math.round(fromMs)]);
      return rows.map((row) => {
        const { scope, network, atMs, held } = row;
        return { scope, network, atMs, held, taken: takenOf(row) };
      });
    },
    sweep: async (beforeMs) => void (await pool.run(SWEEP_GROWTH, [Math.round(beforeMs)])),
    close: () => pool.end(1_000),
  };
}
