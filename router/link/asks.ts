import { isLinkFailure, linkFailure, type LinkFailure, type LinkRefusal } from './failure.ts';
import type { Frame, FrameOf } from './frames.ts';
import { MAX_DELAY_MS, type LinkWorld } from './heartbeat.ts';
import { createSeen } from './seen.ts';

/** Asks that may wait for an answer on one link, either way; more are refused at once. */
export const MAX_ASKS = 4_096;

export type AskOutcome = { readonly body: unknown } | { readonly failure: LinkFailure };
export type AskAnswer = { readonly body: unknown } | { readonly refusal: LinkRefusal };

/** Serves one ask; `answer` may be called later, and only its first call counts. */
export type AskServer = (kind: string, body: unknown, deadlineMs: number, answer: (answer: AskAnswer) => void) => void;

/** The system asks of one connection, in both directions. */
export interface Asks {
  /** Calls `done` exactly once, at the latest after `deadlineMs`. */
  ask(kind: string, body: unknown, deadlineMs: number, done: (outcome: AskOutcome) => void): void;
  accept(frame: FrameOf<'ask'> | FrameOf<'reply'> | FrameOf<'refusal'>): void;
  /** Ends one waiting ask. */
  fail(id: number, failure: LinkFailure): void;
  failAll(failure: LinkFailure): void;
  /** Asks of ours that wait, and asks of the peer that are being served. */
  readonly open: number;
}

export type AsksPorts = {
  readonly world: LinkWorld;
  readonly send: (frame: Frame) => void;
  readonly serve: AskServer;
  readonly settled: () => void;
};

export function createAsks({ world, send, serve, settled }: AsksPorts): Asks {
  const waiting = new Map<number, { done: (outcome: AskOutcome) => void; cancel: () => void }>();
  const isNew = createSeen();
  let lastId = 0;
  let serving = 0;

  const settle = (id: number, outcome: AskOutcome): void => {
    const entry = waiting.get(id);
    // A repeated answer, or one to an ask that was given up.
    if (entry === undefined) return;
    waiting.delete(id);
    entry.cancel();
    entry.done(outcome);
    settled();
  };

  const serveAsk = (frame: FrameOf<'ask'>): void => {
    if (!isNew(frame.id)) return;
    if (serving >= MAX_ASKS) {
      return send({ f: 'refusal', id: frame.id, reason: overloaded() });
    }
    const untilMs = world.monotonicMs() + frame.deadlineMs;
    let answered = false;
    serving += 1;
    const answer = (outcome: AskAnswer): void => {
      if (answered) return;
      answered = true;
      serving -= 1;
      // Nobody waits for it any more.
      if (world.monotonicMs() <= untilMs) sendAnswer(frame, outcome);
      settled();
    };
    try {
      serve(frame.kind, frame.body, frame.deadlineMs, answer);
    } catch (error) {
      answer({ refusal: refusalOf(error, frame.kind) });
    }
  };

  const sendAnswer = ({ id, kind }: FrameOf<'ask'>, outcome: AskAnswer): void => {
    try {
      if ('refusal' in outcome) send({ f: 'refusal', id, reason: outcome.refusal });
      else send({ f: 'reply', id, body: outcome.body });
    } catch (error) {
      send({ f: 'refusal', id, reason: refusalOf(error, kind) });
    }
  };

  return {
    ask(kind, body, deadlineMs, done) {
      if (waiting.size >= MAX_ASKS) return done({ failure: linkFailure('Overloaded', overloaded().message) });
      if (!(deadlineMs > 0)) return done({ failure: late(kind, deadlineMs) });
      const id = ++lastId;
      const cancel = world.after(Math.min(deadlineMs, MAX_DELAY_MS), () =>
        settle(id, { failure: late(kind, deadlineMs) }),
      );
      waiting.set(id, { done, cancel });
      try {
        send({ f: 'ask', id, kind, body, deadlineMs });
      } catch (error) {
        settle(id, { failure: isLinkFailure(error) ? error : linkFailure('Broken', String(error)) });
      }
    },
    accept(frame) {
      if (frame.f === 'ask') return serveAsk(frame);
      if (frame.f === 'reply') return settle(frame.id, { body: frame.body });
      settle(frame.id, { failure: linkFailure('Refused', frame.reason.message, frame.reason as LinkRefusal) });
    },
    fail(id, failure) {
      settle(id, { failure });
    },
    failAll(failure) {
      for (const id of Array.from(waiting.keys())) settle(id, { failure });
    },
    get open() {
      return waiting.size + serving;
    },
  };
}

/** What the asker hears of an exception: a deliberate refusal as it is, of anything else only that it happened. */
export function refusalOf(error: unknown, subject: string): LinkRefusal {
  if (isLinkFailure(error)) return error.refusal ?? { kind: error.kind, message: error.message };
  return { kind: 'Failed', message: `${subject}: the peer failed while it served this` };
}

const overloaded = (): LinkRefusal => ({ kind: 'Overloaded', message: `more than ${MAX_ASKS} asks wait on this link` });

const late = (kind: string, deadlineMs: number): LinkFailure =>
  linkFailure(
    'Deadline',
    `${kind}: no answer within ${Math.max(0, Math.round(deadlineMs))} ms; the peer may still act on it`,
  );
