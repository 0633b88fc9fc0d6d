// Sums of what the sites told of a network: by family, by prefix, by block, by partition. Each address counts once.
import { addressBits, familyOf, type Family } from '../../actors/ipam/address.ts';
import { countOf, exactly, fragmentationOf, type Count } from '../../actors/ipam/count.ts';
import { parsePrefix, size } from '../../actors/ipam/prefix.ts';
import { hoursUntilFull, soonest, type Growth } from '../../actors/network/growth.ts';
import type { ChildrenUsage, RangeUsage, SpareUsage } from '../../actors/network/usage.ts';
import { knownBlocks, lineOf, type KnownBlock } from './network-blocks.ts';
import type { NetworkParts, PartitionPart } from './network-parts.ts';
import type { UsageAnswer } from './network-shapes.ts';

const NAMES = ['size', 'reserved', 'held', 'resting', 'free', 'closed', 'unknown'] as const;
type Sums = Record<(typeof NAMES)[number], bigint>;
type Counts = Record<(typeof NAMES)[number], Count>;

const sums = (of: Partial<Sums> = {}): Sums => ({
  size: 0n,
  reserved: 0n,
  held: 0n,
  resting: 0n,
  free: 0n,
  closed: 0n,
  unknown: 0n,
  ...of,
});
function add(to: Sums, from: Sums): void {
  for (const name of NAMES) to[name] += from[name];
}
const countsOf = (from: Sums): Counts => Object.fromEntries(NAMES.map((name) => [name, countOf(from[name])])) as Counts;

const sizeOf = (prefix: string): bigint => {
  const parsed = parsePrefix(prefix);
  return parsed === undefined ? 0n : size(parsed);
};

function rangeSums({ size: all, reserved, held, resting, free, open }: RangeUsage): Sums {
  const left = exactly(free);
  return sums({
    size: exactly(all),
    reserved: exactly(reserved),
    held: exactly(held),
    resting: exactly(resting),
    ...(open ? { free: left } : { closed: left }),
  });
}

function blockSums({ block, told, ledger }: KnownBlock): Sums {
  if (told !== undefined) return rangeSums(told);
  const all = sizeOf(block);
  // At home, given to nobody while addresses in it are kept back.
  return ledger?.state === 'resting' ? sums({ size: all, closed: all }) : sums({ size: all, unknown: all });
}

function spareSums({ freeAddresses, reservedAddresses }: SpareUsage): Sums {
  const [free, reserved] = [exactly(freeAddresses), BigInt(reservedAddresses)];
  return sums({ size: free + reserved, free, reserved });
}

const childSums = ({ size: all, held, free }: ChildrenUsage): Sums =>
  sums({ size: exactly(all), held: exactly(held), free: exactly(free) });

/** The most free addresses in one run; null as soon as somebody could not say. `rough`: there may be a longer one. */
interface Run {
  largest: bigint | null;
  rough: boolean;
}
interface PrefixSums extends Run {
  sums: Sums;
}

const exact = (largest: bigint | null): Run => ({ largest, rough: false });

const longer = (a: Run, b: Run): Run => ({
  largest: a.largest === null || b.largest === null ? null : a.largest > b.largest ? a.largest : b.largest,
  rough: a.rough || b.rough,
});

function runOf(range: RangeUsage | undefined): Run {
  if (range?.largestFree == null) return exact(null);
  return range.open ? { largest: exactly(range.largestFree), rough: range.rough ?? false } : exact(0n);
}

function byPrefix(parts: NetworkParts, blocks: readonly KnownBlock[]): Map<string, PrefixSums> {
  const prefixes = new Map<string, PrefixSums>();
  const put = (prefix: string, more: Sums, run: Run): void => {
    const known = prefixes.get(prefix);
    if (known === undefined) prefixes.set(prefix, { sums: more, ...run });
    else {
      add(known.sums, more);
      Object.assign(known, longer(known, run));
    }
  };
  const { ledger } = parts;
  for (const spare of ledger?.spare ?? []) {
    const blockBits = BigInt(addressBits(familyOf(spare.prefix)) - spare.blockLength);
    put(spare.prefix, spareSums(spare), exact(exactly(spare.largestFree) << blockBits));
  }
  for (const known of blocks) {
    put(known.prefix, blockSums(known), runOf(known.told));
    // Given since the home was asked: it counted the block as free.
    const spare = ledger !== null && known.ledger === undefined ? prefixes.get(known.prefix)?.sums : undefined;
    if (spare !== undefined) {
      const again = exactly(known.told?.size ?? 0);
      const reserved = exactly(known.told?.reserved ?? 0);
      add(spare, sums({ size: -again, reserved: -reserved, free: reserved - again }));
    }
  }
  for (const child of parts.parts.flatMap(({ children }) => children)) {
    const largest = child.largestFree === null ? 0n : sizeOf(child.largestFree);
    put(child.prefix, childSums(child), exact(largest));
  }
  // What neither the home nor a holder spoke of.
  if (parts.isGlobal && ledger === null) {
    for (const prefix of parts.prefixes) {
      const missing = sizeOf(prefix) - (prefixes.get(prefix)?.sums.size ?? 0n);
      if (missing > 0n) put(prefix, sums({ size: missing, unknown: missing }), exact(null));
    }
  }
  return prefixes;
}

