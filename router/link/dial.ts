import type { IncomingMessage } from 'node:http';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { certificateFingerprint, peerIdentity, type PeerIdentity } from './certificates.ts';
import { MAX_FRAME_BYTES } from './frames.ts';
import { createLink, type Link } from './link.ts';
import type { Pair, Peering } from './peering.ts';
import { LINK_PATH, socketDuplex } from './socket.ts';

/** First and longest pause between two attempts; each is drawn from zero to the bound (full jitter). */
export const BACKOFF_FIRST_MS = 50;
export const BACKOFF_MAX_MS = 2_000;
/** An attempt is given up after this time (reliability.md F11: 503 within the connect timeout, ≤ 2 s). */
export const CONNECT_MS = 2_000;

export type DialOptions = {
  /** `https://host:port` of one process; its path is ignored. */
  readonly url: string;
  /** The site that must be there by its certificate. Without it any site of the federation is taken. */
  readonly expectedSite?: string;
};

/**
 * Keeps a link to the process at an address until it is closed: dials, and dials again while no connection of the two
 * processes is up, whoever dialled that one. The link is there at once, `down` until the first connection.
 */
export function dialPeer(peering: Peering, { url, expectedSite }: DialOptions): Link {
  const { world } = peering.options;
  const target = new URL(LINK_PATH, url.replace(/^http/, 'ws'));
  if (target.protocol !== 'wss:') throw new RangeError(`url: https://host:port is needed, got ${JSON.stringify(url)}`);
  const name = `${expectedSite === undefined ? 'the process' : `site ${expectedSite}`} at ${target.host}`;

  let pair: Pair | undefined;
  let releasePair = (): void => {};
  let lastFailure: string | undefined;
  let failures = 0;
  let dialling = false;
  let stopped = false;
  let cancelPause = (): void => {};
  let abandon = (): void => {};

  const { link, changed, ended } = createLink({
    name: () => name,
    peer: () => pair?.link.peer,
    connection: () => pair?.connection(),
    lastFailure: () => (pair?.link.state === 'up' ? undefined : (lastFailure ?? pair?.link.lastFailure)),
    closing: () => stop(),
  });

  const stop = (): void => {
    stopped = true;
    forget();
    cancelPause();
    abandon();
    releasePair();
    pair?.link.close();
  };

  const bind = (next: Pair): void => {
    failures = 0;
    lastFailure = undefined;
    if (pair !== next) {
      releasePair();
      pair = next;
      const release = next.hold();
      const unsubscribe = next.link.onState((state) => {
        changed();
        if (state !== 'up') dialLater();
      });
      releasePair = () => {
        unsubscribe();
        release();
      };
    }
    changed();
  };

  const dialLater = (): void => {
    if (stopped || dialling) return;
    cancelPause();
    const boundMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 16));
    cancelPause = world.after(world.random() * boundMs, dial);
  };

  const dial = (): void => {
    // The other side's connection will do; its end brings us back here.
    if (stopped || dialling || pair?.link.state === 'up') return;
    dialling = true;
    const over = (failure: string | undefined): void => {
      if (!dialling) return;
      dialling = false;
      if (failure !== undefined) {
        failures += 1;
        lastFailure = failure;
      }
      dialLater();
    };
    abandon = (peering.options.open ?? openSocket)(peering, target, expectedSite, over, bind);
  };

  const forget = peering.onClose(() => {
    stop();
    ended();
  });
  dial();
  return link;
}

/**
 * One attempt: opens a connection and brings it to the peering; `over` says that it is, and why when it failed. Returns how
 * to give it up.
 */
export type OpenConnection = (
  peering: Peering,
  target: URL,
  expectedSite: string | undefined,
  over: (failure: string | undefined) => void,
  greeted: (pair: Pair) => void,
) => () => void;

function openSocket(
  peering: Peering,
  target: URL,
  expectedSite: string | undefined,
  over: (failure: string | undefined) => void,
  greeted: (pair: Pair) => void,
): () => void {
  const { world } = peering.options;
  const { certificate, authority } = peering.options.identity();
  const socket = new WebSocket(target, {
    cert: certificate.cert,
    key: certificate.key,
    ca: authority,
    minVersion: 'TLSv1.3',
    handshakeTimeout: CONNECT_MS,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
    // Typed wrongly by @types/ws: it is passed to tls.connect, which takes an Error for no.
    checkServerIdentity: ((_host: string, shown: PeerCertificate) =>
      wrongServer(shown, expectedSite)) as unknown as NonNullable<ClientOptions['checkServerIdentity']>,
  });
  let shown: { identity: PeerIdentity; fingerprint: string } | undefined;
  let failure: string | undefined;
  let joined = false;
  socket.on('error', (error) => (failure ??= error.message));
  socket.on('unexpected-response', (_request, response) => {
    readShort(response, (text) => {
      failure = `refused with ${response.statusCode}: ${text}`;
      socket.terminate();
      over(failure);
    });
  });
  // The certificate is read at the upgrade: a socket that is closed again at once shows none.
  socket.on('upgrade', (response) => {
    const certificate = (response.socket as TLSSocket).getPeerCertificate();
    shown = {
      identity: peerIdentity(certificate) as PeerIdentity,
      fingerprint: certificateFingerprint(certificate.raw),
    };
  });
  const failed = (): void => over(failure ?? 'the connection was closed before it was open');
  socket.on('close', failed);
  socket.on('open', () => {
    if (shown === undefined) return socket.terminate();
    socket.off('close', failed);
    peering.attach(socketDuplex(socket, world), {
      dialled: true,
      ...shown,
      greeted: (pair) => {
        joined = true;
        greeted(pair);
      },
      ended: (reason) => over(reason === undefined ? 'the connection was lost' : `${reason.kind}: ${reason.message}`),
    });
  });
  // Once it belongs to a pair of processes, it ends with their link, which says goodbye first.
  return () => {
    if (!joined) socket.terminate();
  };
}

/** Why a server is not the one that is wanted. Names and addresses say nothing here: what counts is whose site it is. */
function wrongServer(certificate: PeerCertificate, expectedSite: string | undefined): Error | undefined {
  const identity = peerIdentity(certificate);
  if (identity?.kind !== 'site')
    return new Error(`a site is expected there, the certificate is of kind ${identity?.kind ?? 'unknown'}`);
  if (expectedSite === undefined || identity.site === expectedSite) return undefined;
  return new Error(`site ${expectedSite} is expected there, the certificate is of site ${identity.site ?? 'none'}`);
}

function readShort(response: IncomingMessage, done: (text: string) => void): void {
  let text = '';
  response.on('data', (chunk: Buffer) => {
    if (text.length < 1_024) text += chunk.toString();
  });
  response.on('error', () => {});
  response.on('close', () => done(text.slice(0, 1_024)));
}
