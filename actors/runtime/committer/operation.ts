// What a shard writes: an operation is all or nothing, whatever group it lies in.
import type { Scope } from '../../address.ts';
import type { BusMessage, Fence, IdempotencyKey } from '../../ports.ts';
import type { Change } from '../../records.ts';
import { because, unavailable, type Refusal } from '../../refusal.ts';

/** How one operation ended. */
export type OperationOutcome =
  | 'committed'
  /** Nothing written, and this operation is the reason: its memory, or a rule of the database, says no. */
  | { refused: string }
  /** Nothing written, because an earlier one of the same entity was refused: decide it again. */
  | 'redo'
  | Refusal;

/** What one message (or coordination) wants written: all of it or nothing. */
export interface Operation {
  id: string;
  what: string;
  who: string;
  scope: Scope;
  changes: Change[];
  messages: BusMessage[];
  /** Epochs of other shards whose entities it writes; its own are added. */
  fences: Fence[];
  /** Read before each attempt: who asked may leave. */
  readonly deadlineMs: number;
  /** Of a request with an Idempotency-Key: stored in the same transaction. */
  outcome: (IdempotencyKey & { reply: unknown }) | null;
  done(outcome: OperationOutcome): void;
  /** Its deadline passed while it may be written: who asked is told so, `done` follows. May be called again. */
  overdue(): void;
}

/** Of what may have been written (reliability.md F08): by the operation's id it can be looked for. */
export const outcomeUnknown = (why: string, operation: string): Refusal =>
  because('outcome-unknown', unavailable(`outcome unknown: ${why}; operation ${operation}`));
/** Its time is over, and the database has not answered. */
export const outcomeTooLate = (operation: string): Refusal =>
  outcomeUnknown('the deadline passed before the database answered', operation);

/** Those that it writes a row of, as `scope|id`. */
export const entitiesOf = (operation: Operation): string[] => [
  ...new Set(operation.changes.map((change) => `${change.scope}|${change.owner}`)),
];
export const scopesOf = (operation: Operation): Scope[] => operation.changes.map((change) => change.scope);
