// What an error looks like on the wire. metal-api's error type encodes itself as text, so clients expect a JSON string
// that holds the object encoded once more (machines.md §1.3); a plain object breaks every message and `metalctl apply`.
import { becauseOf, type Because, type Refusal, type RefusalKind } from '../actors/refusal.ts';
import { refusedHeaders, spread } from '../router/refused.ts';

const STATUS: Record<RefusalKind, ErrorStatus> = {
  Invalid: 400,
  Forbidden: 403,
  NotFound: 404,
  Conflict: 409,
  Precondition: 412,
  Unprocessable: 422,
  Internal: 500,
  Exhausted: 500,
  Overloaded: 503,
  Unavailable: 503,
};

export type ErrorStatus = 400 | 403 | 404 | 405 | 406 | 408 | 409 | 412 | 413 | 415 | 422 | 500 | 503;

/** The status code of a refusal (machines.md §1.4). */
export const statusOf = (refusal: Refusal): ErrorStatus => STATUS[refusal.kind];

const encode = (body: string, status: number, headers?: Record<string, string>): Response =>
  new Response(body, { status, headers: { 'content-type': 'application/json', ...headers } });

/** The body of an error: its own status code and message, encoded twice. */
export const errorText = (status: number, message: string): string =>
  JSON.stringify(JSON.stringify({ statuscode: status, message }));

export const errorResponse = (status: ErrorStatus, message: string, headers?: Record<string, string>): Response =>
  encode(errorText(status, message), status, headers);

/** 503, and why. `afterS`: seconds after which trying again makes sense, at least. */
export const busyResponse = (
  message: string,
  because: Because,
  { afterS = 1, headers = {} }: { afterS?: number; headers?: Record<string, string> | undefined } = {},
): Response =>
  errorResponse(503, message, { ...headers, ...Object.fromEntries(refusedHeaders(because, spread(afterS))) });

export const refusalResponse = (refusal: Refusal, more?: Record<string, string>): Response => {
  const { retryAfterS, message } = refusal;
  const status = statusOf(refusal);
  if (status === 503) return busyResponse(message, becauseOf(refusal), { afterS: retryAfterS ?? 1, headers: more });
  const headers = retryAfterS === undefined ? more : { ...more, 'retry-after': String(retryAfterS) };
  return errorResponse(status, message, headers);
};

/** Guests and other tenants get the bare message as a JSON string (machines.md §1.2, a quirk that clients print). */
export const bareForbidden = (message: string): Response => encode(JSON.stringify(message), 403);
