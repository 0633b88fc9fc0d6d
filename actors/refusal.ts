/**
 * What an actor answers when it does not do what was asked: a value, never an exception. The edge alone turns the
 * kind into a status code (http/wire-errors.ts).
 */
export interface Refusal {
  readonly refusal: true;
  readonly kind: RefusalKind;
  readonly message: string;
  /** Seconds after which trying again makes sense, where the refusal may be over by then. */
  readonly retryAfterS?: number;
  /** For programs; absent: what `becauseOf` makes of the kind. */
  readonly because?: Because;
}

/** Why something can't be done now (reliability.md §10); only with `Unavailable` and `Overloaded`. */
export type Because =
  | 'overloaded' // more waits than can be answered in time; nothing was done
  | 'starting' // who answers is there soon: a process, a shard, what is read at its start
  | 'stopping'
  | 'standby' // the active process of the site answers, and can't be reached
  | 'lease' // who asked here asked an owner that may be none any more
  | 'database' // it does not answer, or has no room
  | 'partition-unreachable' // or a site
  | 'deadline' // the time for the answer is over
  | 'outcome-unknown' // it may have been done
  | 'unavailable'; // none of these

export type RefusalKind =
  | 'Invalid' // 400: a field of the request is wrong
  | 'Forbidden' // 403
  | 'NotFound' // 404
  | 'Conflict' // 409: exists already, or changed meanwhile
  | 'Precondition' // 412: another version than the request was made for
  | 'Unprocessable' // 422: a rule of the field forbids it
  | 'Overloaded' // 429/503 before anything was done
  | 'Internal' // 500
  | 'Exhausted' // 500: a pool or prefix has nothing left
  | 'Unavailable'; // 503: somebody who is needed can't be reached, or the outcome is unknown

const refuse = (kind: RefusalKind, message: string): Refusal => ({ refusal: true, kind, message });

/** Dependants of metal-api look at the three category prefixes (machines.md §1.4), so they are added once, here. */
const prefixed = (prefix: string, message: string): string =>
  message.startsWith(`${prefix} `) ? message : `${prefix} ${message}`;

export const invalid = (message: string): Refusal => refuse('Invalid', message);
export const forbidden = (message: string): Refusal => refuse('Forbidden', message);
export const notFound = (message: string): Refusal => refuse('NotFound', prefixed('NotFound', message));
export const conflict = (message: string): Refusal => refuse('Conflict', prefixed('Conflict', message));
/** metalctl's `apply` turns to an update on exactly this (clients.md §2.3). */
export const alreadyExists = (): Refusal => refuse('Conflict', 'Conflict entity already exists');
export const precondition = (message: string): Refusal => refuse('Precondition', message);
export const unprocessable = (message: string): Refusal => refuse('Unprocessable', message);
export const exhausted = (message: string): Refusal => refuse('Exhausted', prefixed('Internal', message));
export const internal = (message: string): Refusal => refuse('Internal', prefixed('Internal', message));
export const unavailable = (message: string, retryAfterS = 1): Refusal => ({
  refusal: true,
  kind: 'Unavailable',
  message,
  retryAfterS,
});
/** The same refusal, of what is not decided yet. */
export const undecided = (refusal: Refusal): Refusal => ({ ...refusal, retryAfterS: 1 });
/** The same refusal with its reason. */
export const because = (reason: Because, refusal: Refusal): Refusal => ({ ...refusal, because: reason });
export const unreachable = (message: string, retryAfterS?: number): Refusal =>
  because('partition-unreachable', unavailable(message, retryAfterS));
export const becauseOf = (refusal: Refusal): Because =>
  refusal.because ?? (refusal.kind === 'Overloaded' ? 'overloaded' : 'unavailable');
export const overloaded = (message: string, retryAfterS = 1): Refusal => ({
  refusal: true,
  kind: 'Overloaded',
  message,
  retryAfterS,
});

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && (value as { refusal?: unknown }).refusal === true;
