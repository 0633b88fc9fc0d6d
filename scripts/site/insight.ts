// Everything that shows how a running site is: inspection, metrics, audit. Opened by its active process.
import { join } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ShardHost } from '../../actors/runtime/host.ts';
import type { Admission } from '../../http/admission.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { Edge } from '../../http/env.ts';
import { route } from '../../http/route.ts';
import type { Site } from '../../http/site.ts';
import type { BlockDriver } from '../../router/federation/blocks.ts';
import type { Federation } from '../../router/federation/federation.ts';
import { createInspection } from '../../storage/inspection.ts';
import { projectRoot } from '../root.ts';
import { createAuditThread } from './audit-thread.ts';
import { addInspectRoutes } from './inspect-routes.ts';
import { createFigures } from './metrics/figures.ts';
import { createRequestCounts, type RequestCounts } from './metrics/requests.ts';
import { register } from './metrics/sampled.ts';
import { serveMetrics } from './metrics/server.ts';
import { siteMetrics } from './metrics/site-metrics.ts';

export interface InsightOptions {
  site: Site;
  /** This process, as the lease names it. */
  process: string;
  databaseUrl: string;
  /** Heap of the thread of an audit. */
  auditHeapMb: number;
  /** Where the scrape port listens; port 0: nowhere. */
  metrics: { host: string; port: number };
  host: ShardHost;
  admission: Pick<Admission, 'state'>;
  shards: number;
  blocks: BlockDriver;
  bus: Bus;
  federation: Federation;
  warn(what: string, fields: Record<string, unknown>): void;
}

export interface Insight {
  /** Adds /v2/inspect and /v2/metrics, and counts the requests of all routes. */
  addRoutes(edge: Edge): void;
  /** Hears of the agents' calls. */
  observeCall: RequestCounts['observeCall'];
  /** Port of the scrapes; null: they are only served as /v2/metrics. */
  readonly port: number | null;
  stop(): Promise<void>;
}

export async function openInsight(options: InsightOptions): Promise<Insight> {
  const { site, process } = options;
  const inspection = createInspection({ url: options.databaseUrl, applicationName: `hanse-${site.id}` });
  const auditThread = createAuditThread({
    program: join(projectRoot, 'dist', 'audit.js'),
    url: options.databaseUrl,
    heapMb: options.auditHeapMb,
  });
  const registry = new Registry();
  registry.setDefaultLabels({ site: site.id });
  collectDefaultMetrics({ register: registry });
  const requests = createRequestCounts();
  for (const metric of [...requests.metrics, ...siteMetrics(createFigures({ ...options, inspection }))])
    register(registry, metric);
  register(registry, {
    name: 'hanse_info',
    help: 'Always 1; says who this is.',
    type: 'gauge',
    samples: () => [{ labels: { version: site.config.version, process }, value: 1 }],
  });

  const server =
    options.metrics.port === 0
      ? undefined
      : await serveMetrics(registry, options.metrics).catch((error: NodeJS.ErrnoException) => {
          // Two processes on one machine: what can't be scraped there is still there as /v2/metrics.
          const { host, port } = options.metrics;
          const why = error.code === 'EADDRINUSE' ? 'another process has it' : (error.code ?? error.message);
          options.warn(
            `metrics are served as /v2/metrics only: port ${port} of ${host} can't be had, ${why}; HANSE_METRICS_PORT names another, 0 none`,
            { host, port },
          );
          return undefined;
        });

  return {
    addRoutes(edge) {
      edge.observe = requests.observe;
      addInspectRoutes({ ...options, inspection, auditThread })(edge);
      route(
        edge,
        { method: 'get', path: '/v2/metrics', role: 'view', operation: 'metrics' },
        async () => new Response(await registry.metrics(), { headers: { 'content-type': registry.contentType } }),
      );
    },
    observeCall: requests.observeCall,
    port: server?.port ?? null,
    async stop() {
      await server?.stop();
      await auditThread.stop();
      await inspection.close();
    },
  };
}
