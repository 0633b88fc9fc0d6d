// What answers requests while the process is active: what is not at home here is passed on, or read from the copy; the rest
// is answered by the site's app, as long as the lease is held.
import type { World } from '../../../actors/ports.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type { Bus } from '../../../http/agents/bus.ts';
import { createApp } from '../../../http/app.ts';
import type { Site } from '../../../http/site.ts';
import type { BlockDriver } from '../../../router/federation/blocks.ts';
import type { Federation } from '../../../router/federation/federation.ts';
import type { JoinHost } from '../../../router/federation/join.ts';
import { createForwarder, type Forwarder } from '../../../router/forward.ts';
import type { PlaceIndex } from '../../../router/place-index.ts';
import { EXIT_RESTART } from '../../exit-codes.ts';
import type { Ground } from '../ground.ts';
import type { Insight } from '../insight.ts';
import { guardByLease, type GuardedApp } from '../lease-guard.ts';
import { keepReadCopy } from '../read-copy.ts';
import { askApp } from '../role.ts';
import { siteRoutes } from '../routes.ts';
import type { StandbyView } from '../standbys.ts';

/** So long requests in flight may take at the end before the actors stop. */
const LAST_ANSWERS_MS = 1_000;

export interface SiteEdgeParts {
  site: Site;
  places: PlaceIndex;
  host: Pick<ShardHost, 'isBehind' | 'isCurrent'>;
  federation: Federation;
  standbys(): StandbyView[];
  blocks: BlockDriver;
  bus: Bus;
  joins: JoinHost;
  insight: Pick<Insight, 'addRoutes'>;
  /** Whether requests are to be sent here. */
  isReady(): boolean;
}

export interface SiteEdge {
  readonly app: GuardedApp;
  readonly forward: Forwarder;
  /** Stops what goes on by itself. */
  stop(): void;
}

export function openEdge(
  ground: Pick<Ground, 'config' | 'life' | 'log' | 'lease' | 'world' | 'odd'>,
  parts: SiteEdgeParts,
): SiteEdge {
  const { config, world } = ground;
  const { basePath } = config;
  const { site, places, federation } = parts;
  const app = guardedApp(ground, parts);
  const readCopy = keepReadCopy({
    basePath,
    peers: federation,
    directory: site.directory,
    answer: (request, copyOf) => askApp(app, request, site.id, copyOf),
    world,
  });
  const forward = createForwarder({
    site: site.id,
    basePath,
    places,
    peers: federation,
    own: (request) => askApp(app, request, site.id),
    copyOf: readCopy.copyOf,
    monotonicMs: () => world.monotonicMs(),
    odd: ground.odd,
  });
  return { app, forward, stop: () => readCopy.stop() };
}

function guardedApp(
  { config, life, log, lease, world }: Pick<Ground, 'config' | 'life' | 'log' | 'lease' | 'world'>,
  { site, host, federation, standbys, blocks, bus, joins, insight, isReady }: SiteEdgeParts,
): GuardedApp {
  const app = createApp(site, {
    report: (error, operation) =>
      log.error({ operation, error: error instanceof Error ? error.stack : String(error) }, 'a handler failed'),
    isReady,
    more: siteRoutes({
      bus,
      joins,
      federation,
      standbys,
      blocks,
      restart: () => life.end(EXIT_RESTART, 'joined: starting again with the identity of the federation'),
      insight,
    }),
  });
  return guardByLease({
    app,
    site: site.id,
    basePath: config.basePath,
    isHeld: () => lease.isHeld(),
    isCurrent: () => host.isCurrent,
    isBehind: () => host.isBehind,
    problem: () => lease.problem,
    world,
  });
}

/** Waits until what is in flight is answered, at most a second. */
export async function lastAnswers(app: Pick<GuardedApp, 'inFlight'>, world: Pick<World, 'monotonicMs'>): Promise<void> {
  const deadline = world.monotonicMs() + LAST_ANSWERS_MS;
  while (app.inFlight > 0 && world.monotonicMs() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}
