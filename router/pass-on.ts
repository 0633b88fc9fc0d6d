// One exchange with another process: the bytes as they came, the answer as it comes.
import { withinOf, type Asker } from '../actors/asker.ts';
import { isLinkFailure, linkFailure, type LinkFailure } from './link/failure.ts';
import { endToEnd, HOPS_HEADER, PART_HEADER, STANDBY_HEADER, streamOf, type HttpAnswer } from './message.ts';
import { busyAnswer, unreachableAnswer } from './v1-error.ts';
import type { PeerAnswer, PeerExchange, PeerHead } from './peers.ts';

/** Time to the head of an answer. A link that is silent fails earlier, within its heartbeat's limit of 1.5 s. */
export const FORWARD_MS = 30_000;

export interface Passing {
  readonly site: string;
  readonly hops: number;
  readonly deadlineMs?: number;
  readonly as?: 'part' | 'standby' | 'part of standby';
  /** When it leaves, the other process hears of it. */
  readonly asker?: Asker | undefined;
}

/** Sends once, never again. Rejects with a `LinkFailure`. */
export async function passOn(
  peers: Pick<PeerExchange, 'request'>,
  request: PeerHead & { readonly body: Uint8Array | AsyncIterable<Uint8Array> },
  { site, hops, deadlineMs = FORWARD_MS, as, asker }: Passing,
): Promise<PeerAnswer> {
  const headers = endToEnd(request.headers);
  headers.push([HOPS_HEADER, String(hops)]);
  if (as === 'part' || as === 'part of standby') headers.push([PART_HEADER, 'own']);
  if (as === 'standby' || as === 'part of standby') headers.push([STANDBY_HEADER, '1']);
  const { method, path, body } = request;
  const isEmpty = body instanceof Uint8Array && body.byteLength === 0;
  const withinMs = withinOf(asker, deadlineMs);
  if (withinMs <= 0) throw linkFailure('Deadline', 'the time that the request has was over before it was passed on');
  return await peers.request(site, { method, path, headers }, isEmpty ? undefined : body, {
    deadlineMs: withinMs,
    asker,
  });
}

const isJson = (headers: PeerAnswer['headers']): boolean =>
  headers.some(([name, value]) => name.toLowerCase() === 'content-type' && value.startsWith('application/json'));

/** An answer up to this size is sent on as bytes: a stream costs more than the exchange itself. */
const WHOLE_BYTES = 64 * 1024;

/** The answer as the edge sends it. JSON was made as a whole, so waiting for its beginning delays nothing. */
export async function answerOf({ status, headers, body }: PeerAnswer): Promise<HttpAnswer> {
  const head = { status, headers: endToEnd(headers), isPassedOn: true } as const;
  if (!isJson(headers)) return { ...head, body: streamOf(body) };
  const iterator = body[Symbol.asyncIterator]();
  const pieces: Uint8Array[] = [];
  for (let size = 0; size <= WHOLE_BYTES;) {
    const next = await iterator.next();
    if (next.done === true) return { ...head, body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) };
    pieces.push(next.value);
    size += next.value.byteLength;
  }
  return { ...head, body: streamOf(resumed(pieces, iterator)) };
}

async function* resumed(pieces: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* pieces;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** Reads what is not wanted, so that its exchange ends. */
export async function discard(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

/** Why an exchange failed. Anything but a failure of the link is a fault of ours, and thrown on. */
export function linkFailureOf(error: unknown): LinkFailure {
  if (isLinkFailure(error)) return error;
  throw error;
}

/** The request itself could not be read, so nobody has acted on it. */
const isUnreadable = ({ refusal }: LinkFailure): boolean => refusal?.kind === 'Unreadable';

/** Why there is no answer of `whom`. `isUnsure`: whether it was done is not known. */
export function failedAnswer(whom: string, failure: LinkFailure, isUnsure: boolean): HttpAnswer {
  const { kind, message } = failure;
  if (isUnreadable(failure)) return busyAnswer(`${whom}: ${message}; nothing was done`, 'unavailable');
  // It can be reached, it has too much to do: nobody is to look for a broken link.
  if (kind === 'Overloaded')
    return busyAnswer(`${whom} has too much to do: ${message}; nothing was done, try again`, 'overloaded');
  const unsure = isUnsure ? '; whether it was done is not known' : '';
  return kind === 'Deadline'
    ? busyAnswer(`${whom} did not answer in time: ${message}${unsure}`, isUnsure ? 'outcome-unknown' : 'deadline')
    : unreachableAnswer(`${whom} can't be reached: ${message}${unsure}`);
}

/** Whether the request may have been acted on although no answer came. `wasUp`: a link was up when it was sent. */
export const mayHaveActed = (failure: LinkFailure, wasUp: boolean): boolean =>
  wasUp && failure.kind !== 'Overloaded' && failure.kind !== 'TooLarge' && !isUnreadable(failure);
