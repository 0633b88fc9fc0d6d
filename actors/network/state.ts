// What a network actor knows: its record, one bit an address, the children cut from it, and at home the ledger of blocks.
import type { Scope } from '../address.ts';
import { createChildSpace, type ChildSpace } from '../ipam/child-prefixes.ts';
import { createAddressSet } from '../ipam/address-set.ts';
import { formatAddress, type Family } from '../ipam/address.ts';
import { parsePrefix } from '../ipam/prefix.ts';
import { prefixUsage, sumUsage, type Usage } from '../ipam/usage.ts';
import { liveAfter, type Live } from '../change.ts';
import type { Change } from '../records.ts';
import { conflict, unprocessable, type Refusal } from '../refusal.ts';
import {
  createAddressSpace,
  evolveIp,
  holdIps,
  limitRests,
  setPieces,
  unholdIps,
  usedIn,
  type AddressSpace,
  type Piece,
} from './address-space.ts';
import { prefixesOf } from './ip-rules.ts';
import { createLedger, evolveBlock, type Ledger } from './ledger.ts';
import type { BlocksIdle, NetworkView } from './messages.ts';
import { isGlobal, noSuchNetwork } from './network-rules.ts';
import { quarantineMs } from './quarantine.ts';
import type { NetworkRecord, PrefixRecord } from './record.ts';

/** `clears`: what rests in the prefixes that leave goes with the operation itself. */
export interface Underway {
  operation: string;
  what: 'create' | 'change' | 'close';
  clears: boolean;
}

export interface NetworkState {
  readonly id: string;
  readonly scope: Scope;
  network: Live<NetworkRecord> | null;
  readonly space: AddressSpace;
  /** By the canonical cidr of the top-level prefix they are cut from. */
  readonly children: Map<string, ChildSpace>;
  readonly prefixRows: Map<string, Live<PrefixRecord>>;
  readonly ledger: Ledger;
  /** An operation that makes, changes or ends the network. */
  underway: Underway | null;
  /** Canonical cidrs that the operation under way takes out of the network. */
  readonly leaving: Set<string>;
  /** Child prefixes reserved by an operation, cut or on their way back: of which top-level prefix, and since when. */
  readonly prefixesInFlight: Map<string, { root: string; sinceMs: number }>;
}

export const createNetworkState = (id: string, scope: Scope): NetworkState => ({
  id,
  scope,
  network: null,
  space: createAddressSpace(),
  children: new Map(),
  prefixRows: new Map(),
  ledger: createLedger(),
  underway: null,
  leaving: new Set(),
  prefixesInFlight: new Map(),
});

export const canonicalCidr = (text: string): string => parsePrefix(text)?.canonical ?? text;

/** The space of children of a top-level prefix, made when first needed: rows are loaded in no promised order. */
export function childrenOf(state: NetworkState, root: string): ChildSpace | undefined {
  const known = state.children.get(root);
  const prefix = known === undefined ? parsePrefix(root) : undefined;
  if (prefix === undefined) return known;
  const space = createChildSpace(prefix);
  state.children.set(root, space);
  return space;
}

/** The network, or why nothing can be done with it. */
export function networkOf(state: NetworkState): NetworkRecord | Refusal {
  if (state.network === null) return noSuchNetwork(state.id);
  if (state.underway?.what === 'close') return conflict(`network ${state.id} is being deleted`);
  return state.network.value;
}

function syncPieces(state: NetworkState): void {
  const record = state.network?.value;
  const gives = record !== undefined && !record.privateSuper && !isGlobal(record);
  const known = new Map(state.space.pieces.map((piece) => [piece.prefix, piece]));
  const pieces = (gives ? prefixesOf(record) : []).map(
    ({ text, prefix }): Piece => known.get(text) ?? { prefix: text, set: createAddressSet(prefix), open: true },
  );
  setPieces(state.space, pieces);
}

function evolvePrefix(state: NetworkState, key: string, version: number, record: PrefixRecord | null): void {
  const before = state.prefixRows.get(key);
  const current = record ?? before?.value;
  if (current === undefined) return;
  const prefix = parsePrefix(key);
  const isChild = current.root !== key && prefix !== undefined;
  if (record === null) {
    state.prefixRows.delete(key);
    if (isChild) childrenOf(state, current.root)?.release(prefix);
    else state.children.delete(key);
    return;
  }
  state.prefixRows.set(key, { value: record, version });
  if (isChild && before === undefined) childrenOf(state, record.root)?.acquireSpecific(prefix);
}

export function evolveNetwork(state: NetworkState, change: Change): void {
  if (change.table === 'ip') evolveIp(state.space, change);
  else if (change.table === 'block') evolveBlock(state.ledger, change);
  else if (change.table === 'prefix') evolvePrefix(state, change.key, change.version, change.value);
  else if (change.table === 'network') {
    state.network = liveAfter(change);
    syncPieces(state);
    if (change.value !== null) limitRests(state.space, quarantineMs(change.value));
  }
}

