// What a process has while it is the active one of its site: the actors on their threads, the federation, blocks, bus,
// the edge's operations, the agents' port.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import { withinOf } from '../../actors/asker.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { BusMessage, LogEntry } from '../../actors/ports.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { createShardHost } from '../../actors/runtime/host.ts';
import { createBus } from '../../http/agents/bus.ts';
import { serveAgents, type AgentServer } from '../../http/agents/grpc.ts';
import { createApp } from '../../http/app.ts';
import { createOutcomes } from '../../http/outcomes.ts';
import { answerQuestion, QUESTIONS } from '../../http/questions.ts';
import type { Site } from '../../http/site.ts';
import { createBlockDriver } from '../../router/federation/blocks.ts';
import { openDirectoryCopy } from '../../router/federation/directory-copy.ts';
import { createFederation } from '../../router/federation/federation.ts';
import { createForwarder } from '../../router/forward.ts';
import { refuseAsk } from '../../router/link/failure.ts';
import { LOCATE_ASK, locateAskSchema } from '../../router/peers.ts';
import { startFilling } from '../../router/place-index-filling.ts';
import { createPlaceIndex } from '../../router/place-index.ts';
import { createGrowthStore } from '../../storage/growth.ts';
import { createTraceStore } from '../../storage/trace.ts';
import { EXIT_FENCED, EXIT_RESTART } from '../exit-codes.ts';
import type { ShardConfig } from '../shard.ts';
import { MIN_CLIENT_VERSION, version } from './build-info.ts';
import { faultAt } from './fault.ts';
import { keepGrowth } from './growth.ts';
import type { Ground } from './ground.ts';
import { createHealth } from './health.ts';
import { openInsight } from './insight.ts';
import { applyDirectory, createJoins } from './joins.ts';
import { guardByLease, READING } from './lease-guard.ts';
import { keepMember } from './member.ts';
import { ensureProviderTenant } from './provider.ts';
import { keepReadCopy } from './read-copy.ts';
import { askApp } from './role.ts';
import { siteRoutes } from './routes.ts';
import { startingRole } from './standby.ts';
import { checkStanding, keepStanding } from './standing.ts';
import { placedFirst } from './placed-first.ts';
import { createTraces } from './traces.ts';
import { startUpkeep } from './upkeep.ts';

const ASK_MS = 30_000;
/** So long requests in flight may take at the end before the actors stop. */
const LAST_ANSWERS_MS = 1_000;

/**
 * Takes the site's scopes over and serves them until the process ends. `around` is put around what asks the actors: a
 * benchmark of the edge alone answers instead of them.
 */
