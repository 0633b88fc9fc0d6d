// What is claimed, and what collides with it: pure, over the claims that one site knows of.
import { overlaps, parsePrefix, type Prefix } from '../ipam/prefix.ts';
import { prefixesOverlap } from '../ipam/refusal-texts.ts';
import { prefixClaims } from '../network/coordination.ts';
import { isGlobal } from '../network/network-rules.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { Live } from '../change.ts';
import type { Change } from '../records.ts';
import { alreadyExists, conflict, invalid, unprocessable, type Refusal } from '../refusal.ts';
import type { Claim } from './messages.ts';
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

function overlapping(state: RegistryState, claim: Claim, prefix: Prefix): Prefix | undefined {
  for (const claims of [state.claims, state.making]) {
    for (const [key, { value, prefix: other }] of claims) {
      if (other === undefined || !overlaps(prefix, other)) continue;
      // A network may replace a prefix by another over the same addresses.
      if (state.leaving.has(key) && value.holder === claim.holder) continue;
      return other;
    }
  }
  return undefined;
}

const TAKEN: Record<'partition' | 'super' | 'underlay', (value: string) => Refusal> = {
  partition: (value) => conflict(`partition with id "${value}" already exists`),
  super: (value) => invalid(`partition with id "${value}" already has a private super network`),
  // metal-api answers this one with another status than the one before.
  underlay: (value) => unprocessable(`partition with id "${value}" already has an underlay network`),
};

/** Why one thing can't be claimed. */
export function collision(state: RegistryState, claim: Claim): Refusal | undefined {
  const { what, value } = claim;
  if (what === 'prefix') {
    const prefix = parsePrefix(value);
    if (prefix === undefined)
      return invalid(`given cidr ${value} is not a valid ip with mask: expected e.g. 10.0.0.0/16`);
    const other = overlapping(state, claim, prefix);
    return other === undefined ? undefined : unprocessable(prefixesOverlap(prefix, other));
  }
  const key = claimKey(claim);
  if (!state.claims.has(key) && !state.making.has(key)) return undefined;
  if (what === 'vrf') return undefined;
  return what === 'network' ? alreadyExists() : TAKEN[what](value);
}

/** All collisions, in the order of the claims; with each other too. */
export function collisions(state: RegistryState, claims: readonly Claim[]): Refusal[] {
  const prefixes: Prefix[] = [];
  return claims.flatMap((claim) => {
    const prefix = claim.what === 'prefix' ? parsePrefix(claim.value) : undefined;
    const sibling = prefix === undefined ? undefined : prefixes.find((other) => overlaps(prefix, other));
    if (prefix !== undefined) prefixes.push(prefix);
    const refused =
      collision(state, claim) ??
      (prefix !== undefined && sibling !== undefined ? unprocessable(prefixesOverlap(prefix, sibling)) : undefined);
    return refused === undefined ? [] : [refused];
  });
}

/** One refusal that names each collision, with the kind of the first. */
export const together = (refusals: readonly Refusal[]): Refusal | undefined => {
  const [first] = refusals;
  return first === undefined || refusals.length === 1
    ? first
    : { ...first, message: refusals.map(({ message }) => message).join('; ') };
};

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
