// A process of a site, composed from the production parts on simulated ports: lease, takeover, shards, links, federation,
// blocks, edge.
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { LogEntry, ShardStore, SiteStore } from '../../actors/ports.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { AnyBehaviour } from '../../actors/runtime/behaviour.ts';
import { createShardHost, type ShardHost } from '../../actors/runtime/host.ts';
import { runShard } from '../../actors/runtime/worker.ts';
import type { ShardLimits } from '../../actors/runtime/shard.ts';
import { createApp } from '../../http/app.ts';
import { createOutcomes } from '../../http/outcomes.ts';
import { answerQuestion, QUESTIONS } from '../../http/questions.ts';
import type { EdgeApp } from '../../http/server.ts';
import type { EdgeConfig, Site } from '../../http/site.ts';
import { createBlockDriver, type BlockDriver } from '../../router/federation/blocks.ts';
import { openDirectoryCopy, type FilledCopy } from '../../router/federation/directory-copy.ts';
import { createFederation, type Federation } from '../../router/federation/federation.ts';
import { openSiteLinks } from '../../router/federation/site-links.ts';
import { createForwarder, type Forwarder } from '../../router/forward.ts';
import { refuseAsk } from '../../router/link/failure.ts';
import type { AskHandler } from '../../router/link/serve.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import { LOCATE_ASK } from '../../router/peers.ts';
import { createPlaceIndex, fillPlaceIndex, type PlaceIndex } from '../../router/place-index.ts';
import { guardByLease, READING } from '../site/lease-guard.ts';
import { keepLease } from '../site/lease.ts';
import { applyDirectory } from '../site/joins.ts';
import { answerPeers, askApp } from '../site/role.ts';
import { startUpkeep } from '../site/upkeep.ts';
import type { Database } from './database.ts';
import { seeAnswer, watchAsks, watchSender, watchTakeOver } from './sightings.ts';
import { watchMemory } from './memory.ts';
import { createThreads, type SimThreads } from './threads.ts';
import type { Thread, Universe } from './universe.ts';
import type { Wires } from './wires.ts';

/** What a mutation check puts in place of a sound part; the sound one is the identity. */
export interface Parts {
  behaviours(sound: AnyBehaviour[]): AnyBehaviour[];
  shardStore(sound: ShardStore, thread: Thread): ShardStore;
  siteStore(sound: SiteStore, database: Database): SiteStore;
  /** Serves the asks of one kind of the other sites. */
  ask(kind: string, sound: AskHandler): AskHandler;
  app(sound: EdgeApp, config: EdgeConfig): EdgeApp;
  /** Whether the lease is looked at before an answer leaves. */
  isGuarded: boolean;
  /** Milliseconds that an ask may take. */
  withinMs(sound: number): number;
}

export interface ProcessOptions {
  universe: Universe;
  site: string;
  /** Index of the process in its site; also its place of start. */
  slot: number;
  addresses: readonly string[];
  database: Database;
  wires: Wires;
  shards: number;
  limits: Partial<ShardLimits>;
  leaseMs: number;
  /** Longest time of an ask. */
  askMs: number;
  hmac: EdgeConfig['hmac'];
  behaviours: AnyBehaviour[];
  parts: Parts;
  wallOffsetMs(): number;
  /** Its database was restored, and it was not compared with the other sites yet. */
  isRestored(): boolean;
  compared(): void;
  /** Hears of every entry in the order in which the process does. */
  onCommitted?(entry: LogEntry): void;
  onEnded(why: string): void;
}

export interface SiteProcess {
  readonly name: string;
  readonly main: Thread;
  readonly isServing: boolean;
  readonly active: ActiveSite | undefined;
  readonly threads: SimThreads | undefined;
  /** A request as a client's socket brings it. */
  handle(request: HttpRequest): Promise<HttpAnswer>;
  kill(): void;
  stall(ms: number): void;
}

