// What a partition needs to be hosted here besides its rows: its scope, certificates, a place in the index, blocks.
import { partitionScope } from '../../../actors/address.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type { Site } from '../../../http/site.ts';
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

/** How to host a partition that was just created here (`Site.host`). */
export function createHosting(
  { log, store, shards, identity, listener }: Pick<Ground, 'log' | 'store' | 'shards' | 'identity' | 'listener'>,
  { partitions, host, places, filling, blocks }: HostingParts,
): Site['host'] {
  // The index knows from the log that a partition is at home here; what counts is whether its scope was taken over.
  const owned = new Set(partitions);
  return async (partition) => {
    if (owned.has(partition)) return;
    owned.add(partition);
    // From the second partition on a machine's is not plain any more.
    await filling.whole();
    await host.adopt(await store.takeOver([partitionScope(partition)], shards));
    places.host(partition);
    await identity.issueAgent(partition);
    if (await identity.renew(places.hosted())) listener.renew();
    await blocks.hostedChanged();
    log.info({ partition }, 'hosting a new partition');
  };
}
