// The actors in memory, found by address. Three small maps instead of one by the address's text: making and hashing that text
// costs as much as the rest of a short message, and a hundred bytes an actor (measured).
import type { Address, Kind, Scope } from '../address.ts';
import type { Cell } from './cell.ts';

export interface Cells {
  get(address: Address): Cell | undefined;
  /** In the place of who had its address, if anybody had. */
  add(cell: Cell): void;
  remove(address: Address): void;
  clear(): void;
  /** By scope and kind as they came first, then in the order they came. */
  values(): IterableIterator<Cell>;
  readonly size: number;
}

export function createCells(): Cells {
  const scopes = new Map<Scope, Map<Kind, Map<string, Cell>>>();
  let size = 0;
  /** Who is looked for lives mostly beside who was found last: one map is asked then instead of three. */
  let last: { scope: Scope; kind: Kind; cells: Map<string, Cell> } | null = null;

  return {
    get({ scope, kind, id }) {
      if (last === null || last.scope !== scope || last.kind !== kind) {
        const cells = scopes.get(scope)?.get(kind);
        if (cells === undefined) return undefined;
        last = { scope, kind, cells };
      }
      return last.cells.get(id);
    },
    add(cell) {
      const { scope, kind, id } = cell.address;
      let kinds = scopes.get(scope);
      if (kinds === undefined) scopes.set(scope, (kinds = new Map()));
      let cells = kinds.get(kind);
      if (cells === undefined) kinds.set(kind, (cells = new Map()));
      size -= cells.size;
      cells.set(id, cell);
      size += cells.size;
    },
    remove({ scope, kind, id }) {
      if (scopes.get(scope)?.get(kind)?.delete(id) === true) size--;
    },
    clear() {
      scopes.clear();
      last = null;
      size = 0;
    },
    *values() {
      for (const kinds of scopes.values()) for (const cells of kinds.values()) yield* cells.values();
    },
    get size() {
      return size;
    },
  };
}
