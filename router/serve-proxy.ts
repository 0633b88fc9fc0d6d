// The router's socket.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createProxy, type ProxyOptions } from './proxy.ts';
import { v1ErrorText } from './v1-error.ts';

export interface ServeProxyOptions extends ProxyOptions {
  readonly host: string;
  /** 0: a free one, which `port` of the answer names. */
  readonly port: number;
}

export interface RunningProxy {
  readonly port: number;
  readonly server: Server;
  /** Says "not ready", accepts nothing more, ends what is in flight within `graceMs` (default 5,000), then closes. */
  stop(graceMs?: number): Promise<void>;
}

/** Request line and headers together may be as long as this. */
export const HEADER_LIMIT_BYTES = 16_384;
// Longer than clients keep idle connections, so that they close them, not we in the moment of their next request.
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 10_000;
// Uploads of firmware take their time; other bodies have a limit of their own (socket-io.ts).
const REQUEST_MS = 3_600_000;

const PARSER_STATUS: Record<string, [status: number, reason: string, message: string]> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'Request Header Fields Too Large',
    `the headers are larger than ${HEADER_LIMIT_BYTES} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not come in time'],
};

/** The newest exchange of each connection. */
type LastExchanges = WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>;

/** What can't be read as a request is answered in the encoding of v1, too, and ends the connection. */
function refuseUnreadable(lastOn: LastExchanges, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const last = lastOn.get(socket);
  // It is the rest of a request that was answered already: a second answer would be taken for the next request's.
  if (last !== undefined && !last.request.complete && last.response.headersSent) return void socket.end();
  const [status, reason, message] = PARSER_STATUS[error.code ?? ''] ?? [
    400,
    'Bad Request',
    'the request is not HTTP/1.1',
  ];
  const body = v1ErrorText(status, message);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Listens; resolves when requests are accepted. */
export async function serveProxy(options: ServeProxyOptions): Promise<RunningProxy> {
  let isStopping = false;
  const { isReady = () => true } = options;
  const lastOn: LastExchanges = new WeakMap();
  const serve = createProxy({ ...options, isReady: () => !isStopping && isReady() });
  const server = createServer(
    {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => {
      lastOn.set(request.socket, { request, response });
      void serve(request, response);
    },
  );
  server.on('clientError', (error, socket) => refuseUnreadable(lastOn, error, socket as Socket));

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });

  return {
    port: (server.address() as AddressInfo).port,
    server,
    stop(graceMs = 5_000) {
      isStopping = true;
      return new Promise((resolve) => {
        const late = setTimeout(() => server.closeAllConnections(), graceMs);
        server.close(() => {
          clearTimeout(late);
          resolve();
        });
        server.closeIdleConnections();
      });
    },
  };
}
