// What a process of a site has from its start to its end, whether it is active or stands by: database, lease, identity,
// links, REST port, the port of the metrics.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { siteScope } from '../../actors/address.ts';
import type { LeaseHolder, World } from '../../actors/ports.ts';
import { piscinaThreads, type PiscinaThreads } from '../../actors/runtime/threads.ts';
import { createAdmission, createGate, type Admission } from '../../http/admission.ts';
import { serveEdge } from '../../http/server.ts';
import { openIdentity, type SiteIdentity } from '../../router/federation/identity.ts';
import { openSiteLinks, type SiteLinks } from '../../router/federation/site-links.ts';
import { sayLinkChanges } from '../../router/link/link-log.ts';
import type { PeerListener } from '../../router/link/listen.ts';
import { refusedHeaders } from '../../router/refused.ts';
import { ensureDatabase } from '../../storage/engine/database.ts';
import { startEngine } from '../../storage/engine/engine.ts';
import { createSiteStore, type OpenSiteStore } from '../../storage/site-store.ts';
import { databaseNameOf, shardsFor, type SiteConfig } from '../config.ts';
import { EXIT_CONFIGURATION, EXIT_FENCED } from '../exit-codes.ts';
import type { Logger } from '../log.ts';
import { projectRoot } from '../root.ts';
import { realWorld } from '../world.ts';
import { version } from './build-info.ts';
import { keepLease, type Lease } from './lease.ts';
import type { Life } from './life.ts';
import { openProcessMetrics, type ProcessMetrics } from './metrics/process-metrics.ts';
import { answerPeers, type Role } from './role.ts';
import { startingRole } from './standby.ts';
import { whenFree } from './when-free.ts';

export interface Ground {
  readonly config: SiteConfig;
  readonly log: Logger;
  readonly life: Life;
  readonly world: World;
  readonly databaseUrl: string;
  readonly store: OpenSiteStore;
  readonly holder: LeaseHolder;
  readonly lease: Lease;
  readonly identity: SiteIdentity;
  readonly links: SiteLinks;
  readonly listener: PeerListener;
  /** Port of REST. */
  readonly httpPort: number;
  /** `host:port` of the links and base URLs of REST under which others reach this process. */
  readonly reachedAt: { links: string[]; urls: string[] };
  readonly shards: number;
  readonly threads: PiscinaThreads;
  readonly admission: Pick<Admission, 'state' | 'turnedAway'>;
  readonly metrics: Pick<ProcessMetrics, 'registry'>;
  odd(what: string, error?: unknown): void;
  current(): Role;
  /** From now on requests are answered so. */
  play(role: Role): void;
  /** Hears that another process holds the lease now. */
  whenLost(lost: (why: string) => Promise<void>): void;
  /** Answers requests to the link port's join path; nobody does at first. */
  answerJoins(serve: NonNullable<Parameters<SiteLinks['listen']>[0]['join']>): void;
}

