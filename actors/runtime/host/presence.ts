// Whether a shard serves, since when it does not, and how often it started over: that a commit stayed in doubt costs no
// thread, so nothing else would tell.
import type { World } from '../../ports.ts';

export interface ShardPresence {
  shard: number;
  /** Since the process began: its epoch was raised and all was loaded anew, since a commit stayed in doubt. */
  startOvers: number;
  /** Of these, those of the last minute. */
  lately: number;
  /** So long it has not served; null: it serves. */
  awayMs: number | null;
  /** Why it does not: it starts over, or it has no thread that serves. */
  isStartingOver: boolean;
}

export interface Presence {
  /** It serves, on a new thread. */
  began(): void;
  /** A commit of its stayed in doubt: it starts over. */
  doubted(): void;
  /** It started over, and serves again if its thread still does. */
  settled(): void;
  /** Its thread is gone. */
  ended(): void;
  /** Whether a thread serves it, in doubt or not. */
  readonly hasThread: boolean;
  readonly isHere: boolean;
  look(): ShardPresence;
}

export const LATELY_MS = 60_000;

export function createPresence(shard: number, world: Pick<World, 'monotonicMs'>): Presence {
  let hasThread = false;
  let isInDoubt = false;
  let awaySinceMs: number | null = world.monotonicMs();
  let startOvers = 0;
  let startOversMs: number[] = [];

  const isHere = (): boolean => hasThread && !isInDoubt;
  const lately = (): number[] => startOversMs.filter((atMs) => world.monotonicMs() - atMs < LATELY_MS);
  function changed(): void {
    awaySinceMs = isHere() ? null : (awaySinceMs ?? world.monotonicMs());
  }

  return {
    began() {
      hasThread = true;
      isInDoubt = false;
      changed();
    },
    doubted() {
      isInDoubt = true;
      startOvers++;
      startOversMs = [...lately(), world.monotonicMs()];
      changed();
    },
    settled() {
      isInDoubt = false;
      changed();
    },
    ended() {
      hasThread = false;
      isInDoubt = false;
      changed();
    },
    get hasThread() {
      return hasThread;
    },
    get isHere() {
      return isHere();
    },
    look: () => ({
      shard,
      startOvers,
      lately: lately().length,
      awayMs: awaySinceMs === null ? null : world.monotonicMs() - awaySinceMs,
      isStartingOver: isInDoubt,
    }),
  };
}
