import { addressBits, type Family } from '../ipam/address.ts';
import { firstAddress, parsePrefix, prefixOf, type Prefix } from '../ipam/prefix.ts';

interface Range {
  first: bigint;
  /** One past the last address. */
  end: bigint;
}

const merged = (prefixes: Prefix[]): Range[] => {
  const ranges: Range[] = [];
  const sorted = prefixes
    .map((prefix) => ({ first: BigInt(prefix.first), end: BigInt(prefix.last) + 1n }))
    .sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  for (const range of sorted) {
    const last = ranges.at(-1);
    if (last && range.first <= last.end) last.end = range.end > last.end ? range.end : last.end;
    else ranges.push(range);
  }
  return ranges;
};

/** The fewest prefixes that make up the range: at each place the largest that starts there and fits. */
const cut = ({ first, end }: Range, family: Family): string[] => {
  const bits = addressBits(family);
  const parts: string[] = [];
  for (let at = first; at < end;) {
    let hostBits = 0;
    while (hostBits < bits && at % (1n << BigInt(hostBits + 1)) === 0n && at + (1n << BigInt(hostBits + 1)) <= end) {
      hostBits++;
    }
    const address = family === 'IPv4' ? ({ family, value: Number(at) } as const) : ({ family, value: at } as const);
    parts.push(prefixOf(address, bits - hostBits).canonical);
    at += 1n << BigInt(hostBits);
  }
  return parts;
};

/** The minimal set of prefixes that covers exactly the same addresses, sorted as text. Texts that are no prefix are left out. */
export const compactPrefixes = (cidrs: Iterable<string>): string[] => {
  const byFamily: Record<Family, Prefix[]> = { IPv4: [], IPv6: [] };
  for (const cidr of cidrs) {
    const prefix = parsePrefix(cidr);
    if (prefix) byFamily[prefix.family].push(prefix);
  }
  return (['IPv4', 'IPv6'] as const)
    .flatMap((family) => merged(byFamily[family]).flatMap((range) => cut(range, family)))
    .sort();
};

/** An address as the prefix that holds it alone; undefined for texts that are no address. */
export const hostPrefix = (address: string): Prefix | undefined => {
  const length = address.includes(':') ? 128 : 32;
  const prefix = parsePrefix(`${address}/${length}`);
  return prefix && prefixOf(firstAddress(prefix), length);
};
