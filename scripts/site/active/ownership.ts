// Whose the site's scopes are: taken over from whoever had them, under epochs above all that were, until another process
// takes them.
import { partitionScope, siteScope } from '../../../actors/address.ts';
import type { Fence } from '../../../actors/ports.ts';
import { EXIT_FENCED } from '../../exit-codes.ts';
import type { Ground } from '../ground.ts';
import { checkStanding, keepStanding, type StandingCheck, type StandingKeeper } from '../standing.ts';

/** What a process has taken over. */
export interface Ownership {
  /** Those that the site hosted then. */
  readonly partitions: readonly string[];
  /** One a scope and shard. */
  readonly fences: Fence[];
  /** Of the site's own scope. */
  readonly epoch: number | undefined;
  readonly standing: StandingCheck;
}

/** Takes the scopes of the site and of its partitions over. The lease must be held. */
export async function takeOver({
  config,
  log,
  databaseUrl,
  store,
  shards,
}: Pick<Ground, 'config' | 'log' | 'databaseUrl' | 'store' | 'shards'>): Promise<Ownership> {
  const own = siteScope(config.site);
  const partitions = await store.hostedPartitions(config.site);
  const standing = await checkStanding(databaseUrl, config.folder);
  for (const lost of standing.lost)
    log.error({ lost, incarnation: standing.incarnation }, 'the database was restored: it lacks what this site wrote');
  const { restoredMs } = standing;
  if (restoredMs !== undefined) log.warn({ restoredMs }, 'global networks wait until the other sites were asked');
  const fences = await store.takeOver([own, ...partitions.map(partitionScope)], shards);
  return { partitions, fences, epoch: fences.find(({ scope }) => scope === own)?.epoch, standing };
}

/** How to end when another process owns the scopes: one line with both epochs, whoever notices it first. */
export function createStandDown(
  { config, log, life, store, lease }: Pick<Ground, 'config' | 'log' | 'life' | 'store' | 'lease'>,
  { epoch }: Pick<Ownership, 'epoch'>,
): (why: string) => Promise<void> {
  const own = siteScope(config.site);
  let isFenced = false;
  return async (why) => {
    if (isFenced || life.isEnding) return;
    isFenced = true;
    const standing = await store.epochs([own]).catch(() => new Map<string, number>());
    log.error({ epoch, standing: standing.get(own) ?? null, holder: lease.holder?.process ?? null, why }, 'fenced');
    life.end(EXIT_FENCED, why);
  };
}

/** Notes beside the database how far the site comes under what was taken over. */
export const noteProgress = (
  { config, world, odd }: Pick<Ground, 'config' | 'world' | 'odd'>,
  { standing: { incarnation }, fences }: Pick<Ownership, 'standing' | 'fences'>,
): StandingKeeper =>
  keepStanding({
    siteFolder: config.folder,
    incarnation,
    epochs: fences,
    after: (delayMs, run) => world.after(delayMs, run),
    wallMs: () => world.wallMs(),
    odd,
  });
