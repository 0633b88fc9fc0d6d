// Drives the generators of operations that take from several actors: reserve, commit everything in one transaction,
// confirm (reliability.md §7.1). Nothing to undo: before the commit nothing is written, after it nothing is missing.
import { addressText, type Address, type Scope } from '../address.ts';
import type { Fence, World } from '../ports.ts';
import { because, conflict, internal, isRefusal, unavailable, type Refusal } from '../refusal.ts';
import type { Coordination, Decided, Grant, Hint, Question, StepAnswer } from './behaviour.ts';
import { reply, type Mail, type Sent } from './cell.ts';
import { outcomeTooLate, type Operation } from './committer/operation.ts';
import type { InHand } from './in-hand.ts';
import { KEYED_TWICE, keyedTwice } from './keyed-twice.ts';
import { dryAnswer, isDryAnswer } from './dry-run.ts';
import type { Ended } from './shard/reservations.ts';
import { MOST_CRASHES } from './turn/ending.ts';

/** After so many commits that found a memory wrong, the caller hears of it. */
const MAX_ATTEMPTS = 4;

export interface CoordinatorOptions {
  world: World;
  inHand: InHand;
  shard: number;
  /** Delivers to an actor, wherever its shard is; `respond` is called exactly once. */
  send(to: Address, sent: Sent): void;
  /** Ends reservations at their actors; `done` after every one of them has applied it, or is not waited for any more. */
  end(ended: Ended, done: () => void): void;
  submit(operation: Operation): void;
  hint(hint: Hint, who: string, nowMs: number): void;
  /** The shard's own fence in a scope, to leave out of what an operation proves besides. */
  isOwn(fence: Fence): boolean;
}

export interface Coordinator {
  /** `setAside`: after the generator threw again and again; answers the operation id under which the message lies. */
  start(scope: Scope, mail: Mail, factory: () => Coordination<unknown>, setAside: (error: unknown) => string): void;
  readonly running: number;
  /** The shard starts over: what has not been submitted ends here. */
  abandon(): void;
}

