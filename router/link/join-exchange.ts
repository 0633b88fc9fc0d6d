import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Because } from '../../actors/refusal.ts';
import { decode, encode } from '../../actors/runtime/codec.ts';
import { refusedHeaders } from '../refused.ts';
import { MAX_FRAME_BYTES } from './frames.ts';
import { seal, type Sealed } from './sealing.ts';
import { checkToken, claimToken, isTokenRefusal, type TokenRecord, type TokenRefusal } from './token.ts';

/** What a joiner says of itself. `inventory` is the federation's: all that must be unique, not validated here. */
export type JoinRequest = {
  readonly siteId: string;
  readonly partitionIds: readonly string[];
  /** P-256, SPKI DER: what the answer is sealed to. */
  readonly publicKey: Uint8Array;
  readonly inventory: unknown;
};

/** One reason why a site may not join, e.g. one collision. `kind` is a word for programs, `message` a sentence. */
export type JoinReason = { readonly kind: string; readonly message: string; readonly details?: unknown };

/** The federation's decision: what only the joiner may read, or every reason against it. */
export type JoinDecision = { readonly accept: unknown } | { readonly refuse: readonly JoinReason[] };

export type JoinServing = {
  /** The federation's authority, as its fingerprint stands in the tokens. */
  fingerprint(): string;
  findToken(id: string): Promise<TokenRecord | undefined>;
  /** Stores a claimed token durably, if it is still as it was found; false when another claim came first. */
  storeClaim(before: TokenRecord, after: TokenRecord): Promise<boolean>;
  /** Takes a claim back, after a refusal: the joiner may try again, also under another key. */
  releaseClaim(record: TokenRecord): Promise<void>;
  /** Decides; called again with the same request when the joiner repeats an interrupted join, and must answer alike. */
  onJoin(request: JoinRequest, token: TokenRecord): Promise<JoinDecision>;
  wallMs(): number;
  odd?(what: string, error?: unknown): void;
};

/** Joins that are served at once; the path is open to the world. */
const MAX_JOINS = 8;

/** The wire of the join: token in headers, so that no body is read for a stranger. */
export const TOKEN_HEADER = 'x-hanse-token';
export const JOIN_CONTENT_TYPE = 'application/x-msgpack';

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'bytes are expected');
const reason = z.object({ kind: z.string(), message: z.string(), details: z.unknown().optional() });

const requestSchema = z.object({
  siteId: z.string().min(1).max(128),
  partitionIds: z.array(z.string().min(1).max(128)).max(256),
  publicKey: bytes,
  inventory: z.unknown().optional(),
});

/** What the server answers; `wallMs` lets the joiner say how far the clocks are apart. */
export type JoinAnswer =
  | { readonly outcome: 'accepted'; readonly wallMs: number; readonly sealed: Sealed }
  | { readonly outcome: 'refused'; readonly wallMs: number; readonly reasons: readonly JoinReason[] };

export const answerSchema = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('accepted'),
    wallMs: z.number(),
    sealed: z.object({ ephemeral: bytes, salt: bytes, nonce: bytes, ciphertext: bytes, tag: bytes }),
  }),
  z.object({ outcome: z.literal('refused'), wallMs: z.number(), reasons: z.array(reason).min(1) }),
]);

/** What both sides bind the seal to: who knows the private key but not the secret can't open it elsewhere. */
export const sealContext = (secret: string, siteId: string): string =>
  `join ${createHash('sha256').update(secret).digest('hex')} ${siteId}`;

/** Serves `POST /join/v1` of the listener (`ListenOptions.join`). */
export function serveJoins(serving: JoinServing): (request: IncomingMessage, response: ServerResponse) => void {
  let open = 0;
  return (request, response) => {
    if (request.method !== 'POST') return send(response, 405, refused(serving, 'Malformed', 'the join is a POST'));
    if (open >= MAX_JOINS)
      return send(response, 503, refused(serving, 'Busy', `${MAX_JOINS} joins are under way; try again`), 'overloaded');
    open += 1;
    serveJoin(serving, request)
      .catch((error: unknown) => {
        serving.odd?.('a join failed', error);
        return refused(serving, 'Failed', 'the join failed here; its reason is in the log of this site; repeat it');
      })
      .then((answer) => send(response, answer.outcome === 'accepted' ? 200 : 409, answer))
      .catch((error: unknown) => serving.odd?.('the answer to a join was not sent', error))
      .finally(() => (open -= 1));
  };
}

