import type { Address, Kind } from '../address.ts';
import { rankOf, type Rank } from '../command-class.ts';
import type { IdempotencyKey } from '../ports.ts';
import type { Change, Row } from '../records.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { AnyBehaviour } from './behaviour.ts';

/** A message as its sender sends it. */
export interface Sent {
  name: string;
  body: unknown;
  who: string;
  /** By the monotonic clock, the same in all threads of the process. */
  deadlineMs: number;
  /** Operation id of a reservation; null for a command. */
  reserve: string | null;
  /** Shard of the coordinator that reserves; only with `reserve`. */
  from: number;
  /** Called exactly once, with a reply, a Grant or a Refusal. */
  respond: (value: unknown) => void;
  /** Of a client that may repeat its request; stored with the outcome. */
  key: IdempotencyKey | null;
  /** Decide, answer what would be, change nothing. */
  dry: boolean;
  /** Its actor can't have a row yet: a cold one is not loaded for it. */
  isUnborn: boolean;
  /** Id of the main thread's ask that it belongs to; 0: of none. */
  ask: number;
}

export type Outcome = 'open' | 'ok' | 'reserved' | Refusal['kind'];

/** One message in an inbox. Answered by {@link reply} alone. */
export interface Mail extends Sent {
  /** Of a reservation: how often its coordinator's shard had been restarted, or had started over, when it came. */
  life: number | null;
  /** How often it was decided; bounds what a wrong memory can cost. */
  attempts: number;
  /** What it was answered; `open`: nothing yet. */
  outcome: Outcome;
  /** Its line in its actor's history, while that has to hear of the answer. */
  note: Note | null;
  /** Operation that wrote it, while its answer waits for others to hear of that; '': none. */
  written: string;
  /** How often its actor threw at it. */
  crashes: number;
  /** What saying which rows it needs threw; thrown again at its turn. */
  thrown: { error: unknown } | null;
}

/** The only place that makes one: all have the same fields in the same order, which the engine rewards. */
export const createMail = (sent: Sent): Mail => ({
  name: sent.name,
  body: sent.body,
  who: sent.who,
  deadlineMs: sent.deadlineMs,
  reserve: sent.reserve,
  from: sent.from,
  respond: sent.respond,
  key: sent.key,
  dry: sent.dry,
  isUnborn: sent.isUnborn,
  ask: sent.ask,
  life: null,
  attempts: 0,
  outcome: 'open',
  note: null,
  written: '',
  crashes: 0,
  thrown: null,
});

/** Answers a message: whoever sent it, and its line in the history. What comes after the first answer is nobody's any more. */
export function reply(mail: Mail, value: unknown): void {
  if (mail.outcome !== 'open') return;
  mail.outcome = isRefusal(value) ? value.kind : mail.reserve === null ? 'ok' : 'reserved';
  if (mail.note !== null) mail.note.noter.answered(mail.note, mail);
  mail.respond(value);
}

/** An answer that waits for the commits before it. */
export interface Follower {
  mail: Mail;
  value: unknown;
}

export type CellStatus =
  | 'cold' // no state in memory
  | 'loading'
  | 'idle'
  | 'ready' // has mail, stands in the ready list
  | 'fetching' // waits for rows that a batch needs
  | 'committing'; // waits for its group

/** A granted reservation: what will be once its coordinator commits. */
export interface Held {
  changes: Change[];
  from: number;
}

/** One message that an actor heard. */
export interface Note {
  name: string;
  who: string;
  /** Monotonic clock at the beginning of the turn that looked at it first. */
  startMs: number;
  /** From then to its answer; NaN, so that the field stays a plain number: not answered yet. */
  ms: number;
  outcome: Outcome;
  readonly noter: Noter;
}

export interface Noter {
  answered(note: Note, mail: Mail): void;
}

/** The last messages and turns of an actor: two rings, with the place of the next entry. */
export interface Recent {
  messages: Note[];
  nextMessage: number;
  turnsMs: number[];
  nextTurn: number;
  /** It had a turn since somebody looked for one to forget. */
  isFresh: boolean;
}

