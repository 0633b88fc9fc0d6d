// What the actors need from outside, as small interfaces. Production implements them in storage/, router/ and scripts/;
// the simulation implements them in one process from one seed. Callbacks, not promises: the core has nothing to drain.
import type { Excerpt, ExcerptedTable } from './excerpt.ts';
import type { Change, Row, TableName } from './records.ts';
import type { Scope } from './address.ts';
import type { Family } from './ipam/address.ts';
import type { Standing } from './network/standing.ts';
import type { Refusal } from './refusal.ts';

export type Cancel = () => void;

/** Time, chance and turns of the event loop. The only source of all three below `actors/`. */
export interface World {
  /** Milliseconds of a clock that never jumps; its zero means nothing. */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the wall clock, which may jump. For stored times, never for order or safety. */
  wallMs(): number;
  /** A number in [0, 1). */
  random(): number;
  /** A fresh id that sorts by time of creation (UUIDv7, RFC 9562), so that rows written together lie together. */
  uuid(): string;
  /** Runs after everything that is already due (production: setImmediate). */
  defer(run: () => void): void;
  after(delayMs: number, run: () => void): Cancel;
}

/** Proof of ownership that a group carries: the database refuses it if any of these rows says another epoch. */
export interface Fence {
  scope: Scope;
  shard: number;
  epoch: number;
}

/** One message for the partition-local bus, written with the change that causes it and published from the log. */
export interface BusMessage {
  topic: string;
  body: unknown;
}

/** One operation in the log: change log, outbox and audit record at once (design.md §4). */
export interface LogEntry {
  scope: Scope;
  shard: number;
  epoch: number;
  /** Dense per (scope, shard, epoch), from 1. */
  n: number;
  operation: string;
  /** What was asked, e.g. `network.acquire`. */
  what: string;
  who: string;
  atMs: number;
  changes: Change[];
  messages: BusMessage[];
}

/** A client's key for a mutating request (Idempotency-Key): one outcome for ever, whoever repeats it. */
export interface IdempotencyKey {
  /** Who asked: keys of different callers never meet. */
  identity: string;
  key: string;
  /** Hash of method, path and body: the same key with another request is refused. */
  request: string;
}

/** The outcome of an operation that had a key, written in its own transaction. */
export interface KeyedOutcome extends IdempotencyKey {
  operation: string;
  /** The actor's reply, from which the edge renders the same answer again. */
  reply: unknown;
  atMs: number;
}

/** What one statement writes: the merged last state of every row, the log of the operations, the fences, the group's id. */
export interface Group {
  id: string;
  fences: Fence[];
  changes: Change[];
  entries: LogEntry[];
  /** Outcomes of operations with a key; a key that is there already refuses the group (constraint `idempotency`). */
  outcomes: KeyedOutcome[];
}

export type CommitOutcome =
  | { outcome: 'committed' }
  /** Nothing was written: a fence did not hold. */
  | { outcome: 'fenced' }
  /** Nothing was written: a version or a unique key was not as the memory believed. `constraint` names it when known. */
  | { outcome: 'refused'; constraint?: string }
  /** Nothing was written, and the same group may be tried again (40001 beyond the adapter's own retries, server down). */
  | { outcome: 'unsent'; message: string }
  /** Nothing was written, for want of space: somebody has to make room, so the callers are told and not kept. */
  | { outcome: 'full'; message: string }
  /** Nobody knows: the connection died while it ran. Resolve by writing the id. */
  | { outcome: 'unknown'; message: string };

export type Resolution =
  { outcome: 'committed' } | { outcome: 'abandoned' } | { outcome: 'unreachable'; message: string };

/** Which rows to load: all of one owner, or named ones. */
export interface RowsOf {
  table: TableName;
  owner: string;
  /** `ip`: the addresses of the rows instead of the rows, but for those that stand apart (`standingOf`). */
  packed?: true;
}
/** Addresses one after the other in network byte order, 4 or 16 bytes each, in no order. */
export interface PackedAddresses {
  family: Family;
  bytes: Uint8Array;
}
export interface RowKey {
  table: TableName;
  key: string;
}

/** The shard's side of the database. Every call answers exactly once, within a deadline of the adapter's own. */
export interface ShardStore {
  /** Writes one group in one fenced statement. */
  commit(group: Group, done: (outcome: CommitOutcome) => void): void;
  /** Ends the doubt about a group by inserting its id as abandoned (reliability.md §7.3). */
  resolve(groupId: string, done: (resolution: Resolution) => void): void;
  /**
   * Raises this shard's own epochs, if they still are as `held` says (else somebody took over: a refusal), so that a
   * statement of its predecessor that still runs on the server can't commit after the load. Answers the new fences.
   */
  raise(held: Fence[], done: (fences: Fence[] | Refusal) => void): void;
  /** The live rows of owners, in one serializable transaction that also proves `fences` (reliability.md §8). */
  load(
    scope: Scope,
    wanted: RowsOf[],
    fences: Fence[],
    done: (rows: Row[] | Refusal, packed: PackedAddresses[]) => void,
  ): void;
  /** Named live rows, under the same proof. */
  fetch(scope: Scope, wanted: RowKey[], fences: Fence[], done: (rows: Row[] | Refusal) => void): void;
  /** Excerpts of all live rows of whole tables in a scope, in portions, for actors that keep an index (the allocator). */
  scan(
    scope: Scope,
    tables: ExcerptedTable[],
    fences: Fence[],
    each: (excerpts: Excerpt[]) => void,
    done: (result: Refusal | undefined) => void,
  ): void;
}

