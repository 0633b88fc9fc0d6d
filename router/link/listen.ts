import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex as NodeDuplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { limitConnections } from '../connections.ts';
import { certificateFingerprint, peerIdentity, type CertificateKind, type PeerIdentity } from './certificates.ts';
import { MAX_FRAME_BYTES } from './frames.ts';
import type { Peering } from './peering.ts';
import { LINK_PATH, socketDuplex } from './socket.ts';

/** The one path that needs no client certificate: whoever joins has none yet. */
export const JOIN_PATH = '/join/v1';

export type ListenOptions = {
  /** Default: all addresses. */
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Serves `POST /join/v1`; without it the path does not exist. */
  join?(request: IncomingMessage, response: ServerResponse): void;
  /** Whose certificates may open a link. Default: site and router. */
  readonly kinds?: readonly CertificateKind[];
};

export type PeerListener = {
  readonly port: number;
  /** Uses the identity of the moment for new connections, after a certificate or an authority was replaced. */
  renew(): void;
  /** Stops to listen and ends what came in. */
  close(): Promise<void>;
};

/** Processes of sites and routers have one or two each, whoever joins has one for a moment: more are strangers. */
const MOST_CONNECTIONS = 1_024;

/** Listens for links with TLS 1.3; every path but the join demands a certificate of the federation. */
export async function listenForPeers(peering: Peering, options: ListenOptions): Promise<PeerListener> {
  const kinds = options.kinds ?? ['site', 'router'];
  const { world } = peering.options;
  const server = createServer({
    ...secureContext(peering),
    minVersion: 'TLSv1.3',
    requestCert: true,
    // Decided per path below, since a joiner has no certificate yet.
    rejectUnauthorized: false,
    handshakeTimeout: 5_000,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    maxHeaderSize: 16_384,
  });
  limitConnections(server, (what) => peering.options.odd?.(what), MOST_CONNECTIONS);
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });

  server.on('request', (request, response) => {
    if (pathOf(request) === JOIN_PATH && options.join !== undefined) return options.join(request, response);
    const { status, message } = verdict(request.socket as TLSSocket, kinds) ?? notFound(request);
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(message);
  });
  server.on('upgrade', (request: IncomingMessage, socket: NodeDuplex, head: Buffer) => {
    const tls = request.socket as TLSSocket;
    const refused = verdict(tls, kinds) ?? (pathOf(request) === LINK_PATH ? undefined : notFound(request));
    if (refused !== undefined) return refuseUpgrade(socket, refused);
    const certificate = tls.getPeerCertificate();
    const identity = peerIdentity(certificate) as PeerIdentity;
    sockets.handleUpgrade(request, socket, head, (accepted) =>
      peering.attach(socketDuplex(accepted, world), {
        dialled: false,
        identity,
        fingerprint: certificateFingerprint(certificate.raw),
      }),
    );
  });
  // A port scanner's broken handshake is not worth more than a dropped socket.
  server.on('tlsClientError', (_error, socket) => socket.destroy());

  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    renew: () => server.setSecureContext(secureContext(peering)),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets.clients) socket.close(1001);
      server.closeIdleConnections();
      const cancel = world.after(1_000, () => {
        for (const socket of sockets.clients) socket.terminate();
        server.closeAllConnections();
      });
      await closed;
      cancel();
    },
  };
}

type Verdict = { readonly status: number; readonly message: string };

/** Why a connection may not do more than join; undefined when it may. */
function verdict(socket: TLSSocket, kinds: readonly CertificateKind[]): Verdict | undefined {
  if (!socket.authorized) {
    const why = String(socket.authorizationError ?? 'none was shown');
    return { status: 403, message: `a client certificate of this federation is needed: ${why}` };
  }
  const identity = peerIdentity(socket.getPeerCertificate());
  if (identity !== undefined && kinds.includes(identity.kind)) return undefined;
  return {
    status: 403,
    message: `a certificate of kind ${identity?.kind ?? 'unknown'} opens no links, ${kinds.join(' or ')} does`,
  };
}

const notFound = (request: IncomingMessage): Verdict => ({
  status: 404,
  message: `${pathOf(request)} is not served here`,
});

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?', 1)[0] ?? '';

function refuseUpgrade(socket: NodeDuplex, { status, message }: Verdict): void {
  const head = `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n`;
  socket.on('error', () => {});
  socket.end(`${head}content-length: ${Buffer.byteLength(message)}\r\n\r\n${message}`);
}

function secureContext(peering: Peering): { cert: string; key: string; ca: string } {
  const { certificate, authority } = peering.options.identity();
  // The authority goes along: who joins compares it with the fingerprint in its token.
  return { cert: `${certificate.cert.trim()}\n${authority}`, key: certificate.key, ca: authority };
}

async function listen(server: Server, options: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
