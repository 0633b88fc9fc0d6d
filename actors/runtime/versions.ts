const COUNTER_BITS = 2 ** 32;

export interface Versions {
  /** The next version: larger than every one drawn before, in this and all earlier epochs. */
  next(): number;
}

/**
 * Versions of rows: the epoch, then a counter. An epoch is never used twice in a scope, so a version never falls, also
 * when a released row was swept and its key comes back. Safe integers up to epoch 2,097,151.
 */
export function createVersions(epoch: number): Versions {
  let counter = 0;
  const base = epoch * COUNTER_BITS;
  if (!Number.isSafeInteger(base + COUNTER_BITS))
    throw new RangeError(`epoch ${epoch} is beyond what a version can hold`);
  return {
    next: () => base + ++counter,
  };
}
