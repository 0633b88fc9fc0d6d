import { PIECE_BYTES, type BodyReceiver, type BodySender } from './body.ts';
import type { LinkFailure, LinkRefusal } from './failure.ts';
import type { Frame, FrameOf, HttpHeaders, Side } from './frames.ts';
import type { LinkWorld } from './heartbeat.ts';

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

/** One exchange, seen from either side: what we send, what we receive, and how it ends. */
export type OpenExchange = {
  sender: BodySender | undefined;
  readonly receiver: BodyReceiver;
  /** Whether the head of what we receive is here: no piece of a body may come before. */
  headed(): boolean;
  head(frame: FrameOf<'http-response'>): void;
  end(failure: LinkFailure): void;
  closed?: (() => void) | undefined;
};

/** What both kinds of exchange need of the connection that they share. */
export type ExchangeFloor = {
  readonly world: LinkWorld;
  readonly send: (frame: Frame) => void;
  /** Each asker numbers its own, so the two tables are apart. */
  readonly tables: Readonly<Record<Side, Map<number, OpenExchange>>>;
  /** Takes an exchange off its table; false when it was off already. */
  readonly close: (side: Side, id: number) => boolean;
  readonly senderOf: (side: Side, id: number, ended: () => void) => BodySender;
};

/** How a body leaves: inside the head's frame when it is whole and small, else in pieces. */
export function firstPiece(first: FirstBody): { readonly streamed: boolean; readonly inline: { body?: Uint8Array } } {
  if (first === 'none') return { streamed: false, inline: {} };
  const streamed = first === 'streamed' || first.byteLength > PIECE_BYTES;
  return { streamed, inline: streamed ? {} : { body: first as Uint8Array } };
}

/** Takes what came inside the head's frame. */
export function takeFirstPiece(receiver: BodyReceiver, frame: { body?: Uint8Array | undefined; end: boolean }): void {
  if (frame.body !== undefined) receiver.piece(0, frame.body);
  if (frame.end) receiver.end(frame.body === undefined ? 0 : 1);
}