/** What a partition has of a family. */
function partSums({ ranges, children }: PartitionPart, family: Family): Sums {
  const total = sums();
  for (const range of ranges) if (familyOf(range.range) === family) add(total, rangeSums(range));
  for (const child of children) if (familyOf(child.prefix) === family) add(total, childSums(child));
  return total;
}

/**
 * All partitions' together: each sees its own part of the demand. null while one that has addresses in use can't say its
 * rate, as after a restart: the sum of the others would promise too long a time.
 */
function growthOf(parts: readonly PartitionPart[], family: Family): Growth | null {
  const watched: Growth[] = [];
  for (const part of parts) {
    const growth = part.families.find((one) => one.family === family)?.growth ?? null;
    if (growth !== null) watched.push(growth);
    else if (part.borrowed > 0 || partSums(part, family).held > 0n) return null;
  }
  if (watched.length === 0) return null;
  return {
    perDay: watched.reduce((all, { perDay }) => all + perDay, 0),
    overHours: Math.min(...watched.map(({ overHours }) => overHours)),
  };
}

/** What is left of a family for the forecast: of a super network, room for children of the usual length. */
function leftOf(free: bigint, children: readonly ChildrenUsage[], family: Family): bigint {
  if (children.length === 0) return free;
  return children.reduce(
    (all, { room, childLength, free: any }) =>
      all +
      (room === null || childLength === null
        ? exactly(any)
        : exactly(room) << BigInt(addressBits(family) - childLength)),
    0n,
  );
}

function familyUsage(
  family: Family,
  parts: NetworkParts,
  prefixes: ReadonlyMap<string, PrefixSums>,
): UsageAnswer['families'][number] {
  const total = sums();
  for (const [prefix, of] of prefixes) if (familyOf(prefix) === family) add(total, of.sums);
  const children = parts.parts.flatMap((part) => part.children).filter(({ prefix }) => familyOf(prefix) === family);
  const growth = growthOf(parts.parts, family);
  const childLength = children[0]?.childLength ?? null;
  const hours =
    parts.unreachable.length > 0 ? null : hoursUntilFull(Number(leftOf(total.free, children, family)), growth);
  return {
    family,
    ...countsOf(total),
    children: children.reduce((all, one) => all + one.children, 0),
    growth,
    childPrefixesPerDay:
      growth === null || childLength === null ? null : growth.perDay / 2 ** (addressBits(family) - childLength),
    fullInDays: hours === null ? null : hours / 24,
  };
}

function partitionUsage(part: PartitionPart, isGlobal: boolean): UsageAnswer['partitions'][number] {
  const { partition, site, ranges, inOperation, lent, borrowed, families, hoursLeft } = part;
  return {
    partition,
    site,
    blocks: isGlobal ? ranges.length : 0,
    inOperation,
    lent,
    borrowed,
    families: families.map(({ family, growth, hoursLeft: hours }) => ({
      family,
      ...countsOf(partSums(part, family)),
      growth,
      hoursLeftCutOff: isGlobal ? hours : null,
    })),
    hoursLeftCutOff: isGlobal ? hoursLeft : null,
  };
}

/** Blocks that one answer names. */
const MOST_BLOCKS = 64;

/** Closed and unknown ones last: nobody can do anything about what is left of them. */
function fullest(blocks: readonly KnownBlock[]): KnownBlock[] {
  const left = ({ told }: KnownBlock): number => (told === undefined || !told.open ? Infinity : Number(told.free));
  return blocks.toSorted((a, b) => (left(a) < left(b) ? -1 : left(a) > left(b) ? 1 : 0)).slice(0, MOST_BLOCKS);
}

/** Of the family that is full first; null while of one in use nobody knows how fast it fills: it may be that one. */
function fullFirstIn(families: UsageAnswer['families']): number | null {
  const first = soonest(families.map((one) => one.fullInDays));
  return first === 0 || families.every(({ growth, held }) => growth !== null || exactly(held) === 0n) ? first : null;
}

export function usageOf(network: string, all: NetworkParts): UsageAnswer {
  const { parts, ledger, unreachable, isGlobal } = all;
  const blocks = knownBlocks(all);
  const prefixes = byPrefix(all, blocks);
  const present = new Set([
    ...[...prefixes.keys()].map(familyOf),
    ...parts.flatMap((part) => part.families.map((one) => one.family)),
  ]);
  const families = (['IPv4', 'IPv6'] as const)
    .filter((family) => present.has(family))
    .map((family) => familyUsage(family, all, prefixes));
  const fullInDays = fullFirstIn(families);
  const sum = (of: (part: PartitionPart) => number): number => parts.reduce((so, part) => so + of(part), 0);
  return {
    network,
    fullInDays,
    fullFirst: fullInDays === null ? null : (families.find((one) => one.fullInDays === fullInDays)?.family ?? null),
    families,
    inOperation: sum(({ inOperation }) => inOperation),
    lent: sum(({ lent }) => lent),
    prefixes: [...prefixes].map(([prefix, { sums: total, largest, rough }]) => ({
      prefix,
      family: familyOf(prefix),
      ...countsOf(total),
      fragmentation: largest === null ? null : fragmentationOf(largest, total.free),
      largestFree: largest === null ? null : countOf(largest),
      rough,
    })),
    children: parts.flatMap(({ children }) => children),
    blocks: isGlobal ? { count: blocks.length, fullest: fullest(blocks).map(lineOf) } : { count: 0, fullest: [] },
    spare: ledger?.spare ?? [],
    partitions: parts.map((part) => partitionUsage(part, isGlobal)),
    unreachable,
  };
}
