// A shard whose actors fail in every way that there is; run by host.test.ts on real threads.
import { addressOf, type Scope } from '../../actors/address.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { AnyBehaviour, Coordination } from '../../actors/runtime/behaviour.ts';
import { createMemoryStore } from '../../actors/runtime/memory-store.ts';
import { realWorld } from '../world.ts';
import { runShard, type ShardTask } from '../../actors/runtime/worker.ts';

export const scope: Scope = 'partition:p';
export const actor = (id: string) => addressOf(scope, 'machine', id);

export interface FaultyState {
  count: number;
}

export const faultyBehaviour = {
  kind: 'machine',
  tables: [],
  create: (): FaultyState => ({ count: 0 }),
  evolve() {},
  hold() {},
  unhold() {},
  commands: {
    echo: (_state: FaultyState, body: unknown) => ({ reply: body }),
    throw() {
      throw new Error('boom');
    },
    /** Asks another actor for what it throws at, and fails with it. */
    pass: (_state: FaultyState, { to, text }: { to: string; text: string }) => ({
      coordinate: function* (): Coordination<unknown> {
        const answers = (yield { ask: [{ to: actor(to), name: 'throw', body: text }] }) as unknown[] | Refusal;
        return isRefusal(answers) ? answers : { reply: answers };
      },
    }),
    reject() {
      queueMicrotask(() => {
        throw new Error('outside of every turn');
      });
      return { reply: null };
    },
    exit() {
      process.exit(7);
    },
    fill() {
      const kept: number[][] = [];
      for (;;) kept.push(Array.from({ length: 100_000 }, () => kept.length));
    },
    spin() {
      for (;;);
    },
  },
  reservations: {},
} as AnyBehaviour;

/** The store of each thread knows the epochs that the task names. */
export async function shard(task: ShardTask): Promise<'drained' | 'fenced'> {
  const store = createMemoryStore(realWorld);
  const epoch = task.fences[0]?.epoch ?? 1;
  for (let i = 0; i < epoch; i++) store.takeOver([scope], task.shards);
  return await runShard(task, {
    behaviours: [faultyBehaviour],
    store,
    world: realWorld,
    log: () => {},
    close: () => Promise.resolve(),
  });
}
