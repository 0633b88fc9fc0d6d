// The router's socket.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { limitConnections } from './connections.ts';
import { createProxy, type ProxyOptions } from './proxy.ts';
import { closeSlowReaders } from './slow-readers.ts';
import { answerUnreadable, HEADER_LIMIT_BYTES } from './unreadable.ts';

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

// Longer than clients keep idle connections, so that they close them, not we in the moment of their next request.
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 10_000;
/** How often connections are looked at that do not send what they have to. */
const CHECK_MS = 2_000;
// Uploads of firmware take their time; other bodies have a limit of their own (socket-io.ts).
const REQUEST_MS = 3_600_000;

/** Listens; resolves when requests are accepted. */
export async function serveProxy(options: ServeProxyOptions): Promise<RunningProxy> {
  let isStopping = false;
  const { isReady = () => true } = options;
  const serve = createProxy({ ...options, isReady: () => !isStopping && isReady() });
  const server = createServer(
    {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => void serve(request, response),
  );
  answerUnreadable(server);
  closeSlowReaders(server);
  limitConnections(server, (what) => options.odd?.(what));

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
