// One turn of an actor: a batch of mail decided one after another on the evolving state. What has changes goes to the
// committer; replies leave when everything they were decided on is committed.
import type { Scope } from '../address.ts';
import { onlyTells } from '../command-class.ts';
import type { Fence, RowKey, World } from '../ports.ts';
import { rowName, type Change, type Row } from '../records.ts';
import { because, conflict, internal, isRefusal, overloaded, unavailable, type Refusal } from '../refusal.ts';
import type { Context, Coordination, Decision, Grant, Granting, Hint, Waiting } from './behaviour.ts';
import { hold, pushAgain, pushWaiting, reply, takeWaiting, waitText, type Cell, type Mail } from './cell.ts';
import type { Operation, OperationOutcome } from './committer/operation.ts';
import type { InHand } from './in-hand.ts';
import { KEYED_TWICE, keyedTwice } from './keyed-twice.ts';
import { isOvertaken, type DryHolds } from './dry-holds.ts';
import { dryAnswer } from './dry-run.ts';
import { TurnContext, type Seen } from './turn/context.ts';
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
  crashed(cell: Cell, error: unknown): void;
  /** Sets a message aside that its actor throws at again and again; answers the id under which it lies there. */
  quarantine(cell: Cell, mail: Mail, error: unknown): string;
}

/** An actor may throw at a message because its memory is wrong: it is loaded anew and asked again, so often in all. */
export const MOST_CRASHES = 3;

/** A memory found wrong so often for one message is not memory any more: the caller hears of the conflict. */
const MAX_ATTEMPTS = 4;
const MAX_WAITING = 1024;

type Handler = (state: unknown, body: unknown, context: Context) => unknown;

/**
 * What a turn knows and has done so far. Plain fields and functions beside them: a turn of one short message made of
 * closures takes five times as long (measured).
 */
interface Turn extends Seen {
  readonly host: TurnHost;
  operations: Operation[];
  /** Answers that must wait for the commits before them: what they say was decided on tentative state. */
  followers: Array<{ mail: Mail; value: unknown }>;
  isChanged: boolean;
  /** Who began to wait in this batch, and nothing was brought since: looking again would find the same. */
  fresh: Set<Mail> | null;
}

const NO_CHANGES: Change[] = [];
const NO_MESSAGES: Operation['messages'] = [];
const NO_HINTS: Hint[] = [];
const NO_OPERATIONS: Operation[] = [];
const NO_FOLLOWERS: Turn['followers'] = [];

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
      for (const rest of batch.slice(i + 1)) pushAgain(cell, rest);
      host.crashed(cell, error);
      break;
    }
  }
  host.inHand.ask = 0;
  const { operations } = turn;
  if (cell.waiting.length > 0 && turn.isChanged) wakeWaiting(turn);
  cell.open = operations.length;
  for (const operation of operations) host.submit(operation);
  return operations.length;
}

/** Who waits must not spin: only what came after it began to wait wakes it. */
function wakeWaiting({ cell, fresh }: Turn): void {
  for (const mail of takeWaiting(cell)) {
    if (fresh?.has(mail) === true) pushWaiting(cell, mail);
    else pushAgain(cell, mail);
  }
}

function decideCommand(turn: Turn, mail: Mail, context: Context): void {
  const { host, cell } = turn;
  const { behaviour } = cell;
  const handler = (behaviour.commands as unknown as Record<string, Handler | undefined>)[mail.name];
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
  const handler = (behaviour.reservations as unknown as Record<string, Handler | undefined>)[mail.name];
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

interface Proposal {
  changes: Change[];
  messages: Operation['messages'];
  hints: Hint[];
  value: unknown;
  /** The message waits on; nobody is answered by this. */
  waits: boolean;
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
  turn.operations.push({
    id: host.world.uuid(),
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

const changedMeanwhile = ({ behaviour, address }: Cell, why: string): Refusal =>
  conflict(`${behaviour.kind} ${address.id} was changed meanwhile (${why}); try again`);

function finish({ host, cell }: Turn, mail: Mail, outcome: OperationOutcome, { hints, value, waits }: Proposal): void {
  if (outcome === 'committed') {
    if (hints.length > 0) {
      const nowMs = host.world.monotonicMs();
      for (const one of hints) host.hint(one, mail.who, nowMs);
    }
    if (!waits) reply(mail, value);
    return;
  }
  cell.stale = true;
  // It is decided again after the reload, like everybody who waits.
  if (waits) {
    if (!isRefusal(outcome) && outcome !== 'redo') mail.attempts++;
    return;
  }
  if (isRefusal(outcome)) return reply(mail, outcome);
  if (outcome !== 'redo' && outcome.refused === KEYED_TWICE) return reply(mail, keyedTwice(mail.name));
  if (outcome !== 'redo' && ++mail.attempts >= MAX_ATTEMPTS) {
    return reply(mail, changedMeanwhile(cell, outcome.refused));
  }
  pushAgain(cell, mail);
}

function finishBatch({ host, cell, followers }: Turn): void {
  for (const { mail, value } of followers) {
    if (cell.stale) pushAgain(cell, mail);
    else reply(mail, value);
  }
  host.settled(cell);
}

function poisoned({ host, cell }: Turn, mail: Mail, error: unknown): void {
  const { behaviour, address } = cell;
  mail.thrown = null;
  mail.crashes++;
  if (mail.crashes < MOST_CRASHES) return pushAgain(cell, mail);
  const id = host.quarantine(cell, mail, error);
  const why = error instanceof Error ? error.message : String(error);
  reply(mail, internal(`${behaviour.kind} ${address.id} failed at ${mail.name}, operation ${id}: ${why}`));
}
