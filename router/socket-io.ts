// Bodies from and answers to a socket of node:http.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Asker } from '../actors/asker.ts';
import type { HttpAnswer } from './message.ts';

export type BodyFailure = 'too-large' | 'aborted' | 'too-slow' | 'too-many';

/** Bytes that may lie here of all bodies that are being read; who comes when they are used up is turned away. */
export interface BodyBudget {
  left: number;
}
export const createBodyBudget = (bytes = 256 << 20): BodyBudget => ({ left: bytes });

const NOTHING = new Uint8Array(0);

/** The time that a client gives a request, in seconds from its arrival; what can't be read as such says nothing. */
const TIMEOUT_HEADER = 'request-timeout';
const SECONDS = /^\d+(?:\.\d+)?$/;

/** Milliseconds from the arrival; Infinity: it does not say. */
export function timeoutMsOf(headers: IncomingHttpHeaders): number {
  const text = headers[TIMEOUT_HEADER];
  // An empty one is no zero.
  return typeof text === 'string' && SECONDS.test(text) ? 1_000 * Number(text) : Infinity;
}

/**
 * Who waits for this answer: until it is out, or its connection has ended. When the request's own time is over it still wants
 * to hear what came of it. Listens from the moment that somebody asks to.
 */
class ResponseAsker implements Asker {
  readonly #response: ServerResponse;
  readonly #monotonicMs: () => number;
  readonly #untilMs: number;
  /** Hardly ever more than one, for which a Set is dear. */
  #listeners: Array<() => void> | undefined;

  constructor(response: ServerResponse, arrivedMs: number, monotonicMs: () => number) {
    this.#response = response;
    this.#monotonicMs = monotonicMs;
    this.#untilMs = arrivedMs + timeoutMsOf(response.req.headers);
  }

  get isGone(): boolean {
    return this.#response.closed;
  }

  get remainingMs(): number {
    return this.#untilMs === Infinity ? Infinity : this.#untilMs - this.#monotonicMs();
  }

  whenGone(listener: () => void): () => void {
    if (this.isGone) {
      listener();
      return () => {};
    }
    if (this.#listeners === undefined) this.#listen(listener);
    else this.#listeners.push(listener);
    return () => this.#forget(listener);
  }

  /** Apart, so that what the response keeps until it is collected leads to no listener. */
  #listen(first: () => void): void {
    this.#listeners = [first];
    this.#response.on('close', () => this.#leave());
  }

  #forget(listener: () => void): void {
    const listeners = this.#listeners ?? [];
    const at = listeners.indexOf(listener);
    const last = listeners.at(-1);
    if (at < 0 || last === undefined) return;
    listeners[at] = last;
    listeners.pop();
  }

  #leave(): void {
    // One of them may make another one stop.
    for (let next = this.#listeners?.pop(); next !== undefined; next = this.#listeners?.pop()) next();
  }
}

/** `arrivedMs`: when the request came, if it waited since. */
export const askerOf = (
  response: ServerResponse,
  arrivedMs?: number,
  monotonicMs: () => number = () => performance.now(),
): Asker => new ResponseAsker(response, arrivedMs ?? monotonicMs(), monotonicMs);

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** All bytes of a body of at most `limitBytes`, which have to come within `withinMs` (30 s). */
export function readRequestBody(
  request: IncomingMessage,
  limitBytes: number,
  { withinMs = 30_000, budget = createBodyBudget() }: { withinMs?: number; budget?: BodyBudget } = {},
): Promise<Uint8Array | BodyFailure> {
  if (!hasBody(request)) return Promise.resolve(NOTHING);
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.resolve('too-large');
  // Of a request that waited all of it lies here. Listeners would be made for nothing, and kept with it: a quarter of what is
  // promoted of such a request (measured).
  if (request.complete && !request.destroyed && !request.readableDidRead) {
    const body: Uint8Array | null = request.read();
    return Promise.resolve(body === null ? NOTHING : body.length > limitBytes ? 'too-large' : body);
  }
  return new Promise((settle) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    let isOver = false;
    const late = setTimeout(() => finish('too-slow'), withinMs);
    const finish = (outcome: Uint8Array | BodyFailure): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(late);
      budget.left += size;
      settle(outcome);
    };
    request.on('data', (chunk: Uint8Array) => {
      // What comes after the answer is read away.
      if (isOver) return;
      chunks.push(chunk);
      size += chunk.length;
      budget.left -= chunk.length;
      if (size > limitBytes) finish('too-large');
      else if (budget.left < 0) finish('too-many');
    });
    request.on('end', () => finish(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    // Whichever comes first decides; a close after the end changes nothing.
    request.on('error', () => finish('aborted'));
    request.on('close', () => finish('aborted'));
  });
}

/** Sends an answer, no faster than its reader takes it. A body that breaks off breaks the connection off. */
export async function sendAnswer(response: ServerResponse, { status, headers, body }: HttpAnswer): Promise<void> {
  if (response.destroyed) {
    if (body instanceof ReadableStream) await body.cancel();
    return;
  }
  const isWhole = body === null || body instanceof Uint8Array;
  // A length that came along is right for a stream only; of what is here the length is known.
  const isHead = response.req.method === 'HEAD';
  const kept = isWhole && !isHead ? headers.filter(([name]) => name.toLowerCase() !== 'content-length') : [...headers];
  if (isWhole && !isHead && status !== 204 && status !== 304)
    kept.push(['content-length', String(body?.byteLength ?? 0)]);
  response.writeHead(status, kept.flat());
  if (isWhole) {
    response.end(body ?? undefined);
    return;
  }
  // Events may be long in coming; that they will come is known now.
  response.flushHeaders();
  try {
    for await (const piece of body) {
      if (response.destroyed) break;
      if (!response.write(piece)) await drained(response);
    }
    response.end();
  } catch {
    response.destroy();
  }
}

const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
