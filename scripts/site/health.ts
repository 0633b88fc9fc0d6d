// Health that tells the truth: what is asked of a service is asked now, at most once a second.
import type { SiteStore } from '../../actors/ports.ts';
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
}

const CACHE_MS = 1_000;

/** Of a site that was restored and waits for others. */
export function restoredText(restored: BlockDriver['restored']): string | null {
  if (restored === null) return null;
  const missing = restored.missing.length === 0 ? 'it is being compared' : restored.missing.join('; ');
  return `restored from a backup, global networks wait for the other sites: ${missing}`;
}

/**
 * The services have the names that clients know (machines.md §19.3): `rethinkdb` is the database, `ipam` and
 * `masterdata-api` are actors over that same database. `peers` is ours; a cut link degrades, it does not stop a site.
 */
export function createHealth({ store, federation, isHeld, restored }: HealthOptions): () => Promise<Health> {
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
    const waiting = restoredText(restored());
    const services = {
      rethinkdb: state(database),
      ipam: actors === null ? state(waiting, 'degraded') : state(actors),
      'masterdata-api': state(actors),
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
    const now = performance.now();
    if (last === undefined || now - last.atMs > CACHE_MS) last = { atMs: now, health: look() };
    return last.health;
  };
}
