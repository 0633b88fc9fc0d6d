// Declares a route: who may call it, what it is called, what its body looks like. Everything that all operations share
// happens here, in one function, because each middleware costs microseconds on every request.
import type { Context } from 'hono';
import type { z } from 'zod';
import { because, isRefusal, unavailable, unprocessable, type Refusal } from '../actors/refusal.ts';
import { refuseTenant } from './auth/authenticate.ts';
import { hasRole } from './auth/roles.ts';
import type { BodyFailure } from '../router/socket-io.ts';
import { isBodyFailure, parseJson, readBody, BODY_LIMIT_BYTES } from './body.ts';
import { DRY_HEADER, isDryRequest, type WouldChange } from './dry-run.ts';
import type { Edge, EdgeEnv, Effect, RouteDeclaration } from './env.ts';
import { KEY_HEADER } from './idempotency.ts';
import { isLong, JsonList, jsonList } from './json-list.ts';
import { compile, type Check } from './schema.ts';
import { withoutSecrets } from './secrets.ts';
import { traceOf } from './trace.ts';
import type { AskOptions, Caller, Site } from './site.ts';
import { bareForbidden, busyResponse, errorResponse, refusalResponse } from './wire-errors.ts';

/** A success. The status codes are exact: clients refuse 201 where 200 is documented and the reverse. */
export interface Answer {
  status: 200 | 201;
  body: unknown;
  headers?: Record<string, string>;
}

export const ok = (body: unknown, headers?: Record<string, string>): Answer =>
  headers === undefined ? { status: 200, body } : { status: 200, body, headers };
export const created = (body: unknown): Answer => ({ status: 201, body });

export interface RouteRequest<B> {
  caller: Caller;
  /** Options of an ask in the caller's name. */
  as: AskOptions;
  body: B;
  site: Site;
  /** A parameter of the path, decoded; '' when the path has none of that name. */
  param: (name: string) => string;
  query: (name: string) => string | undefined;
  /** For streams and other things that few routes need. */
  context: Context<EdgeEnv>;
}

export type Handler<B> = (
  request: RouteRequest<B>,
) => Answer | Refusal | Response | Promise<Answer | Refusal | Response>;

export interface Route<B> extends RouteDeclaration {
  /** The form of the JSON body, required then. Absent: the body is never read. */
  body?: z.ZodType<B>;
  /** `any`: also without, and with any, content type (networks.md §1.5). Default: POST, PUT and PATCH need JSON. */
  contentType?: 'any';
  /**
   * Its body tells of many things that have nothing to do with each other, and its handler leaves out those with text that
   * can't be kept (unstorable.ts). Default: such a body is refused.
   */
  anyText?: true;
  /** Default: GET and what is not audited only read; declare the others with `write`. */
  effect?: 'read' | 'other';
  /** Of one that changes something: what it would answer, changing nothing. Default: it has no dry run. */
  dryRun?: Handler<B>;
}

const JSON_HEADERS = { 'content-type': 'application/json' };

/** Characters from which an answer is kept as bytes while its reader takes it: of a string, the socket keeps both (F20). */
const LONG_TEXT = 65_536;

const encodeAnswer = (body: unknown): string | Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> => {
  if (body instanceof JsonList) return body.bytes();
  if (isLong(body)) return jsonList(body, (item) => item).then((list) => list.bytes());
  const text = JSON.stringify(body);
  return text.length < LONG_TEXT ? text : new TextEncoder().encode(text);
};

/** May the answer be JSON for this Accept header? */
const acceptsJson = (accept: string | undefined): boolean =>
  accept === undefined ||
  accept === '' ||
  accept === 'application/json' ||
  accept.split(',').some((range) => /^\s*(?:\*\/\*|application\/\*|application\/json)\s*(?:;|$)/i.test(range));

const isJson = (contentType: string | undefined): boolean =>
  contentType === 'application/json' ||
  (contentType !== undefined && /^\s*(?:application\/json|\*\/\*)\s*(?:;|$)/i.test(contentType));

const wantsContentType = (route: RouteDeclaration & { contentType?: 'any' }): boolean =>
  route.contentType !== 'any' && (route.method === 'post' || route.method === 'put' || route.method === 'patch');

