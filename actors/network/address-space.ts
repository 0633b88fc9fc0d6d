// The addresses that one actor gives out: of the prefixes of a network, or of the blocks a partition holds. One bit an
// address is all that stays in memory; owners and tags are rows (design.md §10: a million addresses stay small).
import {
  addressLength,
  formatAddress,
  offsetIn,
  parseAddress,
  readAddress,
  type Address,
  type Family,
} from '../ipam/address.ts';
import type { AddressSet } from '../ipam/address-set.ts';
import { comparePrefixes, contains } from '../ipam/prefix.ts';
import type { PackedAddresses } from '../ports.ts';
import type { Change, ChangeOf } from '../records.ts';
import { createGrowthLog, type GrowthLog } from './growth.ts';
import type { Loan } from './record.ts';
import type { Rest } from './quarantine.ts';
import { createResting, type Resting } from './resting.ts';

export interface Piece {
  /** The network's prefix it belongs to, as stored there. */
  readonly prefix: string;
  readonly set: AddressSet;
  /** Gives out addresses. Closed: on its way out of the network or back to the home, or doubtful. */
  open: boolean;
  /** Closed because the site was restored from a backup (reliability.md F24). */
  doubtful?: boolean;
}

interface FamilyOrder {
  /** Ascending by address, each with its place among all pieces. They never overlap. */
  sorted: Array<{ piece: Piece; place: number }>;
  /** Every piece of the family before that place is full. */
  fullBelow: number;
}

/** Released addresses of one piece that still have their row. */
export interface Left {
  /** Nobody has them, or is about to get them or to take their row away. */
  readonly resting: Set<string>;
  /** All others. */
  readonly others: Set<string>;
}

export interface AddressSpace {
  /** In the order in which they are tried; set by `setPieces` only. */
  pieces: readonly Piece[];
  /** Made of them when first needed, so that neither a look-up nor a full piece costs more when there are thousands. */
  order: Partial<Record<Family, FamilyOrder>>;
  /** Canonical address → the operation that reserved its row, and since when. */
  readonly inFlight: Map<string, { operation: string; sinceMs: number }>;
  /** Addresses that reservations marked as held, and that are free again if they are given up. */
  readonly acquiring: Set<string>;
  /**
   * Held addresses that lie in no piece, by canonical text: borrowed ones, and those whose piece is not known yet, since
   * rows are loaded table by table, in no promised order.
   */
  readonly strays: Map<string, Address>;
  readonly resting: Resting;
  /** Where these lie; a piece without any has no entry. */
  readonly left: Map<Piece, Left>;
  /** Rows of single addresses that are away, or here from elsewhere, by canonical text. */
  readonly loans: Map<string, Loan>;
  /** Borrowed addresses that are to be given out, with the version of their row. */
  readonly idle: Map<string, { version: number; loan: Loan; family: Family }>;
  readonly growth: GrowthLog;
}

export const createAddressSpace = (): AddressSpace => ({
  pieces: [],
  order: {},
  inFlight: new Map(),
  acquiring: new Set(),
  strays: new Map(),
  resting: createResting(),
  left: new Map(),
  loans: new Map(),
  idle: new Map(),
  growth: createGrowthLog(),
});

/** Key of an `ip` row. */
export const ipKey = (network: string, address: string): string => `${network}|${address}`;
const addressOfKey = (key: string): string => key.slice(key.lastIndexOf('|') + 1);

function orderOf(space: AddressSpace, family: Family): FamilyOrder {
  const known = space.order[family];
  if (known !== undefined) return known;
  const sorted = space.pieces
    .map((piece, place) => ({ piece, place }))
    .filter(({ piece }) => piece.set.prefix.family === family)
    .sort((a, b) => comparePrefixes(a.piece.set.prefix, b.piece.set.prefix));
  return (space.order[family] = { sorted, fullBelow: 0 });
}

/** The piece that contains the address, with its place. O(log n). */
function placeOf(space: AddressSpace, address: Address): { piece: Piece; place: number } | undefined {
  const { sorted } = orderOf(space, address.family);
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.piece.set.prefix.first <= address.value) low = middle + 1;
    else high = middle;
  }
  const found = sorted[low - 1];
  return found !== undefined && contains(found.piece.set.prefix, address) ? found : undefined;
}

export const pieceOf = (space: AddressSpace, address: Address): Piece | undefined => placeOf(space, address)?.piece;

/** The last piece of the family by address. */
export const lastPiece = (space: AddressSpace, family: Family): Piece | undefined =>
  orderOf(space, family).sorted.at(-1)?.piece;

/** The lowest free address of the first open piece of the family that has one. O(1) amortised. */
export function lowestFree(space: AddressSpace, family: Family): { piece: Piece; address: Address } | undefined {
  const order = orderOf(space, family);
  for (let place = order.fullBelow; place < space.pieces.length; place++) {
    const piece = space.pieces[place]!;
    const address = piece.set.prefix.family === family ? piece.set.lowestFree() : undefined;
    if (address !== undefined && piece.open) return { piece, address };
    if (address === undefined && place === order.fullBelow) order.fullBelow++;
  }
  return undefined;
}

