// The active process of a simulated site, composed from the production parts: takeover, shards, federation, blocks, edge.
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import { withinOf } from '../../actors/asker.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { Fence, LogEntry, SiteStore } from '../../actors/ports.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { createShardHost, type ShardHost } from '../../actors/runtime/host.ts';
import { GRACE_MS } from '../../actors/runtime/neighbours.ts';
import { WHEEL_MS } from '../../actors/runtime/shard/wheel.ts';
import { runShard } from '../../actors/runtime/worker.ts';
import { createApp } from '../../http/app.ts';
import { createOutcomes } from '../../http/outcomes.ts';
import type { EdgeApp } from '../../http/server.ts';
import type { Site } from '../../http/site.ts';
import { createBlockDriver, type BlockDriver } from '../../router/federation/blocks.ts';
import { openDirectoryCopy, type FilledCopy } from '../../router/federation/directory-copy.ts';
import { createFederation, type Federation } from '../../router/federation/federation.ts';
import type { openSiteLinks } from '../../router/federation/site-links.ts';
import { createForwarder, type Forwarder } from '../../router/forward.ts';
import { createPlaceIndex, fillPlaceIndex, type PlaceIndex } from '../../router/place-index.ts';
import { answerInTime } from '../site/in-time.ts';
import { peerAsks } from '../site/active/peer-asks.ts';
import { guardByLease } from '../site/lease-guard.ts';
import type { Lease } from '../site/lease.ts';
import { applyDirectory } from '../site/joins.ts';
import { answerPeers, askApp } from '../site/role.ts';
import { startUpkeep } from '../site/upkeep.ts';
import { watchMemory } from './memory.ts';
import { seeAnswer, watchSender, watchTakeOver } from './sightings.ts';
import type { ProcessOptions } from './site-process.ts';
import { createThreads, type SimThreads } from './threads.ts';
import type { Thread } from './universe.ts';

export interface ActiveSite {
  site: Site;
  host: ShardHost;
  copy: FilledCopy;
  places: PlaceIndex;
  federation: Federation;
  blocks: BlockDriver;
}

/** What answers requests. */
export interface Role {
  beforeApp: Forwarder['beforeApp'];
  app: EdgeApp;
}

/** What a process has before it is active. */
export interface ProcessGround {
  options: ProcessOptions;
  /** Of this life of the process. */
  incarnation: string;
  main: Thread;
  store: SiteStore;
  links: ReturnType<typeof openSiteLinks>;
  lease: Pick<Lease, 'isHeld'>;
  log(level: string, message: string, fields: object): void;
  odd(what: string, error?: unknown): void;
  isOver(): boolean;
  end(why: string): void;
  /** Hears of the threads as soon as there are some: they die with the process. */
  onThreads(threads: SimThreads): void;
}

type Listeners = Set<(entry: LogEntry) => void>;

/**
 * A shard says soon after the deadline what can be said, but waits for another one that says nothing, with its part of an
 * operation and then with the end of it. Of who brought a time of his own it says so when it is over.
 */
const LATE_MS = 2 * GRACE_MS + 4 * WHEEL_MS;
const HASTY_LATE_MS = 50;
const asSystem = { who: 'hanse' };
const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);

function openShards(ground: ProcessGround, fences: Fence[], listeners: Listeners): ShardHost {
  const { options, incarnation, main, store, log } = ground;
  const { universe, database, parts } = options;
  const threads = createThreads({
    universe,
    main,
    name: incarnation,
    wallOffsetMs: options.wallOffsetMs,
    arrives: parts.arrives,
    start: (task, thread) =>
      runShard(task, {
        behaviours: parts.behaviours(options.behaviours),
        store: watchMemory(
          universe,
          thread.name,
          watchSender(universe, database, main, thread, parts.shardStore(database.connectShard(thread), thread)),
        ),
        world: thread.world,
        log,
        close: async () => {},
      }),
  });
  ground.onThreads(threads);
  return createShardHost({
    shards: options.shards,
    fences,
    module: threads,
    config: null,
    limits: options.limits,
    world: main.world,
    onCommitted(entries) {
      for (const entry of entries) {
        options.onCommitted?.(entry);
        for (const listener of listeners) listener(entry);
      }
    },
    async missed(cursor, beforeEpoch) {
      const entries = await store.entriesAfter(cursor, beforeEpoch);
      if (entries.length > 0) universe.met('missed entries heard');
      return entries;
    },
    onFenced: (shard) => {
      universe.met('fenced');
      ground.end(`shard ${shard} was fenced`);
    },
    log,
  });
}

/** Asks of the edge and the federation; none may take longer than it says (I16). */
function askOf({ options, main }: ProcessGround, name: string, host: ShardHost): Site['ask'] {
  const { universe, site, database, wires, parts } = options;
  const { world } = main;
  return (async (to, command, body, { who, withinMs: usualMs = options.askMs, key, dry, asker }) => {
    const sentMs = world.monotonicMs();
    const withinMs = Math.max(0, withinOf(asker, usualMs));
    const lateMs = asker === undefined || asker.remainingMs === Infinity ? LATE_MS : HASTY_LATE_MS;
    const deadlineMs = sentMs + parts.withinMs(withinMs);
    const answer = await host.ask(to, command, body, { who, deadlineMs, key, dry, asker });
    seeAnswer(universe, database, wires.isCut(site), to, command, body, answer);
    const tookMs = world.monotonicMs() - sentMs;
    // Timers are a hundredth late.
    if (tookMs > withinMs * 1.02 + lateMs && main.stalledMs === 0)
      universe.violate(
        'I16',
        `${to.kind} ${command} at ${name} was answered after ${Math.round(tookMs)} ms, it had ${withinMs}`,
      );
    return answer;
  }) as Site['ask'];
}