export async function serveSite(
  ground: Ground,
  around: (ask: Site['ask']) => Site['ask'] = (ask) => ask,
): Promise<void> {
  const { config, log, life, world, store, lease, links, identity, odd } = ground;
  const own = siteScope(config.site);
  const startedMs = world.monotonicMs();
  /** Milliseconds since the lease was taken, for the log: what a takeover is made of. */
  const since = (): number => Math.round(world.monotonicMs() - startedMs);
  const steps: Record<string, number> = {};

  // ---- ownership --------------------------------------------------------------------------------------------------

  const partitions = await store.hostedPartitions(config.site);
  const owned = new Set(partitions);
  const { shards } = ground;
  const standing = await checkStanding(ground.databaseUrl, config.folder);
  for (const lost of standing.lost)
    log.error({ lost, incarnation: standing.incarnation }, 'the database was restored: it lacks what this site wrote');
  const isRestored = standing.restoredMs !== undefined;
  if (isRestored)
    log.warn({ restoredMs: standing.restoredMs }, 'global networks wait until the other sites were asked');
  const fences = await store.takeOver([own, ...partitions.map(partitionScope)], shards);
  steps['owned'] = since();
  log.info({ epoch: fences[0]?.epoch }, 'the scopes are ours: loading');
  const epoch = fences.find(({ scope }) => scope === own)?.epoch;

  let isFenced = false;
  /** Another process owns the scopes: one line with both epochs, and the end. */
  async function standDown(why: string): Promise<void> {
    if (isFenced || life.isEnding) return;
    isFenced = true;
    const standing = await store.epochs([own]).catch(() => new Map<string, number>());
    log.error({ epoch, standing: standing.get(own) ?? null, holder: lease.holder?.process ?? null, why }, 'fenced');
    life.end(EXIT_FENCED, why);
  }
  ground.whenLost((why) => standDown(why));

  await identity.renew(partitions);
  ground.listener.renew();
  for (const partition of new Set([...partitions, ...config.agentPartitions])) await identity.issueAgent(partition);
  await identity.issueRouter();

  // ---- actors -----------------------------------------------------------------------------------------------------

  const listeners = new Set<(entry: LogEntry) => void>();
  const shardConfig: ShardConfig = { databaseUrl: ground.databaseUrl, site: config.site };
  const host = createShardHost({
    shards,
    fences,
    module: ground.threads,
    config: shardConfig,
    limits: { operationsPerGroup: config.groupLimit },
    world,
    onCommitted(entries) {
      for (const entry of entries) for (const listener of listeners) listener(entry);
    },
    missed: (cursor, beforeEpoch) => store.entriesAfter(cursor, beforeEpoch),
    onFenced: (shard) => void standDown(`shard ${shard} was fenced: another process owns the scopes`),
    log: (level, message, fields) => log[level](fields, message),
  });
  life.onEnd('shards', () => host.stop());

  const ask = around(
    (async (to, command, body, { who, withinMs = ASK_MS, key, dry, asker }) =>
      await host.ask(to, command, body, {
        who,
        key,
        dry,
        asker,
        deadlineMs: world.monotonicMs() + withinOf(asker, withinMs),
      })) as Site['ask'],
  );
  const asSystem = { who: 'hanse' };

  const keeper = keepStanding({
    siteFolder: config.folder,
    incarnation: standing.incarnation,
    restoredMs: standing.restoredMs,
    epochs: fences,
    after: (delayMs, run) => world.after(delayMs, run),
    wallMs: () => world.wallMs(),
    odd,
  });
  life.onEnd('standing', () => keeper.stop());
  listeners.add((entry) => keeper.committed(entry));

  const places = createPlaceIndex(config.site, partitions);
  listeners.add((entry) => places.apply(entry));
  const filling = startFilling({
    index: places,
    rows: store.bareRows,
    site: config.site,
    after: (delayMs, run) => world.after(delayMs, run),
    odd,
  });
  life.onEnd('filling of the index', () => filling.stop());
  const [copy] = await Promise.all([openDirectoryCopy(store, config.site), filling.begun, host.ready]);
  steps['loaded'] = since();
  // ---- federation -------------------------------------------------------------------------------------------------

  const registry = addressOf(own, 'registry', config.site);
  const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);

  /** A global network is known here once the partitions can give its addresses out. */
  const adopted = (records: readonly DirectoryRecord[]): Promise<void> =>
    blocks.adopted(records.filter(({ kind }) => kind === 'globalnetwork').map(({ id }) => id));

  const federation = createFederation({
    site: config.site,
    links,
    world,
    copy,
    actors: {
      async applyDirectory(entries) {
        const refused = await applyDirectory({ id: config.site, ask }, entries);
        if (refused === undefined) await adopted(entries);
        return refused;
      },
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
      async [LOCATE_ASK](body) {
        await filling.sure(locateAskSchema.parse(body));
        const place = forward.answerLocate(body);
        if (!place.here && !host.isCurrent) throw refuseAsk('Unavailable', READING);
        return place;
      },
      ...Object.fromEntries(
        QUESTIONS.map((kind) => [kind, async (body: unknown) => orRefuse(await answerQuestion(site, kind, body))]),
      ),
    },
    isActive: () => !life.isEnding && lease.isHeld(),
    isRestored: () => blocks.restored !== null,
    odd,
  });
  life.onEnd('federation', () => federation.close());
  listeners.add((entry) => {
    const records = copy.take(entry);
    if (records.length > 0) federation.committed(records);
  });

  const step = faultAt(process.env['HANSE_FAULT']);
  const blocks = createBlockDriver({
    ...(step && { step }),
    isRestored,
    compared() {
      keeper.compared();
      log.info({}, 'the restored site was compared with the others');
    },
    site: config.site,
    world,
    rows: store,
    copy,
    ask: (to, command, body) => ask(to, command, body, asSystem),
    federation,
    hosted: () => places.hosted(),
    odd,
  });
  for (const [kind, handler] of Object.entries(blocks.asks)) federation.peering.onAsk(kind, handler);
  life.onEnd('blocks', () => blocks.close());
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
  life.onEnd('bus', () => bus.stop());
  listeners.add((entry) => bus.publish(entry));

  // ---- edge -------------------------------------------------------------------------------------------------------

  const listen =
    <T>(to: Set<(heard: T) => void>) =>
    (listener: (heard: T) => void): (() => void) => {
      to.add(listener);
      return () => void to.delete(listener);
    };
  const traces = config.audit
    ? createTraces({
        store: createTraceStore({ url: ground.databaseUrl, applicationName: `hanse-${config.site}` }),
        tenant: identity.providerTenant,
        uuid: () => world.uuid(),
        after: (delayMs, run) => world.after(delayMs, run),
        odd,
      })
    : undefined;
  if (traces !== undefined) life.onEnd('traces', () => traces.stop());
  const growth = keepGrowth({
    store: createGrowthStore({ url: ground.databaseUrl, applicationName: `hanse-${config.site}` }),
    world,
    hosted: () => places.hosted(),
    odd,
  });
  life.onEnd('growth', () => growth.stop());
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
    federation: {
      ...federation,
      spread: async (record) => void (await Promise.all([federation.spread(record), adopted([record])])),
    },
    outcomes: createOutcomes((identity, key) => store.findOutcome(identity, key)),
    health: createHealth({ store, federation, isHeld: () => lease.isHeld(), restored: () => blocks.restored }),
    growth: (scope, network) => growth.earlier(scope, network),
    ...(traces === undefined ? {} : { traces }),
    onCommitted: listen(listeners),
    onBusMessage: listen(busListeners),
    recallBlocks: (network, prefixes) => blocks.recallAll(network, prefixes),
    async host(partition) {
      // The index knows from the log that it is at home here; what counts is whether its scope was taken over.
      if (owned.has(partition)) return;
      owned.add(partition);
      // From the second partition on a machine's is not plain any more.
      await filling.whole();
      await host.adopt(await store.takeOver([partitionScope(partition)], shards));
      places.host(partition);
      await identity.issueAgent(partition);
      if (await identity.renew(places.hosted())) ground.listener.renew();
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
    addresses: () => ground.reachedAt.links,
    odd,
  });
  for (const [kind, handler] of Object.entries(joins.asks)) federation.peering.onAsk(kind, handler);
  ground.answerJoins((request, response) => joins.serve(request, response));

  const insight = await openInsight({
    site,
    process: ground.holder.process,
    databaseUrl: ground.databaseUrl,
    metrics: config.metrics,
    host,
    admission: ground.admission,
    shards,
    blocks,
    bus,
    federation,
    warn: (what, fields) => log.warn(fields, what),
  });
  life.onEnd('insight', () => insight.stop());

  const isReady = { now: false };
  const app = guardByLease({
    app: createApp(site, {
      report: (error, operation) =>
        log.error({ operation, error: error instanceof Error ? error.stack : String(error) }, 'a handler failed'),
      isReady: () => isReady.now && !life.isEnding,
      more: siteRoutes({
        bus,
        joins,
        federation,
        blocks,
        restart: () => life.end(EXIT_RESTART, 'joined: starting again with the identity of the federation'),
        insight,
      }),
    }),
    site: config.site,
    basePath: config.basePath,
    isHeld: () => lease.isHeld(),
    isCurrent: () => host.isCurrent,
    problem: () => lease.problem,
    world,
  });
  const readCopy = keepReadCopy({
    basePath: config.basePath,
    peers: federation,
    directory: copy,
    answer: (request, copyOf) => askApp(app, request, config.site, copyOf),
    world,
  });
  life.onEnd('read copy', () => readCopy.stop());
  const forward = createForwarder({
    site: config.site,
    basePath: config.basePath,
    places,
    peers: federation,
    own: (request) => askApp(app, request, config.site),
    copyOf: readCopy.copyOf,
    monotonicMs: () => world.monotonicMs(),
    odd,
  });
  const member = await keepMember({ site: config.site, ask, copy, links, world, reachedAt: ground.reachedAt, odd });
  life.onEnd('roster entry', () => member.stop());
  await ensureProviderTenant({ site, tenant: identity.providerTenant, odd });
  await joins.takeRoster();

  const openAgents = async (): Promise<AgentServer> => {
    const agents = await serveAgents(site, {
      host: config.host,
      port: config.grpcPort,
      tls: { ca: identity.authority.cert, cert: identity.certificate.cert, key: identity.certificate.key },
      report: (what, fields) => log.info(fields, what),
      observe: insight.observeCall,
    });
    life.onEnd('agents', () => agents.stop());
    return agents;
  };
  // Agents speak for their partition; where there are several, the index alone says of which one a machine is.
  const isPlain = places.hosted().length <= 1;
  const plainAgents = isPlain ? await openAgents() : undefined;
  await blocks.start();
  life.onEnd('upkeep', startUpkeep({ site, store, world, log }));

  steps['ready'] = since();
  isReady.now = true;
  ground.play({ app, beforeApp: placedFirst(filling, forward, config.basePath) });
  links.processes.announce(true);
  // First of all nothing new is taken: what comes meanwhile is for the process that is active next.
  life.onEnd('requests', async () => {
    ground.play(startingRole(ground));
    links.processes.announce(false);
    const deadline = world.monotonicMs() + LAST_ANSWERS_MS;
    while (app.inFlight > 0 && world.monotonicMs() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  // What grows with the machines is read from here on, so that it keeps nobody from being served: the allocators' indexes,
  // before anybody waits for them, and the places.
  for (const partition of partitions)
    void ask(addressOf(partitionScope(partition), 'allocator', partition), 'pools', {}, asSystem);
  const isKnown = filling.whole();
  let { port } = plainAgents ?? { port: 0 };
  if (plainAgents === undefined) ({ port } = await isKnown.then(openAgents));
  log.info(
    {
      http: ground.httpPort,
      grpc: port,
      link: ground.listener.port,
      shards,
      partitions,
      epoch,
      tookMs: steps,
      database: new URL(ground.databaseUrl).host,
    },
    'ready',
  );
}

function orRefuse(answer: unknown): unknown {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
}

const readSecret = (path: string): string => (path !== '' && existsSync(path) ? readFileSync(path, 'utf8').trim() : '');
