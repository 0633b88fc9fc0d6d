// How long a new message would wait in this shard: by what waits, and by how fast it was answered lately. A mailbox bounded
// by count alone fills for seconds when the database is slow.
import type { World } from '../ports.ts';

export interface Load {
  accepted(): void;
  answered(): void;
  /** Once a tick; `parked`: accepted ones that wait for something else than their turn. */
  tick(parked: number): void;
  /** Milliseconds. */
  readonly expectedWaitMs: number;
  readonly waiting: number;
}

/** Weight of the last tick's rate. */
const NEWEST = 0.25;

export function createLoad(world: Pick<World, 'monotonicMs'>): Load {
  let waiting = 0;
  let parked = 0;
  let answered = 0;
  let tickedMs = world.monotonicMs();
  /** Answers a millisecond, over ticks in which something waited; undefined: not known yet. */
  let rate: number | undefined;

  return {
    accepted: () => void waiting++,
    answered() {
      waiting--;
      answered++;
    },
    tick(nowParked) {
      const now = world.monotonicMs();
      const elapsed = now - tickedMs;
      const isBusy = waiting - nowParked > 0;
      if (elapsed > 0 && (isBusy || answered > 0)) {
        const newest = answered / elapsed;
        // What comes is less than what could be answered, unless something is left over.
        if (rate === undefined) rate = isBusy ? newest : undefined;
        else if (isBusy || newest > rate) rate += (newest - rate) * NEWEST;
      }
      parked = nowParked;
      answered = 0;
      tickedMs = now;
    },
    get expectedWaitMs() {
      const queued = Math.max(0, waiting - parked);
      return rate === undefined || queued === 0 ? 0 : queued / Math.max(rate, 1e-6);
    },
    get waiting() {
      return waiting;
    },
  };
}
