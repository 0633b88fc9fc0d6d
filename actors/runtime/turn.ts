// One turn of an actor: a batch of mail decided one after another on the evolving state. What has changes goes to the
// committer; replies leave when everything they were decided on is committed.
import type { Scope } from '../address.ts';
import { onlyTells } from '../command-class.ts';
import type { Fence, RowKey, World } from '../ports.ts';
import { rowName, type Change, type Row } from '../records.ts';
import { because, internal, isRefusal, overloaded, unavailable, type Refusal } from '../refusal.ts';
import type { Context, Coordination, Decision, Grant, Granting, Hint, Waiting } from './behaviour.ts';
import { hold, pushWaiting, reply, takeWaiting, waitText, type Cell, type Follower, type Mail } from './cell.ts';
import { outcomeTooLate, type Operation } from './committer/operation.ts';
import type { InHand } from './in-hand.ts';
import { isOvertaken, type DryHolds } from './dry-holds.ts';
import { dryAnswer } from './dry-run.ts';
import { TurnContext, type Seen } from './turn/context.ts';
import {
  again,
  changedMeanwhile,
  finish,
  finishBatch,
  MAX_ATTEMPTS,
  poisoned,
  type Ending,
  type Followed,
  type Proposed,
} from './turn/ending.ts';
import { knownRows, NONE } from './turn/rows.ts';

export interface TurnHost {
  world: World;
  inHand: InHand;
  dryHolds: DryHolds;
  fenceOf(scope: Scope): Fence;
  version(scope: Scope): number;
  coordinate(cell: Cell, mail: Mail, factory: () => Coordination<unknown>): void;
  submit(operation: Operation): void;
  /** A message that nobody waits for, sent now. */
  hint(hint: Hint, who: string, nowMs: number): void;
  /** Whether the shard that reserves has died meanwhile: nobody would ever end the reservation. */
  isVoid(mail: Mail): boolean;
  settled(cell: Cell): void;
  /** Mail of it is decided again when something else is over; it may be too late by then. */
  delayed(cell: Cell): void;
  /** Turns whose followers wait for a commit. */
  readonly followed: Set<Followed>;
  crashed(cell: Cell, error: unknown): void;
  /** Sets a message aside that its actor throws at again and again; answers the id under which it lies there. */
  quarantine(cell: Cell, mail: Mail, error: unknown): string;
}

const MAX_WAITING = 1024;

type Handler = (state: unknown, body: unknown, context: Context) => unknown;

/**
 * What a turn knows and has done so far. Plain fields and functions beside them: a turn of one short message made of
 * closures takes five times as long (measured).
 */
interface Turn extends Seen, Ending {
  readonly host: TurnHost;
  operations: Operation[];
  isChanged: boolean;
  /** Who began to wait in this batch, and nothing was brought since: looking again would find the same. */
  fresh: Set<Mail> | null;
}

const NO_CHANGES: Change[] = [];
const NO_MESSAGES: Operation['messages'] = [];
const NO_HINTS: Hint[] = [];
const NO_OPERATIONS: Operation[] = [];
const NO_FOLLOWERS: Follower[] = [];

/**
 * Reservations before commands: a grant leaves at once, so nothing that is not committed yet may stand behind it. Its
 * coordinator's group may reach the database before the one that it would build on.
 */
function reservationsFirst(batch: Mail[]): Mail[] {
  let isCommandBefore = false;
  for (const { reserve } of batch) {
    if (reserve === null) isCommandBefore = true;
    else if (isCommandBefore) {
      return [...batch.filter((mail) => mail.reserve !== null), ...batch.filter((mail) => mail.reserve === null)];
    }
  }
  return batch;
}

/**
 * Decides a batch; answers how many operations went to the committer (0: the turn is over). `rows` are the fetched ones
 * of `wanted`; what a confirmation brought meanwhile (cell.rows) is newer.
 */