/** Position in one stream of the log. */
export interface LogCursor {
  scope: Scope;
  shard: number;
  epoch: number;
  n: number;
}

/** Equality tests on the searchable columns of a table; every one given must hold. */
export interface RowFilter {
  scopes?: Scope[];
  owners?: string[];
  keys?: string[];
  /** ip, allocation, network: project of the row. */
  project?: string;
  /** ip: canonical address; several: any of them. */
  addresses?: string[];
  /** ip: addresses that stand so (`standingOf`). */
  standing?: Standing[];
}

/** Committed rows for lists: READ COMMITTED, outside the actors, never used for a decision. */
export interface RowReader {
  rows<T extends TableName>(table: T, filter?: RowFilter): Promise<Array<Extract<Row, { table: T }>>>;
  /** The same rows in portions as they come, for lists that grow with the plant: one at a time is held. */
  portions<T extends TableName>(
    table: T,
    filter: RowFilter,
    each: (rows: Array<Extract<Row, { table: T }>>) => void,
  ): Promise<void>;
  /** How many they are. */
  count(table: TableName, filter: RowFilter): Promise<number>;
  /**
   * Addresses that are held of networks, and of blocks of global ones, by network: those lent to another partition count
   * here, not there; those that rest do not count. A network without any is missing.
   */
  countHeld(scopes: Scope[], networks: string[]): Promise<Map<string, Record<Family, number>>>;
  /** Number of live rows per owner, for usage numbers that no actor holds. */
  countByOwner(table: TableName, scope: Scope): Promise<Map<string, number>>;
}

/** What the main thread of a site's process needs of the database. */
export interface SiteStore extends RowReader {
  /** Takes or renews the site's lease in database time; refused while another live holder has it. */
  acquireLease(holder: LeaseHolder, leaseMs: number): Promise<LeaseAnswer>;
  /**
   * Only renews, also what ran out meanwhile. Whoever held it in between has taken the ownership over, so it is refused
   * then, even if that one's lease is over as well.
   */
  renewLease(holder: LeaseHolder, leaseMs: number): Promise<RenewAnswer>;
  /** Gives the lease back, if we hold it. */
  releaseLease(holder: LeaseHolder): Promise<void>;
  /**
   * Makes this process the owner of all scopes: raises every (scope, shard) row above every epoch ever used in the
   * scope, and writes how far each old stream got (`log_end`), in one serializable transaction.
   */
  takeOver(scopes: Scope[], shards: number): Promise<Fence[]>;
  /** Partition scopes that this site hosts, from its own partition records; the site scope is not listed. */
  hostedPartitions(site: string): Promise<string[]>;
  /** Log entries after the consumer's saved cursors, oldest first per stream, in portions. Only entries with messages when asked. */
  backlog(
    consumer: string,
    options: { messagesOnly: boolean },
    each: (entries: LogEntry[]) => Promise<void>,
  ): Promise<void>;
  saveCursors(consumer: string, cursors: LogCursor[]): Promise<void>;
  /** What a shard's ended epochs wrote of a scope after the cursor, older epochs first; nothing of `beforeEpoch` or later. */
  entriesAfter(cursor: LogCursor, beforeEpoch: number): Promise<LogEntry[]>;
  /** The outcome of an operation that had this key, if it is not over its retention. */
  findOutcome(identity: string, key: string): Promise<KeyedOutcome | undefined>;
  /** Deletes what is over its retention: group ids, log entries that every consumer has passed, released rows, outcomes. */
  sweep(retention: {
    groupMs: number;
    logMs: number;
    releasedMs: number;
    /** At least 24 hours (reliability.md I10). */
    outcomeMs: number;
  }): Promise<{ groups: number; entries: number; rows: number; outcomes: number }>;
  /** One round trip; rejects when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface LeaseHolder {
  site: string;
  /** Unique per process: host, pid and its start time. */
  process: string;
  host: string;
  pid: number;
}
export type LeaseAnswer = { held: true; untilMs: number } | { held: false; holder: LeaseHolder; remainingMs: number };
/** `holder`: whose it is now; undefined when it was given back already. */
export type RenewAnswer = { held: true; untilMs: number } | { held: false; holder: LeaseHolder | undefined };