/** The answer to a body that could not be read. */
const BODY_FAILURES: Readonly<Record<BodyFailure, () => Response>> = {
  // The connection is left open for the moment that the server reads the rest away: closed at once, it would take the
  // answer with it before a client that is still sending has read it.
  'too-large': () => errorResponse(413, `the request body is larger than ${BODY_LIMIT_BYTES} bytes`),
  aborted: () => errorResponse(400, 'the request body ended before it was complete', { connection: 'close' }),
  'too-slow': () => errorResponse(408, 'the request body did not come in time', { connection: 'close' }),
  'too-many': () =>
    busyResponse('more bodies are being read than there is room for; nothing was done, try again', 'overloaded'),
};

export const bodyFailureResponse = (failure: BodyFailure): Response => BODY_FAILURES[failure]();

function valueOf<B>(bytes: Uint8Array | BodyFailure, check: Check<B>, anyText = false): { value: B } | Response {
  if (isBodyFailure(bytes)) return bodyFailureResponse(bytes);
  const parsed = parseJson(bytes, anyText);
  if (isRefusal(parsed)) return refusalResponse(parsed);
  const value = check(parsed.json);
  return isRefusal(value) ? refusalResponse(value) : { value };
}

/** Path below the base path of the API, e.g. `/metal/` and `/v1/size` give `/metal/v1/size`. */
export const pathOf = (site: Site, path: string): string => site.config.basePath.replace(/\/$/, '') + path;

/** Whether a request's path lies below one of the API, e.g. `/v2/`. */
export const isBelow = (site: Site, below: string, path: string): boolean => path.startsWith(pathOf(site, below));

/** Who asks, if the route may be called at all by them; else the refusing answer. */
export async function admit(
  edge: Edge,
  c: Context<EdgeEnv>,
  role: RouteDeclaration['role'],
): Promise<Caller | Response> {
  return admitted(edge, await edge.authenticate(c), role);
}

function admitted(edge: Edge, caller: Caller | Refusal, role: RouteDeclaration['role']): Caller | Response {
  if (isRefusal(caller)) return refusalResponse(caller);
  if (role === 'none') return caller;
  const foreign = refuseTenant(caller, edge.site.config.providerTenant);
  return foreign === undefined ? caller : bareForbidden(foreign);
}

/** What a caught exception is answered with: that it happened, never its text, which may be the database's. */
export const crashResponse = (): Response => errorResponse(500, 'Internal an unexpected error occurred, it was logged');

const DATABASE_AWAY = because(
  'database',
  unavailable('the database does not answer at the moment; whether anything was changed is not known'),
);

const NOBODY_WAITS = because(
  'deadline',
  unavailable('whoever asked has left before it was begun; nothing was changed'),
);

/** A list that was not answered is nobody's mistake (reliability.md F07): storage's failures that another try may not meet. */
const isDatabaseAway = (error: unknown): boolean => {
  const { name, kind } = error as { name?: unknown; kind?: unknown };
  return name === 'StatementFailure' && kind !== 'other' && kind !== 'rule';
};

/** Declares a route that only reads, or one that changes something without an actor that would keep its outcome for a key. */
export function route<B = undefined>(edge: Edge, spec: Route<B>, handler: Handler<B>): void {
  const changes = spec.dryRun === undefined ? 'other' : 'dry';
  const effect = spec.effect ?? (spec.method === 'get' || spec.audited === false ? 'read' : changes);
  register(edge, spec, effect, effect === 'read' ? handler : withoutKey(edge, spec, handler));
}

/** Nothing of what a client asks for may be passed over in silence: a key that is not kept, a dry run that would be none. */
const withoutKey =
  <B>({ site }: Edge, { operation, dryRun }: Route<B>, handler: Handler<B>): Handler<B> =>
  async (request) => {
    const { req } = request.context;
    const isV1 = isBelow(site, '/v1/', req.path);
    const isDry = isDryRequest(request.context, isV1);
    if (isRefusal(isDry)) return isDry;
    if (req.header(KEY_HEADER) !== undefined)
      return unprocessable(`${operation} keeps no outcome of a request: send it without the header ${KEY_HEADER}`);
    if (!isDry) return handler(request);
    if (dryRun === undefined) return unprocessable(`${operation} has no dry run`);
    const answered = await dryRun(request);
    return answered instanceof Response ? answered : dryAnswer(answered, [], isV1);
  };

