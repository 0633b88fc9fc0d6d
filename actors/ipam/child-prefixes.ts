// The space of a parent prefix (a super network) from which child prefixes are cut: go-ipam's best fit as a buddy system. The free space is kept
// as its maximal blocks by length; cutting splits one block, releasing joins halves again, so both touch at most one block a length.
import { addressBits } from './address.ts';
import { blockIndex, blockKey, type BlockIndex } from './block-index.ts';
import { createFreeBlocks } from './free-blocks.ts';
import type { FreeBlocks } from './free-blocks.ts';
import { push, takeAt, type Heap } from './heap.ts';
import { covers, splitAt } from './prefix.ts';
import type { Prefix } from './prefix.ts';
import { smallestBlocks } from './usage.ts';
import type { ChildUsage } from './usage.ts';

export interface ChildSpace extends ChildUsage {
  readonly parent: Prefix;
  /** Children acquired now. */
  readonly children: number;
  /** `/30` (IPv4) or `/126` (IPv6) blocks that no child touches, exact. */
  readonly availableSmallest: bigint;
  /**
   * Cuts a child: among the maximal free blocks the smallest that is large enough, the lowest on a tie, and of it the first part (networks.md
   * §3.2). `undefined` if no block is large enough, or the length is not longer than the parent's or longer than the family's. The child is taken
   * at once; `release` it if the operation that wanted it is given up, and the space is as before.
   */
  acquire(length: number): Prefix | undefined;
  /** Takes exactly this child. False unless all of it is free and it is longer than the parent. */
  acquireSpecific(child: Prefix): boolean;
  /** Gives back a child that was acquired, with the same length. False if there is none. */
  release(child: Prefix): boolean;
  /** Whether exactly this child is acquired. */
  has(child: Prefix): boolean;
  /** How many maximal free blocks there are. */
  readonly freeBlocks: number;
  /** Addresses in no child. */
  readonly freeAddresses: bigint;
  /** The lowest of the largest free blocks. */
  readonly largestFree: Prefix | undefined;
  /** How many children of that length can still be cut. */
  room(length: number): bigint;
  /** The lowest maximal free blocks, ascending; all unless `most` are enough. Others than these are not looked at. */
  free(most?: number): Prefix[];
}

/** The lowest free block of a length that is not listed yet, and where those after it come from. */
interface Candidate {
  /** Counted from the parent's first address. */
  readonly first: bigint;
  readonly index: bigint;
  readonly length: number;
  readonly others: Iterator<bigint, void>;
}

/** A space without children. */
export function createChildSpace(parent: Prefix): ChildSpace {
  const bits = addressBits(parent.family);
  // Both by length; made when first needed, since most lengths of an IPv6 parent never are.
  const freeOf: (FreeBlocks | undefined)[] = [];
  const acquiredOf: (Set<BlockIndex> | undefined)[] = [];
  let children = 0;

  const sizeOf = (length: number): bigint => 1n << BigInt(bits - length);
  /** Over all free blocks, from how many there are of each length. */
  const sumOfFree = (each: (length: number) => bigint): bigint => {
    let sum = 0n;
    freeOf.forEach((blocks, length) => {
      if (blocks !== undefined) sum += BigInt(blocks.size) * each(length);
    });
    return sum;
  };

  const addFree = (index: bigint, length: number): void => (freeOf[length] ??= createFreeBlocks()).add(index);
  const keyOf = (index: bigint): BlockIndex => blockKey(blockIndex(index));
  /** Only of a prefix in the parent. */
  const indexOf = ({ first, length }: Prefix): bigint =>
    (BigInt(first) - BigInt(parent.first)) >> BigInt(bits - length);
  /** The block of a shorter length that covers it. */
  const covering = (index: bigint, length: number, shorter: number): bigint => index >> BigInt(length - shorter);

  /** Takes the block out of the free one of length `from` that covers it; what is left stays free as maximal blocks. */
  const cut = (index: bigint, length: number, from: number): void => {
    freeOf[from]!.remove(covering(index, length, from));
    for (let half = from + 1; half <= length; half++) addFree(covering(index, length, half) ^ 1n, half);
    (acquiredOf[length] ??= new Set()).add(keyOf(index));
    children++;
  };

  const isChildLength = (length: number): boolean =>
    Number.isInteger(length) && length > parent.length && length <= bits;
  const isAcquired = (child: Prefix): boolean =>
    covers(parent, child) && (acquiredOf[child.length]?.has(keyOf(indexOf(child))) ?? false);

  addFree(0n, parent.length);

  return {
    parent,
    get children() {
      return children;
    },
    get availableSmallest() {
      return sumOfFree((length) => smallestBlocks({ family: parent.family, length }));
    },
    get freeBlocks() {
      return Number(sumOfFree(() => 1n));
    },
    get freeAddresses() {
      return sumOfFree(sizeOf);
    },
    get largestFree() {
      const length = freeOf.findIndex((blocks) => blocks !== undefined && blocks.size > 0);
      const lowest = freeOf[length]?.lowest();
      return lowest === undefined ? undefined : splitAt(parent, length, lowest);
    },
    room: (length) => sumOfFree((from) => (from <= length ? 1n << BigInt(length - from) : 0n)),
    acquire(length) {
      if (!isChildLength(length)) return undefined;
      for (let from = length; from >= parent.length; from--) {
        const block = freeOf[from]?.lowest();
        if (block === undefined) continue;
        const index = block << BigInt(length - from);
        cut(index, length, from);
        return splitAt(parent, length, index);
      }
      return undefined;
    },
    acquireSpecific(child) {
      const { length } = child;
      if (!isChildLength(length) || !covers(parent, child)) return false;
      const index = indexOf(child);
      for (let from = length; from >= parent.length; from--) {
        if (!freeOf[from]?.has(covering(index, length, from))) continue;
        cut(index, length, from);
        return true;
      }
      return false;
    },
    release(child) {
      if (!isAcquired(child)) return false;
      let { length } = child;
      let index = indexOf(child);
      acquiredOf[length]!.delete(keyOf(index));
      children--;
      while (length > parent.length && freeOf[length]?.remove(index ^ 1n)) {
        length--;
        index >>= 1n;
      }
      addFree(index, length);
      return true;
    },
    has: isAcquired,
    free(most = Infinity) {
      // The lengths merged: of each one only as many blocks as are listed, and the next.
      const next: Heap<Candidate> = { items: [], isBefore: (one, other) => one.first < other.first };
      const advance = (length: number, others: Iterator<bigint, void>): void => {
        const { value: index } = others.next();
        if (index !== undefined) push(next, { first: index * sizeOf(length), index, length, others });
      };
      freeOf.forEach((blocks, length) => blocks && advance(length, blocks[Symbol.iterator]()));
      const found: Prefix[] = [];
      while (found.length < most) {
        const lowest = takeAt(next, 0);
        if (lowest === undefined) break;
        found.push(splitAt(parent, lowest.length, lowest.index));
        advance(lowest.length, lowest.others);
      }
      return found;
    },
  };
}
