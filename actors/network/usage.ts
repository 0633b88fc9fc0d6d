// What an actor tells of the addresses it gives out, beyond the four numbers that metal-api knows. All counts are exact.
import { addressBits, type Family } from '../ipam/address.ts';
import { createChildSpace, type ChildSpace } from '../ipam/child-prefixes.ts';
import { countOf, fragmentationOf, type Count } from '../ipam/count.ts';
import type { AddressSet } from '../ipam/address-set.ts';
import { size, type Prefix } from '../ipam/prefix.ts';
import type { BlockSpace } from '../block/block-space.ts';
import { hoursUntilFull, soonest, type Growth, type GrowthLog, type GrowthSample, type Taken } from './growth.ts';
import { restingIn, usedIn, type AddressSpace } from './address-space.ts';
import { standingOf, type Standing } from './standing.ts';

/** `reserved + held + resting + free` is `size`. */
export interface RangeUsage {
  /** The network's prefix, as stored there. */
  prefix: string;
  /** The prefix itself, or the block of it. */
  range: string;
  size: Count;
  /** Nobody may acquire them. */
  reserved: number;
  /** In use, lent ones and those that an operation is about to take or give back included. */
  held: number;
  /** Kept back after their release. */
  resting: number;
  free: Count;
  /** How many free ones lie one after the other at most; null: too many are held to look through them here. */
  largestFree: Count | null;
  /** `largestFree` may be more: so many are held that they are looked through roughly. */
  rough?: boolean;
  /** false: on its way out of the network, or home, or doubtful. Nobody gets what is free. */
  open: boolean;
  /** Closed since the site was restored from a backup (reliability.md F24). */
  doubtful: boolean;
}

/** The space of a prefix that children are cut from. `held + free` is `size`. */
export interface ChildrenUsage {
  prefix: string;
  size: Count;
  children: number;
  /** Addresses in children; those that an operation is about to cut or give back included. */
  held: Count;
  free: Count;
  /** `/30` or `/126` blocks that no child touches. */
  freeSmallest: Count;
  /** The largest free block; null: there is none. */
  largestFree: string | null;
  /** 0: all free space is one block; near 1: it lies in many small ones. */
  fragmentation: number;
  /** Length of a child when none is asked for; null: it has to be named. */
  childLength: number | null;
  /** So many children of that length fit in. */
  room: Count | null;
}

/** Blocks of one prefix of a global network at its home. `freeAddresses + reservedAddresses` is what no partition has. */
export interface SpareUsage {
  prefix: string;
  blockLength: number;
  given: number;
  free: Count;
  /** Addresses in blocks that nobody has: those that may be acquired, and those that may not. */
  freeAddresses: Count;
  reservedAddresses: number;
  /** How many free blocks lie one after the other at most. */
  largestFree: Count;
  /** Of the free blocks. */
  fragmentation: number;
}

/** How fast the addresses of a family go. */
export interface FamilyRate {
  family: Family;
  /** Of addresses in use; of a super network, of addresses in its children. */
  growth: Growth | null;
  /** Until what is here is used up at this rate: for blocks of a global network, the hours left while cut off. */
  hoursLeft: number | null;
}

export interface UsagePart {
  network: string;
  ranges: RangeUsage[];
  children: ChildrenUsage[];
  /** Addresses and child prefixes that an operation is about to take, change or give back; they count as held, too. */
  inOperation: number;
  lent: number;
  /** Of other partitions' blocks, whose `held` counts them. */
  borrowed: number;
  /** Of the families of the network. */
  families: FamilyRate[];
  /** Of the family that is used up first. */
  hoursLeft: number | null;
}

/** By family, blocks' and borrowed ones. What is kept back after its release is nobody's, and comes back by itself. */
export function takenIn(space: AddressSpace): Taken {
  const taken: Taken = { IPv4: 0, IPv6: 0 };
  for (const piece of space.pieces) taken[piece.set.prefix.family] += usedIn(space, piece);
  for (const { family } of space.strays.values()) taken[family]++;
  return taken;
}

/** A walk over so many words of 64 addresses (a full /14) takes 1 to 25 ms (measured); the shard does nothing else meanwhile. */
const MOST_WORDS = 4_096;
/** A rough look at so many, a million scattered addresses, takes 10 to 20 ms. */
const MOST_WORDS_ROUGHLY = 2 ** 20;

