// One turn of an actor: a batch of mail decided one after another on the evolving state. What has changes goes to the
// committer; replies leave when everything they were decided on is committed.
import type { Scope } from '../address.ts';
import type { Fence, RowKey, World } from '../ports.ts';
import { rowName, type Change, type Row, type RowOf, type TableName } from '../records.ts';
import { conflict, internal, isRefusal, unavailable, type Refusal } from '../refusal.ts';
import type { Context, Coordination, Decision, Grant, Granting, Hint, Waiting } from './behaviour.ts';
import { hold, pushAgain, pushWaiting, takeWaiting, waitText, type Cell, type Mail } from './cell.ts';
import type { Operation, OperationOutcome } from './committer.ts';
import { KEYED_TWICE, keyedTwice } from './keyed-twice.ts';
import { dryAnswer } from './dry-run.ts';

export interface TurnHost {
  world: World;
  fenceOf(scope: Scope): Fence;
  version(scope: Scope): number;
  coordinate(cell: Cell, mail: Mail, factory: () => Coordination<unknown>): void;
  submit(operation: Operation): void;
  hint(hint: Hint, who: string): void;
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

/** The rows that the batch needs and memory does not hold. */
export function neededRows(cell: Cell, batch: Mail[]): RowKey[] {
  const needs = cell.behaviour.needs as Record<string, (state: unknown, body: unknown) => RowKey[]> | undefined;
  if (needs === undefined) return [];
  const wanted = new Map<string, RowKey>();
  for (const mail of batch) {
    try {
      for (const key of needs[mail.name]?.(cell.state, mail.body) ?? []) wanted.set(`${key.table}:${key.key}`, key);
    } catch (error) {
      mail.thrown = { error };
    }
  }
  return [...wanted.values()];
}

/**
 * Decides a batch; answers how many operations went to the committer (0: the turn is over). `rows` are the fetched ones
 * of `wanted`; what a confirmation brought meanwhile (cell.rows) is newer.
 */
export function decideBatch(
  host: TurnHost,
  cell: Cell,
  batch: Mail[],
  rows: Row[] | null,
  wanted: RowKey[] = [],
): number {
  const { address, behaviour } = cell;
  const known = new Map<string, Row | null>();
  for (const key of wanted) known.set(rowName({ ...key, scope: address.scope }), null);
  for (const row of rows ?? []) known.set(rowName(row), row);
  for (const [name, row] of cell.rows ?? []) known.set(name, row);

  const nowMs = host.world.wallMs();
  const contextFor = (who: string): Context => ({
    scope: address.scope,
    id: address.id,
    nowMs,
    who,
    random: () => host.world.random(),
    uuid: () => host.world.uuid(),
    version: () => host.version(address.scope),
    row<T extends TableName>(table: T, key: string): RowOf<T> | undefined {
      const row = known.get(rowName({ table, scope: address.scope, key }));
      if (row === undefined) throw new Error(`${behaviour.kind} did not say that it needs ${table} ${key}`);
      return row === null ? undefined : (row as RowOf<T>);
    },
  });

  /** Answers that must wait for the commits before them: what they say was decided on tentative state. */
  const followers: Array<{ mail: Mail; answer: unknown }> = [];
  const operations: Operation[] = [];
  let changed = false;
  /** Who began to wait in this batch, and nothing was brought since: looking again would find the same. */
  const fresh = new Set<Mail>();

  const answer = (mail: Mail, value: unknown): void => {
    if (operations.length > 0) followers.push({ mail, answer: value });
    else mail.respond(value);
  };
  const apply = (changes: Change[]): void => {
    for (const change of changes) {
      behaviour.evolve(cell.state, change);
      const name = rowName(change);
      if (known.has(name)) known.set(name, change.value === null ? null : (change as Row));
    }
    changed = true;
  };
  const propose = (
    mail: Mail,
    changes: Change[],
    messages: Operation['messages'],
    hints: Hint[],
    reply: unknown,
    waits: boolean,
  ): void => {
    // Pure until here: what is not applied has not happened.
    if (mail.dry) return answer(mail, dryAnswer(reply, changes));
    apply(changes);
    // What somebody who waits writes only asks; anything else may be what others wait for.
    if (!waits) fresh.clear();
    operations.push({
      id: host.world.uuid(),
      what: `${behaviour.kind}.${mail.name}`,
      who: mail.who,
      scope: address.scope,
      changes,
      messages,
      fences: [],
      get deadlineMs() {
        return mail.deadlineMs;
      },
      outcome: mail.key === null || waits ? null : { ...mail.key, reply },
      done(outcome) {
        finish(mail, outcome, hints, reply, waits);
        if (--cell.open === 0) finishBatch();
      },
    });
  };
  const changedMeanwhile = (why: string): Refusal =>
    conflict(`${behaviour.kind} ${address.id} was changed meanwhile (${why}); try again`);
  const finish = (mail: Mail, outcome: OperationOutcome, hints: Hint[], reply: unknown, waits: boolean): void => {
    if (outcome === 'committed') {
      for (const one of hints) host.hint(one, mail.who);
      if (!waits) mail.respond(reply);
      return;
    }
    cell.stale = true;
    // It is decided again after the reload, like everybody who waits.
    if (waits) {
      if (!isRefusal(outcome) && outcome !== 'redo') mail.attempts++;
      return;
    }
    if (isRefusal(outcome)) return mail.respond(outcome);
    if (outcome !== 'redo' && outcome.refused === KEYED_TWICE) return mail.respond(keyedTwice(mail.name));
    if (outcome !== 'redo' && ++mail.attempts >= MAX_ATTEMPTS) {
      return mail.respond(changedMeanwhile(outcome.refused));
    }
    pushAgain(cell, mail);
  };
  const finishBatch = (): void => {
    for (const { mail, answer: value } of followers) {
      if (cell.stale) pushAgain(cell, mail);
      else mail.respond(value);
    }
    host.settled(cell);
  };

  for (const [i, mail] of batch.entries()) {
    const context = contextFor(mail.who);
    try {
      if (mail.thrown !== undefined) throw mail.thrown.error;
      if (mail.reserve === null) decideCommand(mail, context);
      else decideReservation(mail, mail.reserve, context);
    } catch (error) {
      // `decide` is pure, `evolve` is not: what it left behind can't be trusted, so nobody is decided on it any more.
      cell.stale = true;
      poisoned(mail, error);
      for (const rest of batch.slice(i + 1)) pushAgain(cell, rest);
      host.crashed(cell, error);
      break;
    }
  }

  function poisoned(mail: Mail, error: unknown): void {
    delete mail.thrown;
    mail.crashes = (mail.crashes ?? 0) + 1;
    if (mail.crashes < MOST_CRASHES) return pushAgain(cell, mail);
    const id = host.quarantine(cell, mail, error);
    const why = error instanceof Error ? error.message : String(error);
    mail.respond(internal(`${behaviour.kind} ${address.id} failed at ${mail.name}, operation ${id}: ${why}`));
  }

  function decideCommand(mail: Mail, context: Context): void {
    const handler = (behaviour.commands as unknown as Record<string, Handler | undefined>)[mail.name];
    if (handler === undefined) return answer(mail, internal(`${behaviour.kind} knows no command ${mail.name}`));
    const decision = handler(cell.state, mail.body, context) as Decision<unknown>;
    if (isRefusal(decision)) return answer(mail, decision);
    if ('coordinate' in decision) return host.coordinate(cell, mail, decision.coordinate);
    if ('wait' in decision) return waitFor(mail, decision);
    const { changes = [], messages = [], hints = [] } = decision;
    if (changes.length > 0 || messages.length > 0)
      return propose(mail, changes, messages, hints, decision.reply, false);
    if (!mail.dry) for (const one of hints) host.hint(one, mail.who);
    // An index that only listens changes without rows; who waits for it wants to know.
    changed = true;
    fresh.clear();
    answer(mail, decision.reply);
  }

  function decideReservation(mail: Mail, operation: string, context: Context): void {
    const handler = (behaviour.reservations as unknown as Record<string, Handler | undefined>)[mail.name];
    if (handler === undefined) return answer(mail, internal(`${behaviour.kind} knows no reservation ${mail.name}`));
    if (host.isVoid(mail)) {
      return mail.respond(unavailable('the shard that coordinates this was restarted; nothing was changed'));
    }
    const decision = handler(cell.state, mail.body, context) as
      Granting<unknown> | Waiting | ReturnType<typeof internal>;
    if (isRefusal(decision)) return answer(mail, decision);
    if ('wait' in decision) return waitFor(mail, decision);
    behaviour.hold(cell.state, operation, decision.changes);
    const earlier = cell.held.get(operation)?.changes ?? [];
    hold(cell, operation, { changes: [...earlier, ...decision.changes], from: mail.from });
    const grant: Grant = {
      from: address,
      operation,
      reply: decision.reply,
      changes: decision.changes,
      messages: decision.messages ?? [],
      hints: decision.hints ?? [],
      fence: host.fenceOf(address.scope),
    };
    mail.respond(grant);
  }

  function waitFor(mail: Mail, decision: Waiting): void {
    // What it waits for is brought by changes, and a dry run makes none.
    if (mail.dry) return answer(mail, unavailable(`a dry run can't tell the outcome, it would wait: ${decision.wait}`));
    if (mail.attempts >= MAX_ATTEMPTS) return mail.respond(changedMeanwhile(decision.wait));
    waitText.set(mail, decision.wait);
    fresh.add(mail);
    if (cell.waiting.length >= MAX_WAITING)
      mail.respond(internal(`${cell.waiting.length} requests wait already: ${decision.wait}`));
    else pushWaiting(cell, mail);
    if (decision.changes !== undefined && decision.changes.length > 0) {
      propose(mail, decision.changes, [], [], undefined, true);
    }
  }

  // Who waits must not spin: only what came after it began to wait wakes it.
  if (changed && cell.waiting.length > 0) wakeWaiting();
  function wakeWaiting(): void {
    const all = takeWaiting(cell);
    for (const mail of all) {
      if (fresh.has(mail)) pushWaiting(cell, mail);
      else pushAgain(cell, mail);
    }
  }

  cell.open = operations.length;
  for (const operation of operations) host.submit(operation);
  return operations.length;
}
