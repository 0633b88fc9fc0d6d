import { createBodyReceiver, createBodySender, PIECE_BYTES, type BodyReceiver, type BodySender } from './body.ts';
import { isLinkFailure, linkFailure, type LinkFailure, type LinkRefusal } from './failure.ts';
import type { Frame, FrameOf, HttpHeaders, Side } from './frames.ts';
import type { LinkWorld } from './heartbeat.ts';
import { createSeen } from './seen.ts';

/** HTTP exchanges that may be open on one link, each way; more are refused at once. */
export const MAX_EXCHANGES = 1_024;

export type RequestHead = { readonly method: string; readonly path: string; readonly headers: HttpHeaders };
export type ResponseHead = { readonly status: number; readonly headers: HttpHeaders };
/** What is known of a body when its head leaves: there is none, it is all here, or it will be written piece by piece. */
export type FirstBody = 'none' | 'streamed' | Uint8Array;

/** An exchange of ours. */
export interface OutgoingExchange {
  /** Where a `streamed` request body goes. */
  readonly body: BodySender | undefined;
  /** Gives up and says so to the peer. */
  abort(message: string): void;
  over(): boolean;
}

export type OutgoingEvents = {
  head(head: ResponseHead, body: BodyReceiver): void;
  /** No head comes. After the head, a failure shows in its body. */
  failed(failure: LinkFailure): void;
  /** The exchange is over, however; what was received stays readable. */
  ended?(): void;
};

/** An exchange of the peer, to be served. */
export interface IncomingExchange {
  readonly head: RequestHead;
  /** Milliseconds that the asker will wait for the response head. */
  readonly deadlineMs: number;
  readonly body: BodyReceiver;
  /** Answers once; returns where a `streamed` response body goes. */
  respond(head: ResponseHead, first: FirstBody): BodySender | undefined;
  /** Ends it without (the rest of) an answer. */
  abort(reason: LinkRefusal): void;
  /** Called once when the asker gave up or the link is down. */
  whenAborted(listener: () => void): void;
}

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
  send(frame: Frame): void;
  mayEmit(): boolean;
  serve(exchange: IncomingExchange): void;
  settled(): void;
};

/** One exchange, seen from either side: what we send, what we receive, and how it ends. */
type Open = {
  sender: BodySender | undefined;
  readonly receiver: BodyReceiver;
  /** Whether the head of what we receive is here: no piece of a body may come before. */
  headed(): boolean;
  head(frame: FrameOf<'http-response'>): void;
  end(failure: LinkFailure): void;
  closed?: (() => void) | undefined;
};

