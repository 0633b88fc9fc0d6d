import { Hono, type Context } from 'hono';
import { createAuthenticate } from './auth/authenticate.ts';
import { createVerifyBearer } from './auth/bearer.ts';
import type { Edge, EdgeEnv } from './env.ts';
import { addHealthRoutes, type Readiness } from './health.ts';
import { createLiteralRouter } from './literal-router.ts';
import { addOpenApiRoute } from './openapi.ts';
import { admit, crashResponse, pathOf } from './route.ts';
import type { Site } from './site.ts';
import { V1_RESOURCES } from './v1/routes.ts';
import { addNetworkInsightRoutes } from './v2/network.ts';
import { errorResponse } from './wire-errors.ts';

export interface AppOptions {
  /** Hears of exceptions in handlers; default: standard error. */
  report?: Edge['report'];
  /** false while the process starts or stops; default: always ready. */
  isReady?: Readiness;
}

/** Matches paths of one declared route, whatever the method. */
const patternOf = (path: string): RegExp =>
  new RegExp(`^${path.replace(/[.*+?^$()|[\]{}\\]/g, '\\$&').replace(/:[A-Za-z]+/g, '[^/]+')}/?$`);

/** After authentication, as metal-api does it: an unknown path 404, a known one with another method 405. */
function answerUnmatched(edge: Edge): (c: Context<EdgeEnv>) => Promise<Response> {
  const known = edge.routes.map(({ path, method }) => ({ pattern: patternOf(pathOf(edge.site, path)), method }));
  return async (c) => {
    const caller = await admit(edge, c, 'auth');
    if (caller instanceof Response) return caller;
    // A path may fit several routes of one method: /v1/machine/issues is also that of any machine.
    const methods = new Set(
      known.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method.toUpperCase()),
    );
    if (methods.size === 0) return errorResponse(404, `NotFound no operation at "${c.req.path}"`);
    const allow = [...methods].join(', ');
    return errorResponse(405, `method ${c.req.method} is not allowed at "${c.req.path}", only ${allow}`, { allow });
  };
}

/** An edge without routes, to add some and then `finishEdge`. */
export function createEdge(site: Site, options: AppOptions = {}): Edge {
  return {
    hono: new Hono<EdgeEnv>({ strict: false, router: createLiteralRouter() }),
    site,
    authenticate: createAuthenticate(site, createVerifyBearer(site)),
    routes: [],
    report: options.report ?? ((error, operation) => console.error(`${operation} failed:`, error)),
  };
}

export function finishEdge(edge: Edge): Hono<EdgeEnv> {
  edge.hono.notFound(answerUnmatched(edge));
  edge.hono.onError((error) => {
    edge.report(error, 'edge');
    return crashResponse();
  });
  return edge.hono;
}

/** The whole edge of a site. `more` adds routes of other rooms (v2, console). */
export function createApp(
  site: Site,
  options: AppOptions & { more?: Array<(edge: Edge) => void> } = {},
): Hono<EdgeEnv> {
  const edge = createEdge(site, options);
  addHealthRoutes(edge, options.isReady ?? (() => true));
  for (const add of [...V1_RESOURCES, addNetworkInsightRoutes, ...(options.more ?? []), addOpenApiRoute]) add(edge);
  return finishEdge(edge);
}
