// The four usage numbers of a prefix as metal-api reports them. They are capped because its clients read 32-bit values from them.
import { comparePrefixes, covers, hostBits } from './prefix.ts';
import type { Prefix } from './prefix.ts';

/** The wire object of `consumption.ipv4` and `.ipv6` (networks.md §1.8). */
export interface Usage {
  /** All addresses, network and broadcast included; 2147483647 beyond 31 host bits, 2147483648 at exactly 31. */
  readonly available_ips: number;
  /** Acquired addresses plus the reserved ones. */
  readonly used_ips: number;
  /** `/30` (IPv4) or `/126` (IPv6) blocks that no child touches, at most 2147483647. */
  readonly available_prefixes: number;
  /** Children acquired now. */
  readonly used_prefixes: number;
}

/** What a child space knows of its children; {@link createChildSpace} gives one. */
export interface ChildUsage {
  readonly children: number;
  readonly availableSmallest: bigint;
}

const CAP = 2_147_483_647;
// The smallest counted block has two host bits: a /30 or a /126.
const SMALLEST_HOST_BITS = 2;

/** How many addresses nobody may acquire: IPv4 the first and last (of a `/32`: one), IPv6 the first. */
export const reservedCount = (prefix: Prefix): 1 | 2 => (prefix.family === 'IPv4' && prefix.length < 32 ? 2 : 1);

/** How many `/30` or `/126` blocks a prefix has, exact; none if it is smaller than one. */
export function smallestBlocks(prefix: Pick<Prefix, 'family' | 'length'>): bigint {
  const bits = hostBits(prefix);
  return bits < SMALLEST_HOST_BITS ? 0n : 1n << BigInt(bits - SMALLEST_HOST_BITS);
}

function usageOfChildren(prefix: Prefix, children: readonly Prefix[]): ChildUsage {
  let taken = 0n;
  let outermost: Prefix | undefined;
  let touched = -1n;
  for (const child of children.toSorted(comparePrefixes)) {
    if (outermost !== undefined && covers(outermost, child)) continue;
    outermost = child;
    if (hostBits(child) >= SMALLEST_HOST_BITS) {
      taken += smallestBlocks(child);
      continue;
    }
    // Children smaller than the counted block take the whole block, once.
    const block = BigInt(child.first) >> BigInt(SMALLEST_HOST_BITS);
    if (block !== touched && smallestBlocks(prefix) > 0n) taken += 1n;
    touched = block;
  }
  return { children: children.length, availableSmallest: smallestBlocks(prefix) - taken };
}

function availableIps(prefix: Prefix): number {
  const bits = hostBits(prefix);
  return bits > 31 ? CAP : 2 ** bits;
}

/**
 * The usage of one prefix. `held` counts acquired addresses without the reserved ones; `children` are the children acquired, or a child space.
 * Having children does not change the address numbers. Exact up to the cap: an IPv6 block of `/62` or larger counts (networks.md N08).
 */
export function prefixUsage(of: {
  readonly prefix: Prefix;
  readonly held: number;
  readonly children?: ChildUsage | readonly Prefix[] | undefined;
}): Usage {
  const { prefix, held, children = [] } = of;
  const cut = 'availableSmallest' in children ? children : usageOfChildren(prefix, children);
  return {
    available_ips: availableIps(prefix),
    used_ips: held + reservedCount(prefix),
    available_prefixes: cut.availableSmallest > CAP ? CAP : Number(cut.availableSmallest),
    used_prefixes: cut.children,
  };
}

/** The usage of several prefixes of one family: the sums of their (capped) numbers. */
export const sumUsage = (usages: Iterable<Usage>): Usage => {
  const sum = { available_ips: 0, used_ips: 0, available_prefixes: 0, used_prefixes: 0 };
  for (const usage of usages) {
    sum.available_ips += usage.available_ips;
    sum.used_ips += usage.used_ips;
    sum.available_prefixes += usage.available_prefixes;
    sum.used_prefixes += usage.used_prefixes;
  }
  return sum;
};