export interface ActiveSite {
  site: Site;
  host: ShardHost;
  copy: FilledCopy;
  places: PlaceIndex;
  federation: Federation;
  blocks: BlockDriver;
}

/** A group that is under way may end, and its doubt be resolved, so long after the deadline of what it writes. */
const LATE_MS = 4_000;
const asSystem = { who: 'hanse' };
const orRefuse = (answer: unknown): unknown => {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
};
const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);

export function startProcess(options: ProcessOptions, life: number): SiteProcess {
  const { universe, site: id, database, wires, parts } = options;
  const name = `${id}/${options.slot}`;
  const main = universe.thread(`${name}#${life}`, options.wallOffsetMs);
  const { world } = main;
  const own = siteScope(id);
  const address = options.addresses[options.slot]!;
  const odd = (what: string, error?: unknown): void =>
    universe.note(`${name} odd`, () => `${what} ${error instanceof Error ? (error.stack ?? error.message) : ''}`);
  const log = (level: string, message: string, fields: object): void =>
    universe.note(`${name} ${level}`, () => `${message} ${JSON.stringify(fields)}`);
  let over = false;
  let threads: SimThreads | undefined;
  let active: ActiveSite | undefined;
  let role: { beforeApp: Forwarder['beforeApp']; app: EdgeApp } | undefined;

  function kill(): void {
    if (over) return;
    over = true;
    role = undefined;
    main.kill();
    threads?.killAll();
    wires.close(address);
    wires.died(main);
  }
  function end(why: string): void {
    if (over) return;
    universe.note(`${name} ends`, () => why);
    kill();
    options.onEnded(why);
  }

  async function begin(): Promise<void> {
    const store = parts.siteStore(database.connectSite(main), database);
    const links = openSiteLinks({
      site: id,
      process: String(options.slot),
      incarnation: `${name}#${life}`,
      identity: () => ({
        certificate: { cert: '', key: '' },
        authority: { cert: '', key: '', fingerprint: '' },
      }),
      world,
      greeting: () => ({ links: [address], urls: [] }),
      odd,
      open: wires.opener(id, main),
    });
    const { peering } = links;
    const onAsk = peering.onAsk;
    const watched = watchAsks(universe);
    peering.onAsk = (kind, handler) => onAsk(kind, watched(kind, parts.ask(kind, handler)));
    wires.listen(address, { site: id, partitions: [`p${id}`], thread: main, peering });

    const silent = {
      info: (fields: object, what: string) => log('info', what, fields),
      warn: () => {},
      debug: () => {},
    };
    const lease = keepLease({
      store,
      holder: { site: id, process: `${name}#${life}`, host: name, pid: life },
      leaseMs: options.leaseMs,
      world,
      log: silent as never,
      onLost: end,
    });
    await lease.taken;

    const partitions = await store.hostedPartitions(id);
    const fences = await store.takeOver([own, ...partitions.map(partitionScope)], options.shards);
    if (options.slot > 0 && universe.nowMs > 5_000) universe.met('takeover by a standby');
    const takeOver = watchTakeOver(universe, database, main);
    universe.note(`${name} took over`, () => JSON.stringify(fences));

    const listeners = new Set<(entry: LogEntry) => void>();
    threads = createThreads({
      universe,
      main,
      name: `${name}#${life}`,
      wallOffsetMs: options.wallOffsetMs,
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
    const host = createShardHost({
      shards: options.shards,
      fences,
      module: threads,
      config: null,
      limits: options.limits,
      world,
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
        end(`shard ${shard} was fenced`);
      },
      log,
    });

    const places = createPlaceIndex(id, partitions);
    listeners.add((entry) => places.apply(entry));
    const [copy] = await Promise.all([openDirectoryCopy(store, id), fillPlaceIndex(places, store, id), host.ready]);

    const ask = (async (to, command, body, { who, withinMs = options.askMs, key, dry, asker }) => {
      const sentMs = world.monotonicMs();
      const answer = await host.ask(to, command, body, {
        who,
        deadlineMs: sentMs + parts.withinMs(withinMs),
        key,
        dry,
        asker,
      });
      seeAnswer(universe, database, wires.isCut(id), to, command, body, answer);
      const tookMs = world.monotonicMs() - sentMs;
      if (tookMs > withinMs + LATE_MS && main.stalledMs === 0)
        universe.violate(
          'I16',
          `${to.kind} ${command} at ${name} was answered after ${Math.round(tookMs)} ms, it had ${withinMs}`,
        );
      return answer;
    }) as Site['ask'];
    const registry = addressOf(own, 'registry', id);
    let forward: Forwarder | undefined;
    let siteOf: Site | undefined;

    const federation = createFederation({
      site: id,
      links,
      world,
      copy,
      actors: {
        applyDirectory: (entries: DirectoryRecord[]) => applyDirectory({ id, ask }, entries),
        promise: async (body) =>
          refusalOf(await ask(registry, 'promise', { ...body, partitions: [...places.hosted()] }, asSystem)),
        settlePromise: async (body) =>
          refusalOf(await ask(registry, 'settle', { ...body, partitions: [...places.hosted()] }, asSystem)),
        async claims() {
          const answer = await ask(registry, 'claims', { own: false }, asSystem);
          return isRefusal(answer) ? answer : answer.claims;
        },
      },
      asks: {
        [LOCATE_ASK]: (body) => {
          const place = forward?.answerLocate(body);
          if (place?.here !== true && !host.isCurrent) throw refuseAsk('Unavailable', READING);
          return place;
        },
        ...Object.fromEntries(
          QUESTIONS.map((kind) => [
            kind,
            async (body: unknown) => orRefuse(await answerQuestion(siteOf as Site, kind, body)),
          ]),
        ),
      },
      isActive: () => !over,
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
      ask: (to, command, body) => ask(to, command, body, asSystem),
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
      recallBlocks: (network) => blocks.recallAll(network),
      host: async () => {},
    };
    siteOf = site;
    const edge = createApp(site, {
      report: (error, operation) => {
        odd(operation, error);
        if (error instanceof Error && error.name === 'StatementFailure') return;
        const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
        universe.violate('I15', `${operation} at ${name} failed: ${why}`);
      },
      isReady: () => role !== undefined,
    });
    const guarded = guardByLease({
      app: edge,
      site: id,
      basePath: '/',
      isHeld: () => lease.isHeld(),
      isCurrent: () => host.isCurrent,
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
    peering.onRequest(answerPeers(() => ({ beforeApp, app }), { look: () => undefined, enter: () => () => {} }));
    links.processes.announce(true);
    // The addresses of the site's other processes, as its roster entry has them.
    links.dial(id, options.addresses);
    await blocks.start();
    startUpkeep({ site, store, world, log: silent as never });
    active = { site, host, copy, places, federation, blocks };
    role = { beforeApp, app };
    takeOver.serves();
    universe.note(`${name} serves`);
  }

  main.world.defer(() => {
    begin().catch((error: unknown) => {
      if (!over) end(error instanceof Error ? error.message : String(error));
    });
  });

  return {
    name,
    main,
    get isServing() {
      return role !== undefined;
    },
    get active() {
      return active;
    },
    get threads() {
      return threads;
    },
    async handle(request) {
      if (role === undefined) throw new Error('connection refused');
      const { beforeApp, app } = role;
      const early = await beforeApp(request);
      if (early !== undefined) return early;
      const { method, path, headers, body } = request;
      const response = await app.fetch(
        new Request(new URL(path, 'http://site'), {
          method,
          headers: headers.map(([key, value]): [string, string] => [key, value]),
        }),
        { body, via: 'http' },
      );
      return {
        status: response.status,
        headers: [...response.headers],
        body: new Uint8Array(await response.arrayBuffer()),
      };
    },
    kill,
    stall(ms) {
      main.stall(ms);
      for (let shard = 0; shard < options.shards; shard++) threads?.threadOf(shard)?.stall(ms);
    },
  };
}
