// The addresses that one actor gives out: of the prefixes of a network, or of the blocks a partition holds. One bit an
// address is all that stays in memory; owners and tags are rows (design.md §10: a million addresses stay small).
import { parseAddress, type Address, type Family } from '../ipam/address.ts';
import type { AddressSet } from '../ipam/address-set.ts';
import { contains } from '../ipam/prefix.ts';
import type { Change, ChangeOf } from '../records.ts';

export interface Piece {
  /** The network's prefix it belongs to, as stored there. */
  readonly prefix: string;
  readonly set: AddressSet;
  /** Gives out addresses. Closed: on its way out of the network or back to the home. */
  open: boolean;
}

export interface AddressSpace {
  /** In the order in which they are tried. */
  pieces: Piece[];
  /** Canonical address → operation that reserved its row. */
  readonly inFlight: Map<string, string>;
  /** Held addresses whose piece is not known yet: rows are loaded table by table, in no promised order. */
  strays: Address[];
}

export const createAddressSpace = (): AddressSpace => ({ pieces: [], inFlight: new Map(), strays: [] });

/** Key of an `ip` row. */
export const ipKey = (network: string, address: string): string => `${network}|${address}`;
const addressOfKey = (key: string): string => key.slice(key.lastIndexOf('|') + 1);

export const pieceOf = (space: AddressSpace, address: Address): Piece | undefined =>
  space.pieces.find((piece) => contains(piece.set.prefix, address));

/** The lowest free address of the first open piece of the family that has one. */
export function lowestFree(space: AddressSpace, family: Family): { piece: Piece; address: Address } | undefined {
  for (const piece of space.pieces) {
    if (!piece.open || piece.set.prefix.family !== family) continue;
    const address = piece.set.lowestFree();
    if (address !== undefined) return { piece, address };
  }
  return undefined;
}

/** Free addresses of open pieces; counting stops at `enough`. */
export function freeAddresses(space: AddressSpace, family: Family, enough?: bigint): bigint {
  let free = 0n;
  // Low pieces fill up first, so the free ones are found from the end.
  for (let i = space.pieces.length - 1; i >= 0; i--) {
    const piece = space.pieces[i]!;
    if (!piece.open || piece.set.prefix.family !== family) continue;
    free += piece.set.freeCount;
    if (enough !== undefined && free >= enough) break;
  }
  return free;
}

/** Replaces the pieces; addresses loaded before their piece find their place. */
export function setPieces(space: AddressSpace, pieces: Piece[]): void {
  space.pieces = pieces;
  if (space.strays.length > 0) space.strays = space.strays.filter((address) => !mark(space, address));
}

function mark(space: AddressSpace, address: Address): boolean {
  const piece = pieceOf(space, address);
  piece?.set.acquire(address);
  return piece !== undefined;
}

function unmark(space: AddressSpace, address: Address): void {
  const piece = pieceOf(space, address);
  if (piece !== undefined) piece.set.release(address);
  else space.strays = space.strays.filter((one) => one.family !== address.family || one.value !== address.value);
}

/** Applies a committed change of an `ip` row. */
export function evolveIp(space: AddressSpace, change: ChangeOf<'ip'>): void {
  const address = parseAddress(addressOfKey(change.key));
  if (address === undefined) return;
  if (change.value === null) unmark(space, address);
  else if (!mark(space, address)) space.strays.push(address);
}

/** Reserved rows refuse others; an address that is being acquired counts as held. */
export function holdIps(space: AddressSpace, operation: string, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.table !== 'ip') continue;
    const text = addressOfKey(change.key);
    space.inFlight.set(text, operation);
    const address = change.prev === 0 ? parseAddress(text) : undefined;
    if (address !== undefined) mark(space, address);
  }
}

export function unholdIps(space: AddressSpace, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.table !== 'ip') continue;
    const text = addressOfKey(change.key);
    space.inFlight.delete(text);
    const address = change.prev === 0 ? parseAddress(text) : undefined;
    if (address !== undefined) unmark(space, address);
  }
}
