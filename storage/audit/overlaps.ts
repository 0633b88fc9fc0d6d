// Which prefixes overlap, and whether an address lies in one: over sorted lists, since a site has tens of thousands.
import type { Address } from '../../actors/ipam/address.ts';
import { comparePrefixes, contains, covers, outermostOf, type Prefix } from '../../actors/ipam/prefix.ts';

interface Spanning {
  prefix: Prefix;
}

/**
 * Each item that overlaps one before it (in the order of `comparePrefixes`), with the nearest that it may not overlap. So
 * there are at most as many as items, each that overlaps another one is in one of them, and of disjoint ones there is none.
 */
export function* overlapping<T extends Spanning>(
  items: readonly T[],
  may: (inner: T, outer: T) => boolean = () => false,
): Generator<[inner: T, outer: T]> {
  // Prefixes overlap only where one lies in the other: around the one that is looked at, the innermost last.
  const around: T[] = [];
  for (const item of [...items].sort((a, b) => comparePrefixes(a.prefix, b.prefix))) {
    while (around.length > 0 && !covers(around[around.length - 1]!.prefix, item.prefix)) around.pop();
    const outer = around.findLast((other) => !may(item, other));
    if (outer !== undefined) yield [item, outer];
    around.push(item);
  }
}

/** Whether an address lies in one of the prefixes, which may overlap. */
export function coverOf(prefixes: readonly Prefix[]): (address: Address) => boolean {
  const outermost = outermostOf(prefixes);
  return (address) => {
    let [from, to] = [0, outermost.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const prefix = outermost[middle]!;
      if (contains(prefix, address)) return true;
      // IPv4 lies before IPv6, as in `comparePrefixes`.
      const isBefore = prefix.family === address.family ? prefix.last < address.value : prefix.family === 'IPv4';
      if (isBefore) from = middle + 1;
      else to = middle;
    }
    return false;
  };
}
