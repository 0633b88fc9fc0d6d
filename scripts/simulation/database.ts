// The database of a simulated site: one model, many connections, weather between them.
import type { ShardStore, SiteStore } from '../../actors/ports.ts';
import { createMemorySiteStore, createSiteTables, type SiteTables } from '../../actors/runtime/memory-site-store.ts';
import { connectShard, type Fate, type StoreCall, type StoreWay } from '../../actors/runtime/memory-store.ts';
import { createStoreModel, type StoreModel, type StoreRules } from '../../actors/runtime/store-model.ts';
import { between, chance } from './draw.ts';
import { START_MS, type Thread, type Universe } from './universe.ts';

/** How the database behaves at the moment; rates are chances of a call. */
export interface DatabaseWeather {
  latencyMs: number;
  /** 40001 beyond the adapter's own retries, or no connection. */
  unsent: number;
  /** The connection dies before, after, or while the statement is on its way. */
  lostBefore: number;
  lostAfter: number;
  late: number;
  /** A call waits long before it is executed. */
  slow: number;
  isDown: boolean;
}

export const fairWeather = (latencyMs: number): DatabaseWeather => ({
  latencyMs,
  unsent: 0,
  lostBefore: 0,
  lostAfter: 0,
  late: 0,
  slow: 0,
  isDown: false,
});

export interface Database {
  readonly site: string;
  readonly model: StoreModel;
  readonly tables: SiteTables;
  weather: DatabaseWeather;
  /** Called once, in the moment a group has been sent and is not yet executed. */
  onNextCommit: (() => void) | undefined;
  /** Called once, in the moment the outcome of a key is written and nobody has heard of it. */
  onNextOutcome: (() => void) | undefined;
  /** Called once, when a thread has sent a group that takes from several shards. */
  onNextShared: ((thread: Thread) => void) | undefined;
  /** Called once, when a block is on its way to another site. */
  onNextGift: ((holderSite: string) => void) | undefined;
  /** Called once, when a process has raised the epochs and has not read anything yet. */
  onNextTakeOver: ((thread: Thread) => void) | undefined;
  /** Who sent a group, until it is written. */
  readonly senders: Map<string, { main: Thread; thread: Thread }>;
  /** Raised the epochs, and does not serve yet. */
  unserved: string | undefined;
  /** Hand-overs that a partition has taken. */
  readonly received: Set<string>;
  connectShard(thread: Thread): ShardStore;
  connectSite(thread: Thread): SiteStore;
}

/** What lies in wait for a moment of a database, and has not met it yet. */
export function disarm(database: Database): void {
  database.onNextCommit = undefined;
  database.onNextOutcome = undefined;
  database.onNextShared = undefined;
  database.onNextGift = undefined;
  database.onNextTakeOver = undefined;
}

/** The adapter's own deadlines: after these it answers whatever the server does. */
const GIVES_UP_MS = 2_000;

export function createDatabase(
  universe: Universe,
  site: string,
  weather: DatabaseWeather,
  rules: StoreRules,
): Database {
  const nowMs = (): number => START_MS + universe.nowMs;
  const model = createStoreModel(nowMs, rules);
  const tables = createSiteTables();

  function wayOf(thread: Thread): StoreWay {
    const random = universe.stream(`database of ${thread.name}`);
    return {
      fate(call: StoreCall): Fate {
        const { latencyMs, isDown, ...rates } = database.weather;
        const thereMs = latencyMs * between(random, 0.3, 0.8);
        const backMs = latencyMs * between(random, 0.2, 0.7);
        // Drawn in any case, so that the weather does not shift the luck of later calls.
        const luck = random();
        const slowness = random();
        if (call === 'commit' && database.onNextCommit !== undefined) {
          const hit = database.onNextCommit;
          database.onNextCommit = undefined;
          universe.after(0, hit);
        }
        if (isDown) return { thereMs: chance(random, 0.5) ? 1 : GIVES_UP_MS / 2, backMs: 1, fault: 'unsent' };
        let sum = rates.unsent;
        if (luck < sum) return { thereMs, backMs, fault: 'unsent' };
        if (luck < (sum += rates.lostBefore)) return { thereMs, backMs: between(random, 1, 300), fault: 'lost before' };
        if (luck < (sum += rates.lostAfter)) return { thereMs, backMs: between(random, 1, 300), fault: 'lost after' };
        if (luck < sum + rates.late && call === 'commit')
          return { thereMs: between(random, 5, 1_500), backMs: between(random, 1, 50), fault: 'late' };
        if (slowness < rates.slow) return { thereMs: thereMs + between(random, 50, 1_200), backMs };
        return { thereMs, backMs };
      },
      at: (delayMs, run) =>
        void universe.after(delayMs, () => {
          // Whoever sent it is dead, and the server may still be busy with it: what a raise is for.
          if (thread.isAlive || !chance(random, 0.7)) return run();
          universe.met('statement of a dead thread');
          universe.after(between(random, 20, 4_000), run);
        }),
      back: (delayMs, run) => void thread.world.after(delayMs, run),
      isDown: () => database.weather.isDown,
    };
  }

  model.onWritten(({ outcomes }) => {
    if (outcomes.length === 0 || database.onNextOutcome === undefined) return;
    universe.after(0, database.onNextOutcome);
    database.onNextOutcome = undefined;
  });

  const database: Database = {
    site,
    model,
    tables,
    weather,
    onNextCommit: undefined,
    onNextOutcome: undefined,
    onNextShared: undefined,
    onNextGift: undefined,
    onNextTakeOver: undefined,
    senders: new Map(),
    unserved: undefined,
    received: new Set(),
    connectShard: (thread) => connectShard(model, wayOf(thread)),
    connectSite: (thread) => createMemorySiteStore({ model, tables, way: wayOf(thread), nowMs }),
  };
  return database;
}