/** An actor as the shard sees it. Idle ones cost this object and their state, nothing else. */
export interface Cell {
  readonly address: Address;
  readonly behaviour: AnyBehaviour;
  state: unknown;
  status: CellStatus;
  inbox: Mail[];
  /** Decided `wait`: come back to the inbox after the next change. */
  waiting: Mail[];
  held: Map<string, Held>;
  /** Rows fetched for the current batch, with the changes made since; by row name. */
  rows: Map<string, Row | null> | null;
  /** Operations of the current batch that have no outcome yet. */
  open: number;
  /** Mail to decide again after a reload. */
  again: Mail[];
  /** Its memory is known to be wrong: reload before the next turn. */
  stale: boolean;
  turns: number;
  touchedMs: number;
  /** null: not kept, or not kept any more. */
  recent: Recent | null;
}

const NOTHING_HELD: Map<string, Held> = new Map();
const NO_MAIL: Mail[] = [];

export const createCell = (address: Address, behaviour: AnyBehaviour, nowMs: number): Cell => ({
  address,
  behaviour,
  state: undefined,
  status: 'cold',
  inbox: NO_MAIL,
  waiting: NO_MAIL,
  held: NOTHING_HELD,
  rows: null,
  open: 0,
  again: NO_MAIL,
  stale: false,
  turns: 0,
  touchedMs: nowMs,
  recent: null,
});

/** How often actors threw. Hardly one ever does, so an idle one has no field for it. */
const crashes = new WeakMap<Cell, number>();

export const crashesOf = (cell: Cell): number => crashes.get(cell) ?? 0;

/** Counts one more; answers how many there are. */
export function countCrash(cell: Cell): number {
  const times = crashesOf(cell) + 1;
  crashes.set(cell, times);
  return times;
}

// The shared empty collections keep an idle cell small; these add to a list of the cell's own.
export function pushInbox(cell: Cell, mail: Mail): void {
  if (cell.inbox === NO_MAIL) cell.inbox = [mail];
  else cell.inbox.push(mail);
}

export function pushWaiting(cell: Cell, mail: Mail): void {
  if (cell.waiting === NO_MAIL) cell.waiting = [mail];
  else cell.waiting.push(mail);
}

export function pushAgain(cell: Cell, mail: Mail): void {
  if (cell.again === NO_MAIL) cell.again = [mail];
  else cell.again.push(mail);
}

/** Reservations belong to something that is under way already. */
export const rankOfMail = (kind: Kind, mail: Mail): Rank => (mail.reserve === null ? rankOf(kind, mail.name) : 'first');

/** Takes up to `limit` mails: by rank where there are more, and of a rank the oldest first. */
export function takeInbox(cell: Cell, limit: number): Mail[] {
  if (cell.inbox.length <= limit) {
    const all = cell.inbox;
    cell.inbox = NO_MAIL;
    return all;
  }
  const ranked = { first: [] as Mail[], ordinary: [] as Mail[], last: [] as Mail[] };
  for (const mail of cell.inbox) ranked[rankOfMail(cell.address.kind, mail)].push(mail);
  cell.inbox = [...ranked.first, ...ranked.ordinary, ...ranked.last];
  return cell.inbox.splice(0, limit);
}

export function takeWaiting(cell: Cell): Mail[] {
  const all = cell.waiting;
  cell.waiting = NO_MAIL;
  return all;
}

/** Everything that waits for an answer, in the order it came. */
export function takeAll(cell: Cell): Mail[] {
  const all = [...cell.again, ...cell.waiting, ...cell.inbox];
  cell.again = NO_MAIL;
  cell.waiting = NO_MAIL;
  cell.inbox = NO_MAIL;
  return all;
}

export function takeAgain(cell: Cell): Mail[] {
  const all = cell.again;
  cell.again = NO_MAIL;
  return all;
}

export function hold(cell: Cell, operation: string, held: Held): void {
  if (cell.held === NOTHING_HELD) cell.held = new Map();
  cell.held.set(operation, held);
}

export function unhold(cell: Cell, operation: string): Held | undefined {
  const held = cell.held.get(operation);
  if (held !== undefined) {
    cell.held.delete(operation);
    if (cell.held.size === 0) cell.held = NOTHING_HELD;
  }
  return held;
}

/** Why a waiting mail waits: the text of the refusal when its deadline passes. */
export const waitText = new WeakMap<Mail, string>();