/** Looks through one set after the other, exactly as long as that is soon done. */
function largestFreeIn(): (set: AddressSet) => Pick<RangeUsage, 'largestFree' | 'rough'> {
  let [exactly, roughly] = [MOST_WORDS, MOST_WORDS_ROUGHLY];
  return (set) => {
    if (set.words <= exactly) {
      exactly -= set.words;
      return { largestFree: countOf(set.largestFreeRun()) };
    }
    if (set.words > roughly) return { largestFree: null };
    roughly -= set.words;
    return { largestFree: countOf(set.roughFreeRun()), rough: true };
  };
}

function rangesOf(space: AddressSpace): RangeUsage[] {
  const largestFree = largestFreeIn();
  return space.pieces.map((piece) => {
    const { prefix, set, open, doubtful = false } = piece;
    return {
      prefix,
      range: set.prefix.canonical,
      size: countOf(size(set.prefix)),
      reserved: set.reservedCount,
      held: usedIn(space, piece),
      resting: restingIn(space, piece),
      free: countOf(set.freeCount),
      ...largestFree(set),
      open,
      doubtful,
    };
  });
}

export function childrenUsage(
  parent: Prefix,
  space: ChildSpace = createChildSpace(parent),
  childLength?: number,
): ChildrenUsage {
  const { children, freeAddresses, availableSmallest, largestFree } = space;
  return {
    prefix: parent.canonical,
    size: countOf(size(parent)),
    children,
    held: countOf(size(parent) - freeAddresses),
    free: countOf(freeAddresses),
    freeSmallest: countOf(availableSmallest),
    largestFree: largestFree?.canonical ?? null,
    fragmentation: fragmentationOf(largestFree === undefined ? 0n : size(largestFree), freeAddresses),
    childLength: childLength ?? null,
    room: childLength === undefined ? null : countOf(space.room(childLength)),
  };
}

/** By family, what lies in children. */
export function cutFrom(children: Iterable<ChildSpace>): Taken {
  const taken: Taken = { IPv4: 0, IPv6: 0 };
  for (const { parent, freeAddresses } of children) taken[parent.family] += Number(size(parent) - freeAddresses);
  return taken;
}

const standing = (space: AddressSpace, wanted: Standing): number =>
  [...space.loans.values()].filter((loan) => standingOf({ loan }) === wanted).length;

/** What can still be had, by family: of open ranges, and for children of the usual length. */
function leftIn(ranges: readonly RangeUsage[], children: readonly ChildrenUsage[]): Taken {
  const left: Taken = { IPv4: 0, IPv6: 0 };
  const familyOf = (prefix: string): Family => (prefix.includes(':') ? 'IPv6' : 'IPv4');
  for (const { open, free, range } of ranges) if (open) left[familyOf(range)] += Number(free);
  for (const { prefix, free, room, childLength } of children) {
    const family = familyOf(prefix);
    const usable = room === null ? Number(free) : Number(room) * 2 ** (addressBits(family) - childLength!);
    left[family] += usable;
  }
  return left;
}

export function usagePart(
  network: string,
  space: AddressSpace,
  { growth, taken }: { growth: GrowthLog; taken: Taken },
  nowMs: number,
  more: {
    families: readonly Family[];
    children: ChildrenUsage[];
    inOperation: number;
    before?: GrowthSample | undefined;
  },
): UsagePart {
  const ranges = rangesOf(space);
  growth.note(nowMs, () => taken);
  const left = leftIn(ranges, more.children);
  const families = more.families.map((family): FamilyRate => {
    const rate = growth.at(nowMs, family, taken[family], more.before);
    return { family, growth: rate, hoursLeft: hoursUntilFull(left[family], rate) };
  });
  return {
    network,
    ranges,
    children: more.children,
    inOperation: space.inFlight.size + more.inOperation,
    lent: standing(space, 'lent'),
    borrowed: standing(space, 'borrowed'),
    families,
    hoursLeft: soonest(families.map(({ hoursLeft }) => hoursLeft)),
  };
}

/** As a home sees the blocks of one prefix. */
export function spareUsage(
  prefix: string,
  of: Pick<BlockSpace, 'prefix' | 'length' | 'free' | 'reserved' | 'neverGiven' | 'largestFreeRun'>,
  given: number,
): SpareUsage {
  const largest = of.largestFreeRun();
  const addresses = of.free << BigInt(addressBits(of.prefix.family) - of.length);
  return {
    prefix,
    blockLength: of.length,
    given,
    free: countOf(of.free),
    freeAddresses: countOf(addresses - BigInt(of.reserved)),
    reservedAddresses: of.reserved + of.neverGiven,
    largestFree: countOf(largest),
    fragmentation: fragmentationOf(largest, of.free),
  };
}