export function createCoordinator(options: CoordinatorOptions): Coordinator {
  const { world } = options;
  const running = new Set<{ refuse(): void }>();

  function run(
    scope: Scope,
    mail: Mail,
    factory: () => Coordination<unknown>,
    setAside: (error: unknown) => string,
    attempt: number,
  ): void {
    const operation = world.uuid();
    const coordination = factory();
    let grants: Grant[] = [];
    let over = false;
    const handle = {
      refuse(): void {
        over = true;
        reply(
          mail,
          because('starting', unavailable('the shard was restarted while the operation ran; nothing was changed')),
        );
      },
    };
    running.add(handle);

    function advance(answer: StepAnswer): void {
      if (over) return;
      let next: IteratorResult<unknown, Refusal | Decided<unknown>>;
      options.inHand.ask = mail.ask;
      try {
        next = coordination.next(answer) as IteratorResult<unknown, Refusal | Decided<unknown>>;
      } catch (error) {
        return crashed(error);
      } finally {
        options.inHand.ask = 0;
      }
      if (next.done === true) return isRefusal(next.value) ? finish(next.value) : commit(next.value);
      if (mail.deadlineMs <= world.monotonicMs()) {
        const late = unavailable(`${mail.name}: the deadline passed meanwhile; nothing was changed`);
        return finish(because('deadline', late));
      }
      const step = next.value as { ask: Question[] } | { reserve: Question[] } | { cancel: Grant[] };
      if ('ask' in step) return gather(step.ask, null, advance);
      if ('reserve' in step) return reserve(step.reserve);
      release(step.cancel, () => advance(undefined));
    }

    function crashed(error: unknown): void {
      mail.crashes++;
      if (mail.crashes >= MOST_CRASHES) {
        return finish(internal(`${mail.name} failed, operation ${setAside(error)}: ${messageOf(error)}`));
      }
      const held = grants;
      grants = [];
      running.delete(handle);
      end(held, 'cancelled', () => {
        if (!over) run(scope, mail, factory, setAside, attempt);
      });
    }

    function gather(
      questions: Question[],
      reserving: string | null,
      done: (answers: unknown[] | Refusal) => void,
    ): void {
      // Array.from costs more than a question (measured).
      const answers: unknown[] = questions.map(() => undefined);
      let missing = questions.length;
      if (missing === 0) return done(answers);
      questions.forEach((question, i) => {
        options.send(question.to, {
          name: question.name,
          body: question.body,
          who: mail.who,
          deadlineMs: mail.deadlineMs,
          reserve: reserving,
          from: options.shard,
          // The key belongs to the operation as a whole: it is written once, with its commit.
          key: null,
          // Reservations of a dry run are ended like others, and hold nothing meanwhile.
          dry: mail.dry,
          isUnborn: question.isUnborn === true,
          ask: mail.ask,
          respond(value) {
            answers[i] = isDryAnswer(value) ? value.reply : value;
            if (--missing === 0) done(reserving === null ? (answers.find(isRefusal) ?? answers) : answers);
          },
        });
      });
    }

    function reserve(questions: Question[]): void {
      gather(questions, operation, (answers) => {
        const granted = (answers as unknown[]).filter((answer): answer is Grant => !isRefusal(answer));
        if (over) return end(granted, 'cancelled', () => {});
        const refused = (answers as unknown[]).find(isRefusal);
        if (refused !== undefined) return end(granted, 'cancelled', () => advance(refused));
        grants = [...grants, ...granted];
        advance(granted);
      });
    }

    function release(unwanted: Grant[], done: () => void): void {
      grants = grants.filter((grant) => !unwanted.includes(grant));
      end(unwanted, 'cancelled', done);
    }

    function end(ended: Grant[], how: Ended['how'], done: () => void): void {
      if (ended.length === 0) return done();
      const actors = new Map(ended.map((grant) => [addressText(grant.from), grant.from]));
      options.end({ operation, actors: [...actors.values()], how, deadlineMs: mail.deadlineMs }, done);
    }

    function finish(answer: unknown): void {
      running.delete(handle);
      const held = grants;
      grants = [];
      end(held, 'cancelled', () => {
        if (!over) reply(mail, answer);
      });
    }

    function commit(outcome: Decided<unknown>): void {
      const changes = [...grants.flatMap((grant) => grant.changes), ...(outcome.changes ?? [])];
      // With a key also that nothing had to be changed is an outcome.
      if (changes.length === 0 && (mail.key === null || mail.dry)) return finish(outcome.reply);
      if (mail.dry) return finish(dryAnswer(outcome.reply, changes));
      // From here on the committer answers for it, also when the shard starts over.
      running.delete(handle);
      options.submit({
        id: operation,
        what: mail.name,
        who: mail.who,
        scope,
        changes,
        messages: [...grants.flatMap((grant) => grant.messages), ...(outcome.messages ?? [])],
        fences: grants.map((grant) => grant.fence).filter((fence) => !options.isOwn(fence)),
        get deadlineMs() {
          return mail.deadlineMs;
        },
        outcome: mail.key === null ? null : { ...mail.key, reply: outcome.reply },
        overdue() {
          if (mail.outcome === 'open') reply(mail, outcomeTooLate(operation));
        },
        done(result) {
          if (result === 'committed') {
            mail.written = operation;
            end(grants, 'committed', () => {
              const nowMs = world.monotonicMs();
              for (const hint of [...grants.flatMap((grant) => grant.hints), ...(outcome.hints ?? [])]) {
                options.hint(hint, mail.who, nowMs);
              }
              reply(mail, outcome.reply);
            });
          } else if (isRefusal(result)) {
            end(grants, 'reload', () => reply(mail, result));
          } else if (result !== 'redo' && result.refused === KEYED_TWICE) {
            end(grants, 'reload', () => reply(mail, keyedTwice(mail.name)));
          } else {
            const again = attempt + 1 < MAX_ATTEMPTS && mail.deadlineMs > world.monotonicMs();
            end(grants, 'reload', () => {
              if (again) run(scope, mail, factory, setAside, attempt + 1);
              else
                reply(
                  mail,
                  conflict(`${mail.name} met other changes ${attempt + 1} times (${reasonOf(result)}); try again`),
                );
            });
          }
        },
      });
    }

    advance(undefined);
  }

  return {
    start: (scope, mail, factory, setAside) => run(scope, mail, factory, setAside, 0),
    get running() {
      return running.size;
    },
    abandon() {
      const all = [...running];
      running.clear();
      for (const handle of all) handle.refuse();
    },
  };
}

const reasonOf = (result: 'redo' | { refused: string }): string => (result === 'redo' ? 'redo' : result.refused);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
