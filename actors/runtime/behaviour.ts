// What an actor is to the runtime: pure functions over its state. The runtime supplies time, chance and versions, and
// is the only one that talks to the store.
import type { Address, Kind, Scope } from '../address.ts';
import type { Excerpt, ExcerptedTable } from '../excerpt.ts';
import type { BusMessage, Fence, PackedAddresses, RowKey } from '../ports.ts';
import type {
  Ask,
  CommandName,
  Protocol,
  Reply,
  ReservationAsk,
  ReservationName,
  ReservationReply,
} from '../protocol.ts';
import type { Change, RowOf, TableName } from '../records.ts';
import type { Refusal } from '../refusal.ts';

/**
 * So many packed addresses are taken into a state before others have their turn: tens of microseconds, and one or two
 * milliseconds in a process that has just started, whose code is still interpreted (measured: 4,096 make others wait 25 ms).
 */
export const ADDRESSES_AT_ONCE = 512;

/** Everything a decision may know besides the actor's state. */
export interface Context {
  scope: Scope;
  /** Id of the actor. */
  id: string;
  /** Wall clock, read once per turn: for stored times. */
  nowMs: number;
  /** E-mail of the caller, or the agent's name. */
  who: string;
  random(): number;
  uuid(): string;
  /** The next version for a row of this scope; never falls. */
  version(): number;
  /** A live row that `needs` asked for, with the changes of this batch applied. Throws if it was not asked for. */
  row<T extends TableName>(table: T, key: string): RowOf<T> | undefined;
}

/** A message to another actor after the commit, unanswered: may be lost in a crash, so only for what is rebuilt at load. */
export interface Hint {
  to: Address;
  name: string;
  body: unknown;
  /**
   * It is sent so much later; at once by default. Lost with the shard, too. One at a time: while another of this name to the
   * same actor is to be sent earlier, it is nothing, so that an actor may say at each turn when it wants to be asked.
   */
  afterMs?: number;
}

export interface Decided<R> {
  reply: R;
  changes?: Change[];
  messages?: BusMessage[];
  hints?: Hint[];
}

/**
 * Not now: the message is decided again after the next change of this actor, until its deadline; then it is refused as
 * unavailable with this text. `changes` are committed meanwhile (e.g. the wish for another block).
 */
export interface Waiting {
  wait: string;
  changes?: Change[];
}

/** Needs more than one actor: the runtime drives the generator, and starts it anew when the commit finds memory wrong. */
export interface Coordinated<R> {
  coordinate: () => Coordination<R>;
}

export type Decision<R> = Refusal | Decided<R> | Waiting | Coordinated<R>;

/** A participant's answer to a reservation: what it will be once committed, made by its own rules. */
export interface Granting<R> {
  reply: R;
  changes: Change[];
  messages?: BusMessage[];
  hints?: Hint[];
}

export interface Grant<R = unknown> {
  from: Address;
  operation: string;
  reply: R;
  changes: Change[];
  messages: BusMessage[];
  hints: Hint[];
  fence: Fence;
}

/** A typed question to an actor: a command, or something to reserve. */
export interface Question<R = unknown> {
  to: Address;
  name: string;
  body: unknown;
  /** The id was drawn for this very operation, so nobody wrote a row of the actor yet (see {@link unborn}). */
  isUnborn?: boolean;
  /** Phantom: the type of the answer. */
  readonly answer?: R;
}

export type Step = { ask: Question[] } | { reserve: Question[] } | { cancel: Grant[] };
export type StepAnswer = unknown[] | Grant[] | Refusal | undefined;

/**
 * An operation over several actors, written as a generator of data: no I/O inside. What it reserved is committed in one
 * transaction with the outcome's own changes, or released when it ends in a refusal.
 */
export type Coordination<R> = Generator<Step, Refusal | Decided<R>, StepAnswer>;

export const command = <K extends Kind, C extends CommandName<K>>(
  to: Address<K>,
  name: C,
  body: Ask<K, C>,
): Question<Reply<K, C>> => ({ to, name, body });

export const reservation = <K extends Kind, C extends ReservationName<K>>(
  to: Address<K>,
  name: C,
  body: ReservationAsk<K, C>,
): Question<ReservationReply<K, C>> => ({ to, name, body });

/**
 * To an actor whose id was drawn for this very operation: it begins with nothing in place of being loaded, which would cost
 * three questions to the database. What it then writes proves that there was no row, as every change does.
 */
