// What happens by time in a site: liveliness of machines, sweeping of what is over its retention.
import { addressOf, partitionScope } from '../../actors/address.ts';
import { DEAD_AFTER_MS } from '../../actors/machine/provisioning.ts';
import type { SiteStore, World } from '../../actors/ports.ts';
import type { Site } from '../../http/site.ts';
import type { OpenSiteStore } from '../../storage/site-store.ts';
import type { Logger } from '../log.ts';

const LIVELINESS_MS = 60_000;
const SWEEP_MS = 60_000;
const AT_ONCE = 16;
const asLiveliness = { who: 'liveliness' };

const RETENTION = {
  groupMs: 3_600_000,
  logMs: 14 * 86_400_000,
  releasedMs: 3_600_000,
  outcomeMs: 48 * 3_600_000,
};

export interface UpkeepOptions {
  site: Site;
  /** Without `fallenSilent` every machine is asked, and so loaded. */
  store: Pick<SiteStore, 'countByOwner' | 'sweep'> & Partial<Pick<OpenSiteStore, 'fallenSilent'>>;
  world: World;
  log: Logger;
}

/** Starts the periodic work; answers how to stop it. */
export function startUpkeep({ site, store, world, log }: UpkeepOptions): () => void {
  let stopped = false;
  const cancels = new Set<() => void>();

  function every(periodMs: number, what: string, run: () => Promise<void>): void {
    const again = (): void => {
      // Spread over the period, so that several processes don't work at the same moment.
      const cancel = world.after(periodMs * (0.9 + 0.2 * world.random()), () => {
        cancels.delete(cancel);
        void run()
          .catch((error: Error) => log.warn({ error: error.message }, `${what} failed`))
          .finally(() => {
            if (!stopped) again();
          });
      });
      cancels.add(cancel);
    };
    again();
  }

  /** Machines that have been silent for longer than they may (machines.md §3). */
  async function evaluateLiveliness(): Promise<void> {
    for (const partition of site.places.hosted()) {
      const scope = partitionScope(partition);
      const machines = (await store.fallenSilent?.(scope, world.wallMs() - DEAD_AFTER_MS)) ?? [
        ...(await store.countByOwner('provisioning', scope)).keys(),
      ];
      for (let i = 0; i < machines.length; i += AT_ONCE) {
        const asks = machines
          .slice(i, i + AT_ONCE)
          .map((machine) => site.ask(addressOf(scope, 'machine', machine), 'evaluateLiveliness', {}, asLiveliness));
        await Promise.all(asks);
      }
    }
  }

  every(LIVELINESS_MS, 'the evaluation of liveliness', evaluateLiveliness);
  every(SWEEP_MS, 'sweeping', async () => {
    const swept = await store.sweep(RETENTION);
    log.debug(swept, 'swept');
  });

  return () => {
    stopped = true;
    for (const cancel of cancels) cancel();
  };
}
