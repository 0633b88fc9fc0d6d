// Why nothing is left, in numbers: a refusal that only says "exhausted" makes people count by hand.
import { parseAddress, type Family } from '../ipam/address.ts';
import type { AddressSet } from '../ipam/address-set.ts';
import { pieceOf, type AddressSpace, type Piece } from './address-space.ts';

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const usable = (set: AddressSet): bigint => set.freeCount + BigInt(set.heldCount);

/** `2 prefixes of /26 and 1 of /24`; of nothing: `no prefix`. */
function sizes(pieces: readonly Piece[], one: string, many: string): string {
  const byLength = new Map<number, number>();
  for (const { set } of pieces) byLength.set(set.prefix.length, (byLength.get(set.prefix.length) ?? 0) + 1);
  const parts = [...byLength]
    .sort(([a], [b]) => a - b)
    .map(([length, count], i) => `${i === 0 ? plural(count, one, many) : count} of /${length}`);
  return parts.length === 0 ? `no ${one}` : parts.join(' and ');
}

const seconds = (ms: number): string => `${Math.max(0, Math.ceil(ms / 1_000))} s`;

/** `oldest reservation 3 s`, of those that say since when; undefined: none does. */
export function oldestReservation(held: Iterable<{ sinceMs: number }>, nowMs: number): string | undefined {
  let oldestMs = Infinity;
  for (const { sinceMs } of held) oldestMs = Math.min(oldestMs, sinceMs);
  return oldestMs === Infinity ? undefined : `oldest reservation ${seconds(nowMs - oldestMs)}`;
}

/** How many addresses of the open pieces of a family are kept back, and when the next one's rest ends. */
function restingIn(space: AddressSpace, family: Family, isOpen: (text: string) => boolean, isAllOpen: boolean) {
  if (isAllOpen) return space.resting.ahead(family);
  let [count, nextMs] = [0, Infinity];
  for (const [text, { untilMs, isOver }] of space.resting) {
    if (isOver || !isOpen(text)) continue;
    count++;
    nextMs = Math.min(nextMs, untilMs);
  }
  return { count, nextMs };
}

/**
 * `2 prefixes of /26, 124 of 124 addresses held, oldest reservation 3 s`; also how many are on their way out of the
 * network, kept back by its quarantine, or lent. `of`: what the pieces are called.
 */
export function heldText(
  space: AddressSpace,
  family: Family,
  nowMs: number,
  of: { one: string; many: string } = { one: 'prefix', many: 'prefixes' },
): string {
  const pieces = space.pieces.filter(({ set }) => set.prefix.family === family);
  const open = pieces.filter((piece) => piece.open);
  const held = open.reduce((sum, { set }) => sum + BigInt(set.heldCount), 0n);
  const all = open.reduce((sum, { set }) => sum + usable(set), 0n);
  const parts = [sizes(open, of.one, of.many)];
  if (open.length > 0) parts.push(`${held} of ${all} addresses held`);
  const doubtful = pieces.filter((piece) => piece.doubtful).length;
  if (doubtful > 0) parts.push(`${plural(doubtful, of.one, of.many)} closed since the site was restored from a backup`);
  const leaving = pieces.length - open.length - doubtful;
  if (leaving > 0) parts.push(`${plural(leaving, of.one, of.many)} on the way out`);
  const isOpen = (text: string): boolean => {
    const address = parseAddress(text);
    return address?.family === family && pieceOf(space, address)?.open === true;
  };
  const lent = [...space.loans].filter(([text, { as }]) => as === 'lent' && isOpen(text)).length;
  if (lent > 0) parts.push(`${lent} lent`);
  const { count: resting, nextMs } = restingIn(space, family, isOpen, open.length === pieces.length);
  if (resting > 0)
    parts.push(`${resting} of them kept back after their release, the next for ${seconds(nextMs - nowMs)}`);
  const reserved = [...space.inFlight].flatMap(([text, since]) => (isOpen(text) ? [since] : []));
  const oldest = oldestReservation(reserved, nowMs);
  if (oldest !== undefined) parts.push(oldest);
  return parts.join(', ');
}
