// Compares actors with their rows: a live actor's memory is what loading its rows again would give, or something is wrong
// even if each of the two is sound in itself (reliability.md §5.4). Rows are read and folded as for a load: the shard that is
// audited serves meanwhile.
import { addressText, type Scope } from '../address.ts';
import { push, takeAt, type Heap } from '../ipam/heap.ts';
import type { Fence, ShardStore, World } from '../ports.ts';
import { isRefusal } from '../refusal.ts';
import type { Cell } from './cell.ts';
import type { Cells } from './cells.ts';
import { driftOf } from './drift.ts';
import { inPortions, ownRows } from './folding.ts';

export interface MemoryAudit {
  /** Actors that were compared. */
  compared: number;
  /** Actors that were in the middle of something each time. */
  busy: number;
  /** Actors beyond the limits. */
  left: number;
  /** Which actors could not be compared, and why: that their rows could not be read says nothing against their memory. */
  notCompared: string[];
  /** Sentences; empty: memory and rows agree, where they were compared. */
  findings: string[];
}

export interface MemoryAuditOptions {
  world: Pick<World, 'after' | 'defer'>;
  store: Pick<ShardStore, 'load'>;
  cells: Pick<Cells, 'get' | 'values'>;
  fenceOf(scope: Scope): Fence;
}

export const nothingAudited = (): MemoryAudit => ({ compared: 0, busy: 0, left: 0, notCompared: [], findings: [] });

const TRIES = 3;
const AGAIN_MS = 20;
const MOST_FINDINGS = 100;
/** Each may have taken as long as a load may take. */
const MOST_NOT_COMPARED = 10;

type Compared = { drift: string | undefined } | { notCompared: string } | 'busy';

/** Who was active last comes first. A hundred thousand are not sorted for the few that are compared. */
function lastActive(cells: Iterable<Cell>): Heap<{ cell: Cell; touchedMs: number }> {
  const heap: ReturnType<typeof lastActive> = { items: [], isBefore: (one, other) => one.touchedMs > other.touchedMs };
  for (const cell of cells) push(heap, { cell, touchedMs: cell.touchedMs });
  return heap;
}

/** Answers a function that compares up to `limit` resident actors, one after the other, the last active ones first. */
export function createMemoryAudit(options: MemoryAuditOptions) {
  const { world, store, cells } = options;

  const isQuiet = (cell: Cell): boolean =>
    cell.status === 'idle' &&
    !cell.stale &&
    cell.held.size === 0 &&
    cell.inbox.length === 0 &&
    cell.waiting.length === 0;

  /** Busy: it was never found quiet, and the same, from before its rows were read until they were compared. */
  function compare(cell: Cell, tries: number, done: (compared: Compared) => void): void {
    const again = (): void => {
      if (tries <= 1) return done('busy');
      world.after(AGAIN_MS, () => compare(cell, tries - 1, done));
    };
    if (cells.get(cell.address) !== cell) return done('busy');
    if (!isQuiet(cell)) return again();
    const { behaviour, address, turns, state } = cell;
    // Nothing changes an actor that holds no reservation but a turn of its own; loaded anew, it has another state.
    const isUnchanged = (): boolean =>
      cells.get(address) === cell && isQuiet(cell) && cell.turns === turns && cell.state === state;
    store.load(address.scope, ownRows(behaviour, address.id), [options.fenceOf(address.scope)], (rows, packed) => {
      const name = addressText(address);
      if (isRefusal(rows)) return done({ notCompared: `${name}: ${rows.message}` });
      const comparing = driftOf({ behaviour, address, state }, rows, packed);
      let drift: string | undefined;
      const goOn = (): boolean => {
        try {
          const { done: isOver, value: fields } = comparing.next();
          if (isOver !== true) return true;
          if (fields.length > 0) drift = `memory: ${name} differs from its rows in ${fields.join(', ')}`;
        } catch (error) {
          // Nor could it be loaded; a row that its actor can't take must not end the thread.
          drift = `memory: ${name} can't be made of its rows: ${error instanceof Error ? error.message : String(error)}`;
        }
        return false;
      };
      inPortions(world, goOn, isUnchanged, (isOver) => (isOver ? done({ drift }) : again()));
    });
  }

  return (limit: number, done: (audit: MemoryAudit) => void): void => {
    const all = lastActive(cells.values());
    const audit = nothingAudited();
    const next = (): void => {
      const isEnough =
        audit.compared + audit.busy + audit.notCompared.length >= limit ||
        audit.findings.length >= MOST_FINDINGS ||
        audit.notCompared.length >= MOST_NOT_COMPARED;
      const first = isEnough ? undefined : takeAt(all, 0);
      if (first === undefined) {
        audit.left = all.items.length;
        return done(audit);
      }
      compare(first.cell, TRIES, (compared) => {
        if (compared === 'busy') audit.busy++;
        else if ('notCompared' in compared) audit.notCompared.push(compared.notCompared);
        else {
          audit.compared++;
          if (compared.drift !== undefined) audit.findings.push(compared.drift);
        }
        world.defer(next);
      });
    };
    next();
  };
}
