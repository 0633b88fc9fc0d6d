// A prefix (CIDR) of either family and its arithmetic. Always masked: a prefix has no host bits.
import { addressAt, addressBits, addressBytes, formatAddress, parseAddress } from './address.ts';
import type { Address, Family } from './address.ts';

interface PrefixOf<F extends Family, Value extends number | bigint> {
  readonly family: F;
  /** Bits of the network part. */
  readonly length: number;
  /** First and last address as unsigned integers, both inclusive. */
  readonly first: Value;
  readonly last: Value;
  /** The one text that names this prefix, e.g. `10.0.0.0/8`, `2001:db8::/64`. Compare prefixes by it. */
  readonly canonical: string;
  /** Whether the text that was parsed had bits set beyond `length`, e.g. `10.0.0.1/8`; they are masked away. */
  readonly hostBitsSet: boolean;
}

export type IPv4Prefix = PrefixOf<'IPv4', number>;
export type IPv6Prefix = PrefixOf<'IPv6', bigint>;
export type Prefix = IPv4Prefix | IPv6Prefix;

const ALL_ONES = (1n << 128n) - 1n;

/** The prefix of that length that contains the address. Throws a RangeError if the family has no such length. */
export function prefixOf(address: Address, length: number): Prefix {
  const bits = addressBits(address.family);
  if (!Number.isInteger(length) || length < 0 || length > bits) {
    throw new RangeError(`an ${address.family} prefix has a length of 0 to ${bits}, not ${length}`);
  }
  if (address.family === 'IPv4') {
    const hostMask = 2 ** (32 - length) - 1;
    // Not the operator &, which would make the upper half of the family negative.
    const first = address.value - (address.value % (hostMask + 1));
    const canonical = `${formatAddress({ family: 'IPv4', value: first })}/${length}`;
    return { family: 'IPv4', length, first, last: first + hostMask, canonical, hostBitsSet: first !== address.value };
  }
  const hostMask = ALL_ONES >> BigInt(length);
  const first = address.value & ~hostMask;
  const canonical = `${formatAddress({ family: 'IPv6', value: first })}/${length}`;
  return { family: 'IPv6', length, first, last: first + hostMask, canonical, hostBitsSet: first !== address.value };
}

const LENGTH = /^(?:0|[1-9]\d{0,2})$/;

/**
 * The prefix that `text` names, masked (`10.2.0.0/8` is `10.0.0.0/8`; `hostBitsSet` tells). `undefined` if it is no address with a length, or
 * the length has leading zeros, a sign, or exceeds the family.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const lengthText = text.slice(slash + 1);
  const address = parseAddress(text.slice(0, slash));
  if (address === undefined || !LENGTH.test(lengthText) || Number(lengthText) > addressBits(address.family)) {
    return undefined;
  }
  return prefixOf(address, Number(lengthText));
}

/** Bits of the host part: 24 of a `/8`, 64 of an IPv6 `/64`. */
export const hostBits = (prefix: Pick<Prefix, 'family' | 'length'>): number =>
  addressBits(prefix.family) - prefix.length;

/** How many addresses the prefix has, reserved ones included. */
export const size = (prefix: Prefix): bigint => 1n << BigInt(hostBits(prefix));

const sameFamily = (a: { readonly family: Family }, b: { readonly family: Family }): boolean => a.family === b.family;

/** Whether the address lies in the prefix; never across families. */
export const contains = (prefix: Prefix, address: Address): boolean =>
  sameFamily(prefix, address) && address.value >= prefix.first && address.value <= prefix.last;

/** Whether all of `inner` lies in `outer`; a prefix covers itself. */
export const covers = (outer: Prefix, inner: Prefix): boolean =>
  sameFamily(outer, inner) && inner.first >= outer.first && inner.last <= outer.last;

/** Whether they share an address. Equal counts as overlap; families never overlap each other (networks.md §3.2). */
export const overlaps = (a: Prefix, b: Prefix): boolean => sameFamily(a, b) && a.first <= b.last && b.first <= a.last;

/**
 * Those that lie in no other one, in order. One of two that overlap lies in the other, so they are disjoint, and their ends are
 * in order, too.
 */
export function outermostOf(prefixes: readonly Prefix[]): Prefix[] {
  const outermost: Prefix[] = [];
  for (const prefix of [...prefixes].sort(comparePrefixes)) {
    const last = outermost.at(-1);
    if (last === undefined || !covers(last, prefix)) outermost.push(prefix);
  }
  return outermost;
}

/** Whether a prefix overlaps one of many, each asked with a search: of hundreds, thousands are asked. */
export function overlapsAny(prefixes: readonly Prefix[]): (prefix: Prefix) => boolean {
  const outermost = outermostOf(prefixes);
  return (prefix) => {
    let [from, to] = [0, outermost.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      const one = outermost[middle]!;
      if (overlaps(one, prefix)) return true;
      if (comparePrefixes(one, prefix) < 0) from = middle + 1;
      else to = middle;
    }
    return false;
  };
}

export const firstAddress = (prefix: Prefix): Address =>
  prefix.family === 'IPv4' ? { family: 'IPv4', value: prefix.first } : { family: 'IPv6', value: prefix.first };

export const lastAddress = (prefix: Prefix): Address =>
  prefix.family === 'IPv4' ? { family: 'IPv4', value: prefix.last } : { family: 'IPv6', value: prefix.last };

/** First address in network byte order, 4 or 16 bytes. */
export const firstBytes = (prefix: Prefix): Uint8Array => addressBytes(firstAddress(prefix));

/** Last address in network byte order, 4 or 16 bytes. */
export const lastBytes = (prefix: Prefix): Uint8Array => addressBytes(lastAddress(prefix));

/** Order of lists: IPv4 before IPv6, then by first address, then the shorter length (the larger prefix) first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family === 'IPv4' ? -1 : 1;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.length - b.length;
}

/** The `index`-th slice of that length, from 0. Throws a RangeError if the prefix has no such slice. */
export function splitAt(prefix: Prefix, length: number, index: bigint | number): Prefix {
  const bits = addressBits(prefix.family);
  if (!Number.isInteger(length) || length < prefix.length || length > bits) {
    throw new RangeError(`${prefix.canonical} is split into lengths from ${prefix.length} to ${bits}, not ${length}`);
  }
  return prefixOf(addressAt(prefix, BigInt(index) << BigInt(bits - length)), length);
}
