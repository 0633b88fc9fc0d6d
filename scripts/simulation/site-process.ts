// A process of a simulated site: it waits for the lease, is active, stands still, dies.
import type { LogEntry } from '../../actors/ports.ts';
import type { AnyBehaviour } from '../../actors/runtime/behaviour.ts';
import type { ShardLimits } from '../../actors/runtime/shard.ts';
import type { EdgeConfig } from '../../http/site.ts';
import { openSiteLinks } from '../../router/federation/site-links.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import { keepLease } from '../site/lease.ts';
import { openActiveSite, quiet, type ActiveSite, type Role } from './active-site.ts';
import type { Database } from './database.ts';
import type { Parts } from './parts.ts';
import { watchAsks } from './sightings.ts';
import type { SimThreads } from './threads.ts';
import type { Thread, Universe } from './universe.ts';
import type { Wires } from './wires.ts';

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

export function startProcess(options: ProcessOptions, life: number): SiteProcess {
  const { universe, site: id, database, wires, parts } = options;
  const name = `${id}/${options.slot}`;
  const incarnation = `${name}#${life}`;
  const main = universe.thread(incarnation, options.wallOffsetMs);
  const { world } = main;
  const address = options.addresses[options.slot]!;
  const odd = (what: string, error?: unknown): void =>
    universe.note(`${name} odd`, () => `${what} ${error instanceof Error ? (error.stack ?? error.message) : ''}`);
  const log = (level: string, message: string, fields: object): void =>
    universe.note(`${name} ${level}`, () => `${message} ${JSON.stringify(fields)}`);
  let over = false;
  let threads: SimThreads | undefined;
  let active: ActiveSite | undefined;
  let role: Role | undefined;

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

  function openLinks(): ReturnType<typeof openSiteLinks> {
    const links = openSiteLinks({
      site: id,
      process: String(options.slot),
      incarnation,
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
    return links;
  }

  async function begin(): Promise<void> {
    const store = parts.siteStore(database.connectSite(main), database, main);
    const links = openLinks();
    const lease = keepLease({
      store,
      holder: { site: id, process: incarnation, host: name, pid: life },
      leaseMs: options.leaseMs,
      world,
      log: quiet(log) as never,
      onLost: end,
    });
    await lease.taken;
    const onThreads = (started: SimThreads): void => void (threads = started);
    const isOver = (): boolean => over;
    const ground = { options, incarnation, main, store, links, lease, log, odd, isOver, end, onThreads };
    const opened = await openActiveSite(ground);
    if (!over) ({ active, role } = opened);
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
      const { method, path, headers, body, asker } = request;
      const response = await app.fetch(
        new Request(new URL(path, 'http://site'), {
          method,
          headers: headers.map(([key, value]): [string, string] => [key, value]),
        }),
        { body, via: 'http', asker },
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
