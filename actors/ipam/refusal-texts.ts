// What a refused request says. Scripts match these texts (networks.md §1.3, §2.2, §3.7), so they stand in one place.
import type { ChildSpace } from './child-prefixes.ts';
import type { Prefix } from './prefix.ts';

// A fragmented /8 has a million free blocks; an answer that lists them all would be 17 MB.
const MOST_LISTED = 32;

function listed(free: readonly Prefix[]): string {
  const shown = free.slice(0, MOST_LISTED).map((prefix) => prefix.canonical);
  return free.length > MOST_LISTED ? `${shown.join(',')} and ${free.length - MOST_LISTED} more` : shown.join(',');
}

/** Why a child space gave no child of that length. */
export function noChildPrefix(space: ChildSpace, length: number): string {
  const { parent } = space;
  if (length <= parent.length) return `given length:${length} must be greater than prefix length:${parent.length}`;
  const free = space.free();
  const wanted = `no prefix found in ${parent.canonical} with length:${length}`;
  if (free.length === 0) return wanted;
  return `${wanted}, but ${listed(free)} ${free.length === 1 ? 'is' : 'are'} available`;
}

/** New first, then the stored one (networks.md §1.3, check 13). */
export const prefixesOverlap = (added: Prefix, stored: Prefix): string =>
  `${added.canonical} overlaps ${stored.canonical}`;

export const unparsableAddress = (text: string): string =>
  `unable to parse specific ip: ${text}, expected an address such as 10.0.0.1 or 2001:db8::1, without leading zeros or zone`;

export const notInPrefixes = (): string => 'specific ip not contained in any of the defined prefixes';

export const alreadyAllocated = (): string => 'ip already allocated';

/** `counts`: why, e.g. `2 prefixes of /26, 124 of 124 addresses held`. */
export const noAddressLeft = (network: string, counts: string): string =>
  `cannot allocate free ip in ipam, no ips left in network ${network}: ${counts}`;

/** A child network (or a prefix) can't go while somebody holds an address in it. */
export const prefixHasAddresses = (prefix: Prefix): string =>
  `prefix ${prefix.canonical} has ips, deletion not possible`;
