// Into what blocks a global prefix is cut, and which of them are given (design.md §6).
import { addressAt, addressBits, type Address } from '../ipam/address.ts';
import { createAddressSet, defaultReserved } from '../ipam/address-set.ts';
import { firstAddress, hostBits, lastAddress, prefixOf, size, splitAt, type Prefix } from '../ipam/prefix.ts';

/**
 * A federation is expected to grow to so many sites; the length of blocks can't be changed once some are out.
 *
 * The limit: a prefix no larger than a /16 (IPv6: /112) has sixteen blocks (a /28 fourteen, since the two ends are nobody's), so
 * of more than sixteen partitions that use it some hold none. They are lent single free addresses of the others while the link
 * stands; cut off from the home they have none to give out. Another prefix brings another sixteen blocks.
 */
export const EXPECTED_MEMBERS = 4;
const LARGEST_BLOCK_BITS = 12;
// At least four blocks per expected member: sixteen in all.
const SHARE_BITS = 4;

/** Length of the blocks of a prefix: the largest of 1 to 4,096 addresses that gives four per expected member. */
export const blockLength = (prefix: Prefix): number =>
  addressBits(prefix.family) - Math.max(0, Math.min(LARGEST_BLOCK_BITS, hostBits(prefix) - SHARE_BITS));

/** Whether anybody may acquire an address of the prefix: not where all are reserved. */
export const hasUsable = (prefix: Prefix): boolean =>
  size(prefix) > (defaultReserved(prefix) === 'network-and-broadcast' ? 2n : 1n);

export interface BlockSpace {
  readonly prefix: Prefix;
  /** Of every block. */
  readonly length: number;
  /** Blocks that nobody has. */
  readonly free: bigint;
  /** Addresses of free blocks that nobody may ever acquire: the first and, for IPv4, the last of the prefix. */
  readonly reserved: number;
  /** Blocks that are nothing but a reserved address, and therefore nobody's, ever: of single-address blocks only. */
  readonly neverGiven: number;
  /** How many free blocks lie one after the other at most. */
  largestFreeRun(): bigint;
  /** The lowest free blocks. Nothing is taken by asking. */
  lowest(count: number): Prefix[];
  isFree(block: Prefix): boolean;
  /** False if it is taken, or no block of this prefix. */
  take(block: Prefix): boolean;
  release(block: Prefix): boolean;
}

/** A prefix of which no block is given. Blocks that are nothing but a reserved address are never free. */
export function createBlockSpace(prefix: Prefix): BlockSpace {
  const length = blockLength(prefix);
  const bits = addressBits(prefix.family);
  const shift = BigInt(bits - length);
  // The same structure that finds the lowest free address finds the lowest free block: one bit a block.
  const zero: Address = prefix.family === 'IPv4' ? { family: 'IPv4', value: 0 } : { family: 'IPv6', value: 0n };
  const taken = createAddressSet(prefixOf(zero, bits - (length - prefix.length)), { reserved: 'none' });
  const bitOf = (block: Prefix): Address | undefined => {
    if (block.family !== prefix.family || block.length !== length) return undefined;
    const index = (BigInt(block.first) - BigInt(prefix.first)) >> shift;
    return index < 0n || index > BigInt(taken.prefix.last) ? undefined : addressAt(taken.prefix, index);
  };
  const take = (block: Prefix): boolean => {
    const bit = bitOf(block);
    return bit !== undefined && taken.acquire(bit);
  };
  const isFree = (block: Prefix): boolean => {
    const bit = bitOf(block);
    return bit !== undefined && !taken.has(bit);
  };
  if (length === bits) {
    take(prefixOf(firstAddress(prefix), length));
    if (defaultReserved(prefix) === 'network-and-broadcast') take(prefixOf(lastAddress(prefix), length));
  }
  const neverGiven = taken.heldCount;

  return {
    prefix,
    length,
    get free() {
      return taken.freeCount;
    },
    get reserved() {
      if (length === bits) return 0;
      const ends = [firstAddress(prefix)];
      if (defaultReserved(prefix) === 'network-and-broadcast') ends.push(lastAddress(prefix));
      return ends.filter((address) => isFree(prefixOf(address, length))).length;
    },
    neverGiven,
    largestFreeRun: () => taken.largestFreeRun(),
    lowest(count) {
      const blocks: Prefix[] = [];
      let bit = taken.lowestFree();
      while (bit !== undefined && blocks.length < count) {
        blocks.push(splitAt(prefix, length, bit.value));
        bit = taken.lowestFreeFrom(BigInt(bit.value) + 1n);
      }
      return blocks;
    },
    isFree,
    take,
    release(block) {
      const bit = bitOf(block);
      return bit !== undefined && taken.release(bit);
    },
  };
}
