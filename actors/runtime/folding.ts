// An actor's state is the fold of its rows. A million of them are folded a portion at a time, so that others have their turn
// in between: for whoever loads an actor, and for whoever only wants to know what loading it would give.
import type { PackedAddresses, RowsOf, World } from '../ports.ts';
import type { Row } from '../records.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { portionsOf } from './packed.ts';

/** So many rows are folded before others have their turn: each may put the blocks of a network in order anew. */
export const ROWS_AT_ONCE = 64;

/** The rows of an actor; of addresses no more than the bytes, where it takes these. */
export const ownRows = (behaviour: AnyBehaviour, id: string): RowsOf[] =>
  behaviour.tables.map((table) => ({
    table,
    owner: id,
    ...(table === 'ip' && behaviour.addresses !== undefined ? { packed: true } : {}),
  }));

/** Takes what was loaded into the state; between two portions it yields. An actor of few rows is there at once. */
export function* fold(
  behaviour: AnyBehaviour,
  state: unknown,
  rows: readonly Row[],
  packed: readonly PackedAddresses[],
): Generator<undefined, void> {
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    if (at > 0) yield;
    for (const row of rows.slice(at, at + ROWS_AT_ONCE)) behaviour.evolve(state, { ...row, prev: 0 });
  }
  for (const [i, portion] of portionsOf(packed).entries()) {
    if (i > 0) yield;
    behaviour.addresses?.(state, portion);
  }
}

/**
 * Goes on with a work as long as there is more of it, the first part at once and others' turns between two parts. Answers
 * whether it came to its end: `isWanted` is asked before each part.
 */
export function inPortions(
  world: Pick<World, 'defer'>,
  goOn: () => boolean,
  isWanted: () => boolean,
  done: (isOver: boolean) => void,
): void {
  const next = (): void => {
    if (!isWanted()) done(false);
    else if (goOn()) world.defer(next);
    else done(true);
  };
  next();
}
