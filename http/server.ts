// The app on a socket.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Asker } from '../actors/asker.ts';
import { askerOf } from '../router/socket-io.ts';
import { isBodyFailure, readIncoming } from './body.ts';
import type { EdgeEnv } from './env.ts';
import { bodyFailureResponse, crashResponse } from './route.ts';

/** A request as it came: its bytes are read once, for whoever answers it. */
export interface EdgeRequest {
  method: string;
  /** With the query. */
  path: string;
  /** As sent: order, case and repetitions. */
  headers: Array<[string, string]>;
  body: Uint8Array;
  via: 'http' | 'link';
  asker?: Asker | undefined;
}

export interface EdgeAnswer {
  status: number;
  headers: Array<[string, string]>;
  body: Uint8Array | ReadableStream<Uint8Array> | null;
}

/** May answer a request itself (forwarded to its home, merged from several); `undefined`: the app answers. */
export type BeforeApp = (request: EdgeRequest) => EdgeAnswer | undefined | Promise<EdgeAnswer | undefined>;

/** What is known of a request before its body is read. */
export interface RequestHead {
  method: string;
  path: string;
  /** By lower-case name. */
  header(name: string): string | undefined;
}

/** Refuses a request, or lets it in; the function is called when it is answered, by this process alone or not. */
export type Gate = (head: RequestHead) => EdgeAnswer | ((isOwn: boolean) => void);

export interface ServeOptions {
  host: string;
  /** 0: a free one, which `port` of the answer names. */
  port: number;
  beforeApp?: BeforeApp;
  /** Default: everybody is let in. */
  gate?: Gate;
  /** Hears of exceptions outside the app's own routes. */
  report?: (error: unknown) => void;
}

export interface RunningEdge {
  port: number;
  server: Server;
  /** Accepts nothing more, ends what is in flight within `graceMs` (default 5,000), then closes. */
  stop(graceMs?: number): Promise<void>;
}

// Longer than proxies keep idle connections, so that they close them, not we in the moment of their next request.
const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 80_000;
const REQUEST_MS = 30_000;
const IDLE_LOOK_MS = 50;

const pairs = (rawHeaders: readonly string[]): Array<[string, string]> => {
  const headers: Array<[string, string]> = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
  return headers;
};

const toResponse = ({ status, headers, body }: EdgeAnswer): Response => {
  // A Response with one of these statuses must not have a body, not even an empty one.
  const isBodiless = status === 204 || status === 304;
  return new Response(isBodiless ? null : body, { status, headers });
};

/** Uploads are streams: whoever takes them reads them from the socket. */
const isUpload = (contentType: string | undefined): boolean => contentType?.startsWith('multipart/') ?? false;

/** All that a socket or a link needs of the app; it may be another one from one request to the next. */
export type EdgeApp = Pick<Hono<EdgeEnv>, 'fetch'>;

/** Answers a request that came over a peer link, by the same app. */
export async function dispatch(app: EdgeApp, request: EdgeRequest, peer: string): Promise<Response> {
  const { method, path, headers, body, asker } = request;
  // The bytes travel beside the Request, which would refuse them on a GET.
  return app.fetch(new Request(new URL(path, 'http://link'), { method, headers }), { body, via: 'link', peer, asker });
}

interface Served {
  response: Response;
  /** By this process alone. */
  isOwn: boolean;
}

/** Listens; resolves when requests are accepted. */
export async function serveEdge(app: EdgeApp, options: ServeOptions): Promise<RunningEdge> {
  const { host, port, beforeApp, gate, report = (error) => console.error('the edge failed:', error) } = options;

  const answer = async (request: Request, bindings: HttpBindings): Promise<Response> => {
    if (gate === undefined) return (await serve(request, bindings)).response;
    const { method = 'GET', url = '/', headers } = bindings.incoming;
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const leave = gate({ method, path: url, header });
    // What is left of its body is read away by the server, or the connection ends.
    if (typeof leave !== 'function') return toResponse(leave);
    let isOwn = false;
    try {
      const served = await serve(request, bindings);
      ({ isOwn } = served);
      return served.response;
    } finally {
      leave(isOwn);
    }
  };

  const serve = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Served> => {
    const asker = askerOf(outgoing);
    try {
      if (isUpload(incoming.headers['content-type'])) {
        return { response: await app.fetch(request, { incoming, outgoing, asker, via: 'http' }), isOwn: false };
      }
      const body = await readIncoming(incoming);
      if (isBodyFailure(body)) return { response: bodyFailureResponse(body), isOwn: false };
      if (beforeApp !== undefined) {
        const { method = 'GET', url = '/', rawHeaders } = incoming;
        const early = await beforeApp({ method, path: url, headers: pairs(rawHeaders), body, asker, via: 'http' });
        if (early !== undefined) return { response: toResponse(early), isOwn: false };
      }
      return { response: await app.fetch(request, { incoming, outgoing, body, asker, via: 'http' }), isOwn: true };
    } catch (error) {
      report(error);
      return { response: crashResponse(), isOwn: false };
    }
  };

  // It replaces the global Response by one that keeps its text: the platform's makes a stream of every body, which costs a
  // tenth of a request (measured).
  const server = createAdaptorServer({ fetch: (request, env) => answer(request, env as HttpBindings) }) as Server;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });

  return {
    port: (server.address() as AddressInfo).port,
    server,
    stop: (graceMs = 5_000) =>
      new Promise((resolve) => {
        const late = setTimeout(() => server.closeAllConnections(), graceMs);
        // A connection that is kept alive becomes idle when its answer is out, and nobody tells.
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
        server.close(() => {
          clearTimeout(late);
          clearInterval(idle);
          resolve();
        });
      }),
  };
}
