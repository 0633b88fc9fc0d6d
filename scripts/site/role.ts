// What a process answers with: the active one by its actors, a standby by passing on. One takes the place of the other
// while the sockets stay open.
import { dispatch, type EdgeApp, type Gate } from '../../http/server.ts';
import type { LinkResponse } from '../../router/link/link.ts';
import type { RequestHandler } from '../../router/link/serve.ts';
import { collect, headerOf, type HttpAnswer, type HttpRequest } from '../../router/message.ts';

/** The largest body that is taken over a link; the edge of the asker has the same limit. */
const REQUEST_LIMIT_BYTES = 1 << 20;

export interface Role {
  /** Answers a request that is not for this process; undefined: its app answers. */
  beforeApp(request: HttpRequest): HttpAnswer | undefined | Promise<HttpAnswer | undefined>;
  app: EdgeApp;
}

/** Lets the app answer a request that has no socket of its own. `copyOf`: from the copy of what that site owns. */
export async function askApp(app: EdgeApp, request: HttpRequest, peer: string, copyOf?: string): Promise<HttpAnswer> {
  const headers = request.headers.map(([name, value]): [string, string] => [name, value]);
  const response = await dispatch(app, { ...request, headers, via: 'link' }, peer, copyOf);
  // A JSON answer is whole already: as one piece it takes one frame, as a stream several.
  const isWhole = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  const body = isWhole ? new Uint8Array(await response.arrayBuffer()) : response.body;
  return { status: response.status, headers: [...response.headers], body };
}

/** Answers the requests that arrive over links. */
export const answerPeers =
  (role: () => Role, gate: Gate): RequestHandler =>
  async ({ method, path, headers, body: source, asker }, peer) => {
    const header = (name: string): string | undefined => headerOf(headers, name);
    const leave = gate.enter({ method, path, header });
    if (typeof leave !== 'function') return { ...leave, body: leave.body ?? undefined };
    let isOwn = false;
    try {
      const served = await serve();
      ({ isOwn } = served);
      return served.answer;
    } finally {
      leave(isOwn);
    }

    async function serve(): Promise<{ answer: LinkResponse; isOwn: boolean }> {
      const body = await collect(source, REQUEST_LIMIT_BYTES);
      if (body === undefined) return { answer: { status: 413, headers: [], body: undefined }, isOwn: false };
      const request: HttpRequest = { method, path, headers, body, via: 'link', asker };
      const early = await role().beforeApp(request);
      // Meanwhile it may be another one.
      const answer = early ?? (await askApp(role().app, request, peer.name));
      return {
        answer: { status: answer.status, headers: answer.headers, body: answer.body ?? undefined },
        isOwn: early === undefined,
      };
    }
  };
