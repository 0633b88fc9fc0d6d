// The row of a released address stays while it rests. When nothing needs it any more, its actor takes it away: a portion a
// turn, asked for by the actor itself, so that no operation of anybody else grows with what was released before.
import type { Address } from '../address.ts';
import { changeRow, type Live } from '../change.ts';
import type { Change } from '../records.ts';
import type { Context, Decided, Hint } from '../runtime/behaviour.ts';
import { ipKey, nextRestOver, overdue, wake, type AddressSpace, type Leftover, type Piece } from './address-space.ts';
import type { IpRecord } from './record.ts';

/** So many rows go in one operation: its one row in the log is written, and read by others, like everybody's. */
export const CLEARED_AT_ONCE = 256;

/** What ends in short order is cleared away together. */
const EARLIEST_MS = 1_000;
/** Rests last up to a year, which is longer than timers do. */
const LATEST_MS = 86_400_000;

type Self = Address<'network' | 'block'>;

export const leftoverRow = (state: { readonly id: string }, context: Context, left: Leftover): Change =>
  changeRow(
    { scope: context.scope, owner: state.id },
    'ip',
    ipKey(state.id, left.address),
    { version: left.version } as Live<IpRecord>,
    context.version(),
    null,
  );

/** The first of many, up to so many as go in one operation. */
export function portion<T>(all: Iterable<T>): T[] {
  const first: T[] = [];
  for (const one of all) {
    if (first.push(one) === CLEARED_AT_ONCE) break;
  }
  return first;
}

export const clearNow = (self: Self): Hint => ({ to: self, name: 'clearRested', body: {} });

/**
 * The actor asks itself to clear away when the next rest is over. It does so at each turn: what it asked is lost with the
 * process, and with an operation that is given up. `untilMs`: a rest that is about to begin; `gone`: so many rows are about to
 * go.
 */
export function clearLater(
  space: AddressSpace,
  self: Self,
  nowMs: number,
  { untilMs = Infinity, gone = 0 }: { untilMs?: number | undefined; gone?: number } = {},
): Hint[] {
  const { resting } = space;
  const over = resting.size - resting.ahead('IPv4').count - resting.ahead('IPv6').count - gone;
  const dueMs = over > 0 ? nowMs : Math.min(nextRestOver(space), untilMs);
  if (dueMs === Infinity) return [];
  return [{ ...clearNow(self), afterMs: Math.max(EARLIEST_MS, Math.min(dueMs - nowMs, LATEST_MS)) }];
}

/** Takes a portion away, and asks for the next. `isGone`: what rests in the piece is of no use any more. */
export function clearRested(
  state: { readonly id: string },
  space: AddressSpace,
  self: Self,
  context: Context,
  isGone: (piece: Piece) => boolean,
): Decided<{ cleared: number }> {
  const { nowMs } = context;
  const isMore = wake(space, nowMs);
  const gone = portion(overdue(space, isGone));
  const isAll = !isMore && gone.length < CLEARED_AT_ONCE;
  return {
    reply: { cleared: gone.length },
    changes: gone.map((left) => leftoverRow(state, context, left)),
    hints: isAll ? clearLater(space, self, nowMs, { gone: gone.length }) : [clearNow(self)],
  };
}
