// What the dry runs under way would hold. Their actors don't hold it: others get what they would get if nobody had asked
// (I18). Only while an actor decides the next thing that the same dry run reserves does it hold what that run has so far.
import { addressText, type Address } from '../address.ts';
import { rowName, type Change } from '../records.ts';
import type { Cell } from './cell.ts';

export interface DryHolds {
  /** What the operation would hold at the actor. */
  of(operation: string, actor: Address): readonly Change[];
  /** `from`: shard of its coordinator. */
  add(operation: string, from: number, actor: Address, changes: readonly Change[]): void;
  end(operation: string, actor: Address): void;
  /** That shard was restarted: nobody will end what its dry runs would hold. */
  dropOf(from: number): void;
  clear(): void;
}

interface DryRun {
  from: number;
  /** By the text of the actor's address. */
  changes: Map<string, Change[]>;
}

const NOTHING: readonly Change[] = [];

export function createDryHolds(): DryHolds {
  const runs = new Map<string, DryRun>();
  return {
    of: (operation, actor) => runs.get(operation)?.changes.get(addressText(actor)) ?? NOTHING,
    add(operation, from, actor, changes) {
      if (changes.length === 0) return;
      let run = runs.get(operation);
      if (run === undefined) runs.set(operation, (run = { from, changes: new Map() }));
      const text = addressText(actor);
      run.changes.set(text, [...(run.changes.get(text) ?? []), ...changes]);
    },
    end(operation, actor) {
      const run = runs.get(operation);
      if (run?.changes.delete(addressText(actor)) === true && run.changes.size === 0) runs.delete(operation);
    },
    dropOf(from) {
      for (const [operation, run] of runs) if (run.from === from) runs.delete(operation);
    },
    clear: () => runs.clear(),
  };
}

/** Whether a real operation holds one of these rows by now: what was decided on it does not stand any more. */
export function isOvertaken(cell: Cell, changes: readonly Change[]): boolean {
  if (changes.length === 0 || cell.held.size === 0) return false;
  const names = new Set(changes.map(rowName));
  for (const held of cell.held.values()) if (held.changes.some((change) => names.has(rowName(change)))) return true;
  return false;
}
