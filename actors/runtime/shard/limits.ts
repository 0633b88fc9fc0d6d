/** What a shard takes on at most. */
export interface ShardLimits {
  inbox: number;
  batch: number;
  /** An actor idle for so long leaves memory. */
  passivateMs: number;
  /** Actors in memory; beyond it the longest idle ones leave. */
  resident: number;
  /** Asks from outside that wait in the shard. */
  waiting: number;
  /** Milliseconds that one more would have to wait, by what was answered lately. */
  waitMs: number;
  /** Longest group in operations; process tests make it small, so that what is split is exercised. */
  operationsPerGroup: number;
}

export const LIMITS: ShardLimits = {
  inbox: 1024,
  batch: 256,
  passivateMs: 600_000,
  resident: 10_000,
  waiting: 16_384,
  waitMs: 5_000,
  operationsPerGroup: 512,
};
