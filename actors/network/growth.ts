// How fast a network fills, by family: what was taken of it, now and then over the last week. In memory; what was taken
// before a restart is noted by the hour outside of the actor, and comes with the question.
import type { Family } from '../ipam/address.ts';

/** Addresses in use; of a super network those that lie in its children. Beyond 2^53 rounded: only a rate comes of it. */
export type Taken = Record<Family, number>;

export interface Growth {
  /** More taken (less, if negative) a day. */
  perDay: number;
  /** The time that this was seen over. */
  overHours: number;
}

export interface GrowthSample {
  atMs: number;
  /** A family is absent when nobody noted it then. */
  taken: Partial<Taken>;
}

export interface GrowthLog {
  /** Cheap between two samples: `taken` is only asked for then. */
  note(nowMs: number, taken: () => Taken): void;
  /** null: not watched for long enough. */
  at(nowMs: number, family: Family, taken: number, before?: GrowthSample): Growth | null;
}

const SAMPLE_MS = 600_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** What is older does not count for the rate. */
export const LONGEST_WATCH_MS = 7 * DAY_MS;

export function createGrowthLog(): GrowthLog {
  const samples: Array<{ atMs: number; taken: Taken }> = [];
  const dropOld = (nowMs: number): void => {
    while (samples.length > 0 && nowMs - samples[0]!.atMs > LONGEST_WATCH_MS) samples.shift();
  };
  return {
    note(nowMs, taken) {
      const last = samples.at(-1);
      // The wall clock may be set back: then the watch begins anew.
      if (last !== undefined && nowMs < last.atMs) samples.length = 0;
      else if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
      samples.push({ atMs: nowMs, taken: taken() });
      dropOld(nowMs);
    },
    at(nowMs, family, taken, before) {
      dropOld(nowMs);
      const [own] = samples;
      const isEarlier = before?.taken[family] !== undefined && before.atMs <= (own?.atMs ?? nowMs);
      const first = isEarlier ? before : own;
      const elapsedMs = nowMs - (first?.atMs ?? nowMs);
      const then = first?.taken[family];
      if (then === undefined || elapsedMs < SAMPLE_MS) return null;
      return { perDay: ((taken - then) * DAY_MS) / elapsedMs, overHours: elapsedMs / HOUR_MS };
    },
  };
}

/** No forecast reaches further than a hundred years: a /64 would have one of 10^12 days. */
const LONGEST_FORECAST_HOURS = 24 * 36_525;

/** Hours until `free` is used up at that rate, 0 when nothing is; null: not within a hundred years, or nobody knows. */
export function hoursUntilFull(free: number, growth: Growth | null): number | null {
  if (free <= 0) return 0;
  if (growth === null || growth.perDay <= 0) return null;
  const hours = (24 * free) / growth.perDay;
  return hours > LONGEST_FORECAST_HOURS ? null : hours;
}

/** The least of them; null when no one is known. */
export const soonest = (hours: ReadonlyArray<number | null>): number | null =>
  hours.reduce<number | null>((least, one) => (one === null || (least !== null && least <= one) ? least : one), null);
