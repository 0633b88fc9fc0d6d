// Health that tells the truth: what is asked of a service is asked now, at most once a second.
import type { SiteStore, World } from '../../actors/ports.ts';
import type { ShardPresence } from '../../actors/runtime/host/presence.ts';
import type { Health, ServiceStatus } from '../../http/site.ts';
import type { BlockDriver } from '../../router/federation/blocks.ts';
import type { Federation } from '../../router/federation/federation.ts';

export interface HealthOptions {
  store: SiteStore;
  federation: Pick<Federation, 'status'>;
  /** Whether this process holds the site's lease. */
  isHeld(): boolean;
  /** What a restored site waits for; null: for nothing. */
  restored(): BlockDriver['restored'];
  presences(): ShardPresence[];
  world: Pick<World, 'monotonicMs'>;
}

const CACHE_MS = 1_000;
/** A thread is replaced within a second (design.md §10), and a doubt is ended sooner. */
const LONG_MS = 2_000;
/** An outage of the database costs a shard one; so many in a minute are something else. */
const MANY_START_OVERS = 3;

/** Of a site that was restored and waits for others. */
export function restoredText(restored: BlockDriver['restored']): string | null {
  if (restored === null) return null;
  const missing = restored.missing.length === 0 ? 'it is being compared' : restored.missing.join('; ');
  return `restored from a backup, global networks wait for the other sites: ${missing}`;
}

/** Of shards that don't serve for long, or whose commits stay in doubt again and again; null: there are none. */
export function presencesText(presences: readonly ShardPresence[]): string | null {
  const troubles = presences.flatMap(({ shard, awayMs, isStartingOver, lately }) => {
    if (awayMs !== null && awayMs >= LONG_MS) {
      const what = isStartingOver ? 'starting over, since a commit stayed in doubt' : 'without a thread that serves';
      return [`shard ${shard} has not served for ${Math.round(awayMs / 1_000)} s: it is ${what}`];
    }
    return lately >= MANY_START_OVERS
      ? [`shard ${shard} started over ${lately} times in the last minute: its commits stay in doubt`]
      : [];
  });
  return troubles.length === 0 ? null : troubles.join('; ');
}

/**
 * The services have the names that clients know (machines.md §19.3): `rethinkdb` is the database, `ipam` and
 * `masterdata-api` are actors over that same database. `peers` is ours; a cut link degrades, it does not stop a site.
 */
export function createHealth({
  store,
  federation,
  isHeld,
  restored,
  presences,
  world,
}: HealthOptions): () => Promise<Health> {
  let last: { atMs: number; health: Promise<Health> } | undefined;

  async function look(): Promise<Health> {
    const database = await store.ping().then(
      () => null,
      (error: Error) => `the database does not answer: ${error.message}`,
    );
    const actors =
      database ?? (isHeld() ? null : 'the lease of the site is not held: nothing is written here at the moment');
    const cut = federation.status().filter(({ up }) => !up);
    const state = (
      problem: string | null,
      otherwise: ServiceStatus = 'unhealthy',
    ): { status: ServiceStatus; message: string } =>
      problem === null ? { status: 'healthy', message: '' } : { status: otherwise, message: problem };
    const away = presencesText(presences());
    const waiting = [restoredText(restored()), away].filter((text) => text !== null).join('; ') || null;
    const services = {
      rethinkdb: state(database),
      ipam: actors === null ? state(waiting, 'degraded') : state(actors),
      'masterdata-api': actors === null ? state(away, 'degraded') : state(actors),
      peers: state(cut.length === 0 ? null : `no link to site ${cut.map(({ site }) => site).join(', ')}`, 'degraded'),
    };
    const all = Object.values(services);
    const unhealthy = all.filter(({ status }) => status === 'unhealthy').length;
    return {
      status:
        unhealthy === 0
          ? all.some(({ status }) => status === 'degraded')
            ? 'degraded'
            : 'healthy'
          : unhealthy < all.length - 1
            ? 'partial-outage'
            : 'unhealthy',
      message: all.find(({ message }) => message !== '')?.message ?? '',
      services,
    };
  }

  return () => {
    const now = world.monotonicMs();
    if (last === undefined || now - last.atMs > CACHE_MS) last = { atMs: now, health: look() };
    return last.health;
  };
}
