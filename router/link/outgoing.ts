import { createBodyReceiver } from './body.ts';
import {
  firstPiece,
  type ExchangeFloor,
  type FirstBody,
  type OpenExchange,
  type OutgoingEvents,
  type OutgoingExchange,
  type RequestHead,
} from './exchange.ts';
import { isLinkFailure, linkFailure, type LinkFailure } from './failure.ts';
import { MAX_DELAY_MS } from './heartbeat.ts';

/**
 * So long beyond the deadline the response is waited for: the other side has the same time from when it hears of it, and what
 * it says at the last moment, that nothing was changed, or of which operation nobody knows, can't be said here.
 */
export const GRACE_MS = 200;

/** Starts an exchange of ours: sends its request, and waits for the head of the response until soon after its deadline. */
export function openOutgoing(
  { world, send, tables, close, senderOf }: ExchangeFloor,
  id: number,
  head: RequestHead,
  first: FirstBody,
  deadlineMs: number,
  events: OutgoingEvents,
): OutgoingExchange {
  let answered = false;
  const receiver = createBodyReceiver({
    grant: (upTo) => tables.asker.has(id) && send({ f: 'http-credit', id, side: 'asker', upTo }),
    cancelled: () => giveUp(linkFailure('Aborted', 'the reader of the response left')),
  });
  const cancelDeadline = world.after(Math.min(Math.max(0, deadlineMs) + GRACE_MS, MAX_DELAY_MS), () => {
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
  const { streamed, inline } = firstPiece(first);
  const entry: OpenExchange = {
    sender: streamed ? senderOf('asker', id, () => {}) : undefined,
    receiver,
    end,
    closed: () => events.ended?.(),
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
}
