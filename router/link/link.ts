import type { Asker } from '../../actors/asker.ts';
import type { AskOutcome } from './asks.ts';
import type { PeerIdentity } from './certificates.ts';
import type { RequestHead, ResponseHead } from './exchange.ts';
import { linkFailure, type LinkFailure } from './failure.ts';
import type { Multiplexer } from './multiplexer.ts';
import { firstOf, iterateBody, pumpBody, type BodySource } from './streams.ts';

/** The process at the other end, as its certificate and its hello say. */
export type Peer = PeerIdentity & {
  /** From the certificate: a site, or for a router without one its kind. */
  readonly name: string;
  readonly process: string;
  readonly incarnation: string;
  /** SHA-256 of its certificate. */
  readonly fingerprint: string;
  /** What its owner said of itself, not validated. */
  readonly greeting: unknown;
};

/** `down`: asks fail at once, a new connection is being tried or awaited. `closed`: for ever. */
export type LinkState = 'up' | 'down' | 'closed';

export type LinkResponse = ResponseHead & { readonly body: BodySource };

/** The link to one process of a site; it outlives its connections. All rejections are `LinkFailure`. */
export interface Link {
  readonly state: LinkState;
  /** Undefined before the first connection. */
  readonly peer: Peer | undefined;
  /** Monotonic time at which something was last heard; undefined before the first connection. */
  readonly lastHeardMs: number | undefined;
  readonly roundTripMs: number | undefined;
  /** How far the peer's wall clock is ahead of ours. */
  readonly driftMs: number | undefined;
  /** Why the last connection ended or was not made. */
  readonly lastFailure: string | undefined;
  /**
   * Sends an HTTP request as it is and resolves with the response's head; `deadlineMs` bounds the time to the head,
   * `asker` the whole. The body must be read to its end or left (`break`), else it stays open.
   */
  request(
    head: RequestHead,
    body: BodySource,
    options: { deadlineMs: number; asker?: Asker | undefined },
  ): Promise<ResponseHead & { body: AsyncIterable<Uint8Array> }>;
  /** Asks the peer's owner; resolves with the reply, which is not validated. */
  ask(kind: string, body: unknown, deadlineMs: number): Promise<unknown>;
  /** Tells the peer's owner something that may get lost. */
  notify(kind: string, body: unknown): void;
  /** Hears of every change of state; returns how to stop it. */
  onState(listener: (state: LinkState) => void): () => void;
  /** Resolves when the link is up; rejects when it is closed, or when the signal aborts. */
  whenUp(signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** Where a link finds its connection of the moment. */
export type LinkSource = {
  /** Who is expected there, for messages. */
  name(): string;
  peer(): Peer | undefined;
  connection(): Multiplexer | undefined;
  lastFailure(): string | undefined;
  closing(): void;
};

/** Makes a link; `changed` is to be called whenever its source may have another connection or state. */
export function createLink(source: LinkSource): { link: Link; changed: () => void; ended: () => void } {
  const listeners = new Set<(state: LinkState) => void>();
  let known: LinkState = 'down';
  let closed = false;

  const state = (): LinkState => {
    if (closed) return 'closed';
    return source.connection()?.state === 'up' ? 'up' : 'down';
  };
  const changed = (): void => {
    const next = state();
    if (next === known) return;
    known = next;
    for (const listener of Array.from(listeners)) listener(next);
  };
  const ended = (): void => {
    closed = true;
    changed();
  };
  const named = (failure: LinkFailure): LinkFailure =>
    failure.kind === 'LinkDown'
      ? linkFailure('LinkDown', `${source.name()} can't be reached: ${failure.message}`)
      : failure;
  const usable = (): Multiplexer => {
    const connection = source.connection();
    if (!closed && connection !== undefined) return connection;
    throw named(
      linkFailure('LinkDown', closed ? 'the link is closed' : (source.lastFailure() ?? 'there is no connection')),
    );
  };

  const link: Link = {
    get state() {
      return state();
    },
    get peer() {
      return source.peer();
    },
    get lastHeardMs() {
      return source.connection()?.heartbeat?.lastHeardMs;
    },
    get roundTripMs() {
      return source.connection()?.heartbeat?.roundTripMs;
    },
    get driftMs() {
      return source.connection()?.heartbeat?.driftMs;
    },
    get lastFailure() {
      return source.lastFailure();
    },
    async request(head, body, { deadlineMs, asker }) {
      const connection = usable();
      if (asker?.isGone === true) throw linkFailure('Aborted', 'the request was given up before it was sent');
      return await new Promise((resolve, reject) => {
        let stay: (() => void) | undefined;
        const exchange = connection.open(head, firstOf(body), deadlineMs, {
          head: (response, receiver) => resolve({ ...response, body: iterateBody(receiver) }),
          failed: (failure) => reject(named(failure)),
          ended: () => stay?.(),
        });
        // An exchange that has ended already has said so, and can't be aborted any more.
        if (!exchange.over()) stay = asker?.whenGone(() => exchange.abort('the caller gave up'));
        if (exchange.body === undefined || body === undefined || body instanceof Uint8Array) return;
        pumpBody(body, exchange.body).catch((error: unknown) =>
          exchange.abort(`the request's body failed: ${String(error)}`),
        );
      });
    },
    async ask(kind, body, deadlineMs) {
      const connection = usable();
      return await new Promise((resolve, reject) => {
        connection.ask(kind, body, deadlineMs, (outcome: AskOutcome) => {
          if ('failure' in outcome) reject(named(outcome.failure));
          else resolve(outcome.body);
        });
      });
    },
    notify(kind, body) {
      if (!closed) source.connection()?.notify(kind, body);
    },
    onState(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async whenUp(signal) {
      if (state() === 'up') return;
      await new Promise<void>((resolve, reject) => {
        const settle = (act: () => void): void => {
          stop();
          signal?.removeEventListener('abort', abort);
          act();
        };
        const check = (now: LinkState): void => {
          if (now === 'up') settle(resolve);
          if (now === 'closed') settle(() => reject(named(linkFailure('LinkDown', 'the link is closed'))));
        };
        const abort = (): void =>
          settle(() => reject(named(linkFailure('LinkDown', source.lastFailure() ?? 'not connected in time'))));
        const stop = link.onState(check);
        signal?.addEventListener('abort', abort, { once: true });
        if (signal?.aborted === true) abort();
        else check(state());
      });
    },
    close() {
      if (closed) return;
      source.closing();
      ended();
    },
  };
  return { link, changed, ended };
}
