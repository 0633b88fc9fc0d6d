// What a refused request says. Scripts match these texts (networks.md §1.3, §2.2, §3.7), so they stand in one place.
import { addressBits, formatAddress, type Address } from './address.ts';
import type { ChildSpace } from './child-prefixes.ts';
import { firstAddress, type Prefix } from './prefix.ts';

// A fragmented /8 has a million free blocks; an answer that lists them all would be 17 MB.
const MOST_LISTED = 32;

/** Why no child of that length can lie in the parent; undefined: it could. `field`: of the request. */
export function impossibleLength(parent: Prefix, length: number, field = 'length'): string | undefined {
  const bits = addressBits(parent.family);
  if (length > bits) return `${field}.${parent.family} is ${length}, expected ${parent.length + 1} to ${bits}`;
  return length > parent.length
    ? undefined
    : `given length:${length} must be greater than prefix length:${parent.length}`;
}

/** Why a child space gave no child of that length. */
export function noChildPrefix(space: ChildSpace, length: number): string {
  const { parent } = space;
  const impossible = impossibleLength(parent, length);
  if (impossible !== undefined) return impossible;
  const wanted = `no prefix found in ${parent.canonical} with length:${length}`;
  const { freeBlocks: count } = space;
  if (count === 0) return wanted;
  const listed = space.free(MOST_LISTED).map(({ canonical }) => canonical);
  const more = count > listed.length ? ` and ${count - listed.length} more` : '';
  return `${wanted}, but ${listed.join(',')}${more} ${count === 1 ? 'is' : 'are'} available`;
}

/** Why a child space did not give exactly this child. No operation of v1 asks for one by name. */
export const noSpecificChild = ({ parent }: Pick<ChildSpace, 'parent'>, child: Prefix): string =>
  impossibleLength(parent, child.length) ??
  `specific prefix ${child.canonical} is not available in prefix ${parent.canonical}`;

/** New first, then the stored one (networks.md §1.3, check 13). */
export const prefixesOverlap = (added: Prefix, stored: Prefix): string =>
  `${added.canonical} overlaps ${stored.canonical}`;

export const unparsableAddress = (text: string): string =>
  `unable to parse specific ip: ${text}, expected an address such as 10.0.0.1 or 2001:db8::1, without leading zeros or zone`;

const MOST_PREFIXES = 8;

export function notInPrefixes(prefixes: readonly string[]): string {
  const more = prefixes.length > MOST_PREFIXES ? ` and ${prefixes.length - MOST_PREFIXES} more` : '';
  return `specific ip not contained in any of the defined prefixes: ${prefixes.slice(0, MOST_PREFIXES).join(', ')}${more}`;
}

/** `why` begins with the address. */
export const alreadyAllocated = (why: string): string => `ip already allocated: ${why}`;

/** The first address of a prefix is nobody's, and of an IPv4 prefix the last one. */
export const reservedAddress = (address: Address, prefix: Prefix): string =>
  `${formatAddress(address)} is reserved, it is the ${formatAddress(address) === formatAddress(firstAddress(prefix)) ? 'first' : 'last'} address of ${prefix.canonical}`;

/** `counts`: why, e.g. `2 prefixes of /26, 124 of 124 addresses held`. */
export const noAddressLeft = (network: string, counts: string): string =>
  `cannot allocate free ip in ipam, no ips left in network ${network}: ${counts}`;

/** Nobody holds what is to be released. */
export const notAllocated = (address: string, prefixes: readonly string[]): string =>
  `unable to release ip:${address} because it is not allocated in prefix:${prefixes.join(',')}`;

/** A child network (or a prefix) can't go while somebody holds an address in it. */
export const prefixHasAddresses = (prefix: Prefix): string =>
  `prefix ${prefix.canonical} has ips, deletion not possible`;
