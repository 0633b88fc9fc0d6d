// The composition root of a worker thread: the behaviours, the store, the world.
import type { MessagePort } from 'node:worker_threads';
import { allocatorBehaviour } from '../actors/allocation/allocator.ts';
import { blockBehaviour } from '../actors/block/behaviour.ts';
import { directoryBehaviour } from '../actors/directory/behaviour.ts';
import { machineBehaviour } from '../actors/machine/behaviour.ts';
import { networkBehaviour } from '../actors/network/behaviour.ts';
import { registryBehaviour } from '../actors/registry/behaviour.ts';
import { anyBehaviour } from '../actors/runtime/behaviour.ts';
import { runShard, type ShardTask } from '../actors/runtime/worker.ts';
import { switchBehaviour } from '../actors/switch/behaviour.ts';
import { createShardStore } from '../storage/index.ts';
import { createLogger } from './log.ts';
import { POISON, poisonable } from './site/poison.ts';
import { realWorld } from './world.ts';

/** What the main thread passes to its workers. */
export interface ShardConfig {
  databaseUrl: string;
  site: string;
}

export const behaviours = [
  anyBehaviour(machineBehaviour),
  anyBehaviour(networkBehaviour),
  anyBehaviour(switchBehaviour),
  anyBehaviour(allocatorBehaviour),
  anyBehaviour(blockBehaviour),
  anyBehaviour(directoryBehaviour),
  anyBehaviour(registryBehaviour),
];

/** Runs one shard; called by Piscina in its worker. */
export async function shard(task: ShardTask & { port: MessagePort }): Promise<'drained' | 'fenced'> {
  const config = task.config as ShardConfig;
  const log = createLogger('shard', { site: config.site, shard: task.shard });
  const store = createShardStore({
    url: config.databaseUrl,
    applicationName: `hanse ${config.site} shard ${task.shard}`,
  });
  return runShard(task, {
    behaviours: process.env['HANSE_FAULT'] === POISON ? behaviours.map(poisonable) : behaviours,
    store,
    world: realWorld,
    log: (level, message, fields) => log[level](fields, message),
    close: () => store.close(),
  });
}
