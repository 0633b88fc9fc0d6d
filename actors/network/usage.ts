// What an actor tells of the addresses it gives out, beyond the four numbers that metal-api knows.
import { addressBits } from '../ipam/address.ts';
import type { ChildSpace } from '../ipam/child-prefixes.ts';
import { contains, size, type Prefix } from '../ipam/prefix.ts';
import { parseAddress } from '../ipam/address.ts';
import { hoursUntilFull, type Growth, type GrowthLog, type GrowthSample } from './growth.ts';
import type { AddressSpace } from './address-space.ts';
import { standingOf, type Standing } from './standing.ts';

/** Counts of addresses; one beyond 2^53 − 1 is shown as that. */
export interface RangeUsage {
  /** The network's prefix, as stored there. */
  prefix: string;
  /** The prefix itself, or the block of it. */
  range: string;
  size: number;
  /** Nobody may acquire them. */
  reserved: number;
  /** In use, lent ones included. */
  held: number;
  /** Kept back after their release. */
  resting: number;
  free: number;
  /** false: on its way out of the network, or home, or doubtful. */
  open: boolean;
  /** Closed since the site was restored from a backup (reliability.md F24). */
  doubtful: boolean;
}

/** The free space of a prefix that children are cut from. */
export interface ChildrenUsage {
  prefix: string;
  children: number;
  /** `/30` or `/126` blocks that no child touches. */
  freeSmallest: number;
  /** The largest free block; null: there is none. */
  largestFree: string | null;
  /** 0: all free space is one block; near 1: it lies in many small ones. */
  fragmentation: number;
}

/** Blocks of one prefix of a global network at its home. */
export interface SpareUsage {
  prefix: string;
  blockLength: number;
  given: number;
  free: number;
  /** Addresses in free blocks that may be acquired, and that may not. */
  freeAddresses: number;
  reservedAddresses: number;
}

export interface UsagePart {
  network: string;
  ranges: RangeUsage[];
  children: ChildrenUsage[];
  /** Addresses and child prefixes that an operation is about to take or give back. */
  inOperation: number;
  lent: number;
  borrowed: number;
  /** Of held addresses. */
  growth: Growth | null;
  /** Until what is here is used up at this rate: for blocks of a global network, the hours left while cut off. */
  hoursLeft: number | null;
}

const count = (value: bigint): number =>
  Number(value > BigInt(Number.MAX_SAFE_INTEGER) ? BigInt(Number.MAX_SAFE_INTEGER) : value);

export const heldIn = (space: AddressSpace): number => space.pieces.reduce((sum, { set }) => sum + set.heldCount, 0);

export function rangesOf(space: AddressSpace): RangeUsage[] {
  const resting = [...space.resting].flatMap(([text]) => parseAddress(text) ?? []);
  return space.pieces.map(({ prefix, set, open, doubtful = false }) => {
    const kept = resting.filter((address) => contains(set.prefix, address) && set.has(address)).length;
    return {
      prefix,
      range: set.prefix.canonical,
      size: count(size(set.prefix)),
      reserved: set.reservedCount,
      held: set.heldCount - kept,
      resting: kept,
      free: count(set.freeCount),
      open,
      doubtful,
    };
  });
}

export function childrenUsage(parent: Prefix, space: ChildSpace | undefined): ChildrenUsage {
  const free = space?.free() ?? [parent];
  const largest = free.reduce<Prefix | undefined>(
    (best, one) => (!best || one.length < best.length ? one : best),
    undefined,
  );
  const total = free.reduce((sum, one) => sum + size(one), 0n);
  const smallest = 1n << BigInt(Math.max(0, addressBits(parent.family) - parent.length - 2));
  return {
    prefix: parent.canonical,
    children: space?.children ?? 0,
    freeSmallest: count(space?.availableSmallest ?? smallest),
    largestFree: largest?.canonical ?? null,
    fragmentation: largest === undefined ? 0 : 1 - Number((size(largest) * 1_000_000n) / total) / 1_000_000,
  };
}

const standing = (space: AddressSpace, wanted: Standing): number =>
  [...space.loans.values()].filter((loan) => standingOf({ loan }) === wanted).length;

export function usagePart(
  network: string,
  space: AddressSpace,
  growth: GrowthLog,
  nowMs: number,
  more: { children: ChildrenUsage[]; inOperation: number; before?: GrowthSample | undefined },
): UsagePart {
  const ranges = rangesOf(space);
  const held = heldIn(space);
  growth.note(nowMs, () => held);
  const rate = growth.at(nowMs, held, more.before);
  const free = ranges.reduce((sum, range) => sum + (range.open ? range.free : 0), 0);
  return {
    network,
    ranges,
    children: more.children,
    inOperation: space.inFlight.size + more.inOperation,
    lent: standing(space, 'lent'),
    borrowed: standing(space, 'borrowed'),
    growth: rate,
    hoursLeft: hoursUntilFull(free, rate),
  };
}

/** As a home sees the blocks of one prefix. */
export const spareUsage = (
  prefix: string,
  of: { length: number; free: bigint; reserved: number; family: Prefix['family'] },
  given: number,
): SpareUsage => ({
  prefix,
  blockLength: of.length,
  given,
  free: count(of.free),
  freeAddresses: count((of.free << BigInt(addressBits(of.family) - of.length)) - BigInt(of.reserved)),
  reservedAddresses: of.reserved,
});
