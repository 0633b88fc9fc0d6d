import { createBodyReceiver } from './body.ts';
import {
  firstPiece,
  takeFirstPiece,
  type ExchangeFloor,
  type IncomingExchange,
  type OpenExchange,
} from './exchange.ts';
import { linkFailure, type LinkFailure, type LinkRefusal } from './failure.ts';
import type { FrameOf } from './frames.ts';

/** Starts to serve an exchange of the peer. */
export function serveIncoming(
  { send, tables, close, senderOf }: ExchangeFloor,
  frame: FrameOf<'http-request'>,
  serve: (exchange: IncomingExchange) => void,
): void {
  const { id } = frame;
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
  const entry: OpenExchange = { sender: undefined, receiver, headed: () => true, head: () => {}, end };
  tables.answerer.set(id, entry);
  takeFirstPiece(receiver, frame);
  serve({
    head: { method: frame.method, path: frame.path, headers: frame.headers },
    deadlineMs: frame.deadlineMs,
    body: receiver,
    respond(head, first) {
      if (responded || !tables.answerer.has(id)) return undefined;
      responded = true;
      const { streamed, inline } = firstPiece(first);
      if (streamed) entry.sender = senderOf('answerer', id, finish);
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
}