async function serveJoin(serving: JoinServing, request: IncomingMessage): Promise<JoinAnswer> {
  const [id = '', secret = '', fingerprint = ''] = String(request.headers[TOKEN_HEADER] ?? '').split('.');
  const record = await serving.findToken(id);
  const bad =
    checkToken(record, { id, secret, fingerprint }, serving.wallMs()) ?? otherAuthority(record, serving.fingerprint());
  if (bad !== undefined || record === undefined) {
    request.resume();
    return refused(serving, bad?.kind ?? 'Unknown', bad?.message ?? 'token: it was not issued here');
  }
  const body = await readBody(request);
  if (body === undefined) return refused(serving, 'TooLarge', `inventory: at most ${MAX_FRAME_BYTES} bytes are read`);
  const joiner = readRequest(body);
  if (typeof joiner === 'string') return refused(serving, 'Malformed', joiner);

  const claimed = claimToken(record, joiner);
  if (isTokenRefusal(claimed)) return refused(serving, claimed.kind, claimed.message);
  if (claimed !== record && !(await serving.storeClaim(record, claimed))) {
    return refused(serving, 'Used', 'token: another site used it at the same moment; make a new one');
  }
  const decision = await serving.onJoin(joiner, claimed);
  if ('refuse' in decision) {
    await serving.releaseClaim(claimed);
    return { outcome: 'refused', wallMs: serving.wallMs(), reasons: decision.refuse };
  }
  const sealed = seal(encode(decision.accept), joiner.publicKey, sealContext(secret, joiner.siteId));
  return { outcome: 'accepted', wallMs: serving.wallMs(), sealed };
}

const refused = (serving: JoinServing, kind: string, message: string): JoinAnswer => ({
  outcome: 'refused',
  wallMs: serving.wallMs(),
  reasons: [{ kind, message }],
});

/** The federation's authority was replaced since the token was made. */
function otherAuthority(record: TokenRecord | undefined, current: string): TokenRefusal | undefined {
  if (record === undefined || record.fingerprint === current) return undefined;
  const message = `token: it is for the authority ${record.fingerprint}, which is ${current} now; make a new one`;
  return { refusal: true, kind: 'OtherAuthority', message };
}

function readRequest(body: Uint8Array): JoinRequest | string {
  let value: unknown;
  try {
    value = decode(body);
  } catch {
    return 'the body of a join is one msgpack value';
  }
  const parsed = requestSchema.safeParse(value);
  if (!parsed.success)
    return parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  try {
    // Tried before the token is claimed: an answer that can't be sealed must not use it up.
    seal(new Uint8Array(), parsed.data.publicKey, '');
  } catch (error) {
    return error instanceof RangeError ? error.message : 'publicKey: a P-256 key as SPKI DER is needed';
  }
  return { ...parsed.data, inventory: parsed.data.inventory };
}

async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size <= MAX_FRAME_BYTES) parts.push(part);
    // A moderate excess is read to its end, so that the answer is seen; a flood is cut.
    else if (size > 2 * MAX_FRAME_BYTES) return undefined;
  }
  return size > MAX_FRAME_BYTES ? undefined : Buffer.concat(parts);
}

function send(response: ServerResponse, status: number, answer: JoinAnswer, because?: Because): void {
  const body = encode(answer);
  response.writeHead(status, {
    'content-type': JOIN_CONTENT_TYPE,
    'content-length': body.byteLength,
    'cache-control': 'no-store',
    connection: 'close',
    ...(because && Object.fromEntries(refusedHeaders(because))),
  });
  response.end(body);
}