const opened = (state: NetworkState): void => {
  for (const piece of state.space.pieces) piece.open = !state.leaving.has(canonicalCidr(piece.prefix));
};

const isLeftover = ({ table, value }: Change): boolean => value === null && (table === 'ip' || table === 'block');

export function holdNetwork(state: NetworkState, operation: string, changes: readonly Change[]): void {
  holdIps(state.space, operation, changes);
  for (const change of changes) {
    if (change.table === 'network') {
      const what = change.value === null ? 'close' : change.prev === 0 ? 'create' : 'change';
      state.underway = { operation, what, clears: changes.some(isLeftover) };
    } else if (change.table === 'prefix') {
      const root = change.value?.root ?? state.prefixRows.get(change.key)?.value.root;
      if (root === undefined || root === change.key) {
        if (change.value === null) state.leaving.add(change.key);
        continue;
      }
      // What is on its way back says no time; it does not make anybody wait for room either.
      state.prefixesInFlight.set(change.key, { root, sinceMs: change.value?.cut ?? Infinity });
      const prefix = parsePrefix(change.key);
      if (change.value !== null && prefix !== undefined) childrenOf(state, root)?.acquireSpecific(prefix);
    }
  }
  opened(state);
}

export function unholdNetwork(state: NetworkState, changes: readonly Change[]): void {
  unholdIps(state.space, changes);
  for (const change of changes) {
    if (change.table === 'network') state.underway = null;
    if (change.table !== 'prefix') continue;
    state.leaving.delete(change.key);
    if (!state.prefixesInFlight.delete(change.key)) continue;
    // An actor that was loaded while the operation was under way may have read what it wrote: then the row has the child.
    if (state.prefixRows.has(change.key)) continue;
    const prefix = parsePrefix(change.key);
    if (change.value !== null && prefix !== undefined) childrenOf(state, change.value.root)?.release(prefix);
  }
  opened(state);
}

/** The lowest address of a piece that somebody has, and how many others there are. */
function firstInUse(space: AddressSpace, piece: Piece): { address: string; others: number } | undefined {
  const used = usedIn(space, piece);
  if (used === 0) return undefined;
  const resting = space.left.get(piece)?.resting;
  const lowest = piece.set.lowestHeld((address) => resting?.has(formatAddress(address)) === true);
  return lowest === undefined ? undefined : { address: formatAddress(lowest), others: used - 1 };
}

/**
 * Why a prefix can't leave the network: addresses, children or blocks of it are in use. `what` begins the text. What only
 * rests is not in use (networks.md §1.7): it goes with the prefix.
 */
export function prefixInUse(
  state: NetworkState,
  text: string,
  { what, blocksIdle }: { what: string; blocksIdle: BlocksIdle },
): Refusal | undefined {
  const { space } = state;
  const cidr = canonicalCidr(text);
  const piece = space.pieces.find((one) => one.prefix === text);
  const used = piece === undefined ? undefined : firstInUse(space, piece);
  if (used !== undefined) {
    const more = used.others === 0 ? '' : ` and ${used.others} more`;
    return unprocessable(`${what}: prefix ${text} has ip ${used.address} in use${more}`);
  }
  const children = state.children.get(cidr);
  if (children !== undefined && children.children > 0) {
    // metal-api lets it go; its children can never be freed then (N04).
    return unprocessable(`${what}: prefix ${text} has childprefixes, ${children.children} of them`);
  }
  if (blocksIdle) return undefined;
  const blocks = [...state.ledger.rows.values()].filter(
    ({ value }) => value.prefix === text && value.state !== 'resting',
  );
  const [block] = blocks;
  return block === undefined
    ? undefined
    : unprocessable(
        `${what}: prefix ${text} has block ${block.value.first}/${block.value.length} held by partition ${block.value.holder}${blocks.length === 1 ? '' : ` and ${blocks.length - 1} more`}`,
      );
}

const noUsage = (): NetworkView['usage'] => ({ IPv4: null, IPv6: null });

export const viewWithoutUsage = (network: NetworkRecord): NetworkView => ({ network, usage: noUsage() });

/** The network with its usage; `network` when it is about to be another than the stored one. */
export function viewOf(state: NetworkState, network: NetworkRecord): NetworkView {
  const usages: Record<Family, Usage[]> = { IPv4: [], IPv6: [] };
  for (const { text, prefix } of prefixesOf(network)) {
    const held = state.space.pieces.find((piece) => piece.prefix === text)?.set.heldCount ?? 0;
    usages[prefix.family].push(prefixUsage({ prefix, held, children: state.children.get(prefix.canonical) }));
  }
  const usage = noUsage();
  for (const family of ['IPv4', 'IPv6'] as const) {
    if (usages[family].length > 0) usage[family] = sumUsage(usages[family]);
  }
  return { network, usage };
}
