// A group: operations of many actors, written as one transaction.
import type { Scope } from '../../address.ts';
import type { Fence, Group, KeyedOutcome, LogEntry } from '../../ports.ts';
import { rowName, type Change } from '../../records.ts';
import { scopesOf, type Operation } from './operation.ts';

export interface GroupContext {
  id: string;
  shard: number;
  /** The shard's own fence in a scope. */
  fence(scope: Scope): Fence;
  /** Number of the last entry of each scope's stream. */
  sequence: ReadonlyMap<Scope, number>;
  /** Wall clock. */
  atMs: number;
}

/** What is written of them, what it proves, and what the log says of it. */
export function groupOf(operations: readonly Operation[], context: GroupContext): Group {
  const { id, shard, fence, atMs } = context;
  const changes = new Map<string, Change>();
  const fences = new Map<string, Fence>();
  const next = new Map(context.sequence);
  const entries: LogEntry[] = [];
  const outcomes: KeyedOutcome[] = [];
  for (const operation of operations) {
    for (const change of operation.changes) merge(changes, change);
    for (const other of operation.fences) fences.set(`${other.scope}/${other.shard}`, other);
    for (const scope of [operation.scope, ...scopesOf(operation)]) fences.set(`${scope}/${shard}`, fence(scope));
    if (operation.outcome !== null) outcomes.push({ ...operation.outcome, operation: operation.id, atMs });
    const n = (next.get(operation.scope) ?? 0) + 1;
    next.set(operation.scope, n);
    entries.push({
      scope: operation.scope,
      shard,
      epoch: fence(operation.scope).epoch,
      n,
      operation: operation.id,
      what: operation.what,
      who: operation.who,
      atMs,
      changes: operation.changes,
      messages: operation.messages,
    });
  }
  return { id, fences: [...fences.values()], changes: [...changes.values()], entries, outcomes };
}

/** No row has this version. */
const IMPOSSIBLE = Number.MAX_SAFE_INTEGER;

/**
 * One row a key and group: the first `prev` and the last state of an entity's several changes. The database only sees
 * that, so a change that was not decided on the one before it is found here; the group is refused, and halved.
 */
function merge(changes: Map<string, Change>, change: Change): void {
  const name = rowName(change);
  const earlier = changes.get(name);
  if (earlier === undefined) return void changes.set(name, change);
  const follows = change.prev === (earlier.value === null ? 0 : earlier.version);
  changes.set(name, { ...change, prev: follows ? earlier.prev : IMPOSSIBLE } as Change);
}
