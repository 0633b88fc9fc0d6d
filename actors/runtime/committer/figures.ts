// What is counted of the groups that a shard sends.

/** Upper ends of the sizes of groups, in operations. */
export const GROUP_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;
/** Upper ends of the times of a group from its sending to the database's answer, in milliseconds. */
export const COMMIT_TIMES_MS = [1, 2, 5, 10, 25, 50, 100, 250, 1_000] as const;

export interface GroupFigures {
  sent: number;
  refused: number;
  unknown: number;
  operations: number;
  /** Groups by size, one more than GROUP_SIZES. */
  sizes: number[];
  /** Groups by time, one more than COMMIT_TIMES_MS. */
  timesMs: number[];
  /** Sum of these times. */
  totalMs: number;
}

const bucketOf = (ends: readonly number[], value: number): number => {
  const at = ends.findIndex((end) => value <= end);
  return at < 0 ? ends.length : at;
};
const emptyBuckets = (ends: readonly number[]): number[] => [...ends.map(() => 0), 0];

export const createFigures = (): GroupFigures => ({
  sent: 0,
  refused: 0,
  unknown: 0,
  operations: 0,
  sizes: emptyBuckets(GROUP_SIZES),
  timesMs: emptyBuckets(COMMIT_TIMES_MS),
  totalMs: 0,
});

export function countSent(figures: GroupFigures, operations: number): void {
  figures.sent++;
  figures.operations += operations;
  figures.sizes[bucketOf(GROUP_SIZES, operations)]!++;
}

export function countAnswered(figures: GroupFigures, tookMs: number): void {
  figures.timesMs[bucketOf(COMMIT_TIMES_MS, tookMs)]!++;
  figures.totalMs += tookMs;
}
