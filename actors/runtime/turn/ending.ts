// How a turn ends: what was written is answered, what was not is decided again or refused.
import { conflict, internal, isRefusal, type Refusal } from '../../refusal.ts';
import type { Hint } from '../behaviour.ts';
import { pushAgain, reply, type Cell, type Follower, type Mail } from '../cell.ts';
import type { OperationOutcome } from '../committer/operation.ts';
import { KEYED_TWICE, keyedTwice } from '../keyed-twice.ts';
import type { TurnHost } from '../turn.ts';

/** A turn with answers that must wait for the commits before them: what they say was decided on tentative state. */
export interface Followed {
  followers: Follower[];
}

/** An actor may throw at a message because its memory is wrong: it is loaded anew and asked again, so often in all. */
export const MOST_CRASHES = 3;

/** A memory found wrong so often for one message is not memory any more: the caller hears of the conflict. */
export const MAX_ATTEMPTS = 4;

/** What the end of a turn knows of it. */
export interface Ending extends Followed {
  readonly host: TurnHost;
  readonly cell: Cell;
}

/** What becomes of a message whose changes are written. */
export interface Proposed {
  hints: Hint[];
  value: unknown;
  /** The message waits on; nobody is answered by this. */
  waits: boolean;
}

export function again({ host, cell }: Ending, mail: Mail): void {
  pushAgain(cell, mail);
  host.delayed(cell);
}

export const changedMeanwhile = ({ behaviour, address }: Cell, why: string): Refusal =>
  conflict(`${behaviour.kind} ${address.id} was changed meanwhile (${why}); try again`);

export function finish(turn: Ending, mail: Mail, outcome: OperationOutcome, { hints, value, waits }: Proposed): void {
  const { host, cell } = turn;
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
  again(turn, mail);
}

export function finishBatch(turn: Ending): void {
  const { host, cell, followers } = turn;
  if (followers.length > 0) host.followed.delete(turn);
  for (const { mail, value } of followers) {
    if (cell.stale) again(turn, mail);
    else reply(mail, value);
  }
  host.settled(cell);
}

export function poisoned(turn: Ending, mail: Mail, error: unknown): void {
  const { host, cell } = turn;
  const { behaviour, address } = cell;
  mail.thrown = null;
  mail.crashes++;
  if (mail.crashes < MOST_CRASHES) return again(turn, mail);
  const id = host.quarantine(cell, mail, error);
  const why = error instanceof Error ? error.message : String(error);
  reply(mail, internal(`${behaviour.kind} ${address.id} failed at ${mail.name}, operation ${id}: ${why}`));
}
