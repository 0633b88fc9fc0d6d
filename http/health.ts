import type { Because } from '../actors/refusal.ts';
import { refusedHeaders } from '../router/refused.ts';
import { ok, route } from './route.ts';
import type { Edge } from './env.ts';
import type { Health, ServiceStatus } from './site.ts';

export type Readiness = () => boolean;

const isServing = (status: ServiceStatus): boolean => status === 'healthy' || status === 'degraded';

type Narrowed = Omit<Health, 'services'> & { services: Record<string, Partial<Health['services'][string]>> };

/** One service of the health; an unknown one gives an empty entry, as metal-api answers it. */
const narrowed = ({ status, services }: Health, service: string): Narrowed => {
  const found = Object.hasOwn(services, service) ? services[service] : undefined;
  return { ...(found ?? { status, message: '' }), services: { [service]: found ?? {} } };
};

/**
 * Health, version and identity. `/v1/health` answers a plain object also with 500, because metalctl prints it
 * (machines.md §19.3).
 */
export function addHealthRoutes(edge: Edge, isReady: Readiness): void {
  const { site, hono } = edge;

  hono.get('/healthz', (c) => c.text('alive'));
  hono.get('/readyz', async (c) => {
    const refuse = (because: Because): Response =>
      c.text('not ready', 503, Object.fromEntries(refusedHeaders(because)));
    if (!isReady()) return refuse('starting');
    return isServing((await site.health()).status) ? c.text('ready') : refuse('unavailable');
  });

  route(edge, { method: 'get', path: '/v1/health', role: 'none', operation: 'health' }, async ({ query, context }) => {
    const service = query('service');
    const all = await site.health();
    const health = service ? narrowed(all, service) : all;
    return context.json(health, isServing(health.status) ? 200 : 500);
  });

  route(edge, { method: 'get', path: '/v1/version', role: 'none', operation: 'info' }, () =>
    ok({
      name: 'metal-api',
      version: site.config.version,
      builddate: '',
      revision: '',
      gitsha1: '',
      min_client_version: site.config.minClientVersion,
      release_version: site.config.version,
    }),
  );

  route(edge, { method: 'get', path: '/v1/user/me', role: 'view', operation: 'getMe' }, ({ caller }) =>
    ok({
      EMail: caller.email,
      Name: caller.name,
      Groups: caller.groups,
      Tenant: caller.tenant,
      Issuer: caller.issuer,
      Subject: caller.subject,
    }),
  );
}
