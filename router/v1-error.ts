// Errors of the way itself. metal-api's error type encodes itself as text, so clients expect a JSON string that holds
// the object encoded once more.
import type { Because } from '../actors/refusal.ts';
import type { HttpAnswer } from './message.ts';
import { refusedHeaders } from './refused.ts';
import type { BodyFailure } from './socket-io.ts';

/** Body of a v1 error: its own status and message, encoded twice. */
export const v1ErrorText = (status: number, message: string): string =>
  JSON.stringify(JSON.stringify({ statuscode: status, message }));

export const v1Error = (status: number, message: string, headers: Array<[string, string]> = []): HttpAnswer => ({
  status,
  headers: [['content-type', 'application/json'], ...headers],
  body: Buffer.from(v1ErrorText(status, message)),
});

/** 503: not now. Nothing was done, unless the message says that nobody knows. */
export const busyAnswer = (message: string, because: Because): HttpAnswer =>
  v1Error(503, message, refusedHeaders(because));

/** 503: somebody who is needed can't be reached. */
export const unreachableAnswer = (message: string): HttpAnswer => busyAnswer(message, 'partition-unreachable');

const BODY_FAILURES: Readonly<Record<BodyFailure, (limitBytes: number) => HttpAnswer>> = {
  'too-large': (limitBytes) =>
    v1Error(413, `the request body is larger than ${limitBytes} bytes`, [['connection', 'close']]),
  'too-many': () =>
    busyAnswer('more bodies are being read than there is room for; nothing was done, try again', 'overloaded'),
  aborted: () => v1Error(400, 'the request body ended before it was complete', [['connection', 'close']]),
  'too-slow': () => v1Error(408, 'the request body did not come in time', [['connection', 'close']]),
};

/** The answer to a body that could not be read; `limitBytes`: what it may have. */
export const bodyFailureAnswer = (failure: BodyFailure, limitBytes: number): HttpAnswer =>
  BODY_FAILURES[failure](limitBytes);
