// What is claimed, and what collides with it: pure, over the claims that one site knows of.
import { overlaps, overlapsAny, parsePrefix, type Prefix } from '../ipam/prefix.ts';
import { prefixesOverlap } from '../ipam/refusal-texts.ts';
import { prefixClaims } from '../network/coordination.ts';
import { isGlobal } from '../network/network-rules.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { Live } from '../change.ts';
import type { Change } from '../records.ts';
import { alreadyExists, conflict, invalid, undecided, unprocessable, type Refusal } from '../refusal.ts';
import type { Claim, Settled } from './messages.ts';
import type { ClaimRecord } from './record.ts';

export interface KnownClaim extends Live<ClaimRecord> {
  /** Of a prefix. */
  prefix: Prefix | undefined;
}

export interface RegistryState {
  /** The site. */
  readonly id: string;
  readonly claims: Map<string, KnownClaim>;
  /** Claims that a reservation is about to make, or to release. */
  readonly making: Map<string, KnownClaim>;
  readonly leaving: Set<string>;
}

export const createRegistryState = (id: string): RegistryState => ({
  id,
  claims: new Map(),
  making: new Map(),
  leaving: new Set(),
});

/** Several global networks may share a VRF, so its claims are told apart by network. */
export const claimKey = (claim: Claim): string =>
  claim.what === 'vrf' ? `vrf|${claim.value}|${claim.holder}` : `${claim.what}|${claim.value}`;

const known = (value: ClaimRecord, version: number): KnownClaim => ({
  value,
  version,
  prefix: value.what === 'prefix' ? parsePrefix(value.value) : undefined,
});

export function evolveRegistry(state: RegistryState, change: Change): void {
  if (change.table !== 'claim') return;
  if (change.value === null) state.claims.delete(change.key);
  else state.claims.set(change.key, known(change.value, change.version));
}

export function holdClaims(state: RegistryState, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.table !== 'claim') continue;
    if (change.value === null) state.leaving.add(change.key);
    else state.making.set(change.key, known(change.value, change.version));
  }
}

export function unholdClaims(state: RegistryState, changes: readonly Change[]): void {
  for (const change of changes) {
    state.leaving.delete(change.key);
    state.making.delete(change.key);
  }
}

/** A network may replace a prefix by another over the same addresses: here by what leaves, elsewhere by what it says. */
const isReplaced = (state: RegistryState, claim: Claim, by: string, key: string, other: ClaimRecord): boolean =>
  other.holder === claim.holder &&
  (state.leaving.has(key) || (other.site === by && claim.replaces?.includes(other.value) === true));

interface KnownPrefix {
  key: string;
  record: ClaimRecord;
  prefix: Prefix;
}

/** The known ones that overlap one of the prefixes. A network may have hundreds, a site thousands: they are not tried in pairs. */
function overlappingAny(state: RegistryState, prefixes: readonly Prefix[]): KnownPrefix[] {
  if (prefixes.length === 0) return [];
  const isNear = overlapsAny(prefixes);
  const near: KnownPrefix[] = [];
  for (const claims of [state.claims, state.making]) {
    for (const [key, { value, prefix }] of claims)
      if (prefix !== undefined && isNear(prefix)) near.push({ key, record: value, prefix });
  }
  return near;
}

/** The site that has it, or is about to. */
const homeOf = ({ site, state }: ClaimRecord): string =>
  state === 'promised' ? `(promised to site ${site})` : `(site ${site})`;

const TAKEN: Record<'network' | 'partition' | 'super' | 'underlay', (record: ClaimRecord) => Refusal> = {
  network: (record) => conflict(`entity already exists: network ${record.value} ${homeOf(record)}`),
  partition: (record) => conflict(`partition with id "${record.value}" already exists ${homeOf(record)}`),
  super: ({ value }) => invalid(`partition with id "${value}" already has a private super network`),
  // metal-api answers this one with another status than the one before.
  underlay: ({ value }) => unprocessable(`partition with id "${value}" already has an underlay network`),
};

/** A promise is kept soon, or given up: it may even be this very request's, sent again to another site. */
const unlessPromised = ({ state }: ClaimRecord, refusal: Refusal): Refusal =>
  state === 'promised' ? undecided(refusal) : refusal;

interface AskedClaim {
  claim: Claim;
  /** Of a prefix. */
  prefix: Prefix | undefined;
}

