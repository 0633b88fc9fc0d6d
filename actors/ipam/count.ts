// Counts of addresses that leave an actor: up to 2^128, exact, over every codec and in JSON.

/** A number up to 2^53 − 1; decimal text beyond, since most readers of JSON lose digits there. */
export type Count = number | string;

const LARGEST_NUMBER = BigInt(Number.MAX_SAFE_INTEGER);

export const countOf = (exact: bigint): Count => (exact <= LARGEST_NUMBER ? Number(exact) : String(exact));

/** The inverse of {@link countOf}; a site of an older version says a number where it would say text today. */
export const exactly = (count: Count): bigint => BigInt(count);

/** How much of the free space is not its largest run: 0, it is one run; near 1, it lies in many small ones. 0 if none is free. */
export const fragmentationOf = (largest: bigint, free: bigint): number =>
  free === 0n ? 0 : (1_000_000 - Number((largest * 1_000_000n) / free)) / 1_000_000;
