// Compares actors with their rows: a live actor's memory is what loading its rows again would give, or something is wrong
// even if each of the two is sound in itself (reliability.md §5.4).
import { addressText, type Scope } from '../address.ts';
import type { Fence, ShardStore, World } from '../ports.ts';
import { isRefusal } from '../refusal.ts';
import type { Cell } from './cell.ts';
import type { Cells } from './cells.ts';

export interface MemoryAudit {
  /** Actors that were compared. */
  compared: number;
  /** Actors that were in the middle of something each time. */
  busy: number;
  /** Actors beyond the limit. */
  left: number;
  /** Sentences; empty: memory and rows agree. */
  findings: string[];
}

export interface MemoryAuditOptions {
  world: Pick<World, 'after'>;
  store: Pick<ShardStore, 'load'>;
  cells: Pick<Cells, 'get' | 'values'>;
  fenceOf(scope: Scope): Fence;
}

const TRIES = 3;
const AGAIN_MS = 20;
const MOST_FINDINGS = 100;

/** Text of a value in which neither the order of an object's fields nor that of a list matters. */
export function canonical(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'undefined';
  if (value instanceof Map) return canonical([...(value as Map<unknown, unknown>)]);
  if (value instanceof Set) return canonical([...(value as Set<unknown>)]);
  if (Array.isArray(value)) return `[${value.map(canonical).sort().join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.sort().join(',')}}`;
}

/** Names of the top-level fields in which the two differ, for the finding. */
function differing(memory: unknown, rows: unknown): string {
  const isPlain = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isPlain(memory) || !isPlain(rows)) return 'its content';
  const names = [...new Set([...Object.keys(memory), ...Object.keys(rows)])];
  return names.filter((name) => canonical(memory[name]) !== canonical(rows[name])).join(', ');
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

  /** Compares one actor: a finding, undefined, or null if it was never found quiet before and after the load. */
  function compare(cell: Cell, tries: number, done: (found: string | null | undefined) => void): void {
    const again = (): void => {
      if (tries <= 1) return done(null);
      world.after(AGAIN_MS, () => compare(cell, tries - 1, done));
    };
    if (cells.get(cell.address) !== cell) return done(null);
    if (!isQuiet(cell)) return again();
    const { behaviour, address, turns } = cell;
    const wanted = behaviour.tables.map((table) => ({ table, owner: address.id }));
    store.load(address.scope, wanted, [options.fenceOf(address.scope)], (rows) => {
      if (isRefusal(rows)) return done(`memory: ${addressText(address)} could not be compared: ${rows.message}`);
      // Nothing changes an actor that holds no reservation but a turn of its own.
      if (cells.get(address) !== cell || !isQuiet(cell) || cell.turns !== turns) return again();
      const fresh = behaviour.create(address.id, address.scope);
      for (const row of rows) behaviour.evolve(fresh, { ...row, prev: 0 });
      const view = behaviour.audited ?? behaviour.describe;
      if (view === undefined) return done(undefined);
      const [memory, stored] = [view(cell.state), view(fresh)];
      if (canonical(memory) === canonical(stored)) return done(undefined);
      done(`memory: ${addressText(address)} differs from its rows in ${differing(memory, stored)}`);
    });
  }

  return (limit: number, done: (audit: MemoryAudit) => void): void => {
    const all = [...cells.values()].sort((a, b) => b.touchedMs - a.touchedMs);
    const audit: MemoryAudit = { compared: 0, busy: 0, left: Math.max(0, all.length - limit), findings: [] };
    const next = (i: number): void => {
      const cell = i < limit ? all[i] : undefined;
      if (cell === undefined || audit.findings.length >= MOST_FINDINGS) {
        audit.left += Math.max(0, Math.min(all.length, limit) - i);
        return done(audit);
      }
      compare(cell, TRIES, (found) => {
        if (found === null) audit.busy++;
        else {
          audit.compared++;
          if (found !== undefined) audit.findings.push(found);
        }
        next(i + 1);
      });
    };
    next(0);
  };
}