/**
 * What a dry run answers: below /v1 as the real one would, below /v2 with the changes that would be made. Those are rows,
 * which hold more than any answer: who may rehearse an operation may not therefore read passwords.
 */
export function dryAnswer(
  answered: Answer | Refusal,
  changes: readonly WouldChange[],
  isV1: boolean,
): Answer | Response {
  const mark = { [DRY_HEADER]: 'true' };
  if (isRefusal(answered)) return refusalResponse(answered, mark);
  const { status, body } = answered;
  return {
    status,
    body: withoutSecrets(isV1 ? body : { dryRun: true, status, answer: body, changes }),
    headers: { ...answered.headers, ...mark },
  };
}

/** What `route` and `write` share. What v1 has is served below /v2 as well. */
export function register<B>(edge: Edge, spec: Route<B>, effect: Effect, handler: Handler<B>): void {
  const { method, path, role, operation, body: schema } = spec;
  const { site, hono } = edge;
  const check = schema && compile(schema);
  const needsContentType = wantsContentType(spec);
  const audited = spec.audited ?? method !== 'get';
  const mirror = path.startsWith('/v1/') ? [`/v2/${path.slice('/v1/'.length)}`] : [];
  for (const served of [path, ...mirror]) {
    const described = { ...(spec.about && { about: spec.about }), ...(spec.answer && { answer: spec.answer }) };
    edge.routes.push({ method, path: served, role, operation, audited, effect, body: schema, ...described });
  }

  // What is here is not waited for: each wait costs every request a turn of the queue.
  const serve = async (c: Context<EdgeEnv>, seen: { caller?: Caller }): Promise<Response> => {
    const authenticated = edge.authenticate(c);
    const caller = admitted(edge, authenticated instanceof Promise ? await authenticated : authenticated, role);
    if (caller instanceof Response) return caller;
    seen.caller = caller;
    if (needsContentType && !isJson(c.req.header('content-type'))) {
      return errorResponse(
        415,
        `content-type:"${c.req.header('content-type') ?? ''}" is not supported, use application/json`,
      );
    }
    if (!acceptsJson(c.req.header('accept'))) {
      return errorResponse(406, `accept:"${c.req.header('accept')}" can't be served, only application/json`);
    }
    if (!hasRole(caller.groups, role)) {
      return errorResponse(403, `you are not member in one of the groups that role ${role} of ${operation} needs`);
    }
    let body = undefined as B;
    if (check !== undefined) {
      const bytes = readBody(c);
      const read = valueOf(bytes instanceof Promise ? await bytes : bytes, check, spec.anyText);
      if (read instanceof Response) return read;
      body = read.value;
    }
    const asker = (c.env ??= {}).asker;
    if (asker?.isGone === true) return refusalResponse(NOBODY_WAITS);
    const answer = await handler({
      caller,
      as: { who: caller.email, asker },
      body,
      site,
      param: (name) => c.req.param(name) ?? '',
      query: (name) => c.req.query(name),
      context: c,
    });
    if (answer instanceof Response) return answer;
    if (isRefusal(answer)) return refusalResponse(answer);
    const encoded = encodeAnswer(answer.body);
    return new Response(encoded instanceof Promise ? await encoded : encoded, {
      status: answer.status,
      headers: answer.headers === undefined ? JSON_HEADERS : { ...JSON_HEADERS, ...answer.headers },
    });
  };

  const paths = [path, ...mirror].map((served) => pathOf(site, served));
  hono.on(method.toUpperCase(), paths, async (c) => {
    const startMs = performance.now();
    const seen: { caller?: Caller } = {};
    let answer: Response;
    try {
      answer = await serve(c, seen);
    } catch (error) {
      edge.report(error, operation);
      answer = isDatabaseAway(error) ? refusalResponse(DATABASE_AWAY) : crashResponse();
    }
    edge.observe?.(spec, answer.status, performance.now() - startMs);
    // What was done stands in the log; what was refused would leave no trace. A dry run writes nothing.
    const isTold = audited && answer.status >= 400 && answer.headers.get(DRY_HEADER) !== 'true';
    if (isTold && seen.caller !== undefined && site.traces !== undefined) {
      site.traces.refused(await traceOf(c, seen.caller, answer, { nowMs: site.wallMs(), uuid: () => site.uuid() }));
    }
    return answer;
  });
}
