// What shows how the site is and was: the audit trail, how fast networks filled, inspection and metrics.
import { createGrowthStore } from '../../../storage/growth.ts';
import { createTraceStore } from '../../../storage/trace.ts';
import { keepGrowth, type GrowthKeeper } from '../growth.ts';
import type { Ground } from '../ground.ts';
import { openInsight, type Insight, type InsightOptions } from '../insight.ts';
import { createTraces, type RunningTraces } from '../traces.ts';

type Place = Pick<Ground, 'config' | 'databaseUrl'>;

const connection = ({ config, databaseUrl }: Place): { url: string; applicationName: string } => ({
  url: databaseUrl,
  applicationName: `hanse-${config.site}`,
});

/** The audit trail; undefined: switched off. */
export function openTraces(ground: Place & Pick<Ground, 'identity' | 'world' | 'odd'>): RunningTraces | undefined {
  const { config, identity, world, odd } = ground;
  if (!config.audit) return undefined;
  return createTraces({
    store: createTraceStore(connection(ground)),
    tenant: identity.providerTenant,
    uuid: () => world.uuid(),
    after: (delayMs, run) => world.after(delayMs, run),
    odd,
  });
}

export const openGrowth = (
  ground: Place & Pick<Ground, 'world' | 'odd'>,
  hosted: () => readonly string[],
): GrowthKeeper =>
  keepGrowth({ store: createGrowthStore(connection(ground)), world: ground.world, hosted, odd: ground.odd });

/** Inspection, and the site's metrics beside those of the process. */
export const observe = (
  ground: Place & Pick<Ground, 'holder' | 'admission' | 'shards' | 'metrics'>,
  parts: Pick<InsightOptions, 'site' | 'host' | 'blocks' | 'bus' | 'federation' | 'standbys'>,
): Insight =>
  openInsight({
    ...parts,
    process: ground.holder.process,
    databaseUrl: ground.databaseUrl,
    auditHeapMb: ground.config.auditHeapMb,
    registry: ground.metrics.registry,
    admission: ground.admission,
    shards: ground.shards,
  });
