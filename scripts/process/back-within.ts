// How long a shard may be away, by reliability.md F02 and F03.

/** From the death of its thread until it serves again. */
export const BACK_AFTER_DEATH_MS = 1_000;
/** From the beginning of an endless loop, which has to be noticed first. */
export const BACK_AFTER_HANG_MS = 5_000;

/**
 * What tests with real threads grant on a busy machine. That the product's own limits add up to less is shown in virtual
 * time (replacement.test.ts); how long it takes on a quiet machine is printed.
 */
export const BUSY = { death: 10 * BACK_AFTER_DEATH_MS, hang: 5 * BACK_AFTER_HANG_MS };