/** The next free addresses, lowest first, of the open pieces of the family; nothing is taken by asking. */
export function freeOnes(space: AddressSpace, family: Family, most: number): Array<{ piece: Piece; address: Address }> {
  const found: Array<{ piece: Piece; address: Address }> = [];
  for (const piece of space.pieces.slice(orderOf(space, family).fullBelow)) {
    if (!piece.open || piece.set.prefix.family !== family) continue;
    const { prefix } = piece.set;
    for (let address = piece.set.lowestFree(); address !== undefined && found.length < most;) {
      found.push({ piece, address });
      address = piece.set.lowestFreeFrom(offsetIn(prefix, address) + 1n);
    }
  }
  return found;
}

/** A borrowed address of the family that nobody has, or is about to get. */
export function idleAddress(space: AddressSpace, family: Family): Address | undefined {
  for (const [text, one] of space.idle) {
    if (one.family === family && !space.inFlight.has(text)) return parseAddress(text);
  }
  return undefined;
}

/** Free addresses of open pieces; counting stops at `enough`. */
export function freeAddresses(space: AddressSpace, family: Family, enough?: bigint): bigint {
  let free = 0n;
  // Low pieces fill up first, so the free ones are found from the end.
  const { fullBelow } = orderOf(space, family);
  for (let i = space.pieces.length - 1; i >= fullBelow; i--) {
    const piece = space.pieces[i]!;
    if (!piece.open || piece.set.prefix.family !== family) continue;
    free += piece.set.freeCount;
    if (enough !== undefined && free >= enough) break;
  }
  return free;
}

/** Replaces the pieces; addresses loaded before their piece find their place. */
export function setPieces(space: AddressSpace, pieces: Piece[]): void {
  const stay = space.left.size === 0 ? undefined : new Set(pieces);
  for (const [piece, { resting, others }] of space.left) {
    if (stay?.has(piece) !== false) continue;
    space.left.delete(piece);
    // Their rows are cleared away by and by, when nobody looks for the piece any more.
    for (const text of [...resting, ...others]) {
      const address = parseAddress(text);
      if (address !== undefined) space.strays.set(text, address);
    }
  }
  space.pieces = pieces;
  space.order = {};
  for (const [text, address] of space.strays) {
    if (!mark(space, address)) continue;
    space.strays.delete(text);
    sort(space, text, address);
  }
}

/** Notes where an address lies that has, or had, the row of a released one, and how it stands by now. */
function sort(space: AddressSpace, text: string, address: Address): void {
  const row = space.resting.row(text);
  if (row === undefined && space.left.size === 0) return;
  const piece = pieceOf(space, address);
  if (piece === undefined) return;
  const known = space.left.get(piece);
  if (row === undefined) {
    if (known === undefined) return;
    known.resting.delete(text);
    known.others.delete(text);
    if (known.resting.size + known.others.size === 0) space.left.delete(piece);
    return;
  }
  const { resting, others } = known ?? { resting: new Set(), others: new Set() };
  if (known === undefined) space.left.set(piece, { resting, others });
  const rests = !row.isOver && !space.inFlight.has(text);
  (rests ? resting : others).add(text);
  (rests ? others : resting).delete(text);
}

function mark(space: AddressSpace, address: Address): boolean {
  const piece = pieceOf(space, address);
  piece?.set.acquire(address);
  return piece !== undefined;
}

/** False if it lies in no piece. */
function unmark(space: AddressSpace, address: Address): boolean {
  const found = placeOf(space, address);
  if (found === undefined) return false;
  const order = orderOf(space, address.family);
  if (found.piece.set.release(address)) order.fullBelow = Math.min(order.fullBelow, found.place);
  return true;
}

export const isHeld = (space: AddressSpace, address: Address): boolean =>
  pieceOf(space, address)?.set.has(address) ?? space.strays.has(formatAddress(address));

/** Applies a committed change of an `ip` row. */
export function evolveIp(space: AddressSpace, change: Pick<ChangeOf<'ip'>, 'key' | 'version' | 'value'>): void {
  const text = addressOfKey(change.key);
  const address = parseAddress(text);
  if (address === undefined) return;
  const { value } = change;
  space.resting.forget(text);
  const loan = value?.loan;
  if (loan === undefined) space.loans.delete(text);
  else space.loans.set(text, loan);
  if (loan?.state !== 'idle') space.idle.delete(text);
  else space.idle.set(text, { version: change.version, loan, family: address.family });
  if (value === null) {
    if (!unmark(space, address)) space.strays.delete(text);
  } else {
    if (!mark(space, address)) space.strays.set(text, address);
    const { restingUntilMs, changed } = value;
    if (restingUntilMs !== undefined) space.resting.add(text, change.version, restingUntilMs, changed);
  }
  sort(space, text, address);
}

