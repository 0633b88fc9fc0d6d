// Everything that shows how a running site is: inspection, its metrics, audit. Opened by its active process.
import { join } from 'node:path';
import type { Registry } from 'prom-client';
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
import { siteMetrics } from './metrics/site-metrics.ts';
import type { StandbyView } from './standbys.ts';

export interface InsightOptions {
  site: Site;
  /** This process, as the lease names it. */
  process: string;
  databaseUrl: string;
  /** Heap of the thread of an audit. */
  auditHeapMb: number;
  /** Of the process, and served by it: the site's metrics are added. */
  registry: Registry;
  host: ShardHost;
  admission: Pick<Admission, 'state'>;
  shards: number;
  blocks: BlockDriver;
  bus: Bus;
  federation: Federation;
  standbys(): StandbyView[];
}

export interface Insight {
  /** Adds /v2/inspect and /v2/metrics, and counts the requests of all routes. */
  addRoutes(edge: Edge): void;
  /** Hears of the agents' calls. */
  observeCall: RequestCounts['observeCall'];
  stop(): Promise<void>;
}

export function openInsight(options: InsightOptions): Insight {
  const { site, registry } = options;
  const inspection = createInspection({ url: options.databaseUrl, applicationName: `hanse-${site.id}` });
  const auditThread = createAuditThread({
    program: join(projectRoot, 'dist', 'audit.js'),
    url: options.databaseUrl,
    heapMb: options.auditHeapMb,
  });
  const requests = createRequestCounts();
  for (const metric of [...requests.metrics, ...siteMetrics(createFigures({ ...options, inspection }))])
    register(registry, metric);

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
    async stop() {
      await auditThread.stop();
      await inspection.close();
    },
  };
}
