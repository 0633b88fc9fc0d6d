// The site as the edge sees it (http/site.ts), made of what this process has.
import { existsSync, readFileSync } from 'node:fs';
import type { BusMessage, LogEntry } from '../../../actors/ports.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import { createOutcomes } from '../../../http/outcomes.ts';
import type { EdgeConfig, Site } from '../../../http/site.ts';
import type { Traces } from '../../../http/trace.ts';
import type { PlaceIndex } from '../../../router/place-index.ts';
import { MIN_CLIENT_VERSION, version } from '../build-info.ts';
import type { GrowthKeeper } from '../growth.ts';
import type { Ground } from '../ground.ts';
import { createHealth } from '../health.ts';
import type { Hosting } from './hosting.ts';
import type { Listeners } from './listeners.ts';
import type { Members } from './members.ts';

export interface SiteParts {
  ask: Site['ask'];
  host: Pick<ShardHost, 'presences'>;
  places: PlaceIndex;
  copy: Site['directory'];
  members: Pick<Members, 'federation' | 'blocks' | 'forEdge'>;
  /** Undefined: switched off. */
  traces: Traces | undefined;
  growth: Pick<GrowthKeeper, 'earlier'>;
  committed: Pick<Listeners<LogEntry>, 'add'>;
  messages: Pick<Listeners<BusMessage>, 'add'>;
  hosting: Pick<Hosting, 'host'>;
}

export function siteOf(
  { config, world, store, lease, identity }: Pick<Ground, 'config' | 'world' | 'store' | 'lease' | 'identity'>,
  { members, traces, ...parts }: SiteParts,
): Site {
  const { federation, blocks } = members;
  return {
    id: config.site,
    config: edgeConfig({ config, identity }),
    wallMs: () => world.wallMs(),
    uuid: () => world.uuid(),
    ask: parts.ask,
    rows: store,
    directory: parts.copy,
    places: parts.places,
    federation: members.forEdge,
    outcomes: createOutcomes((identity, key) => store.findOutcome(identity, key)),
    health: createHealth({
      store,
      federation,
      isHeld: () => lease.isHeld(),
      restored: () => blocks.restored,
      presences: () => parts.host.presences(),
      world,
    }),
    growth: (scope, network) => parts.growth.earlier(scope, network),
    ...(traces === undefined ? {} : { traces }),
    onCommitted: parts.committed.add,
    onBusMessage: parts.messages.add,
    recallBlocks: (network, of) => blocks.recallAll(network, of),
    leaseBlocks: (network) => blocks.lease(network),
    refuseFenced: () => blocks.refuseFenced(),
    withoutBlocks: (partition, act) => blocks.withoutBlocks(partition, act),
    host: parts.hosting.host,
  };
}

const edgeConfig = ({ config, identity }: Pick<Ground, 'config' | 'identity'>): EdgeConfig => ({
  hmac: {
    'Metal-View': { key: identity.hmac.view, lifetimeMs: 30_000 },
    'Metal-Edit': { key: identity.hmac.edit, lifetimeMs: 30_000 },
    'Metal-Admin': { key: identity.hmac.admin, lifetimeMs: 90_000 },
  },
  providerTenant: identity.providerTenant,
  version,
  minClientVersion: MIN_CLIENT_VERSION,
  passwordReasonMinLength: config.passwordReasonMinLength,
  superUserPassword: readSecret(config.superUserPasswordFile),
  probeAllow: config.probeAllow,
  basePath: config.basePath,
});

const readSecret = (path: string): string => (path !== '' && existsSync(path) ? readFileSync(path, 'utf8').trim() : '');