export function decideBatch(
  host: TurnHost,
  cell: Cell,
  mails: Mail[],
  rows: Row[] | null,
  wanted: RowKey[] = NONE,
): number {
  const batch = reservationsFirst(mails);
  const turn: Turn = {
    host,
    cell,
    known: knownRows(cell, rows, wanted),
    nowMs: 0,
    operations: NO_OPERATIONS,
    followers: NO_FOLLOWERS,
    isChanged: false,
    fresh: null,
  };
  let context: TurnContext | undefined;
  for (let i = 0; i < batch.length; i++) {
    const mail = batch[i] as Mail;
    if (context?.who !== mail.who) context = new TurnContext(turn, mail.who);
    host.inHand.ask = mail.ask;
    try {
      if (mail.thrown !== null) throw mail.thrown.error;
      if (mail.reserve === null) decideCommand(turn, mail, context);
      else decideReservation(turn, mail, mail.reserve, context);
    } catch (error) {
      // `decide` is pure, `evolve` is not: what it left behind can't be trusted, so nobody is decided on it any more.
      cell.stale = true;
      poisoned(turn, mail, error);
      for (const rest of batch.slice(i + 1)) again(turn, rest);
      host.crashed(cell, error);
      break;
    }
  }
  host.inHand.ask = 0;
  const { operations } = turn;
  if (cell.waiting.length > 0 && turn.isChanged) wakeWaiting(turn);
  cell.open = operations.length;
  if (turn.followers.length > 0) host.followed.add(turn);
  for (const operation of operations) host.submit(operation);
  return operations.length;
}

/** Who waits must not spin: only what came after it began to wait wakes it. */
function wakeWaiting(turn: Turn): void {
  const { cell, fresh } = turn;
  for (const mail of takeWaiting(cell)) {
    if (fresh?.has(mail) === true) pushWaiting(cell, mail);
    else again(turn, mail);
  }
}

function decideCommand(turn: Turn, mail: Mail, context: Context): void {
  const { host, cell } = turn;
  const { behaviour } = cell;
  const handler = (behaviour.commands as Record<string, Handler | undefined>)[mail.name];
  if (handler === undefined) return answer(turn, mail, internal(`${behaviour.kind} knows no command ${mail.name}`));
  const decision = handler(cell.state, mail.body, context) as Decision<unknown>;
  if (isRefusal(decision)) return answer(turn, mail, decision);
  if ('coordinate' in decision) return host.coordinate(cell, mail, decision.coordinate);
  if ('wait' in decision) return waitFor(turn, mail, decision);
  const { changes = NO_CHANGES, messages = NO_MESSAGES, hints = NO_HINTS } = decision;
  // With a key also that nothing had to be changed is an outcome: later it might have to.
  const isKept = mail.key !== null && !onlyTells(cell.address.kind, mail.name);
  if (changes.length > 0 || messages.length > 0 || isKept) {
    return propose(turn, mail, { changes, messages, hints, value: decision.reply, waits: false });
  }
  if (!mail.dry) for (const one of hints) host.hint(one, mail.who, cell.touchedMs);
  // An index that only listens changes without rows; who waits for it wants to know.
  turn.isChanged = true;
  turn.fresh = null;
  answer(turn, mail, decision.reply);
}

function decideReservation(turn: Turn, mail: Mail, operation: string, context: Context): void {
  const { host, cell } = turn;
  const { address, behaviour } = cell;
  const handler = (behaviour.reservations as Record<string, Handler | undefined>)[mail.name];
  if (handler === undefined) return answer(turn, mail, internal(`${behaviour.kind} knows no reservation ${mail.name}`));
  if (host.isVoid(mail)) {
    return reply(
      mail,
      because('starting', unavailable('the shard that coordinates this was restarted; nothing was changed')),
    );
  }
  const decide = mail.dry ? decidedDry : decided;
  const decision = decide(turn, mail, operation, () => handler(cell.state, mail.body, context) as Reserving);
  if (isRefusal(decision)) return answer(turn, mail, decision);
  if ('wait' in decision) return waitFor(turn, mail, decision);
  const grant: Grant = {
    from: address,
    operation,
    reply: decision.reply,
    changes: decision.changes,
    messages: decision.messages ?? [],
    hints: decision.hints ?? [],
    fence: host.fenceOf(address.scope),
  };
  reply(mail, grant);
}

