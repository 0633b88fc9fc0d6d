// Blocks of one length in a prefix, numbered from its start, as sets and maps hold them.
//
// V8 hashes a bigint by its lowest 64 bits alone. First addresses of IPv6 prefixes of /64 and shorter have zeros there, so that all of them would
// fall into one bucket, and each look-up would walk over every one that is held. Their numbers differ in the low bits.

/** A number where one is exact: smaller than a bigint, and faster. Both compare by `<`. */
export type BlockIndex = number | bigint;

const LARGEST_NUMBER = BigInt(Number.MAX_SAFE_INTEGER);
const HASHED_BITS = 64;
// 2^64 over the golden ratio (Knuth, TAOCP 3, 6.4): neighbours among the upper parts land far apart.
const SPREAD = 0x9e3779b97f4a7c15n;

export const blockIndex = (index: bigint): BlockIndex => (index <= LARGEST_NUMBER ? Number(index) : index);

/** What a set or a map is to be keyed by: another one for each block, with every bit of the number in those that are hashed. */
export const blockKey = (index: BlockIndex): BlockIndex =>
  typeof index === 'number' ? index : index ^ BigInt.asUintN(HASHED_BITS, (index >> BigInt(HASHED_BITS)) * SPREAD);
