// An actor's state is the fold of its rows: reads them under the proof of ownership and folds them. An index over others'
// rows grows while its actor serves: of a hundred thousand machines it takes a second, and most of what it is asked needs
// but a part.
import type { Excerpt } from '../excerpt.ts';
import type { Fence, ShardStore, World } from '../ports.ts';
import { internal, isRefusal, type Refusal } from '../refusal.ts';
import type { Cell } from './cell.ts';
import { fold, inPortions, ownRows } from './folding.ts';
import type { InHand } from './in-hand.ts';

export interface Loading {
  world: World;
  store: ShardStore;
  fence: Fence;
  /** false: the shard has started over; nobody waits for this load any more. */
  isWanted(): boolean;
  inHand: InHand;
  /** A row that its actor can't take. */
  crashed(cell: Cell, error: unknown): void;
  /** An index has grown: who waits for that is looked at again. */
  changed(cell: Cell): void;
}

/** After a scan that broke off; twice as long each time. */
const AGAIN_MS = 100;
const MOST_AGAIN_MS = 10_000;

/** Answers the state, or why there is none; not at all once it is not wanted any more. */
export function loadState(loading: Loading, cell: Cell, done: (loaded: { state: unknown } | Refusal) => void): void {
  const { world, store, isWanted } = loading;
  const { behaviour, address } = cell;
  const state = behaviour.create(address.id, address.scope);
  // A row that its actor can't take must not end the thread: this actor is refused, the others go on.
  let unread: Refusal | undefined;

  store.load(address.scope, ownRows(behaviour, address.id), [loading.fence], (rows, packed) => {
    if (!isWanted()) return;
    if (isRefusal(rows)) return done(rows);
    const folding = fold(behaviour, state, rows, packed);
    const goOn = (): boolean => {
      // Whoever had it loaded: rows that bring the thread down do so again whenever it is asked for.
      loading.inHand.ask = cell.inbox[0]?.ask ?? 0;
      try {
        return folding.next().done !== true;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        unread = internal(`${address.kind} ${address.id} can't be loaded: ${message}`);
        loading.crashed(cell, error);
        return false;
      } finally {
        loading.inHand.ask = 0;
      }
    };
    inPortions(world, goOn, isWanted, (isOver) => {
      if (!isOver) return;
      done(unread ?? { state });
      if (unread === undefined && behaviour.scans !== undefined) growIndex(loading, cell, state);
    });
  });
}

/** Takes the tables of an index one after the other, as long as the actor has this state. */
function growIndex({ world, store, fence, isWanted, crashed, changed }: Loading, cell: Cell, state: unknown): void {
  const { behaviour, address } = cell;
  const tables = [...(behaviour.scans ?? [])];
  const isCurrent = (): boolean => isWanted() && cell.state === state;
  let pauseMs = AGAIN_MS;

  const again = (): void => {
    world.after(pauseMs, () => {
      if (isCurrent()) next();
    });
    pauseMs = Math.min(2 * pauseMs, MOST_AGAIN_MS);
  };

  function next(): void {
    const [table] = tables;
    if (table === undefined) return;
    let isTaken = true;
    const absorb = (excerpts: Excerpt[]): void => {
      if (!isCurrent() || !isTaken) return;
      try {
        for (const excerpt of excerpts) behaviour.absorb?.(state, excerpt);
      } catch (error) {
        isTaken = false;
        crashed(cell, error);
      }
      changed(cell);
    };
    store.scan(address.scope, [table], [fence], absorb, (failure) => {
      if (!isCurrent()) return;
      // What was taken is taken again: an index knows by the version.
      if (failure !== undefined || !isTaken) return again();
      tables.shift();
      pauseMs = AGAIN_MS;
      behaviour.absorbed?.(state, table);
      changed(cell);
      next();
    });
  }

  if (isCurrent()) next();
}
