// What a partition needs to be hosted here besides its rows: its scope, certificates, a place in the index, blocks.
import { partitionScope } from '../../../actors/address.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type { Site } from '../../../http/site.ts';
import { createAttempts } from '../../../router/federation/blocks-attempts.ts';
import type { BlockDriver } from '../../../router/federation/blocks.ts';
import type { Filling } from '../../../router/place-index-filling.ts';
import type { PlaceIndex } from '../../../router/place-index.ts';
import type { Ground } from '../ground.ts';

/** The certificates of the site, of the agents of its partitions, of routers. */
export async function issueCertificates(
  { config, identity, listener }: Pick<Ground, 'config' | 'identity' | 'listener'>,
  partitions: readonly string[],
): Promise<void> {
  await identity.renew(partitions);
  listener.renew();
  for (const partition of new Set([...partitions, ...config.agentPartitions])) await identity.issueAgent(partition);
  await identity.issueRouter();
}

export interface HostingParts {
  /** Those that were taken over at the start. */
  partitions: readonly string[];
  host: Pick<ShardHost, 'adopt'>;
  places: Pick<PlaceIndex, 'host' | 'hosted'>;
  filling: Pick<Filling, 'whole'>;
  blocks: Pick<BlockDriver, 'hostedChanged'>;
}

export interface Hosting {
  /**
   * Hosts a partition of this site (`Site.host`); what is hosted already stays as it is. Rejects when it could not be done
   * now: it is tried again until it is, so that a partition whose entry is written does not stay dead until a restart.
   */
  host: Site['host'];
  stop(): void;
}

/** The first pause after an attempt that failed; later ones are longer (`createAttempts`). */
const AGAIN_MS = 250;

/** How to host a partition that was just created here. */
export function createHosting(
  {
    log,
    store,
    shards,
    identity,
    listener,
    world,
  }: Pick<Ground, 'log' | 'store' | 'shards' | 'identity' | 'listener' | 'world'>,
  { partitions, host, places, filling, blocks }: HostingParts,
): Hosting {
  // The index knows from the log that a partition is at home here; what counts is whether its scope was taken over.
  const owned = new Set(partitions);
  const underWay = new Map<string, Promise<void>>();
  const attempts = createAttempts(world, (partition, error) =>
    log.warn({ partition, error: String(error) }, 'a new partition can not be hosted yet'),
  );

  /** May be repeated from the beginning, wherever it ended. */
  const begin = async (partition: string): Promise<void> => {
    const isNew = !owned.has(partition);
    if (isNew) {
      // From the second partition on a machine's is not plain any more.
      await filling.whole();
      await host.adopt(await store.takeOver([partitionScope(partition)], shards));
      owned.add(partition);
    }
    places.host(partition);
    await identity.issueAgent(partition);
    if (await identity.renew(places.hosted())) listener.renew();
    await blocks.hostedChanged();
    if (isNew) log.info({ partition }, 'hosting a new partition');
  };

  /** One at a time for each partition. */
  const attempt = (partition: string): Promise<void> => {
    const pending = underWay.get(partition) ?? begin(partition).finally(() => underWay.delete(partition));
    underWay.set(partition, pending);
    return pending;
  };

  return {
    async host(partition) {
      try {
        await attempt(partition);
        attempts.drop(partition);
      } catch (error) {
        const again = async (): Promise<'done'> => {
          // Deleted meanwhile.
          if (places.hosted().includes(partition)) await attempt(partition);
          return 'done';
        };
        attempts.run(partition, again, AGAIN_MS);
        throw error;
      }
    },
    stop: () => attempts.close(),
  };
}
