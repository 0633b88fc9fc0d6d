// The audit trail as the edge sees it: what of a refused request is kept, and what a search asks for (networks.md §6.5).
import type { Context } from 'hono';
import { isBodyFailure, readBody } from './body.ts';
import type { EdgeEnv } from './env.ts';
import { withoutSecrets } from './secrets.ts';
import type { Caller } from './site.ts';

/** One line of the trail. */
export interface Trace {
  atMs: number;
  /** Of the request, or of the operation. */
  rqid: string;
  user: string;
  tenant: string;
  /** The method; `commit` for what stands in the log. */
  detail: string;
  path: string;
  forwardedFor: string;
  remoteAddr: string;
  body: string;
  status: number;
  error: string;
}

/** Equality but where `contains` is said; undefined: not asked. */
export interface TraceFilter {
  fromMs: number;
  toMs: number;
  /** 0: all. The newest are kept. */
  limit: number;
  rqid: string | undefined;
  user: string | undefined;
  tenant: string | undefined;
  detail: string | undefined;
  status: number | undefined;
  /** Contains. */
  path: string | undefined;
  forwardedFor: string | undefined;
  remoteAddr: string | undefined;
  body: string | undefined;
  error: string | undefined;
}

export interface FoundTraces {
  /** Ascending by time. */
  traces: Trace[];
  /** More may fit than was read: what is older may be missing. */
  wholeFromMs?: number;
}

export interface Traces {
  /** Keeps a refused request; never waits, and forgets some when there are far too many. */
  refused(trace: Trace): void;
  find(filter: TraceFilter): Promise<FoundTraces>;
}

const MOST_TEXT = 4_096;

/** A JSON text with the values of what may be secret left out; what is no JSON is left out whole. */
export function redacted(text: string): string {
  if (text.trim() === '') return '';
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return '(not JSON)';
  }
  const cleaned = JSON.stringify(withoutSecrets(json));
  return cleaned.length > MOST_TEXT ? `${cleaned.slice(0, MOST_TEXT)}…` : cleaned;
}

/** What of the answer and its request is kept. */
export async function traceOf(
  c: Context<EdgeEnv>,
  caller: Caller,
  answer: Response,
  at: { nowMs: number; uuid: () => string },
): Promise<Trace> {
  const env = (c.env ??= {});
  // A server in front has read the body, save that of an upload, which is not worth keeping.
  const body = env.incoming === undefined ? await readBody(c) : env.body;
  const error = await answer.clone().text();
  return {
    atMs: at.nowMs,
    rqid: (c.req.header('x-request-id') ?? at.uuid()).slice(0, 128),
    user: caller.email,
    tenant: caller.tenant,
    detail: c.req.method,
    path: c.req.path.slice(0, 1_024),
    forwardedFor: (c.req.header('x-forwarded-for') ?? '').slice(0, 256),
    remoteAddr: env.incoming?.socket.remoteAddress ?? '',
    body: body === undefined || isBodyFailure(body) ? '' : redacted(new TextDecoder().decode(body)),
    status: answer.status,
    error: error.slice(0, MOST_TEXT),
  };
}
