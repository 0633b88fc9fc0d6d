// Notices a thread that is caught in an endless loop: it answers no ping and never rests. Either alone says nothing, an
// honest load keeps a thread busy and a paused machine answers late.
import type { Cancel, World } from '../ports.ts';

export interface Watched {
  ping(): void;
  /** Part of the time since the last call that its event loop was busy, 0 to 1; undefined: there is nothing to watch. */
  utilization(): number | undefined;
  hung(silentMs: number): void;
}

export interface Watchdog {
  /** It answered. */
  pong(index: number): void;
  /** It is there (again), or must not be watched at the moment. */
  watch(index: number, watched: Watched | undefined): void;
  stop(): void;
}

const PERIOD_MS = 250;
const SILENCE_MS = 1_000;
const BUSY = 0.99;

interface Dog {
  watched: Watched;
  heardMs: number;
  /** Least utilization of the whole periods since it was heard. */
  least: number;
}

export function createWatchdog(world: Pick<World, 'monotonicMs' | 'after'>): Watchdog {
  const dogs = new Map<number, Dog>();
  let lookedMs = world.monotonicMs();
  let cancel: Cancel = world.after(PERIOD_MS, look);

  function look(): void {
    const now = world.monotonicMs();
    // We were stopped ourselves: nobody could have been heard.
    const before = lookedMs;
    const wasAway = now - before > 2 * PERIOD_MS;
    lookedMs = now;
    for (const [index, dog] of dogs) {
      const busy = dog.watched.utilization();
      if (wasAway || busy === undefined) {
        dog.heardMs = now;
        dog.least = 1;
        // It may have been caught in the middle of the period in which it still answered.
      } else if (dog.heardMs <= before) dog.least = Math.min(dog.least, busy);
      const silentMs = now - dog.heardMs;
      if (silentMs >= SILENCE_MS && dog.least >= BUSY) {
        dogs.delete(index);
        dog.watched.hung(silentMs);
      } else dog.watched.ping();
    }
    cancel = world.after(PERIOD_MS, look);
  }

  return {
    pong(index) {
      const dog = dogs.get(index);
      if (dog === undefined) return;
      dog.heardMs = world.monotonicMs();
      dog.least = 1;
    },
    watch(index, watched) {
      if (watched === undefined) dogs.delete(index);
      else dogs.set(index, { watched, heardMs: world.monotonicMs(), least: 1 });
    },
    stop() {
      dogs.clear();
      cancel();
    },
  };
}
