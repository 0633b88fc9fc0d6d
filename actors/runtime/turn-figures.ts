// How long turns take, by kind of actor: counted as they end, because a few turns that are kept say nothing of a shard.
import type { Kind } from '../address.ts';

/** Upper ends of the times of a turn, from its first message to its answers, commit included, in milliseconds. */
export const TURN_TIMES_MS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000] as const;

export interface TurnFigures {
  kind: Kind;
  /** Turns by time, one more than TURN_TIMES_MS. */
  timesMs: number[];
  /** Sum of these times. */
  totalMs: number;
}

export interface TurnCounts {
  count(kind: Kind, ms: number): void;
  /** Since the thread began. */
  list(): TurnFigures[];
}

export function createTurnCounts(): TurnCounts {
  const kinds = new Map<Kind, TurnFigures>();
  return {
    count(kind, ms) {
      let figures = kinds.get(kind);
      if (figures === undefined) {
        figures = { kind, timesMs: [...TURN_TIMES_MS.map(() => 0), 0], totalMs: 0 };
        kinds.set(kind, figures);
      }
      let at = 0;
      while (at < TURN_TIMES_MS.length && ms > (TURN_TIMES_MS[at] as number)) at++;
      figures.timesMs[at]!++;
      figures.totalMs += ms;
    },
    list: () => [...kinds.values()],
  };
}

/** Sums by kind over all shards. */
export function turnSums(shards: ReadonlyArray<{ turns: readonly TurnFigures[] }>): TurnFigures[] {
  const sums = new Map<Kind, TurnFigures>();
  for (const figures of shards.flatMap(({ turns }) => turns)) {
    const sum = sums.get(figures.kind);
    if (sum === undefined) sums.set(figures.kind, { ...figures, timesMs: [...figures.timesMs] });
    else {
      figures.timesMs.forEach((count, at) => (sum.timesMs[at]! += count));
      sum.totalMs += figures.totalMs;
    }
  }
  return [...sums.values()];
}
