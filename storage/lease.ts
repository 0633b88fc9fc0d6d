// The lease: when a process may try to become the owner. In database time, so that no clock of ours decides.
import type { LeaseAnswer, LeaseHolder, RenewAnswer } from '../actors/ports.ts';
import type { Pool } from './driver/pool.ts';

/** `$1` site, `$2` process, `$3` host, `$4` pid, `$5` length in ms, `$6` a process known to be dead, or ''. */
export const ACQUIRE = `insert into lease as t (site, process, host, pid, expires)
values ($1::text, $2::text, $3::text, $4::int4, clock_timestamp() + $5::int4 * interval '1 millisecond')
on conflict (site) do update set process = excluded.process, host = excluded.host, pid = excluded.pid, expires = excluded.expires
where t.process = excluded.process or t.process = $6::text or t.expires <= clock_timestamp()
returning (extract(epoch from t.expires) * 1000)::int8 as until`;

/** `$1` site, `$2` process, `$3` length in ms. */
export const RENEW = `update lease set expires = clock_timestamp() + $3::int4 * interval '1 millisecond'
where site = $1::text and process = $2::text returning (extract(epoch from expires) * 1000)::int8 as until`;

export const HOLDER = `select process, host, pid,
  (extract(epoch from (expires - clock_timestamp())) * 1000)::int8 as remaining from lease where site = $1::text`;

export const RELEASE = `delete from lease where site = $1::text and process = $2::text`;

interface Held {
  process: string;
  host: string;
  pid: number;
  remaining: number;
}

const acquire = async (pool: Pool, holder: LeaseHolder, leaseMs: number, dead: string): Promise<number | undefined> => {
  const rows = await pool.run<{ until: number }>(
    ACQUIRE,
    [holder.site, holder.process, holder.host, holder.pid, leaseMs, dead],
    { prepare: true },
  );
  return rows[0]?.until;
};

const heldBy = async (pool: Pool, site: string): Promise<Held | undefined> =>
  (await pool.run<Held>(HOLDER, [site], { prepare: true }))[0];

const holderOf = (site: string, { process, host, pid }: Held): LeaseHolder => ({ site, process, host, pid });

/** Not once another one has held it (`SiteStore.renewLease`). */
export async function renewLease(pool: Pool, holder: LeaseHolder, leaseMs: number): Promise<RenewAnswer> {
  const [renewed] = await pool.run<{ until: number }>(RENEW, [holder.site, holder.process, leaseMs], { prepare: true });
  if (renewed !== undefined) return { held: true, untilMs: renewed.until };
  const other = await heldBy(pool, holder.site);
  return { held: false, holder: other && holderOf(holder.site, other) };
}

/**
 * Takes or renews. A holder on this host whose pid is gone is replaced at once; `isAlive` is asked only about pids of
 * `holder.host`, so processes that share a host name must share its pids.
 */
export async function acquireLease(
  pool: Pool,
  holder: LeaseHolder,
  leaseMs: number,
  isAlive: (pid: number) => boolean,
): Promise<LeaseAnswer> {
  for (;;) {
    const until = await acquire(pool, holder, leaseMs, '');
    if (until !== undefined) return { held: true, untilMs: until };
    const other = await heldBy(pool, holder.site);
    // Given back between the two statements.
    if (other === undefined) continue;
    if (other.host === holder.host && !isAlive(other.pid)) {
      const taken = await acquire(pool, holder, leaseMs, other.process);
      if (taken !== undefined) return { held: true, untilMs: taken };
    }
    return { held: false, holder: holderOf(holder.site, other), remainingMs: Math.max(0, other.remaining) };
  }
}

export const releaseLease = async (pool: Pool, holder: LeaseHolder): Promise<void> => {
  await pool.run(RELEASE, [holder.site, holder.process]);
};
