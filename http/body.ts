// The bytes of a request and what they say. Bytes are read once, from the socket: touching the Request of the platform
// makes a request three times as dear, and drops the body of a GET (actors.md §4, machines.md §1.1).
import type { Context } from 'hono';
import { invalid, type Refusal } from '../actors/refusal.ts';
import { readRequestBody, type BodyFailure } from '../router/socket-io.ts';
import type { Bindings, EdgeEnv } from './env.ts';
import { faultText } from './json-fault.ts';
import { unstorableIn } from './unstorable.ts';

/** The largest body that the edge reads; what is larger is answered 413. */
export const BODY_LIMIT_BYTES = 1 << 20;

/** JSON may nest as deep as this. */
const DEEPEST = 32;

export const isBodyFailure = (value: unknown): value is BodyFailure => typeof value === 'string';

/** The bytes of the body, read at most once, and at once where they are here; a GET may have one. */
export function readBody(c: Context<EdgeEnv>): Uint8Array | Promise<Uint8Array | BodyFailure> {
  // Without a server in front of the app there is no environment at all.
  const env = (c.env ??= {});
  return env.body ?? receiveBody(c, env);
}

async function receiveBody(c: Context<EdgeEnv>, env: Bindings): Promise<Uint8Array | BodyFailure> {
  const body =
    env.incoming === undefined
      ? new Uint8Array(await c.req.arrayBuffer())
      : await readRequestBody(env.incoming, BODY_LIMIT_BYTES);
  if (isBodyFailure(body)) return body;
  env.body = body;
  return body.length > BODY_LIMIT_BYTES ? 'too-large' : body;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counted before parsing, so that a hostile body can't nest the parser, or anybody after it, to death. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > DEEPEST) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

// `fatal`: bytes that are no text must not turn into replacement characters that somebody stores.
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The value that the bytes say; Invalid when empty, no UTF-8, no JSON, nested deeper than 32, or, unless `anyText`, with texts
 * that can't be kept.
 */
export function parseJson(bytes: Uint8Array, anyText = false): { json: unknown } | Refusal {
  if (bytes.length === 0) return invalid('the request body is empty, expected JSON');
  if (isTooDeep(bytes)) return invalid(`the request body nests deeper than ${DEEPEST} levels`);
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return invalid('the request body is not JSON: its bytes are no utf-8');
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return invalid(`the request body is not JSON: ${faultText(text)}`);
  }
  const problem = anyText ? undefined : unstorableIn(text, json);
  return problem === undefined ? { json } : invalid(problem);
}