export const unborn = <R>(question: Question<R>): Question<R> => ({ ...question, isUnborn: true });

type Answers<Q extends readonly Question[]> = { -readonly [I in keyof Q]: Q[I] extends Question<infer R> ? R : never };
type Grants<Q extends readonly Question[]> = {
  -readonly [I in keyof Q]: Q[I] extends Question<infer R> ? Grant<R> : never;
};

/** Asks all in parallel; the answers in order, or the first refusal. */
export function* askAll<const Q extends readonly Question[]>(
  questions: Q,
): Generator<Step, Answers<Q> | Refusal, StepAnswer> {
  return (yield { ask: [...questions] }) as Answers<Q> | Refusal;
}

/** Reserves all in parallel, all or nothing: the grants in order, or the first refusal with the others released. */
export function* reserveAll<const Q extends readonly Question[]>(
  questions: Q,
): Generator<Step, Grants<Q> | Refusal, StepAnswer> {
  return (yield { reserve: [...questions] }) as Grants<Q> | Refusal;
}

/** Gives back what an earlier step reserved, before trying something else. */
export function* cancelAll(grants: Grant[]): Generator<Step, void, StepAnswer> {
  yield { cancel: grants };
}

type CommandHandlers<K extends Kind, S> = {
  [C in CommandName<K>]: (state: S, body: Ask<K, C>, context: Context) => Decision<Reply<K, C>>;
};
type ReservationHandlers<K extends Kind, S> = {
  [C in ReservationName<K>]: (
    state: S,
    body: ReservationAsk<K, C>,
    context: Context,
  ) => Refusal | Waiting | Granting<ReservationReply<K, C>>;
};

/** The rows a command or reservation needs that memory does not hold; fetched for the whole batch before deciding. */
type Needs<K extends Kind, S> = {
  [C in CommandName<K> | ReservationName<K>]?: (
    state: S,
    body: C extends CommandName<K> ? Ask<K, C> : C extends ReservationName<K> ? ReservationAsk<K, C> : never,
  ) => RowKey[];
};

/** One thing that the audit compares; the field is named where it differs. */
export type Fact = readonly [field: string, value: unknown];

export interface Behaviour<K extends Kind, S> {
  kind: K;
  /** Tables whose rows (of this owner) make up the state. Loading is `evolve` over them. */
  tables: TableName[];
  /**
   * Tables of which excerpts are read one after the other, for actors that keep an index over others' rows (`absorb`). The
   * actor serves meanwhile: what it can't know before `absorbed`, it waits for.
   */
  scans?: ExcerptedTable[];
  /**
   * Takes addresses of own `ip` rows into the state, which then are not loaded as rows: a million of them would be half a
   * gigabyte of objects. Called in portions of at most {@link ADDRESSES_AT_ONCE}.
   */
  addresses?(state: S, packed: PackedAddresses): void;
  create(id: string, scope: Scope): S;
  /** Applies one committed (or tentatively decided) change of an own row. Mutates the state; must not fail. */
  evolve(state: S, change: Change): void;
  /** Takes a row of a scanned table into the index. */
  absorb?(state: S, excerpt: Excerpt): void;
  /** All live rows of the table were taken. */
  absorbed?(state: S, table: ExcerptedTable): void;
  commands: CommandHandlers<K, S>;
  reservations: ReservationHandlers<K, S>;
  needs?: Needs<K, S>;
  /** Marks what a granted reservation holds, so that it refuses others until confirmed or cancelled. */
  hold(state: S, operation: string, changes: Change[]): void;
  /** Ends the mark: committed (`evolve` follows for each change) or cancelled. */
  unhold(state: S, operation: string, changes: Change[]): void;
  /** For inspection, which hides what is secret (http/secrets.ts): what a person wants to see of it. */
  describe?(state: S): unknown;
  /**
   * For the audit: what must be equal in memory and in a state made from the rows alone, in whatever order. Default: all of
   * `describe`; to be given where that also shows what has no row, such as an index over others' rows. Told one by one, since
   * others have their turn in between; `undefined`: something took its time, and nothing is told yet.
   */
  audited?(state: S): Iterable<Fact | undefined>;
}

export type AnyBehaviour = Behaviour<Kind, unknown>;

/** Widens a typed behaviour for the runtime's table; the protocol keeps both sides honest. */
export const anyBehaviour = <K extends Kind, S>(behaviour: Behaviour<K, S>): AnyBehaviour => behaviour as AnyBehaviour;

export type { Protocol };