/** Takes addresses of which only that they are held is known. */
export function takeAddresses(space: AddressSpace, { family, bytes }: PackedAddresses): void {
  const length = addressLength(family);
  // One view for all: a million of them would keep the collector busy while others wait.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let last: Piece | undefined;
  for (let at = 0; at < bytes.byteLength; at += length) {
    const address = readAddress(view, at, family);
    // They come in runs, and a network may have a thousand blocks.
    if (last === undefined || !contains(last.set.prefix, address)) last = pieceOf(space, address);
    if (last !== undefined) last.set.acquire(address);
    else space.strays.set(formatAddress(address), address);
  }
}

/** So many rests of a family are ended in one turn: a millisecond, or a few where the code is still interpreted. */
const WOKEN_AT_ONCE = 256;

function wakeOne(space: AddressSpace, text: string): void {
  const address = parseAddress(text);
  if (address === undefined) return;
  if (!space.inFlight.has(text)) unmark(space, address);
  sort(space, text, address);
}

/**
 * Addresses whose rest is over can be given out again: many of them, and the named one in any case. Call it before looking
 * for one. Answers whether more of them are over.
 */
export function wake(space: AddressSpace, nowMs: number, named?: string): boolean {
  for (const text of space.resting.over(nowMs, WOKEN_AT_ONCE)) wakeOne(space, text);
  if (named !== undefined && space.resting.isOver(named, nowMs)) wakeOne(space, named);
  return nextRestOver(space) <= nowMs;
}

/** When the next rest ends; Infinity: there is none. */
export const nextRestOver = ({ resting }: AddressSpace): number =>
  Math.min(resting.ahead('IPv4').nextMs, resting.ahead('IPv6').nextMs);

/** The network's label says how long addresses rest; that holds for those that rest already. */
export function limitRests(space: AddressSpace, longestMs: number): void {
  // What had rested under a shorter quarantine rests on under a longer one: as the rows alone would say.
  for (const text of space.resting.limit(longestMs)) {
    const address = parseAddress(text);
    if (address === undefined) continue;
    mark(space, address);
    sort(space, text, address);
  }
}

/** All that is left of a released address that nobody is about to get. */
export interface Leftover {
  address: string;
  version: number;
  /** While it rests. */
  rest?: Rest;
}

/** What lies in a piece and goes with it. */
export function* leftIn(space: AddressSpace, piece: Piece): Generator<Leftover, void> {
  const left = space.left.get(piece);
  if (left === undefined) return;
  for (const texts of [left.others, left.resting]) {
    for (const address of texts) {
      const row = space.inFlight.has(address) ? undefined : space.resting.row(address);
      if (row === undefined) continue;
      const { version, sinceMs, untilMs, isOver } = row;
      yield { address, version, ...(isOver ? {} : { rest: { sinceMs, untilMs } }) };
    }
  }
}

/** What is left of addresses whose rest is over, or that lie in no piece any more, or in one that is as good as gone. */
export function* overdue(space: AddressSpace, isGone: (piece: Piece) => boolean): Generator<Leftover, void> {
  for (const [piece] of space.left) {
    const isAll = isGone(piece);
    for (const left of leftIn(space, piece)) {
      // Those that rest come last.
      if (left.rest !== undefined && !isAll) break;
      yield left;
    }
  }
  for (const address of space.strays.keys()) {
    const row = space.inFlight.has(address) ? undefined : space.resting.row(address);
    if (row !== undefined) yield { address, version: row.version };
  }
}

/** Addresses of a piece that are kept back. */
export const restingIn = (space: AddressSpace, piece: Piece): number => space.left.get(piece)?.resting.size ?? 0;

/** Addresses of a piece that somebody has or is about to get. */
export const usedIn = (space: AddressSpace, piece: Piece): number => piece.set.heldCount - restingIn(space, piece);

/** Reserved rows refuse others; an address that is being acquired counts as held. */
export function holdIps(space: AddressSpace, operation: string, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.table !== 'ip') continue;
    const text = addressOfKey(change.key);
    // What releases a row says no time; it does not make anybody wait for an address either.
    space.inFlight.set(text, { operation, sinceMs: change.value?.changed ?? Infinity });
    const address = parseAddress(text);
    if (address === undefined) continue;
    sort(space, text, address);
    if (change.value === null || isHeld(space, address)) continue;
    if (mark(space, address)) space.acquiring.add(text);
  }
}

export function unholdIps(space: AddressSpace, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.table !== 'ip') continue;
    const text = addressOfKey(change.key);
    space.inFlight.delete(text);
    const isAcquired = space.acquiring.delete(text);
    const isResting = space.resting.untilMs(text) !== undefined;
    const address = isAcquired || isResting ? parseAddress(text) : undefined;
    if (address === undefined) continue;
    if (!isResting) {
      unmark(space, address);
      continue;
    }
    // Its rest may be over, or be another one by now: the next look says so.
    mark(space, address);
    space.resting.again(text);
    sort(space, text, address);
  }
}