type Reserving = Granting<unknown> | Waiting | Refusal;

function decided({ cell }: Turn, mail: Mail, operation: string, decide: () => Reserving): Reserving {
  const decision = decide();
  if (isRefusal(decision) || 'wait' in decision) return decision;
  cell.behaviour.hold(cell.state, operation, decision.changes);
  const earlier = cell.held.get(operation)?.changes ?? [];
  hold(cell, operation, { changes: [...earlier, ...decision.changes], from: mail.from });
  return decision;
}

/** The same, but nothing is held for longer than the decision takes. */
function decidedDry({ host, cell }: Turn, mail: Mail, operation: string, decide: () => Reserving): Reserving {
  const { behaviour, state } = cell;
  const earlier = host.dryHolds.of(operation, cell.address);
  if (isOvertaken(cell, earlier)) return changedMeanwhile(cell, 'what the dry run had so far was taken');
  if (earlier.length > 0) behaviour.hold(state, operation, [...earlier]);
  let decision: Reserving;
  try {
    decision = decide();
  } finally {
    if (earlier.length > 0) behaviour.unhold(state, operation, [...earlier]);
  }
  if (isRefusal(decision) || 'wait' in decision) return decision;
  host.dryHolds.add(operation, mail.from, cell.address, decision.changes);
  return decision;
}

function waitFor(turn: Turn, mail: Mail, decision: Waiting): void {
  const { cell } = turn;
  // An operation that is under way ends by itself. What would first have to be asked for, a dry run asks nobody for.
  if (mail.dry && decision.changes !== undefined && decision.changes.length > 0) {
    return answer(turn, mail, unavailable(`a dry run can't tell the outcome, it would first ask: ${decision.wait}`));
  }
  if (mail.attempts >= MAX_ATTEMPTS) return reply(mail, changedMeanwhile(cell, decision.wait));
  waitText.set(mail, decision.wait);
  (turn.fresh ??= new Set()).add(mail);
  if (cell.waiting.length >= MAX_WAITING)
    reply(mail, overloaded(`${cell.waiting.length} requests wait already: ${decision.wait}`));
  else pushWaiting(cell, mail);
  const { changes = [] } = decision;
  if (changes.length > 0) {
    propose(turn, mail, { changes, messages: [], hints: [], value: undefined, waits: true });
  }
}

function answer({ operations, followers }: Turn, mail: Mail, value: unknown): void {
  if (operations.length > 0) followers.push({ mail, value });
  else reply(mail, value);
}

interface Proposal extends Proposed {
  changes: Change[];
  messages: Operation['messages'];
}

function propose(turn: Turn, mail: Mail, proposal: Proposal): void {
  const { host, cell } = turn;
  const { changes, messages, value, waits } = proposal;
  // Pure until here: what is not applied has not happened.
  if (mail.dry) return answer(turn, mail, dryAnswer(value, changes));
  apply(turn, changes);
  // What somebody who waits writes only asks; anything else may be what others wait for.
  if (!waits) turn.fresh = null;
  if (turn.operations.length === 0) {
    turn.operations = [];
    turn.followers = [];
  }
  const id = host.world.uuid();
  turn.operations.push({
    id,
    what: `${cell.behaviour.kind}.${mail.name}`,
    who: mail.who,
    scope: cell.address.scope,
    changes,
    messages,
    fences: [],
    get deadlineMs() {
      return mail.deadlineMs;
    },
    outcome: mail.key === null || waits ? null : { ...mail.key, reply: value },
    overdue() {
      if (!waits && mail.outcome === 'open') reply(mail, outcomeTooLate(id));
    },
    done(outcome) {
      finish(turn, mail, outcome, proposal);
      if (--cell.open === 0) finishBatch(turn);
    },
  });
}

function apply(turn: Turn, changes: Change[]): void {
  const { cell, known } = turn;
  for (const change of changes) {
    cell.behaviour.evolve(cell.state, change);
    if (known === null) continue;
    const name = rowName(change);
    if (known.has(name)) known.set(name, change.value === null ? null : (change as Row));
  }
  turn.isChanged = true;
}