/** Why one thing can't be claimed. `near`: the known prefixes that may overlap it; `by`: the site that wants it. */
function collision(
  state: RegistryState,
  { claim, prefix }: AskedClaim,
  near: readonly KnownPrefix[],
  by: string,
): Refusal | undefined {
  const { what, value } = claim;
  if (what === 'prefix') {
    if (prefix === undefined)
      return invalid(`given cidr ${value} is not a valid ip with mask: expected e.g. 10.0.0.0/16`);
    const other = near.find(
      ({ key, record, prefix: known }) => overlaps(prefix, known) && !isReplaced(state, claim, by, key, record),
    );
    if (other === undefined) return undefined;
    const { record } = other;
    const text = `${prefixesOverlap(prefix, other.prefix)} of network ${record.holder} ${homeOf(record)}`;
    return unlessPromised(record, unprocessable(text));
  }
  const key = claimKey(claim);
  const record = (state.claims.get(key) ?? state.making.get(key))?.value;
  if (record === undefined || what === 'vrf') return undefined;
  if (what === 'network' && by === record.site && by === state.id) return alreadyExists();
  return unlessPromised(record, TAKEN[what](record));
}

/** All collisions, in the order of the claims; with each other too. */
export function collisions(state: RegistryState, claims: readonly Claim[], by: string): Refusal[] {
  const asked = claims.map((claim): AskedClaim => ({
    claim,
    prefix: claim.what === 'prefix' ? parsePrefix(claim.value) : undefined,
  }));
  const near = overlappingAny(
    state,
    asked.flatMap(({ prefix }) => prefix ?? []),
  );
  const prefixes: Prefix[] = [];
  return asked.flatMap((one) => {
    const { prefix } = one;
    const sibling = prefix === undefined ? undefined : prefixes.find((other) => overlaps(prefix, other));
    if (prefix !== undefined) prefixes.push(prefix);
    const refused =
      collision(state, one, near, by) ??
      (prefix !== undefined && sibling !== undefined
        ? unprocessable(`${prefixesOverlap(prefix, sibling)} of the same request`)
        : undefined);
    return refused === undefined ? [] : [refused];
  });
}

/** One network may collide with hundreds of others, or of its own prefixes: nobody reads that, and no link carries it. */
const MOST_COLLISIONS = 16;

/** One refusal that names each collision once, with the kind of the first of those that trying again does not change. */
export const together = (refusals: readonly Refusal[]): Refusal | undefined => {
  const first = refusals.find(({ retryAfterS }) => retryAfterS === undefined) ?? refusals[0];
  const messages = [...new Set(refusals.map(({ message }) => message))];
  const more = messages.length - MOST_COLLISIONS;
  const listed = more > 0 ? [...messages.slice(0, MOST_COLLISIONS), `… and ${more} more`] : messages;
  return first && { ...first, message: listed.join('; ') };
};

/** What is claimed by the sites that joined, under the operation that the other sites know nothing of. */
export const adoptedAs = (site: string): string => `adopted|${site}`;

/** Promises to other sites, and what became of them, that a word is about. */
export function settledRecords(state: RegistryState, { h, only }: Settled): ClaimRecord[] {
  const records = [...state.claims.values()].map(({ value }) => value).filter(({ site }) => site !== state.id);
  if (only === undefined) return records.filter((record) => record.h === h);
  const keys = new Set(only.claims.map(claimKey));
  const networks = new Set(only.claims.filter(({ what }) => what === 'network').map(({ holder }) => holder));
  return records.filter(
    (record) =>
      record.site === only.site &&
      (record.h === h || record.h === adoptedAs(only.site)) &&
      (keys.has(claimKey(record)) || (record.what === 'vrf' && networks.has(record.holder))),
  );
}

/**
 * What a top-level network needs every site's word for (design.md §12): its id, its prefixes, and the number of a
 * global network's VRF.
 */
export const claimsOfNetwork = (network: NetworkRecord): Claim[] => [
  { what: 'network', value: network.id, holder: network.id },
  ...prefixClaims(network.id, network.prefixes),
  ...(isGlobal(network) && network.vrf !== 0
    ? [{ what: 'vrf' as const, value: String(network.vrf), holder: network.id, shared: network.vrfShared }]
    : []),
];

/** A partition has at most one super and one underlay network; this is its site's business alone. */
export const rolesOfNetwork = ({ id, partition, privateSuper, underlay }: NetworkRecord): Claim[] =>
  partition === ''
    ? []
    : [
        ...(privateSuper ? [{ what: 'super' as const, value: partition, holder: id }] : []),
        ...(underlay ? [{ what: 'underlay' as const, value: partition, holder: id }] : []),
      ];
