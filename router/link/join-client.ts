import { X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect, type TLSSocket } from 'node:tls';
import { decode, encode } from '../../actors/runtime/codec.ts';
import { certificateFingerprint, CLOCK_TOLERANCE_MS, peerIdentity } from './certificates.ts';
import { MAX_FRAME_BYTES } from './frames.ts';
import {
  answerSchema,
  JOIN_CONTENT_TYPE,
  sealContext,
  TOKEN_HEADER,
  type JoinReason,
  type JoinRequest,
} from './join-exchange.ts';
import { JOIN_PATH } from './listen.ts';
import { unseal, type SealingKeys } from './sealing.ts';
import type { JoinToken } from './token.ts';

/** What came of a join. */
export type JoinOutcome =
  | {
      readonly outcome: 'accepted';
      /** What the federation sealed for us, not validated. */
      readonly payload: unknown;
      /** PEM of the authority whose fingerprint the token names. */
      readonly authorityCert: string;
      readonly address: string;
      /** How far the federation's wall clock is ahead of ours; say so when it is minutes. */
      readonly skewMs: number;
    }
  | {
      readonly outcome: 'refused';
      readonly reasons: readonly JoinReason[];
      readonly address: string;
      readonly skewMs: number;
    }
  /** Nobody answered as expected; repeat with the same keys, nothing is half done. */
  | { readonly outcome: 'unreachable'; readonly reasons: readonly JoinReason[] };

export type JoinWishes = {
  readonly token: JoinToken;
  /** Keep them until the join is through: the token is bound to them, so a repeated join needs the same. */
  readonly keys: SealingKeys;
  readonly siteId: string;
  readonly partitionIds: readonly string[];
  readonly inventory: unknown;
  readonly wallMs: () => number;
  /** For one address, connect and answer together; default 30 s. */
  readonly timeoutMs?: number;
};

/**
 * Asks the addresses of a token, one after another, to take this site in. Before anything is said the other side must
 * prove that it holds a site's certificate of the authority that the token names. Never rejects.
 */
export async function joinFederation(wishes: JoinWishes): Promise<JoinOutcome> {
  const reasons: JoinReason[] = [];
  for (const address of wishes.token.addresses) {
    try {
      return await joinAt(address, wishes);
    } catch (error) {
      const { message, kind } = error as Error & { kind?: string };
      reasons.push({ kind: kind ?? 'Unreachable', message: `${address}: ${message}` });
    }
  }
  return { outcome: 'unreachable', reasons };
}

async function joinAt(address: string, wishes: JoinWishes): Promise<JoinOutcome> {
  const { token, keys, siteId, partitionIds, inventory } = wishes;
  const timeoutMs = wishes.timeoutMs ?? 30_000;
  const socket = await openPinned(address, token.fingerprint, wishes.wallMs(), Math.min(timeoutMs, 5_000));
  try {
    const authorityCert = authorityOf(socket)?.toString() ?? '';
    const request: JoinRequest = { siteId, partitionIds, publicKey: keys.publicKey, inventory };
    const sentMs = wishes.wallMs();
    const bytes = await post(
      socket,
      address,
      encode(request),
      `${token.id}.${token.secret}.${token.fingerprint}`,
      timeoutMs,
    );
    const receivedMs = wishes.wallMs();
    const answer = answerSchema.parse(decode(bytes));
    const skewMs = answer.wallMs - (sentMs + receivedMs) / 2;
    if (answer.outcome === 'refused')
      return { outcome: 'refused', reasons: answer.reasons as JoinReason[], address, skewMs };
    const payload = decode(unseal(answer.sealed, keys, sealContext(token.secret, siteId)));
    return { outcome: 'accepted', payload, authorityCert, address, skewMs };
  } finally {
    socket.destroy();
  }
}

/** Connects, and compares the chain that is shown with the fingerprint before a byte of ours is sent. */
async function openPinned(address: string, fingerprint: string, nowMs: number, timeoutMs: number): Promise<TLSSocket> {
  const { hostname, port } = new URL(`https://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  return await new Promise((resolve, reject) => {
    // The authority is not known yet, so the chain is verified below instead.
    const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)));
    socket.on('error', reject);
    socket.once('secureConnect', () => {
      const wrong = wrongChain(socket, fingerprint, nowMs);
      if (wrong === undefined) return resolve(socket);
      socket.destroy();
      reject(Object.assign(new Error(wrong), { kind: 'OtherAuthority' }));
    });
  });
}

function authorityOf(socket: TLSSocket): X509Certificate | undefined {
  const issuer = socket.getPeerCertificate(true).issuerCertificate;
  return issuer?.raw === undefined ? undefined : new X509Certificate(issuer.raw);
}

/** Why a chain is not that of a site of the federation. */
function wrongChain(socket: TLSSocket, fingerprint: string, nowMs: number): string | undefined {
  const shown = socket.getPeerCertificate();
  const authority = authorityOf(socket);
  if (authority === undefined || shown.raw === undefined) return 'the server shows no authority with its certificate';
  const found = certificateFingerprint(authority.raw);
  if (found !== fingerprint) return `the server's authority is ${found}, the token is for ${fingerprint}`;
  const leaf = new X509Certificate(shown.raw);
  if (!authority.ca || !leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) {
    return "the server's certificate was not issued by the authority of the token";
  }
  if (peerIdentity(shown)?.kind !== 'site') return 'the server is not a site of the federation';
  const [fromMs, toMs] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
  if (nowMs >= fromMs - CLOCK_TOLERANCE_MS && nowMs <= toMs + CLOCK_TOLERANCE_MS) return undefined;
  return `the server's certificate is valid from ${leaf.validFrom} to ${leaf.validTo}, it is ${new Date(nowMs).toISOString()} here; set the clock`;
}

async function post(
  socket: TLSSocket,
  address: string,
  body: Uint8Array,
  token: string,
  timeoutMs: number,
): Promise<Uint8Array> {
  return await new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        method: 'POST',
        path: JOIN_PATH,
        headers: {
          host: address,
          [TOKEN_HEADER]: token,
          'content-type': JOIN_CONTENT_TYPE,
          'content-length': body.byteLength,
        },
        createConnection: () => socket,
      },
      (response) => void readAnswer(response).then(resolve, reject),
    );
    socket.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.on('error', reject);
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Uint8Array> {
  const type = response.headers['content-type'];
  if (type !== JOIN_CONTENT_TYPE) throw new Error(`it answers ${response.statusCode} and takes no joins`);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.byteLength;
    if (size > 2 * MAX_FRAME_BYTES) throw new Error(`its answer has more than ${2 * MAX_FRAME_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
