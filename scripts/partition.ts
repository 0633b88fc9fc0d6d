// The process of a site: takes the site's scopes over, hosts their actors on worker threads, serves the edge, the agents
// and the peer links.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addressOf, partitionScope, siteScope } from '../actors/address.ts';
import { unlimited } from '../actors/directory/tenant.ts';
import type { BusMessage, LeaseHolder, LogEntry } from '../actors/ports.ts';
import { isRefusal, type Refusal } from '../actors/refusal.ts';
import { createShardHost } from '../actors/runtime/host.ts';
import { addBusRoutes } from '../http/agents/bus-route.ts';
import { createBus } from '../http/agents/bus.ts';
import { serveAgents, type AgentServer } from '../http/agents/grpc.ts';
import { createApp } from '../http/app.ts';
import { answerQuestion } from '../http/questions.ts';
import { dispatch, serveEdge } from '../http/server.ts';
import type { Site } from '../http/site.ts';
import { createBlockDriver } from '../router/federation/blocks.ts';
import { openDirectoryCopy } from '../router/federation/directory-copy.ts';
import { createFederation } from '../router/federation/federation.ts';
import { openIdentity } from '../router/federation/identity.ts';
import { createForwarder } from '../router/forward.ts';
import { collect, type HttpAnswer, type HttpRequest } from '../router/message.ts';
import { refuseAsk } from '../router/link/failure.ts';
import { LOCATE_ASK } from '../router/peers.ts';
import { createPlaceIndex, fillPlaceIndex } from '../router/place-index.ts';
import { assertRepaired } from '../storage/driver/repair.ts';
import { ensureDatabase } from '../storage/engine/database.ts';
import { startEngine } from '../storage/engine/engine.ts';
import { createSiteStore } from '../storage/index.ts';
import { databaseNameOf, readSiteConfig, shardsFor, type SiteConfig } from './config.ts';
import { createLogger, type Logger } from './log.ts';
import { projectRoot } from './root.ts';
import type { ShardConfig } from './shard.ts';
import { MIN_CLIENT_VERSION, version } from './site/build-info.ts';
import { faultAt } from './site/fault.ts';
import { addFederationRoutes } from './site/federation-routes.ts';
import { createHealth } from './site/health.ts';
import { addInspectRoutes } from './site/inspect-routes.ts';
import { applyDirectory, createJoins } from './site/joins.ts';
import { takeLease } from './site/lease.ts';
import { startUpkeep } from './site/upkeep.ts';
import { RESTART_EXIT_CODE } from './start/child.ts';
import { realWorld } from './world.ts';

const EXIT_CONFIGURATION = 78;
const EXIT_FENCED = 70;
const ASK_MS = 30_000;
const REQUEST_LIMIT_BYTES = 1 << 20;
/** Longest time for ending what was accepted; systemd and PM2 wait longer. */
const STOP_MS = 20_000;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

function requireConfig(): SiteConfig {
  const config = readSiteConfig(process.env);
  if ('problems' in config) {
    console.error(
      `the configuration of the site is not right:\n${config.problems.map((problem) => `  ${problem}`).join('\n')}`,
    );
    process.exit(EXIT_CONFIGURATION);
  }
  return config;
}

