// The rules of updating a network (networks.md §1.6), as a pure function from the stored record to the new one.
import { parsePrefix } from '../ipam/prefix.ts';
import { invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import type { NetworkPatch } from './messages.ts';
import {
  checkDestinationFamilies,
  checkSuperLengths,
  malformedCidr,
  unparsableCidr,
  type CidrField,
} from './network-rules.ts';
import { checkQuarantine } from './quarantine.ts';
import type { NetworkRecord } from './record.ts';

export interface UpdatedNetwork {
  network: NetworkRecord;
  /** In the form given. */
  addedPrefixes: string[];
  /** In the form stored. */
  removedPrefixes: string[];
}

const canonical = (cidr: string): string => parsePrefix(cidr)?.canonical ?? cidr;

const firstUnparsable = (field: CidrField, cidrs: readonly string[]): Refusal | undefined => {
  const unparsable = unparsableCidr(field, cidrs);
  return unparsable === undefined ? undefined : unprocessable(unparsable);
};

interface PrefixChange {
  prefixes: string[];
  added: string[];
  removed: string[];
}

/** A prefix that is given in another spelling stays as it is stored: the rows of its addresses name it so. */
function changedPrefixes(stored: NetworkRecord, given: readonly string[] | undefined): PrefixChange | Refusal {
  if (given === undefined || given.length === 0) return { prefixes: stored.prefixes, added: [], removed: [] };
  const refused = firstUnparsable('prefixes', given);
  if (refused !== undefined) return refused;
  const wanted = new Map(given.map((cidr) => [canonical(cidr), cidr]));
  const had = new Map(stored.prefixes.map((cidr) => [canonical(cidr), cidr]));
  const added = [...wanted].filter(([cidr]) => !had.has(cidr)).map(([, text]) => text);
  const removed = [...had].filter(([cidr]) => !wanted.has(cidr)).map(([, text]) => text);
  if (stored.parent !== null && added.length + removed.length > 0) {
    // metal-api makes top-level prefixes of them, and the range of the super leaks (N06).
    return unprocessable(
      `prefixes of network ${stored.id} can not be changed because it is a child of ${stored.parent}`,
    );
  }
  return { prefixes: [...wanted].map(([cidr, text]) => had.get(cidr) ?? text), added, removed };
}

/** What is said of lengths for a family that the network has no prefix of, or that is none. */
export const absentFamily = (field: string, family: string, length: number): Refusal =>
  unprocessable(`no addressfamily "${family}" present for ${field}: ${length}`);

function changedLengths(
  stored: NetworkRecord,
  patch: NetworkPatch,
  prefixes: readonly string[],
): NetworkRecord['defaultChildPrefixLength'] | Refusal {
  const given = patch.defaultChildPrefixLength;
  if (given === undefined || Object.keys(given).length === 0) return stored.defaultChildPrefixLength;
  if (!stored.privateSuper) return unprocessable('defaultchildprefixlength can only be set on privatesuper');
  const families = new Set(prefixes.map((cidr) => parsePrefix(cidr)?.family));
  for (const family of ['IPv4', 'IPv6'] as const) {
    const length = given[family];
    if (length !== undefined && !families.has(family)) return absentFamily('defaultchildprefixlength', family, length);
  }
  return given;
}

/** metalctl sends the stored lengths back with every update. */
const isOther = (a: NetworkRecord['defaultChildPrefixLength'], b: NetworkRecord['defaultChildPrefixLength']): boolean =>
  a?.IPv4 !== b?.IPv4 || a?.IPv6 !== b?.IPv6;

function checkAnnouncable(stored: NetworkRecord, patch: NetworkPatch): Refusal | undefined {
  const given = patch.additionalAnnouncableCidrs;
  const removed = stored.additionalAnnouncableCidrs.find((cidr) => !given.includes(cidr));
  if (removed !== undefined && !patch.force) {
    return invalid(`you cannot remove "${removed}" from additionalannouncablecidrs without force flag set`);
  }
  if (given.length > 0 && !stored.privateSuper) {
    return unprocessable('additionalannouncablecidrs can only be set in a private super network');
  }
  const malformed = given.find((cidr) => parsePrefix(cidr) === undefined);
  return malformed === undefined ? undefined : unprocessable(malformedCidr(malformed));
}

/** Everything is checked before anything is taken (N07). Whether a removed prefix is in use, the actor knows. */
export function updatedNetwork(stored: NetworkRecord, patch: NetworkPatch, nowMs: number): UpdatedNetwork | Refusal {
  if (patch.shared === false && stored.shared) {
    return invalid('once a network is marked as shared it is not possible to unshare it');
  }
  const change = changedPrefixes(stored, patch.prefixes);
  if (isRefusal(change)) return change;
  const { prefixes, added, removed } = change;
  const lengths = changedLengths(stored, patch, prefixes);
  if (isRefusal(lengths)) return lengths;
  const given = patch.destinationPrefixes ?? [];
  const destinationPrefixes = given.length > 0 ? given : stored.destinationPrefixes;
  const refused =
    firstUnparsable('destinationprefixes', given) ??
    (given.length > 0 || added.length + removed.length > 0
      ? checkDestinationFamilies(prefixes, destinationPrefixes)
      : undefined) ??
    // Against the new lengths: else a super network never gets its first prefix of a second family (N09).
    (stored.privateSuper && (added.length + removed.length > 0 || isOther(lengths, stored.defaultChildPrefixLength))
      ? checkSuperLengths(prefixes, lengths)
      : undefined) ??
    checkAnnouncable(stored, patch) ??
    (patch.labels === undefined ? undefined : checkQuarantine(patch.labels));
  if (refused !== undefined) return refused;
  const network: NetworkRecord = {
    ...stored,
    name: patch.name ?? stored.name,
    description: patch.description ?? stored.description,
    labels: patch.labels ?? stored.labels,
    shared: patch.shared ?? stored.shared,
    prefixes,
    destinationPrefixes,
    defaultChildPrefixLength: lengths,
    additionalAnnouncableCidrs: patch.additionalAnnouncableCidrs,
    changed: nowMs,
  };
  return { network, addedPrefixes: added, removedPrefixes: removed };
}
