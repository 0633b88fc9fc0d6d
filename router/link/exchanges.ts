import { createBodySender, type BodySender } from './body.ts';
import {
  takeFirstPiece,
  type ExchangeFloor,
  type FirstBody,
  type IncomingExchange,
  type OpenExchange,
  type OutgoingEvents,
  type OutgoingExchange,
  type RequestHead,
} from './exchange.ts';
import { linkFailure, type LinkFailure, type LinkRefusal } from './failure.ts';
import type { Frame, FrameOf, Side } from './frames.ts';
import type { LinkWorld } from './heartbeat.ts';
import { serveIncoming } from './incoming.ts';
import { openOutgoing } from './outgoing.ts';
import { createSeen } from './seen.ts';

/** HTTP exchanges that may be open on one link, each way; more are refused at once. */
export const MAX_EXCHANGES = 1_024;

/** The HTTP exchanges of one connection, in both directions. */
export interface Exchanges {
  open(head: RequestHead, first: FirstBody, deadlineMs: number, events: OutgoingEvents): OutgoingExchange;
  accept(frame: HttpFrame): void;
  /** Ends one exchange of ours. */
  fail(id: number, failure: LinkFailure): void;
  failAll(failure: LinkFailure): void;
  /** The carrier has room again. */
  flush(): void;
  readonly size: number;
}

export type HttpFrame = FrameOf<
  'http-request' | 'http-response' | 'http-body' | 'http-credit' | 'http-end' | 'http-reset'
>;

export type ExchangesPorts = {
  readonly world: LinkWorld;
  readonly send: (frame: Frame) => void;
  readonly mayEmit: () => boolean;
  readonly serve: (exchange: IncomingExchange) => void;
  readonly settled: () => void;
};

export function createExchanges({ world, send, mayEmit, serve, settled }: ExchangesPorts): Exchanges {
  const tables: Record<Side, Map<number, OpenExchange>> = { asker: new Map(), answerer: new Map() };
  const isNew = createSeen();
  let lastId = 0;
  let lastFlushed = 0;

  const close = (side: Side, id: number): boolean => {
    const entry = tables[side].get(id);
    if (entry === undefined) return false;
    tables[side].delete(id);
    entry.closed?.();
    settled();
    return true;
  };

  const senderOf = (side: Side, id: number, ended: () => void): BodySender =>
    createBodySender({
      mayEmit,
      emit: (seq, bytes) => send({ f: 'http-body', id, side, seq, bytes }),
      emitEnd: (pieces) => {
        send({ f: 'http-end', id, side, pieces });
        ended();
      },
    });

  const floor: ExchangeFloor = { world, send, tables, close, senderOf };

  const open: Exchanges['open'] = (head, first, deadlineMs, events) => {
    if (tables.asker.size < MAX_EXCHANGES) return openOutgoing(floor, ++lastId, head, first, deadlineMs, events);
    events.failed(linkFailure('Overloaded', overloaded().message));
    return { body: undefined, abort: () => {}, over: () => true };
  };

  const acceptRequest = (frame: FrameOf<'http-request'>): void => {
    if (!isNew(frame.id)) return;
    if (tables.answerer.size < MAX_EXCHANGES) return serveIncoming(floor, frame, serve);
    send({ f: 'http-reset', id: frame.id, side: 'answerer', reason: overloaded() });
  };

  /** A response that is complete needs its exchange no more; what we still wanted to send is of no use. */
  const closeWhenComplete = (id: number, entry: OpenExchange): void => {
    if (!entry.receiver.complete || !close('asker', id)) return;
    entry.sender?.stop();
  };

  const broken = (mine: Side, id: number, entry: OpenExchange): void => {
    const message = 'a piece of a body is missing or exceeds its credit';
    send({ f: 'http-reset', id, side: mine, reason: { kind: 'Broken', message } });
    entry.end(linkFailure('Broken', message));
  };

  return {
    open,
    accept(frame) {
      if (frame.f === 'http-request') return acceptRequest(frame);
      const mine: Side = frame.f === 'http-response' || frame.side === 'answerer' ? 'asker' : 'answerer';
      const entry = tables[mine].get(frame.id);
      if (entry === undefined) {
        // A reset that overtook its request: the request must not run afterwards.
        if (frame.f === 'http-reset' && mine === 'answerer') isNew(frame.id);
        return;
      }
      switch (frame.f) {
        case 'http-response':
          takeFirstPiece(entry.receiver, frame);
          entry.head(frame);
          return closeWhenComplete(frame.id, entry);
        case 'http-body':
          if (!entry.headed() || entry.receiver.piece(frame.seq, frame.bytes) === 'broken')
            broken(mine, frame.id, entry);
          return;
        case 'http-credit':
          return entry.sender?.grant(frame.upTo);
        case 'http-end':
          if (!entry.headed() || entry.receiver.end(frame.pieces) === 'broken') return broken(mine, frame.id, entry);
          if (mine === 'asker') closeWhenComplete(frame.id, entry);
          return;
        case 'http-reset':
          return entry.end(resetFailure(frame.reason as LinkRefusal));
      }
    },
    fail(id, failure) {
      tables.asker.get(id)?.end(failure);
    },
    failAll(failure) {
      for (const table of Object.values(tables)) for (const entry of Array.from(table.values())) entry.end(failure);
    },
    flush() {
      // Round robin: who was last served waits for the others.
      const senders = Object.values(tables).flatMap((table) => [...table.values()].map((entry) => entry.sender));
      for (let i = 0; i < senders.length && mayEmit(); i += 1) {
        lastFlushed = (lastFlushed + 1) % senders.length;
        senders[lastFlushed]?.flush();
      }
    },
    get size() {
      return tables.asker.size + tables.answerer.size;
    },
  };
}

const overloaded = (): LinkRefusal => ({
  kind: 'Overloaded',
  message: `more than ${MAX_EXCHANGES} requests are open on this link`,
});

function resetFailure(reason: LinkRefusal): LinkFailure {
  const { kind, message } = reason;
  if (kind === 'Overloaded' || kind === 'Broken' || kind === 'LinkDown') return linkFailure(kind, message);
  return linkFailure(kind === 'Aborted' || kind === 'Deadline' ? 'Aborted' : 'Refused', message, reason);
}