/** Takes the site's scopes over and serves; rejects when the process can't. */
export async function openActiveSite(ground: ProcessGround): Promise<{ active: ActiveSite; role: Role }> {
  const { options, main, store, links, lease, log, odd, isOver } = ground;
  const { universe, site: id, database, parts } = options;
  const { world } = main;
  const { peering } = links;
  const name = `${id}/${options.slot}`;
  const own = siteScope(id);

  const partitions = await store.hostedPartitions(id);
  const fences = await store.takeOver([own, ...partitions.map(partitionScope)], options.shards);
  if (options.slot > 0 && universe.nowMs > 5_000) universe.met('takeover by a standby');
  const takeOver = watchTakeOver(universe, database, main);
  universe.note(`${name} took over`, () => JSON.stringify(fences));

  const listeners: Listeners = new Set();
  const host = openShards(ground, fences, listeners);
  const places = createPlaceIndex(id, partitions);
  listeners.add((entry) => places.apply(entry));
  const [copy] = await Promise.all([openDirectoryCopy(store, id), fillPlaceIndex(places, store, id), host.ready]);

  const ask = askOf(ground, name, host);
  const registry = addressOf(own, 'registry', id);
  let forward: Forwarder | undefined;
  let siteOf: Site | undefined;

  const federation = createFederation({
    site: id,
    links,
    world,
    copy,
    actors: {
      applyDirectory: (entries: DirectoryRecord[], asker) => applyDirectory({ id, ask }, entries, asker),
      promise: async (body, asker) =>
        refusalOf(
          await ask(registry, 'promise', { ...body, partitions: [...places.hosted()] }, { ...asSystem, asker }),
        ),
      settlePromise: async (body) =>
        refusalOf(await ask(registry, 'settle', { ...body, partitions: [...places.hosted()] }, asSystem)),
      async claims(asker) {
        const answer = await ask(registry, 'claims', { own: false }, { ...asSystem, asker });
        return isRefusal(answer) ? answer : answer.claims;
      },
    },
    asks: peerAsks({
      filling: { sure: async () => {} },
      host,
      site: () => siteOf as Site,
      forward: () => forward as Forwarder,
    }),
    isActive: () => !isOver() && (!parts.isGuarded || lease.isHeld()),
    isRestored: () => blocks.restored !== null,
    odd,
  });
  listeners.add((entry) => {
    const records = copy.take(entry);
    if (records.length > 0) federation.committed(records);
  });

  const blocks = createBlockDriver({
    site: id,
    world,
    rows: store,
    copy,
    ask: (to, command, body, asker) => ask(to, command, body, { ...asSystem, asker }),
    federation,
    hosted: () => places.hosted(),
    isRestored: options.isRestored(),
    compared: options.compared,
    odd,
  });
  for (const [kind, handler] of Object.entries(blocks.asks)) peering.onAsk(kind, handler);
  listeners.add((entry) => blocks.committed(entry));

  const site: Site = {
    id,
    config: {
      hmac: options.hmac,
      providerTenant: 'metal-stack',
      version: 'v0.43.2',
      minClientVersion: 'v0.18.1',
      passwordReasonMinLength: 0,
      superUserPassword: '',
      probeAllow: [],
      basePath: '/',
    },
    wallMs: () => world.wallMs(),
    uuid: () => world.uuid(),
    ask,
    rows: store,
    outcomes: createOutcomes((identity, key) => store.findOutcome(identity, key)),
    directory: copy,
    places,
    federation,
    health: async () => ({ status: 'healthy', message: '', services: {} }),
    onCommitted(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onBusMessage: () => () => {},
    recallBlocks: (network, of) => blocks.recallAll(network, of),
    leaseBlocks: (network) => blocks.lease(network),
    refuseFenced: () => blocks.refuseFenced(),
    withoutBlocks: (partition, act) => blocks.withoutBlocks(partition, act),
    host: async () => {},
  };
  siteOf = site;
  const state = { isServing: false };
  const edge = createApp(site, {
    report: (error, operation) => {
      odd(operation, error);
      if (error instanceof Error && error.name === 'StatementFailure') return;
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
      universe.violate('I15', `${operation} at ${name} failed: ${why}`);
    },
    isReady: () => state.isServing,
  });
  const guarded = guardByLease({
    app: edge,
    site: id,
    basePath: '/',
    isHeld: () => lease.isHeld(),
    isCurrent: () => host.isCurrent,
    isBehind: () => parts.waitsToHear && host.isBehind,
    world,
  });
  const app = parts.app(parts.isGuarded ? guarded : edge, site.config);
  forward = createForwarder({
    site: id,
    places,
    peers: federation,
    own: (request) => askApp(app, request, id),
    monotonicMs: () => world.monotonicMs(),
    odd,
  });
  const { beforeApp } = forward;
  const role = answerInTime({ beforeApp, app }, { basePath: '/', world });
  peering.onRequest(answerPeers(() => role, { look: () => undefined, enter: () => () => {} }));
  links.processes.announce(true);
  // The addresses of the site's other processes, as its roster entry has them.
  links.dial(id, options.addresses);
  await blocks.start();
  startUpkeep({ site, store, world, log: quiet(log) as never });
  state.isServing = true;
  takeOver.serves();
  universe.note(`${name} serves`);
  return { active: { site, host, copy, places, federation, blocks }, role };
}

/** A logger of which only what it says is read. */
export const quiet = (log: ProcessGround['log']): object => ({
  info: (fields: object, what: string) => log('info', what, fields),
  warn: () => {},
  debug: () => {},
});