export function createExchanges({ world, send, mayEmit, serve, settled }: ExchangesPorts): Exchanges {
  // Each asker numbers its own, so the two tables are apart.
  const tables: Record<Side, Map<number, Open>> = { asker: new Map(), answerer: new Map() };
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

  const open = (head: RequestHead, first: FirstBody, deadlineMs: number, events: OutgoingEvents): OutgoingExchange => {
    if (tables.asker.size >= MAX_EXCHANGES) {
      events.failed(linkFailure('Overloaded', overloaded().message));
      return { body: undefined, abort: () => {}, over: () => true };
    }
    const id = ++lastId;
    let answered = false;
    const receiver = createBodyReceiver({
      grant: (upTo) => tables.asker.has(id) && send({ f: 'http-credit', id, side: 'asker', upTo }),
      cancelled: () => giveUp(linkFailure('Aborted', 'the reader of the response left')),
    });
    const cancelDeadline = world.after(Math.max(0, deadlineMs), () => {
      giveUp(
        linkFailure(
          'Deadline',
          `${head.method} ${head.path}: no answer within ${Math.round(deadlineMs)} ms; the peer may still act on it`,
        ),
      );
    });
    const end = (failure: LinkFailure): void => {
      if (!close('asker', id)) return;
      cancelDeadline();
      entry.sender?.stop();
      receiver.fail(failure);
      if (!answered) events.failed(failure);
    };
    const giveUp = (failure: LinkFailure): void => {
      if (!tables.asker.has(id)) return;
      send({ f: 'http-reset', id, side: 'asker', reason: { kind: failure.kind, message: failure.message } });
      end(failure);
    };
    const streamed = first === 'streamed' || (first !== 'none' && first.byteLength > PIECE_BYTES);
    const entry: Open = {
      sender: streamed ? senderOf('asker', id, () => {}) : undefined,
      receiver,
      end,
      closed: events.ended,
      headed: () => answered,
      head: (frame) => {
        if (answered) return;
        answered = true;
        cancelDeadline();
        events.head({ status: frame.status, headers: frame.headers }, receiver);
      },
    };
    tables.asker.set(id, entry);
    try {
      const inline = streamed || first === 'none' ? {} : { body: first as Uint8Array };
      send({ f: 'http-request', id, ...head, deadlineMs, ...inline, end: !streamed });
    } catch (error) {
      end(isLinkFailure(error) ? error : linkFailure('Broken', String(error)));
    }
    if (streamed && first !== 'streamed') {
      entry.sender?.write(first as Uint8Array);
      entry.sender?.end();
    }
    return {
      body: first === 'streamed' ? entry.sender : undefined,
      abort: (message) => giveUp(linkFailure('Aborted', message)),
      over: () => !tables.asker.has(id),
    };
  };

  const acceptRequest = (frame: FrameOf<'http-request'>): void => {
    const { id } = frame;
    if (!isNew(id)) return;
    if (tables.answerer.size >= MAX_EXCHANGES) {
      return send({ f: 'http-reset', id, side: 'answerer', reason: overloaded() });
    }
    let responded = false;
    let aborted = false;
    let listener: (() => void) | undefined;
    const receiver = createBodyReceiver({
      grant: (upTo) => tables.answerer.has(id) && send({ f: 'http-credit', id, side: 'answerer', upTo }),
      // The asker learns from the response's end that nobody reads the rest of its body.
      cancelled: () => {},
    });
    const finish = (): void => {
      close('answerer', id);
      receiver.fail(linkFailure('Aborted', 'the exchange was answered before its request was complete'));
    };
    const end = (failure: LinkFailure): void => {
      if (!close('answerer', id)) return;
      aborted = true;
      entry.sender?.stop();
      receiver.fail(failure);
      listener?.();
    };
    const abort = (reason: LinkRefusal): void => {
      if (!tables.answerer.has(id)) return;
      send({ f: 'http-reset', id, side: 'answerer', reason });
      end(linkFailure('Aborted', reason.message));
    };
    const entry: Open = { sender: undefined, receiver, headed: () => true, head: () => {}, end };
    tables.answerer.set(id, entry);
    takeFirst(receiver, frame);
    serve({
      head: { method: frame.method, path: frame.path, headers: frame.headers },
      deadlineMs: frame.deadlineMs,
      body: receiver,
      respond(head, first) {
        if (responded || !tables.answerer.has(id)) return undefined;
        responded = true;
        const streamed = first === 'streamed' || (first !== 'none' && first.byteLength > PIECE_BYTES);
        if (streamed) entry.sender = senderOf('answerer', id, finish);
        const inline = streamed || first === 'none' ? {} : { body: first as Uint8Array };
        try {
          send({ f: 'http-response', id, ...head, ...inline, end: !streamed });
        } catch (error) {
          abort({ kind: 'TooLarge', message: String(error) });
          return undefined;
        }
        if (!streamed) finish();
        if (first === 'streamed') return entry.sender;
        if (first !== 'none') entry.sender?.write(first);
        entry.sender?.end();
        return undefined;
      },
      abort,
      whenAborted(callback) {
        if (aborted) callback();
        else listener = callback;
      },
    });
  };

  const takeFirst = (receiver: BodyReceiver, frame: { body?: Uint8Array | undefined; end: boolean }): void => {
    if (frame.body !== undefined) receiver.piece(0, frame.body);
    if (frame.end) receiver.end(frame.body === undefined ? 0 : 1);
  };

  /** A response that is complete needs its exchange no more; what we still wanted to send is of no use. */
  const closeWhenComplete = (id: number, entry: Open): void => {
    if (!entry.receiver.complete || !close('asker', id)) return;
    entry.sender?.stop();
  };

  const broken = (mine: Side, id: number, entry: Open): void => {
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
          takeFirst(entry.receiver, frame);
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
      for (const table of Object.values(tables)) for (const entry of [...table.values()]) entry.end(failure);
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
