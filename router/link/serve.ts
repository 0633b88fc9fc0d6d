import { createAsker, type Asker } from '../../actors/asker.ts';
import { refusalOf, type AskAnswer } from './asks.ts';
import type { IncomingExchange, RequestHead } from './exchange.ts';
import type { LinkResponse, Peer } from './link.ts';
import { firstOf, iterateBody, pumpBody } from './streams.ts';

/** A request that a peer passed on. */
export type IncomingRequest = RequestHead & {
  readonly body: AsyncIterable<Uint8Array>;
  /** Who waits for the head of the response, and for how long. */
  readonly asker: Asker;
};

export type RequestHandler = (request: IncomingRequest, peer: Peer) => Promise<LinkResponse>;
/**
 * Answers an ask; the body comes as it was sent, so validate it. Throw `refuseAsk(…)` to refuse. `asker`: how long its answer
 * is waited for; not to be given to what completes or undoes something.
 */
export type AskHandler = (body: unknown, peer: Peer, asker: Asker) => unknown;
export type NotifyHandler = (body: unknown, peer: Peer) => void;

/** Clocks of two machines are not compared: what a message says it has left counts from when it came. */
export function askerFor(withinMs: number, monotonicMs: () => number): ReturnType<typeof createAsker> {
  const untilMs = monotonicMs() + withinMs;
  return createAsker(() => untilMs - monotonicMs());
}

/** Serves one exchange; what a handler throws reaches the asker only as a reset, and `failed` in full. */
export async function serveExchange(
  exchange: IncomingExchange,
  handler: RequestHandler,
  peer: Peer,
  failed: (what: string, error: unknown) => void,
  monotonicMs: () => number,
): Promise<void> {
  const { head, body, deadlineMs } = exchange;
  const asker = askerFor(deadlineMs, monotonicMs);
  exchange.whenAborted(asker.leave);
  try {
    const response = await handler({ ...head, body: iterateBody(body), asker }, peer);
    const { status, headers } = response;
    const sender = exchange.respond({ status, headers }, firstOf(response.body));
    if (response.body === undefined || response.body instanceof Uint8Array) return;
    if (sender !== undefined) await pumpBody(response.body, sender);
    else await response.body[Symbol.asyncIterator]().return?.();
  } catch (error) {
    // A handler that stops because its asker left has not failed.
    if (!asker.isGone) failed(`${head.method} ${head.path}`, error);
    exchange.abort(refusalOf(error, `${head.method} ${head.path}`));
  }
}

/** Serves one ask. */
export async function serveAsk(
  kind: string,
  run: () => unknown,
  answer: (answer: AskAnswer) => void,
  failed: (what: string, error: unknown) => void,
): Promise<void> {
  try {
    answer({ body: await run() });
  } catch (error) {
    const refusal = refusalOf(error, kind);
    if (refusal.kind === 'Failed') failed(`ask ${kind}`, error);
    answer({ refusal });
  }
}
