// The rules of creating and allocating networks (networks.md §1.3, §1.4), as pure functions. The numbers are the checks
// of those tables; what needs to know others (unused id, overlap, one super a partition, the pools) is decided by the
// actors that know them.
import { parseFamily, type Family } from '../ipam/address.ts';
import { parsePrefix } from '../ipam/prefix.ts';
import { impossibleLength } from '../ipam/refusal-texts.ts';
import { internal, invalid, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import { checkQuarantine } from './quarantine.ts';
import type { NetworkRecord } from './record.ts';

export type ChildLengths = Partial<Record<Family, number>>;

/** Body of `PUT /v1/network`; absent texts are '', absent lists []. */
export interface NetworkCreateRequest {
  name: string;
  description: string;
  /** '' : global. */
  partition: string;
  project: string;
  labels: Record<string, string>;
  prefixes: string[];
  destinationPrefixes: string[];
  /** null or absent: not given; `{}` counts as given. Keys in any case. */
  defaultChildPrefixLength?: Record<string, number> | null;
  nat: boolean;
  privateSuper: boolean;
  underlay: boolean;
  vrf: number;
  vrfShared: boolean;
  additionalAnnouncableCidrs: string[];
}

export const noSuchNetwork = (id: string): Refusal => notFound(`no network with id "${id}" found`);

/** How refusals begin where something of the network is in use (networks.md §1.6, §1.7). */
export const UNABLE = { delete: 'unable to delete network', update: 'unable to update network' };

/** How refused frees begin (networks.md §1.5). */
export const RELEASE_FAILED = 'error releasing child prefix in ipam: invalid_argument';
export const notAChild = (id: string): Refusal =>
  unprocessable(`${RELEASE_FAILED}: NotFound: unable to find prefix for cidr:"" because network ${id} is not a child`);

/** A network of all partitions, whose addresses are handed out from leased blocks. */
export const isGlobal = (network: Pick<NetworkRecord, 'partition' | 'privateSuper'>): boolean =>
  network.partition === '' && !network.privateSuper;

export const HIGHEST_VRF = 131_072;

/** Check 18's first half; 0 is no VRF. */
export const checkVrf = (vrf: number): Refusal | undefined =>
  vrf <= HIGHEST_VRF
    ? undefined
    : unprocessable(`could not acquire vrf: value '${vrf}' is outside of the allowed range '1 - ${HIGHEST_VRF}'`);

/** Lengths are of eight bits: what is not, no request of metal-api can carry. */
export function checkLengthNumbers(field: string, given: Record<string, number>): Refusal | undefined {
  const wrong = Object.entries(given).find(([, bits]) => !Number.isInteger(bits) || bits < 0 || bits > 255);
  return wrong && invalid(`${field} of ${wrong[0]} is ${wrong[1]}, expected a number of bits from 0 to 255`);
}

const unknownFamily = (field: string, key: string): Refusal =>
  invalid(`addressfamily of ${field} is invalid given addressfamily:"${key}" is invalid, expected IPv4 or IPv6`);

/**
 * Lengths by family as clients write them: keys in any case, values of eight bits. `field` is the one named in refusals;
 * of a key that is no family, `refuseKey` says what an operation says of it.
 */
export function parseChildLengths(
  field: string,
  given: Record<string, number>,
  refuseKey: (field: string, key: string, length: number) => Refusal = unknownFamily,
): ChildLengths | Refusal {
  const wrong = checkLengthNumbers(field, given);
  if (wrong !== undefined) return wrong;
  const lengths: ChildLengths = {};
  for (const [key, length] of Object.entries(given)) {
    const family = parseFamily(key);
    if (family === undefined) return refuseKey(field, key, length);
    lengths[family] = length;
  }
  return lengths;
}

/** Lists of prefixes in requests. */
export type CidrField = 'prefixes' | 'destinationprefixes';

/** Scripts look for the text before the colon. undefined: all of them parse. */
export function unparsableCidr(field: CidrField, cidrs: readonly string[]): string | undefined {
  const cidr = cidrs.find((one) => parsePrefix(one) === undefined);
  return cidr === undefined
    ? undefined
    : `given cidr ${cidr} is not a valid ip with mask: ${field} are addresses with a length such as 10.0.0.0/16 or 2001:db8::/48`;
}

/** Check 6 on one list; also check 3 of §1.4. */
export function checkCidrs(field: CidrField, cidrs: readonly string[]): Refusal | undefined {
  const unparsable = unparsableCidr(field, cidrs);
  return unparsable === undefined ? undefined : invalid(unparsable);
}

/** Check 7. Both lists parse. */
export function checkDestinationFamilies(
  prefixes: readonly string[],
  destinations: readonly string[],
): Refusal | undefined {
  const families = new Set(prefixes.map((cidr) => parsePrefix(cidr)?.family));
  const missing = destinations.map((cidr) => parsePrefix(cidr)?.family).find((family) => !families.has(family));
  return missing === undefined
    ? undefined
    : invalid(`addressfamily:${missing} of destination prefixes is not present in existing prefixes`);
}

/** Checks 8 to 10: what a super network's lengths must be to its prefixes. No child could ever be cut with one that is too long. */
export function checkSuperLengths(prefixes: readonly string[], lengths: ChildLengths | null): Refusal | undefined {
  const parsed = prefixes.map((cidr) => parsePrefix(cidr)).filter((prefix) => prefix !== undefined);
  if (lengths === null || Object.keys(lengths).length === 0) {
    return invalid('private super network must always contain a defaultchildprefixlength');
  }
  for (const prefix of parsed) {
    const length = lengths[prefix.family];
    if (length !== undefined && length <= prefix.length) {
      return invalid(
        `given defaultchildprefixlength ${length} is not greater than prefix length of:${prefix.canonical}`,
      );
    }
    const tooLong = length === undefined ? undefined : impossibleLength(prefix, length, 'defaultchildprefixlength');
    if (tooLong !== undefined) return invalid(tooLong);
  }
  const missing = parsed.find((prefix) => lengths[prefix.family] === undefined)?.family;
  if (missing !== undefined) {
    return invalid(`private super network must always contain a defaultchildprefixlength per addressfamily:${missing}`);
  }
  // metal-api takes it, and then refuses every allocation, for want of a prefix of that family.
  const needless = (['IPv4', 'IPv6'] as const).find(
    (family) => lengths[family] !== undefined && parsed.every((prefix) => prefix.family !== family),
  );
  return needless === undefined
    ? undefined
    : invalid(`defaultchildprefixlength.${needless} is ${lengths[needless]}, but prefixes has none of ${needless}`);
}

/** What metal-api accepts and nobody can use: a super network or underlay is looked for in its partition only. */
function checkKind({ partition, privateSuper, underlay }: NetworkCreateRequest): Refusal | undefined {
  if (privateSuper && underlay) return invalid('privatesuper and underlay are both true, a network is one of them');
  if (partition !== '' || !(privateSuper || underlay)) return undefined;
  return invalid(`partitionid should not be empty for a network with ${privateSuper ? 'privatesuper' : 'underlay'}`);
}

/** Check 17, after those that need to know the other networks. */
export const checkNat = (network: Pick<NetworkRecord, 'nat' | 'privateSuper' | 'underlay'>): Refusal | undefined =>
  network.nat && (network.privateSuper || network.underlay)
    ? invalid('private super or underlay network is not supposed to NAT')
    : undefined;

const typeOf = (request: NetworkCreateRequest): NetworkRecord['type'] =>
  request.underlay ? 'underlay' : request.privateSuper ? 'super' : 'external';

const natTypeOf = (nat: boolean): NetworkRecord['natType'] => (nat ? 'ipv4-masq' : 'none');

/** Check 1, as far as the form of the body leaves it; the project is looked for afterwards (check 2). */
export function checkNumbers({
  vrf,
  defaultChildPrefixLength,
}: Pick<NetworkCreateRequest, 'vrf' | 'defaultChildPrefixLength'>): Refusal | undefined {
  if (!Number.isInteger(vrf) || vrf < 0) return invalid(`vrf is ${vrf}, expected 0 (none) or a positive number`);
  return checkLengthNumbers('defaultchildprefixlength', defaultChildPrefixLength ?? {});
}

/** Checks 3 to 11, in order, after `checkNumbers`; the network as it will be stored, prefixes in the form given. */
export function networkToCreate(
  request: NetworkCreateRequest,
  at: { id: string; nowMs: number },
): NetworkRecord | Refusal {
  const { prefixes, destinationPrefixes, additionalAnnouncableCidrs, privateSuper, vrf } = request;
  const given = request.defaultChildPrefixLength ?? null;
  if (prefixes.length === 0) return invalid('no prefixes given');
  const useless = checkKind(request);
  if (useless !== undefined) return useless;
  if (given !== null && !privateSuper) {
    return invalid('defaultchildprefixlength can only be set for privatesuper networks');
  }
  const lengths = given === null ? null : parseChildLengths('defaultchildprefixlength', given);
  if (isRefusal(lengths)) return lengths;
  const refused =
    checkCidrs('prefixes', prefixes) ??
    checkCidrs('destinationprefixes', destinationPrefixes) ??
    checkDestinationFamilies(prefixes, destinationPrefixes) ??
    (privateSuper ? checkSuperLengths(prefixes, lengths) : undefined);
  if (refused !== undefined) return refused;
  if (additionalAnnouncableCidrs.length > 0 && !privateSuper) {
    return invalid('additionalannouncablecidrs can only be set in a private super network');
  }
  const quarantine = checkQuarantine(request.labels);
  if (quarantine !== undefined) return quarantine;
  const malformed = additionalAnnouncableCidrs.find((cidr) => parsePrefix(cidr) === undefined);
  if (malformed !== undefined) return invalid(malformedCidr(malformed));
  return {
    id: at.id,
    name: request.name,
    description: request.description,
    created: at.nowMs,
    changed: at.nowMs,
    partition: request.partition,
    project: request.project,
    labels: request.labels,
    shared: false,
    prefixes,
    destinationPrefixes,
    defaultChildPrefixLength: lengths ?? {},
    nat: request.nat,
    privateSuper,
    underlay: request.underlay,
    vrf,
    vrfShared: request.vrfShared,
    parent: null,
    additionalAnnouncableCidrs,
    type: typeOf(request),
    natType: natTypeOf(request.nat),
  };
}

export const malformedCidr = (cidr: string): string =>
  `given cidr:"${cidr}" in additionalannouncablecidrs is malformed: expected an address and a length such as 10.240.0.0/12`;

/** Check 1 of networks.md §1.4. */
export function checkAllocateIds(ids: { project: string; partition: string }): Refusal | undefined {
  if (ids.project === '') return invalid('projectid should not be empty');
  if (ids.partition === '') return invalid('partitionid should not be empty');
  return undefined;
}

/** Check 7's first half. */
export const allocateFamily = (text: string): Family | Refusal =>
  parseFamily(text) ??
  invalid(`addressfamily is invalid given addressfamily:"${text}" is invalid, expected IPv4 or IPv6`);

/** Checks 5 to 7: given lengths over the super's, restricted to a family. */
export function childLengths(
  parent: Pick<NetworkRecord, 'id' | 'defaultChildPrefixLength'>,
  ask: { lengths: ChildLengths; family?: Family | undefined; malformed?: Refusal | undefined },
): ChildLengths | Refusal {
  const defaults = parent.defaultChildPrefixLength;
  if (defaults === null || Object.keys(defaults).length === 0) {
    return internal(`supernetwork ${parent.id} has no defaultchildprefixlength specified`);
  }
  if (ask.malformed !== undefined) return ask.malformed;
  const lengths = { ...defaults, ...ask.lengths };
  if (ask.family === undefined) return lengths;
  const length = lengths[ask.family];
  return length === undefined
    ? invalid(`addressfamily ${ask.family} specified, but no childprefixlength for this addressfamily`)
    : { [ask.family]: length };
}

/** What a child takes over from the request; nothing is inherited from the super but its partition. */
export interface ChildRequest {
  id: string;
  name: string;
  description: string;
  labels: Record<string, string>;
  project: string;
  shared: boolean;
  nat: boolean;
  destinationPrefixes: string[];
}

export function childNetwork(
  request: ChildRequest,
  cut: { parent: NetworkRecord; prefixes: string[]; vrf: number; nowMs: number },
): NetworkRecord {
  const { id, name, description, labels, project, shared, nat, destinationPrefixes } = request;
  return {
    id,
    name,
    description,
    created: cut.nowMs,
    changed: cut.nowMs,
    partition: cut.parent.partition,
    project,
    labels,
    shared,
    prefixes: cut.prefixes,
    destinationPrefixes,
    defaultChildPrefixLength: null,
    nat,
    privateSuper: false,
    underlay: false,
    vrf: cut.vrf,
    vrfShared: false,
    parent: cut.parent.id,
    additionalAnnouncableCidrs: [],
    type: shared ? 'child-shared' : 'child',
    natType: natTypeOf(nat),
  };
}
