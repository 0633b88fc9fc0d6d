// Keeps how much of each network was taken over the last week, so that "full in n days" survives a restart.
import { partitionScope, type Scope } from '../../actors/address.ts';
import { LONGEST_WATCH_MS, type GrowthSample } from '../../actors/network/growth.ts';
import type { World } from '../../actors/ports.ts';
import type { GrowthRow, GrowthStore } from '../../storage/growth.ts';

export interface GrowthKeeper {
  /** The earliest known of a network within the last week. */
  earlier(scope: Scope, network: string): GrowthSample | undefined;
  stop(): Promise<void>;
}

export interface GrowthOptions {
  store: GrowthStore;
  world: World;
  hosted(): readonly string[];
  odd(what: string, error?: unknown): void;
}

/** An hour is fine enough for a rate by the day, and makes at most 168 rows of a network. */
const SAMPLE_MS = 3_600_000;
/** Soon after the start: what is not known from before is watched from then on. */
const FIRST_MS = 30_000;

const nameOf = ({ scope, network }: Pick<GrowthRow, 'scope' | 'network'>): string => `${scope}|${network}`;

/** What was noted before is read meanwhile: nobody waits for it at a takeover. */
export function keepGrowth({ store, world, hosted, odd }: GrowthOptions): GrowthKeeper {
  /** Oldest first. */
  const samples = new Map<string, GrowthRow[]>();
  const take = (row: GrowthRow): void => {
    const known = samples.get(nameOf(row)) ?? [];
    known.push(row);
    samples.set(nameOf(row), known);
  };

  async function sample(): Promise<void> {
    await filled;
    const nowMs = world.wallMs();
    const fromMs = nowMs - LONGEST_WATCH_MS;
    const fresh: GrowthRow[] = [];
    for (const partition of hosted()) {
      const scope = partitionScope(partition);
      for (const now of await store.now(scope)) {
        const row: GrowthRow = { scope, ...now, atMs: nowMs };
        const last = samples.get(nameOf(row))?.at(-1)?.taken;
        if (last?.IPv4 !== now.taken.IPv4 || last.IPv6 !== now.taken.IPv6) fresh.push(row);
      }
    }
    await store.write(fresh);
    for (const row of fresh) take(row);
    // The last one before the week says what was held when it began.
    for (const known of samples.values()) while ((known[1]?.atMs ?? Infinity) <= fromMs) known.shift();
    await store.sweep(fromMs - LONGEST_WATCH_MS);
  }

  const filled = store
    .since(world.wallMs() - 2 * LONGEST_WATCH_MS)
    .then((known) => known.forEach(take))
    .catch((error: unknown) => odd('how fast networks filled could not be read', error));
  let cancel = (): void => {};
  let isStopped = false;
  const again = (delayMs: number): void => {
    if (isStopped) return;
    cancel = world.after(delayMs, () => {
      void sample()
        .catch((error: unknown) => odd('how fast networks fill could not be noted', error))
        .finally(() => again(SAMPLE_MS * (0.9 + 0.2 * world.random())));
    });
  };
  again(FIRST_MS);

  return {
    earlier(scope, network) {
      const first = samples.get(nameOf({ scope, network }))?.find(({ taken }) => taken !== null);
      if (first === undefined) return undefined;
      return { atMs: Math.max(first.atMs, world.wallMs() - LONGEST_WATCH_MS), taken: first.taken ?? {} };
    },
    async stop() {
      isStopped = true;
      cancel();
      await store.close();
    },
  };
}