async function main(): Promise<void> {
  const config = requireConfig();
  assertRepaired();
  const log = createLogger('partition', { site: config.site });
  const world = realWorld;
  const own = siteScope(config.site);
  let ready = false;
  let ending: Promise<void> | undefined;
  const stops: Array<{ what: string; run: () => void | Promise<void> }> = [];

  function end(code: number, why: string): void {
    if (ending !== undefined) return;
    ready = false;
    log.info({ why, code }, 'ending');
    setTimeout(() => process.exit(code === 0 ? 1 : code), STOP_MS).unref();
    ending = (async () => {
      for (const { what, run } of stops.reverse()) {
        try {
          await run();
        } catch (error) {
          log.warn({ what, error: String(error) }, 'could not be ended in order');
        }
      }
      process.exit(code);
    })();
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(0, signal));
  // Fail fast: the launcher, PM2 or systemd starts us again, and nothing of ours is only in memory.
  process.on('uncaughtException', (error) => {
    log.fatal({ error: error.stack }, 'uncaught exception');
    process.exit(1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ error: error instanceof Error ? error.stack : String(error) }, 'unhandled rejection');
    process.exit(1);
  });

  // ---- ownership --------------------------------------------------------------------------------------------------

  const holder: LeaseHolder = {
    site: config.site,
    process: `${hostname()}:${process.pid}:${Math.round(Date.now() - performance.now())}`,
    host: hostname(),
    pid: process.pid,
  };
  const databaseUrl = config.databaseUrl ?? (await bundledDatabase(config, log));
  const store = await createSiteStore({
    url: databaseUrl,
    applicationName: `hanse-${config.site}`,
    isAlive,
    onReplaced: (reason) => log.warn({ reason }, 'database connections were made anew'),
  });
  stops.push({ what: 'store', run: () => store.close() });
  const lease = await takeLease({
    store,
    holder,
    leaseMs: config.leaseMs,
    world,
    log,
    onLost: (by) => end(EXIT_FENCED, `the lease is held by ${by.process} now`),
  });
  stops.push({ what: 'lease', run: () => lease.stop() });

  const partitions = await store.hostedPartitions(config.site);
  const owned = new Set(partitions);
  const shards = shardsFor(config.shards, availableParallelism());
  const fences = await store.takeOver([own, ...partitions.map(partitionScope)], shards);

  const identity = await openIdentity(join(config.folder, 'identity'), {
    site: config.site,
    partitions,
    hosts: config.advertise,
    providerTenant: config.providerTenant,
    nowMs: () => Date.now(),
  });
  for (const partition of new Set([...partitions, ...config.agentPartitions])) await identity.issueAgent(partition);
  await identity.issueRouter();

  // ---- actors -----------------------------------------------------------------------------------------------------

  const listeners = new Set<(entry: LogEntry) => void>();
  const shardConfig: ShardConfig = { databaseUrl, site: config.site };
  const host = createShardHost({
    shards,
    fences,
    module: { url: pathToFileURL(join(projectRoot, 'dist', 'shard.js')).href, name: 'shard' },
    config: shardConfig,
    limits: { operationsPerGroup: config.groupLimit },
    world,
    onCommitted(entries) {
      for (const entry of entries) for (const listener of listeners) listener(entry);
    },
    onFenced: (shard) => end(EXIT_FENCED, `shard ${shard} was fenced: another process owns the scopes`),
    log: (level, message, fields) => log[level](fields, message),
  });
  stops.push({ what: 'shards', run: () => host.stop() });

  const places = createPlaceIndex(config.site, partitions);
  listeners.add((entry) => places.apply(entry));
  const [copy] = await Promise.all([
    openDirectoryCopy(store, config.site),
    fillPlaceIndex(places, store, config.site),
    host.ready,
  ]);

  const ask = (async (to, command, body, { who, withinMs = ASK_MS }) =>
    await host.ask(to, command, body, { who, deadlineMs: world.monotonicMs() + withinMs })) as Site['ask'];
  const asSystem = { who: 'hanse' };

  // ---- federation -------------------------------------------------------------------------------------------------

  const directoryOf = (kind: string) => addressOf(own, 'directory', kind);
  const registry = addressOf(own, 'registry', config.site);
  const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);
  let answerPeer: Parameters<typeof createFederation>[0]['onRequest'] = async () => ({
    status: 503,
    headers: [],
    body: undefined,
  });

  const federation = createFederation({
    site: config.site,
    process: holder.process,
    incarnation: randomUUID(),
    identity,
    world,
    copy,
    actors: {
      applyDirectory: (entries) => applyDirectory({ id: config.site, ask }, entries),
      promise: async (body) =>
        refusalOf(await ask(registry, 'promise', { ...body, partitions: places.hosted() }, asSystem)),
      settlePromise: async (body) =>
        refusalOf(await ask(registry, 'settle', { ...body, partitions: places.hosted() }, asSystem)),
      async claims() {
        const answer = await ask(registry, 'claims', { own: false }, asSystem);
        return isRefusal(answer) ? answer : answer.claims;
      },
    },
    asks: {
      [LOCATE_ASK]: (body) => forward.answerLocate(body),
      ...Object.fromEntries(
        QUESTIONS.map((kind) => [kind, async (body: unknown) => orRefuse(await answerQuestion(site, kind, body))]),
      ),
    },
    onRequest: (request, peer) => answerPeer(request, peer),
    isActive: () => ending === undefined,
    odd: (what, error) => log.warn({ error: error === undefined ? undefined : String(error) }, what),
  });
  stops.push({ what: 'peer links', run: () => federation.close() });
  listeners.add((entry) => {
    const records = copy.take(entry);
    if (records.length > 0) federation.committed(records);
  });

  const step = faultAt(process.env['HANSE_FAULT']);
  const blocks = createBlockDriver({
    ...(step && { step }),
    site: config.site,
    world,
    rows: store,
    copy,
    ask: (to, command, body) => ask(to, command, body, asSystem),
    federation,
    hosted: () => places.hosted(),
    odd: (what, error) => log.warn({ error: error === undefined ? undefined : String(error) }, what),
  });
  for (const [kind, handler] of Object.entries(blocks.asks)) federation.peering.onAsk(kind, handler);
  stops.push({ what: 'blocks', run: () => blocks.close() });
  listeners.add((entry) => blocks.committed(entry));

  const busListeners = new Set<(message: BusMessage) => void>();
  const bus = createBus({
    backlog: (each) => store.backlog('bus', { messagesOnly: true }, each),
    saveCursors: (cursors) => store.saveCursors('bus', cursors),
    nsqd: config.nsqd ?? undefined,
    onMessage: (message) => {
      for (const listener of busListeners) listener(message);
    },
    report: (what, fields) => log.warn(fields, what),
  });
  stops.push({ what: 'bus', run: () => bus.stop() });
  listeners.add((entry) => bus.publish(entry));

  // ---- edge -------------------------------------------------------------------------------------------------------

  let agents: AgentServer | undefined;
  const listen =
    <T>(to: Set<(heard: T) => void>) =>
    (listener: (heard: T) => void): (() => void) => {
      to.add(listener);
      return () => void to.delete(listener);
    };
  const site: Site = {
    id: config.site,
    config: {
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
    },
    wallMs: () => world.wallMs(),
    uuid: () => world.uuid(),
    ask,
    rows: store,
    directory: copy,
    places,
    federation,
    health: createHealth({ store, federation, isHeld: () => lease.isHeld() }),
    onCommitted: listen(listeners),
    onBusMessage: listen(busListeners),
    async host(partition) {
      // The index knows from the log that it is at home here; what counts is whether its scope was taken over.
      if (owned.has(partition)) return;
      owned.add(partition);
      await host.adopt(await store.takeOver([partitionScope(partition)], shards));
      places.host(partition);
      await identity.issueAgent(partition);
      if (await identity.renew(places.hosted())) listener.renew();
      await blocks.hostedChanged();
      log.info({ partition }, 'hosting a new partition');
    },
  };

  const joins = createJoins({
    site,
    folder: join(config.folder, 'identity'),
    identity,
    federation,
    copy,
    addresses: () => config.advertise.map((name) => `${name}:${listener.port}`),
    odd: (what, error) => log.warn({ error: error === undefined ? undefined : String(error) }, what),
  });
  for (const [kind, handler] of Object.entries(joins.asks)) federation.peering.onAsk(kind, handler);
  const app = createApp(site, {
    report: (error, operation) =>
      log.error({ operation, error: error instanceof Error ? error.stack : String(error) }, 'a handler failed'),
    isReady: () => ready,
    more: [
      addBusRoutes(bus),
      addFederationRoutes({
        joins,
        federation,
        restart: () => end(RESTART_EXIT_CODE, 'joined: starting again with the identity of the federation'),
      }),
      addInspectRoutes({ host, shards, blocks, bus }),
    ],
  });

  const overLink = async (request: HttpRequest, peer: string): Promise<HttpAnswer> => {
    const response = await dispatch(
      app,
      { ...request, headers: request.headers.map(([name, value]) => [name, value]), via: 'link' },
      peer,
    );
    // A JSON answer is whole already: as one piece it takes one frame, as a stream several.
    const isWhole = response.headers.get('content-type')?.startsWith('application/json') ?? false;
    const body = isWhole ? new Uint8Array(await response.arrayBuffer()) : response.body;
    return { status: response.status, headers: [...response.headers], body };
  };
  const forward = createForwarder({
    site: config.site,
    basePath: config.basePath,
    places,
    peers: federation,
    own: (request) => overLink(request, config.site),
    monotonicMs: () => world.monotonicMs(),
    odd: (what, error) => log.warn({ error: error === undefined ? undefined : String(error) }, what),
  });
  answerPeer = async ({ method, path, headers, body: source }, peer) => {
    const body = await collect(source, REQUEST_LIMIT_BYTES);
    if (body === undefined) return { status: 413, headers: [], body: undefined };
    const request: HttpRequest = { method, path, headers, body, via: 'link' };
    const answer = (await forward.beforeApp(request)) ?? (await overLink(request, peer.name));
    return { status: answer.status, headers: answer.headers, body: answer.body ?? undefined };
  };

  const listener = await federation.listen({
    host: config.host,
    port: config.linkPort,
    join: (request, response) => joins.serve(request, response),
  });
  await describeMember();
  await ensureProviderTenant();
  await joins.takeRoster();

  agents = await serveAgents(site, {
    host: config.host,
    port: config.grpcPort,
    tls: { ca: identity.authority.cert, cert: identity.certificate.cert, key: identity.certificate.key },
    report: (what, fields) => log.info(fields, what),
  });
  stops.push({ what: 'agents', run: () => agents?.stop() });
  const edge = await serveEdge(app, {
    host: config.host,
    port: config.httpPort,
    beforeApp: (request) => forward.beforeApp(request),
    report: (error) => log.error({ error: error instanceof Error ? error.stack : String(error) }, 'the edge failed'),
  });
  stops.push({ what: 'edge', run: () => edge.stop() });
  await blocks.start();
  const stopUpkeep = startUpkeep({ site, store, world, log });
  stops.push({ what: 'upkeep', run: stopUpkeep });
  ready = true;
  log.info(
    {
      http: edge.port,
      grpc: agents.port,
      link: listener.port,
      shards,
      partitions,
      database: new URL(databaseUrl).host,
    },
    'ready',
  );

  /** The site's own entry of the roster, as it is reached now. */
  async function describeMember(): Promise<void> {
    const request = {
      id: config.site,
      name: config.site,
      description: '',
      linkAddresses: config.advertise.map((name) => `${name}:${listener.port}`),
      httpUrls: config.advertise.map((name) => `http://${name}:${config.httpPort}${config.basePath}`),
    };
    const known = copy.get('member', config.site);
    const same =
      known !== undefined &&
      JSON.stringify([known.linkAddresses, known.httpUrls]) ===
        JSON.stringify([request.linkAddresses, request.httpUrls]);
    if (same) return;
    const answer =
      known === undefined
        ? await ask(directoryOf('member'), 'create', { kind: 'member', request, facts: {} }, asSystem)
        : await ask(directoryOf('member'), 'update', { kind: 'member', id: config.site, request, facts: {} }, asSystem);
    if (isRefusal(answer)) log.error({ message: answer.message }, 'the roster entry of this site could not be written');
  }

  /** The tenant that everybody who signs in belongs to. */
  async function ensureProviderTenant(): Promise<void> {
    const id = identity.providerTenant;
    if (copy.get('tenant', id) !== undefined) return;
    const request = {
      id,
      name: id,
      description: 'provider',
      meta: undefined,
      defaultQuotas: unlimited(),
      quotas: unlimited(),
      iamConfig: null,
    };
    const answer = await ask(
      directoryOf('tenant'),
      'create',
      { kind: 'tenant', request, facts: { isProvider: true } },
      asSystem,
    );
    if (isRefusal(answer) && answer.kind !== 'Conflict')
      log.error({ message: answer.message }, 'the provider tenant could not be created');
  }
}

/** The bundled server: found running, or started; it outlives this process, as a database server does. */
async function bundledDatabase(config: SiteConfig, log: Logger): Promise<string> {
  const engine = await startEngine({ dataDir: config.databaseFolder, log: (line) => log.info(line) });
  return await ensureDatabase(engine.url('postgres'), databaseNameOf(config.site));
}

/** What members ask each other on behalf of an operation (http/questions.ts). */
const QUESTIONS = ['project-usage', 'image-usage', 'size-usage', 'directory-entry'];

function orRefuse(answer: unknown): unknown {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
}

const readSecret = (path: string): string => (path !== '' && existsSync(path) ? readFileSync(path, 'utf8').trim() : '');

await main();
