// What a worker thread of the message benchmark loads: a shard of counting actors.
import type { MessagePort } from 'node:worker_threads';
import { runShard, type ShardTask } from '../../actors/runtime/worker.ts';
import { realWorld } from '../world.ts';
import { countingBehaviour, forgetfulStore } from './counting-actor.ts';

/** Called by Piscina in its worker. */
export const shard = (task: ShardTask & { port: MessagePort }): Promise<'drained' | 'fenced'> =>
  runShard(task, {
    behaviours: [countingBehaviour],
    store: forgetfulStore(realWorld),
    world: realWorld,
    log: (level, message, fields) => console.error(level, message, JSON.stringify(fields)),
    close: () => Promise.resolve(),
  });
