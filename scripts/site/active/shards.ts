// The actors of the site's scopes, on their threads, and how they are asked.
import { withinOf } from '../../../actors/asker.ts';
import type { Fence, LogEntry, World } from '../../../actors/ports.ts';
import { createShardHost, type ShardHost } from '../../../actors/runtime/host.ts';
import type { Site } from '../../../http/site.ts';
import type { ShardConfig } from '../../shard.ts';
import type { Ground } from '../ground.ts';

const ASK_MS = 30_000;

export interface ShardsParts {
  fences: Fence[];
  /** Hears of every committed entry, in order per stream. */
  committed(entry: LogEntry): void;
  /** Hears that somebody else owns the scopes. */
  fenced(why: string): Promise<void>;
}

export function openShards(
  ground: Pick<Ground, 'config' | 'databaseUrl' | 'log' | 'shards' | 'store' | 'threads' | 'world'>,
  { fences, committed, fenced }: ShardsParts,
): ShardHost {
  const { config, log, store } = ground;
  const shardConfig: ShardConfig = { databaseUrl: ground.databaseUrl, site: config.site };
  return createShardHost({
    shards: ground.shards,
    fences,
    module: ground.threads,
    config: shardConfig,
    limits: { operationsPerGroup: config.groupLimit },
    world: ground.world,
    onCommitted(entries) {
      for (const entry of entries) committed(entry);
    },
    missed: (cursor, beforeEpoch) => store.entriesAfter(cursor, beforeEpoch),
    onFenced: (shard) => void fenced(`shard ${shard} was fenced: another process owns the scopes`),
    log: (level, message, fields) => log[level](fields, message),
  });
}

/** Asks as the edge makes them: with a time that they may take. */
export const askOf = (host: Pick<ShardHost, 'ask'>, world: Pick<World, 'monotonicMs'>): Site['ask'] =>
  ((to, command, body, { who, withinMs = ASK_MS, key, dry, asker }) =>
    host.ask(to, command, body, {
      who,
      key,
      dry,
      asker,
      deadlineMs: world.monotonicMs() + withinOf(asker, withinMs),
    })) as Site['ask'];
