import { setTimeout as wait } from 'node:timers/promises';
import { toStatementFailure, type FailureKind, type StatementFailure } from './driver/failure.ts';

export interface Retries {
  /** Everything together, pauses included. */
  deadlineMs: number;
  /** Kinds of failure after which the work is tried again. */
  on: readonly FailureKind[];
  /** How often after a serialization failure; 8 by default. Other kinds only end with the deadline. */
  conflicts?: number;
  /** Shared by everybody who meets the same rivals: when it is empty, a serialization failure is the last one. */
  budget?: RetryBudget;
}

export interface RetryBudget {
  /** Something succeeded: a part of a retry is earned. */
  earn(): void;
  /** Spends one; false: there is none left. */
  spend(): boolean;
  readonly left: number;
}

/** A tenth of what succeeds may be tried again, and a few more at once (reliability.md §10). */
export function createRetryBudget(part = 0.1, burst = 10): RetryBudget {
  let left = burst;
  return {
    earn: () => void (left = Math.min(burst, left + part)),
    spend() {
      if (left < 1) return false;
      left -= 1;
      return true;
    },
    get left() {
      return left;
    },
  };
}

const LONGEST_PAUSE_MS = 64;
/** A shorter attempt would end by its deadline while it still dials, and leave a doubt where there is none. */
const SHORTEST_ATTEMPT_MS = 250;

/** 1, 2, 4, … 64 ms with full jitter, so that writers which met once don't meet again. */
const pauseMs = (attempt: number): number => Math.random() * Math.min(LONGEST_PAUSE_MS, 2 ** attempt);

/**
 * Runs a whole transaction until it succeeds or trying again is pointless; rejects with the last failure. `work` hears
 * how many milliseconds are left to it.
 */
export async function retrying<T>(work: (leftMs: number) => Promise<T>, retries: Retries): Promise<T> {
  const end = performance.now() + retries.deadlineMs;
  const most = retries.conflicts ?? 8;
  let conflicts = 0;
  for (let attempt = 0; ; attempt++) {
    try {
      const done = await work(Math.max(1, end - performance.now()));
      retries.budget?.earn();
      return done;
    } catch (error) {
      const failure: StatementFailure = toStatementFailure(error);
      const again = retries.on.includes(failure.kind) && (failure.kind !== 'retry' || ++conflicts <= most);
      // A server that is away is not asked again each millisecond.
      const pause = failure.kind === 'retry' ? pauseMs(conflicts - 1) : 10 + pauseMs(attempt);
      const leastMs = failure.kind === 'retry' ? 0 : SHORTEST_ATTEMPT_MS;
      if (!again || performance.now() + pause + leastMs >= end) throw failure;
      if (failure.kind === 'retry' && retries.budget?.spend() === false) throw failure;
      await wait(pause);
    }
  }
}
