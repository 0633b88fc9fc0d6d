// The app on a socket.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Asker } from '../actors/asker.ts';
import { limitConnections } from '../router/connections.ts';
import { isUpload, matchOperation } from '../router/locate.ts';
import { refuseHeaders } from '../router/raw-request.ts';
import { closeSlowReaders } from '../router/slow-readers.ts';
import { askerOf, createBodyBudget, readRequestBody } from '../router/socket-io.ts';
import { REASON_HEADER } from '../router/refused.ts';
import { answerUnreadable, HEADER_LIMIT_BYTES } from '../router/unreadable.ts';
import { v1Error } from '../router/v1-error.ts';
import { BODY_LIMIT_BYTES, isBodyFailure } from './body.ts';
import { refuseEarly, type EarlyRefusal } from './early-refusal.ts';
import type { EdgeEnv } from './env.ts';
import { headOf, type Gate } from './gate.ts';
import { bodyFailureResponse, crashResponse } from './route.ts';

export type { Gate, RequestHead, Refused } from './gate.ts';

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
  /** Another process made it. */
  isPassedOn?: true;
}

/** May answer a request itself (forwarded to its home, merged from several); `undefined`: the app answers. */
export type BeforeApp = (request: EdgeRequest) => EdgeAnswer | undefined | Promise<EdgeAnswer | undefined>;

export interface ServeOptions {
  host: string;
  /** 0: a free one, which `port` of the answer names. */
  port: number;
  beforeApp?: BeforeApp;
  /** Of the API, with slashes at both ends. Default `/`. */
  basePath?: string;
  /** Default: everybody is let in. */
  gate?: Gate;
  /** Hears of exceptions outside the app's own routes. */
  report?: (error: unknown) => void;
  /** Hears of connections that are too many; default: standard error. */
  odd?: (what: string) => void;
}

export interface RunningEdge {
  port: number;
  server: Server;
  /** Accepts nothing more, ends what is in flight within `graceMs` (default 5,000), then closes. */
  stop(graceMs?: number): Promise<void>;
}

// Longer than proxies keep idle connections, so that they close them, not we in the moment of their next request.
const KEEP_ALIVE_MS = 75_000;
/** Bodies have a limit of their own of 30 s (socket-io.ts); uploads of firmware take their time. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 3_600_000;
/** How often connections are looked at that do not send what they have to. */
const CHECK_MS = 2_000;
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

/** All that a socket or a link needs of the app; it may be another one from one request to the next. */
export type EdgeApp = Pick<Hono<EdgeEnv>, 'fetch'>;

/** Answers a request that came over a peer link, by the same app. */
export async function dispatch(app: EdgeApp, request: EdgeRequest, peer: string, copyOf?: string): Promise<Response> {
  const { method, path, headers, body, asker } = request;
  const env = { body, via: 'link' as const, peer, asker, copyOf };
  // The bytes travel beside the Request, which would refuse them on a GET.
  return app.fetch(new Request(new URL(path, 'http://link'), { method, headers }), env);
}

/** Listens; resolves when requests are accepted. */
export async function serveEdge(app: EdgeApp, options: ServeOptions): Promise<RunningEdge> {
  const { host, port, beforeApp, gate, basePath = '/' } = options;
  const report = options.report ?? ((error: unknown) => console.error('the edge failed:', error));

  const budget = createBodyBudget();
  let early: EarlyRefusal | undefined;

  /** An answer of this process. */
  const own = (response: Response): Response => {
    // Whose headers are asked for makes an object of them first: of refusals only.
    const { status } = response;
    gate?.answered?.(status, status < 400 ? undefined : (response.headers.get(REASON_HEADER) ?? undefined));
    return response;
  };

  const answer = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> => {
    const { headers, rawHeaders } = incoming;
    const head = headOf(incoming);
    const asker = askerOf(outgoing, head.arrivedMs);
    const { method, path: url } = head;
    let leave: ((isOwn: boolean) => void) | undefined;
    let isOwn = false;
    try {
      const headersRefused = refuseHeaders(rawHeaders);
      if (headersRefused !== undefined) return toResponse(v1Error(431, headersRefused));
      let body: Uint8Array | undefined;
      // An upload is a stream: whoever takes it reads it from the socket. Any client may call its body multipart.
      const mayStream = headers['content-type']?.startsWith('multipart/') ?? false;
      if (!mayStream || !isUpload(matchOperation(method, url, basePath))) {
        const read = await readRequestBody(incoming, BODY_LIMIT_BYTES, { budget });
        if (isBodyFailure(read)) return own(bodyFailureResponse(read));
        body = read;
      }
      early?.entering(head);
      const entered = gate?.enter(head);
      if (entered !== undefined && typeof entered !== 'function') return toResponse(entered);
      leave = entered;
      if (body === undefined) return own(await app.fetch(request, { incoming, outgoing, asker, via: 'http' }));
      const passed = beforeApp?.({ method, path: url, headers: pairs(rawHeaders), body, asker, via: 'http' });
      const elsewhere = passed instanceof Promise ? await passed : passed;
      if (elsewhere !== undefined) {
        const response = toResponse(elsewhere);
        return elsewhere.isPassedOn === true ? response : own(response);
      }
      const response = await app.fetch(request, { incoming, outgoing, body, asker, via: 'http' });
      isOwn = true;
      return own(response);
    } catch (error) {
      report(error);
      return crashResponse();
    } finally {
      leave?.(isOwn);
      early?.entering(head);
      early?.answered();
    }
  };

  // It replaces the global Response by one that keeps its text: the platform's makes a stream of every body, which costs a
  // tenth of a request (measured).
  const server = createAdaptorServer({
    fetch: (request, env) => answer(request, env as HttpBindings),
    serverOptions: {
      maxHeaderSize: HEADER_LIMIT_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
  }) as Server;
  if (gate !== undefined) early = refuseEarly(server, gate);
  answerUnreadable(server);
  closeSlowReaders(server);
  limitConnections(server, options.odd ?? ((what) => console.error(what)));

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
