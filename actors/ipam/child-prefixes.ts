// The space of a parent prefix (a super network) from which child prefixes are cut: go-ipam's best fit as a buddy system. The free space is kept
// as its maximal blocks by length; cutting splits one block, releasing joins halves again, so both touch at most one block a length.
import { addressBits } from './address.ts';
import type { Address } from './address.ts';
import { createFreeBlocks } from './free-blocks.ts';
import type { FreeBlocks } from './free-blocks.ts';
import { comparePrefixes, covers, prefixOf } from './prefix.ts';
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
  /** The maximal free blocks, ascending. */
  free(): Prefix[];
}

/** A space without children. */
export function createChildSpace(parent: Prefix): ChildSpace {
  const bits = addressBits(parent.family);
  // Both by length; made when first needed, since most lengths of an IPv6 parent never are.
  const freeOf: (FreeBlocks | undefined)[] = [];
  const acquiredOf: (Set<bigint> | undefined)[] = [];
  let children = 0;

  const addressOf = (value: bigint): Address =>
    parent.family === 'IPv4' ? { family: 'IPv4', value: Number(value) } : { family: 'IPv6', value };
  const sizeOf = (length: number): bigint => 1n << BigInt(bits - length);
  const addFree = (first: bigint, length: number): void => (freeOf[length] ??= createFreeBlocks()).add(first);

  /** Takes `first/length` out of the free block of length `from` that covers it; what is left stays free as maximal blocks. */
  const cut = (first: bigint, length: number, from: number): void => {
    freeOf[from]!.remove(first & -sizeOf(from));
    for (let half = from + 1; half <= length; half++) addFree((first & -sizeOf(half)) ^ sizeOf(half), half);
    (acquiredOf[length] ??= new Set()).add(first);
    children++;
  };

  const isChildLength = (length: number): boolean =>
    Number.isInteger(length) && length > parent.length && length <= bits;
  const isAcquired = (child: Prefix): boolean =>
    covers(parent, child) && (acquiredOf[child.length]?.has(BigInt(child.first)) ?? false);

  addFree(BigInt(parent.first), parent.length);

  return {
    parent,
    get children() {
      return children;
    },
    get availableSmallest() {
      let sum = 0n;
      freeOf.forEach((blocks, length) => {
        if (blocks !== undefined) sum += BigInt(blocks.size) * smallestBlocks(prefixOf(addressOf(0n), length));
      });
      return sum;
    },
    acquire(length) {
      if (!isChildLength(length)) return undefined;
      for (let from = length; from >= parent.length; from--) {
        const first = freeOf[from]?.lowest();
        if (first === undefined) continue;
        cut(first, length, from);
        return prefixOf(addressOf(first), length);
      }
      return undefined;
    },
    acquireSpecific(child) {
      if (!isChildLength(child.length) || !covers(parent, child)) return false;
      const first = BigInt(child.first);
      for (let from = child.length; from >= parent.length; from--) {
        if (!freeOf[from]?.has(first & -sizeOf(from))) continue;
        cut(first, child.length, from);
        return true;
      }
      return false;
    },
    release(child) {
      if (!isAcquired(child)) return false;
      let first = BigInt(child.first);
      let length = child.length;
      acquiredOf[length]!.delete(first);
      children--;
      while (length > parent.length && freeOf[length]?.remove(first ^ sizeOf(length))) {
        length--;
        first &= -sizeOf(length);
      }
      addFree(first, length);
      return true;
    },
    has: isAcquired,
    free: () =>
      freeOf
        .flatMap((blocks, length) =>
          blocks === undefined ? [] : Array.from(blocks, (first) => prefixOf(addressOf(first), length)),
        )
        .sort(comparePrefixes),
  };
}
