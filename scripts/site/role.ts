// What a process answers with: the active one by its actors, a standby by passing on. One takes the place of the other
// while the sockets stay open.
import { BODY_LIMIT_BYTES } from '../../http/body.ts';
import type { RequestHead } from '../../http/gate.ts';
import { dispatch, type EdgeApp, type Gate } from '../../http/server.ts';
import type { LinkResponse } from '../../router/link/link.ts';
import type { RequestHandler } from '../../router/link/serve.ts';
import { collectWithin, headerOf, type HttpAnswer, type HttpRequest } from '../../router/message.ts';
import { REASON_HEADER } from '../../router/refused.ts';
import { createBodyBudget, type BodyBudget } from '../../router/socket-io.ts';
import { bodyFailureAnswer } from '../../router/v1-error.ts';

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

const overLink = ({ status, headers, body }: HttpAnswer): LinkResponse => ({
  status,
  headers,
  body: body ?? undefined,
});

/** Answers the requests that arrive over links. */
export function answerPeers(role: () => Role, gate: Gate, budget: BodyBudget = createBodyBudget()): RequestHandler {
  return async ({ method, path, headers, body: source, asker }, peer) => {
    const head: RequestHead = { method, path, header: (name) => headerOf(headers, name) };
    /** An answer of this process. */
    const own = (answer: HttpAnswer): LinkResponse => {
      gate.answered?.(answer.status, headerOf(answer.headers, REASON_HEADER));
      return overLink(answer);
    };
    const refused = gate.look(head);
    if (refused !== undefined) {
      gate.turnedAway?.(refused);
      return overLink(refused);
    }
    // A body that is long in coming takes nobody's place. Its asker ends it when its time is over.
    const body = await collectWithin(source, BODY_LIMIT_BYTES, budget);
    if (typeof body === 'string') return own(bodyFailureAnswer(body, BODY_LIMIT_BYTES));
    const leave = gate.enter(head);
    if (typeof leave !== 'function') return overLink(leave);
    let isOwn = false;
    try {
      const request: HttpRequest = { method, path, headers, body, via: 'link', asker };
      const early = await role().beforeApp(request);
      if (early !== undefined) return early.isPassedOn === true ? overLink(early) : own(early);
      // Meanwhile it may be another one.
      const answer = await askApp(role().app, request, peer.name);
      isOwn = true;
      return own(answer);
    } finally {
      leave(isOwn);
    }
  };
}
