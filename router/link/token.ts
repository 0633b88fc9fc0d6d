import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { CLOCK_TOLERANCE_MS } from './certificates.ts';

/** A token is good for this long (reliability.md §9, join). */
export const TOKEN_LIFETIME_MS = 15 * 60_000;

const PREFIX = 'hanse1.';
const MAX_TEXT = 8_192;

/** What the holder of a token knows: whom to ask, how to recognise it, and the secret. */
export type JoinToken = {
  readonly id: string;
  /** 32 random bytes, base64url. */
  readonly secret: string;
  /** SHA-256 of the authority's certificate, lower-case hex. */
  readonly fingerprint: string;
  /** `host:port` of processes that take the join, tried in this order. */
  readonly addresses: readonly string[];
  /** Epoch milliseconds by the issuer's clock. */
  readonly expiresAtMs: number;
};

/** What the issuer keeps. The secret is not in it. */
export type TokenRecord = {
  readonly id: string;
  /** SHA-256 of the secret, hex. */
  readonly secretHash: string;
  readonly fingerprint: string;
  readonly expiresAtMs: number;
  /** Only this site, or a site with only these partitions, may join by it; undefined: any. */
  readonly siteId?: string | undefined;
  readonly partitionIds?: readonly string[] | undefined;
  /** Who uses it, once somebody does. */
  readonly claim?: TokenClaim | undefined;
};

/** A token belongs to the first that shows it: this site with this key may repeat the join, nobody else. */
export type TokenClaim = { readonly siteId: string; readonly publicKeyHash: string };

export type TokenRefusalKind =
  | 'Malformed' // not a token of ours
  | 'Unknown' // never issued here, or the secret is wrong: the two are not told apart
  | 'Expired'
  | 'Used' // by another site, or by another attempt
  | 'OtherAuthority' // made for another federation than the one that answers
  | 'NotAllowed'; // made for another site or other partitions

export type TokenRefusal = { readonly refusal: true; readonly kind: TokenRefusalKind; readonly message: string };

export type TokenWishes = {
  readonly fingerprint: string;
  readonly addresses: readonly string[];
  readonly nowMs: number;
  readonly lifetimeMs?: number;
  readonly siteId?: string;
  readonly partitionIds?: readonly string[];
};

/** Makes a token: its text for the joiner, shown once, and the record that the issuer stores. */
export function createToken(wishes: TokenWishes): { text: string; record: TokenRecord } {
  const { fingerprint, addresses, nowMs, siteId, partitionIds } = wishes;
  const secret = randomBytes(32).toString('base64url');
  const id = randomBytes(9).toString('base64url');
  const expiresAtMs = nowMs + (wishes.lifetimeMs ?? TOKEN_LIFETIME_MS);
  const token = tokenSchema.parse({ id, secret, fingerprint, addresses, expiresAtMs }) satisfies JoinToken;
  return {
    text: PREFIX + Buffer.from(JSON.stringify(token)).toString('base64url'),
    record: { id, secretHash: hashOf(secret), fingerprint, expiresAtMs, siteId, partitionIds },
  };
}

/**
 * Reads a token's text. `nowMs` only refuses what expired even if the clocks are 10 minutes apart; the issuer's clock
 * has the last word.
 */
export function parseToken(text: string, nowMs: number): JoinToken | TokenRefusal {
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX) || trimmed.length > MAX_TEXT) {
    return refuse('Malformed', `token: it starts with ${PREFIX} and has at most ${MAX_TEXT} characters; copy it whole`);
  }
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(trimmed.slice(PREFIX.length), 'base64url').toString());
  } catch {
    return refuse('Malformed', 'token: its content can not be read; copy it whole');
  }
  const parsed = tokenSchema.safeParse(content);
  if (!parsed.success)
    return refuse(
      'Malformed',
      `token: ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ')} can not be read`,
    );
  const { expiresAtMs } = parsed.data;
  return nowMs > expiresAtMs + CLOCK_TOLERANCE_MS ? expired(expiresAtMs, nowMs) : parsed.data;
}

/** What a joiner shows of its token, and who it is. */
export type TokenShown = {
  readonly id: string;
  readonly secret: string;
  readonly fingerprint: string;
};

/** Whether a shown token is good; compares in constant time. Knows nothing of who shows it: see `claimToken`. */
export function checkToken(
  record: TokenRecord | undefined,
  shown: TokenShown,
  nowMs: number,
): TokenRefusal | undefined {
  // Compared even without a record, so that an id's existence does not show in the time.
  const good = sameHash(record?.secretHash ?? hashOf(''), hashOf(shown.secret));
  if (record === undefined || record.id !== shown.id || !good) {
    return refuse('Unknown', 'token: it was not issued here; make a new one on a site of the federation');
  }
  if (record.fingerprint !== shown.fingerprint) {
    return refuse('OtherAuthority', `token: it is for the authority ${record.fingerprint}, not ${shown.fingerprint}`);
  }
  return nowMs > record.expiresAtMs ? expired(record.expiresAtMs, nowMs) : undefined;
}

/** Binds a good token to who shows it: the record to store, or why this one may not use it. Repeating changes nothing. */
export function claimToken(
  record: TokenRecord,
  joiner: { readonly siteId: string; readonly partitionIds: readonly string[]; readonly publicKey: Uint8Array },
): TokenRecord | TokenRefusal {
  const { siteId, partitionIds } = joiner;
  if (record.siteId !== undefined && record.siteId !== siteId) {
    return refuse('NotAllowed', `token: it is for site ${record.siteId}, not ${siteId}`);
  }
  const others =
    record.partitionIds === undefined ? [] : partitionIds.filter((id) => !record.partitionIds?.includes(id));
  if (others.length > 0) {
    return refuse(
      'NotAllowed',
      `token: it is for partitions ${record.partitionIds?.join(', ')}, not ${others.join(', ')}`,
    );
  }
  const publicKeyHash = createHash('sha256').update(joiner.publicKey).digest('hex');
  if (record.claim === undefined) return { ...record, claim: { siteId, publicKeyHash } };
  if (record.claim.siteId === siteId && sameHash(record.claim.publicKeyHash, publicKeyHash)) return record;
  return refuse('Used', `token: it was used by site ${record.claim.siteId} already; make a new one`);
}

export const isTokenRefusal = (value: object): value is TokenRefusal => 'refusal' in value && value.refusal === true;

/** A refusal of a token, as a value. */
export const refuse = (kind: TokenRefusalKind, message: string): TokenRefusal => ({ refusal: true, kind, message });

const expired = (expiresAtMs: number, nowMs: number): TokenRefusal =>
  refuse(
    'Expired',
    `token: it expired at ${new Date(expiresAtMs).toISOString()}, it is ${new Date(nowMs).toISOString()} here; make a new one`,
  );

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

const sameHash = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

const tokenSchema = z.object({
  id: z.string().regex(/^[A-Za-z0-9_-]{12}$/),
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  addresses: z
    .array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/))
    .min(1)
    .max(32),
  expiresAtMs: z.int(),
});