export async function openGround(config: SiteConfig, log: Logger, life: Life): Promise<Ground> {
  const world = realWorld;
  const odd = (what: string, error?: unknown): void =>
    log.warn(
      error === undefined ? {} : { error: error instanceof Error ? error.message : JSON.stringify(error) },
      what,
    );
  const databaseUrl = config.databaseUrl ?? (await bundledDatabase(config, log));
  const store = await createSiteStore({
    url: databaseUrl,
    applicationName: `hanse-${config.site}`,
    isAlive,
    onReplaced: (reason) => log.warn({ reason }, 'database connections were made anew'),
  });
  life.onEnd('store', () => store.close());
  await requireKeys(config, store, log);

  const holder = holderOf(config.site);
  let lost = (why: string): void => life.end(EXIT_FENCED, why);
  const lease = keepLease({
    store,
    holder,
    leaseMs: config.leaseMs,
    world,
    log,
    onLost: (why) => lost(why),
  });
  let isActiveReached = (): boolean => false;
  const metrics = openProcessMetrics({
    site: config.site,
    process: holder.process,
    version,
    lease,
    isActiveReached: () => isActiveReached(),
    at: config.metrics,
    world,
    log,
  });
  life.onEnd('metrics', () => metrics.stop());
  const identity = await openKeys(config, store, lease, log);

  const threads = piscinaThreads({
    module: { url: pathToFileURL(join(projectRoot, 'dist', 'shard.js')).href, name: 'shard' },
    heapMb: config.shardHeapMb,
    failed: (error) => log.error({ error: String(error) }, 'worker pool failed'),
  });
  life.onEnd('spare threads', () => threads.close());

  let linkPort = config.linkPort;
  let httpPort = config.httpPort;
  const reachedAt = {
    get links() {
      return config.advertise.map((name) => `${name}:${linkPort}`);
    },
    get urls() {
      return config.advertise.map((name) => `http://${name}:${httpPort}${config.basePath}`);
    },
  };
  const links = openSiteLinks({
    site: config.site,
    process: holder.process,
    incarnation: randomUUID(),
    identity: () => identity,
    world,
    greeting: () => ({ links: reachedAt.links, urls: reachedAt.urls, startedAtMs: STARTED_AT_MS }),
    onLink: sayLinkChanges({
      monotonicMs: world.monotonicMs,
      say(what, fields) {
        if (!life.isEnding) log.info(fields, what);
      },
    }),
    odd,
  });
  life.onEnd('peer links', () => links.close());
  isActiveReached = () => links.processes.activeOf(config.site) !== undefined;

  let role: Role = startingRole({ config, links, store, world, lease, odd, current: () => role });
  let serveJoin: Parameters<Ground['answerJoins']>[0] = (_request, response) =>
    void response
      .writeHead(503, {
        'content-type': 'text/plain',
        connection: 'close',
        ...Object.fromEntries(refusedHeaders('standby')),
      })
      .end('this process stands by\n');
  const admission = createAdmission({ world });
  const gate = createGate(admission, config.basePath);
  links.peering.onRequest(answerPeers(() => role, gate));
  const listener = await whenFree(world, () =>
    links.listen({
      host: config.host,
      port: config.linkPort,
      join: (request, response) => serveJoin(request, response),
    }),
  );
  linkPort = listener.port;
  const edge = await whenFree(world, () =>
    serveEdge(
      { fetch: (request, bindings) => role.app.fetch(request, bindings) },
      {
        host: config.host,
        port: config.httpPort,
        basePath: config.basePath,
        beforeApp: (request) => role.beforeApp(request),
        gate,
        odd,
        report: (error) =>
          log.error({ error: error instanceof Error ? error.stack : String(error) }, 'the edge failed'),
      },
    ),
  );
  httpPort = edge.port;
  life.onEnd('edge', () => edge.stop());
  life.onEnd('lease', () => lease.stop());

  return {
    config,
    log,
    life,
    world,
    databaseUrl,
    store,
    holder,
    lease,
    identity,
    links,
    listener,
    httpPort,
    reachedAt,
    shards: shardsFor(config.shards, availableParallelism()),
    threads,
    admission,
    metrics,
    odd,
    whenLost: (next) => void (lost = (why) => void next(why)),
    current: () => role,
    play: (next) => void (role = next),
    answerJoins: (serve) => void (serveJoin = serve),
  };
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const STARTED_AT_MS = Math.round(Date.now() - performance.now());

const holderOf = (site: string): LeaseHolder => ({
  site,
  process: `${hostname()}:${process.pid}:${STARTED_AT_MS}`,
  host: hostname(),
  pid: process.pid,
});

/** The bundled server: found running, or started; it outlives this process, as a database server does. */
async function bundledDatabase(config: SiteConfig, log: Logger): Promise<string> {
  const engine = await startEngine({ dataDir: config.databaseFolder, log: (line) => log.info(line) });
  return await ensureDatabase(engine.url('postgres'), databaseNameOf(config.site));
}

const KEY_FILES = ['ca.pem', 'ca.key', 'hmac.json'];
const KEY_LOOK_MS = 100;
const identityFolder = (config: SiteConfig): string => join(config.folder, 'identity');
const hasKeys = (config: SiteConfig): boolean =>
  KEY_FILES.every((file) => existsSync(join(identityFolder(config), file))) ||
  existsSync(join(identityFolder(config), 'adopted.json'));

/** A process without keys must not make new ones for a site whose clients and peers know the old. */
async function requireKeys(config: SiteConfig, store: OpenSiteStore, log: Logger): Promise<void> {
  if (hasKeys(config)) return;
  const known = await store.rows('directory', { scopes: [siteScope(config.site)], owners: ['member'] });
  if (known.length === 0) return;
  log.fatal(
    { folder: identityFolder(config) },
    `site ${config.site} has keys already, and they are not in this folder: share HANSE_DATA with its other process, or copy the folder from there`,
  );
  process.exit(EXIT_CONFIGURATION);
}

/** The keys of the site; a process that stands by waits until the active one has made them. */
async function openKeys(config: SiteConfig, store: OpenSiteStore, lease: Lease, log: Logger): Promise<SiteIdentity> {
  for (let looks = 0; !lease.wasTaken && !hasKeys(config); looks++) {
    if (looks === 20) log.info({ folder: identityFolder(config) }, 'waiting for the keys of the site in this folder');
    await Promise.race([lease.taken, new Promise((resolve) => setTimeout(resolve, KEY_LOOK_MS))]);
  }
  return openIdentity(identityFolder(config), {
    site: config.site,
    partitions: await store.hostedPartitions(config.site),
    hosts: config.advertise,
    providerTenant: config.providerTenant,
    nowMs: () => Date.now(),
  });
}
