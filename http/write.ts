// A route that changes something: what it does and what it answers stand apart, so that an answer can be given again
// without doing it again (Idempotency-Key), and done without changing anything (dry run).
import type { IdempotencyKey } from '../actors/ports.ts';
import { isRefusal, type Refusal } from '../actors/refusal.ts';
import { DRY_QUERY, drySite, isDryRequest, type WouldChange } from './dry-run.ts';
import type { Edge } from './env.ts';
import { KEY_HEADER, keyOf, once, readKey, type Placeless } from './idempotency.ts';
import { dryAnswer, pathOf, register, type Answer, type Route, type RouteRequest } from './route.ts';

export interface Write<B> extends Route<B> {
  /** Any site may execute it; a function where that depends on the request. Default: it has a home. */
  placeless?: Placeless | ((request: RouteRequest<B>) => Placeless | undefined);
}

/**
 * Does it: reads, rules, and one ask in the caller's name (`request.as`) that changes something. The reply of that ask is
 * what is kept for a repeated request, so it is answered as it came. What it does besides asking `request.site` it does
 * not do when `request.as.dry`.
 */
export type Act<B, R> = (request: RouteRequest<B>) => R | Refusal | Promise<R | Refusal>;
/** Completes and answers what was done, now or by an earlier request: nothing here may do harm when it is repeated. */
export type Answering<B, R> = (reply: R, request: RouteRequest<B>) => Answer | Refusal | Promise<Answer | Refusal>;

/** Declares a route that changes something. */
export function write<B = undefined, R = unknown>(
  edge: Edge,
  spec: Write<B>,
  act: Act<B, R>,
  answer: Answering<B, R>,
): void {
  const { site } = edge;
  const base = pathOf(site, '');
  const v2 = pathOf(site, '/v2/');

  const placelessOf = (request: RouteRequest<B>): Placeless | undefined =>
    typeof spec.placeless === 'function' ? spec.placeless(request) : spec.placeless;

  const requestPath = ({ context }: RouteRequest<B>): string => {
    const { pathname, searchParams } = new URL(context.req.url, 'http://site');
    searchParams.delete(DRY_QUERY);
    const query = searchParams.toString();
    const path = pathname
      .slice(base.length)
      .replace(/^\/v2\//, '/v1/')
      .replace(/\/$/, '');
    return query === '' ? path : `${path}?${query}`;
  };

  async function kept(request: RouteRequest<B>, key: IdempotencyKey): Promise<Answer | Refusal> {
    const keyed = { ...request, as: { ...request.as, key } };
    const outcome = await once(request.site, key, placelessOf(request), request.as, () => act(keyed));
    if (isRefusal(outcome)) return outcome;
    const answered = await answer(outcome.reply, request);
    return isRefusal(answered) ? answered : { ...answered, headers: { ...answered.headers, ...outcome.headers } };
  }

  async function run(request: RouteRequest<B>, key: string | undefined): Promise<Answer | Refusal> {
    if (key !== undefined) {
      const { body } = request;
      const { method } = request.context.req;
      return kept(request, keyOf(key, request.caller, { method, path: requestPath(request), body }));
    }
    const reply = await act(request);
    return isRefusal(reply) ? reply : answer(reply, request);
  }

  async function runDry(request: RouteRequest<B>, key: string | undefined, isV1: boolean): Promise<Answer | Response> {
    const changes: WouldChange[] = [];
    const dry = { ...request, site: drySite(site, changes), as: { ...request.as, dry: true } };
    return dryAnswer(await run(dry, key), changes, isV1);
  }

  register(edge, spec, 'write', (request) => {
    const { req } = request.context;
    const key = readKey(req.header(KEY_HEADER));
    if (isRefusal(key)) return key;
    const isV1 = !req.path.startsWith(v2);
    const isDry = isDryRequest(request.context, isV1);
    if (isRefusal(isDry)) return isDry;
    return isDry ? runDry(request, key, isV1) : run(request, key);
  });
}
