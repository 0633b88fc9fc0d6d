// What an error looks like on the wire. metal-api's error type encodes itself as text, so clients expect a JSON string
// that holds the object encoded once more (machines.md §1.3); a plain object breaks every message and `metalctl apply`.
import type { Refusal, RefusalKind } from '../actors/refusal.ts';

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

export const refusalResponse = (refusal: Refusal, more?: Record<string, string>): Response => {
  const { retryAfterS } = refusal;
  const headers =
    retryAfterS === undefined ? more : { ...more, 'retry-after': String(Math.max(1, Math.ceil(retryAfterS))) };
  return errorResponse(statusOf(refusal), refusal.message, headers);
};

/** Guests and other tenants get the bare message as a JSON string (machines.md §1.2, a quirk that clients print). */
export const bareForbidden = (message: string): Response => encode(JSON.stringify(message), 403);
