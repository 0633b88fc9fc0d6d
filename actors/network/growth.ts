// How fast a network fills: what was held, now and then over the last week. In memory; what was held before a restart is
// noted by the hour outside of the actor, and comes with the question.

export interface Growth {
  /** More held addresses (less, if negative) a day. */
  perDay: number;
  /** The time that this was seen over. */
  overHours: number;
}

export interface GrowthSample {
  atMs: number;
  held: number;
}

export interface GrowthLog {
  /** Cheap between two samples: `held` is only asked for then. */
  note(nowMs: number, held: () => number): void;
  /** null: not watched for long enough. */
  at(nowMs: number, held: number, before?: GrowthSample): Growth | null;
}

const SAMPLE_MS = 600_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What is older does not count for the rate. */
export const LONGEST_WATCH_MS = 7 * DAY_MS;
const MOST_SAMPLES = LONGEST_WATCH_MS / SAMPLE_MS;

export function createGrowthLog(): GrowthLog {
  const samples: GrowthSample[] = [];
  return {
    note(nowMs, held) {
      const last = samples.at(-1);
      // The wall clock may be set back: then the watch begins anew.
      if (last !== undefined && nowMs < last.atMs) samples.length = 0;
      else if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
      samples.push({ atMs: nowMs, held: held() });
      if (samples.length > MOST_SAMPLES) samples.shift();
    },
    at(nowMs, held, before) {
      const [own] = samples;
      const first = before !== undefined && before.atMs <= (own?.atMs ?? nowMs) ? before : own;
      const elapsedMs = nowMs - (first?.atMs ?? nowMs);
      if (first === undefined || elapsedMs < SAMPLE_MS) return null;
      return { perDay: ((held - first.held) * DAY_MS) / elapsedMs, overHours: elapsedMs / HOUR_MS };
    },
  };
}

/** Hours until `free` is used up at that rate; null: it does not shrink, or nobody knows. */
export const hoursUntilFull = (free: number, growth: Growth | null): number | null =>
  growth === null || growth.perDay <= 0 ? null : (24 * free) / growth.perDay;
