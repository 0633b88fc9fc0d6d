// One run: sites, links, clients and faults of a schedule, first with faults, then until everything is quiet.
import type { EdgeConfig } from '../../http/site.ts';
import { ALL_RULES, type StoreRules } from '../../actors/runtime/store-model.ts';
import { behaviours as sound } from '../shard.ts';
import { poisonable } from '../site/poison.ts';
import { createClients, externalNetwork, GLOBAL_NETWORK, type Clients, type Told } from './clients.ts';
import { createWatched, judge, unrest, watchDatabase, watchStreams, type Federated } from './checks.ts';
import { createDatabase, disarm, fairWeather } from './database.ts';
import { between } from './draw.ts';
import { withoutGlobals } from './globals.ts';
import { isFault, QUIET_START_MS, type FaultEntry, type Schedule } from './schedule.ts';
import { partitionOf, PROJECT, seedSite, type SeededSite } from './seed.ts';
import { startProcess, type Parts, type SiteProcess } from './site-process.ts';
import { createUniverse, type Thread, type Universe, type Violation } from './universe.ts';
import { acceptLost, backUp, restoreBackup } from './restore.ts';
import { watchRows } from './sightings.ts';
import { createWires } from './wires.ts';

export interface Mutation {
  parts?: Partial<Parts>;
  rules?: Partial<StoreRules>;
}

export interface RunOptions {
  trace?: ((line: string) => void) | undefined;
  until?: number | undefined;
  mutation?: Mutation | undefined;
}

export interface RunResult {
  seed: number;
  hash: string;
  events: number;
  virtualMs: number;
  realMs: number;
  /** Of this process: others on the same cores don't count. */
  cpuMs: number;
  faults: number;
  answered: number;
  violation: Violation | undefined;
  sometimes: ReadonlyMap<string, number>;
  counts: Record<string, number>;
}

/** I20: so long after the last fault everything must be quiet. */
const QUIET_WITHIN_MS = 90_000;
const LOOK_MS = 250;
/** A takeover is hit so soon after its beginning. */
const MOST_TAKEOVER_MS = 60;
/** A lease that is gone is gone again so soon: no margin protects anybody (reliability.md F05). */
const USURP_MS = 100;
/** How often a link breaks in a row. */
const MOST_BEATS = 40;
const LEASE_MS = 1_500;
const HMAC: EdgeConfig['hmac'] = {
  'Metal-View': { key: 'view', lifetimeMs: 30_000 },
  'Metal-Edit': { key: 'edit', lifetimeMs: 30_000 },
  'Metal-Admin': { key: 'admin', lifetimeMs: 90_000 },
};
/** One message is a mistake of ours: its actor throws at it (reliability.md F18). */
const behaviours = sound.map(poisonable);
export const SOUND: Parts = {
  behaviours: (sound) => sound,
  shardStore: (sound) => sound,
  siteStore: (sound) => sound,
  ask: (_kind, sound) => sound,
  app: (sound) => sound,
  isGuarded: true,
  withinMs: (sound) => sound,
};

export async function runSchedule(schedule: Schedule, options: RunOptions = {}): Promise<RunResult> {
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  const universe = createUniverse({ seed: schedule.seed, trace: options.trace });
  const finished = await withoutGlobals(
    { defer: (run) => void universe.after(0, run), random: universe.stream('refusals') },
    () => play(universe, schedule, options),
  );
  return {
    seed: schedule.seed,
    hash: universe.hash,
    events: universe.events,
    virtualMs: universe.nowMs,
    realMs: performance.now() - started,
    cpuMs: cpuSince(cpuBefore),
    faults: schedule.entries.filter(isFault).length,
    answered: finished.answered,
    violation: universe.violation,
    sometimes: universe.sometimes,
    counts: finished.history.counts(),
  };
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

async function play(universe: Universe, schedule: Schedule, { until, mutation }: RunOptions): Promise<Clients> {
  /** Somebody wants to see it up to there: nothing that was not awaited is a violation. */
  const isCutShort = (): boolean => universe.events >= (until ?? Infinity);
  const { shape } = schedule;
  const sites = Array.from({ length: shape.sites }, (_, i) => String.fromCharCode(97 + i));
  const parts = { ...SOUND, ...mutation?.parts };
  const luck = universe.stream('world');
  const wires = createWires(universe, () => ({
    latencyMs: shape.wanMs * between(luck, 0.3, 1),
    jitterMs: shape.wanMs * between(luck, 0, 0.5),
    repeats: luck() < 0.3 ? 0.03 : 0,
  }));
  const watched = createWatched();
  const seeded: SeededSite[] = sites.map((id) => ({
    id,
    partition: partitionOf(id),
    linkAddresses: Array.from({ length: shape.processes }, (_, slot) => `${id}-${slot}:1`),
    machines: shape.machines,
  }));
  const databases = seeded.map((site) => {
    const database = createDatabase(universe, site.id, fairWeather(shape.databaseMs), {
      ...ALL_RULES,
      ...mutation?.rules,
    });
    watchDatabase(universe, database, watched);
    watchRows(universe, wires, database);
    seedSite(database.model, site, seeded, sites[0]!);
    return database;
  });
  const processes: SiteProcess[][] = sites.map(() => []);
  const offsets = sites.map(() => 0);
  const restored = sites.map(() => false);
  const lost = new Set<string>();
  let lives = 0;
  const state = { isOver: false };

  function start(site: number, slot: number): void {
    if (processes[site]![slot]?.main.isAlive === true) return;
    const restarts = universe.stream(`restarts of ${sites[site]}/${slot}/${lives}`);
    const process: SiteProcess = startProcess(
      {
        universe,
        site: sites[site]!,
        slot,
        addresses: seeded[site]!.linkAddresses,
        database: databases[site]!,
        wires,
        shards: shape.shards,
        limits: { inbox: shape.inbox, operationsPerGroup: shape.operationsPerGroup },
        leaseMs: LEASE_MS,
        askMs: shape.askMs,
        hmac: HMAC,
        behaviours,
        parts,
        wallOffsetMs: () => offsets[site]!,
        isRestored: () => restored[site]!,
        compared: () => {
          universe.met('restored and compared');
          restored[site] = false;
        },
        onCommitted: watchStreams(universe, `${sites[site]}/${slot}#${lives + 1}`),
        onEnded() {
          clients.died(process);
          universe.after(between(restarts, 200, 2_000), () => start(site, slot));
        },
      },
      ++lives,
    );
    processes[site]![slot] = process;
  }

  const clients: Clients = createClients({
    universe,
    shape,
    sites,
    hmac: HMAC,
    processesOf: (site) => processes[site]!,
    watchReleases() {
      const before = databases.map(({ model }) => model.log.length);
      return (address) =>
        databases.some(({ model }, index) =>
          model.log
            .slice(before[index])
            .some(({ changes }) =>
              changes.some(({ table, key, value }) => table === 'ip' && value === null && key.endsWith(`|${address}`)),
            ),
        );
    },
    isCut: (site) => wires.isCut(sites[site]!),
    isAllocated: (site, machine) => databases[site]!.model.live('allocation').some(({ key }) => key === machine),
    isOver: () => state.isOver,
  });
  const federated: Federated = {
    sites,
    lost,
    shards: shape.shards,
    databases,
    processesOf: (site) => processes[site]!,
    clients,
  };

  for (const [site] of sites.entries()) for (let slot = 0; slot < shape.processes; slot++) start(site, slot);

  // ---- the beginning: everybody is there, and the networks are made ----------------------------------------------------

  const ready = (): boolean => sites.every((_, site) => processes[site]!.some((process) => process.isServing));
  while (!ready() && universe.nowMs < QUIET_START_MS && universe.violation === undefined) {
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return clients;
  }
  const linked = (): boolean =>
    processes.every((all) => all.some(({ active }) => active?.federation.status().every(({ up }) => up)));
  while (!linked() && universe.nowMs < QUIET_START_MS && universe.violation === undefined) {
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return clients;
  }
  if (!linked())
    universe.violate(
      'test',
      `no links: ${JSON.stringify(processes.map((all) => all.map(({ active }) => active?.federation.status())))}`,
    );
  await universe.run(universe.nowMs + 500, until);
  const made = { isMade: false };
  makeNetworks(clients, sites, shape.externalBits, shape.globalBits).then(
    () => (made.isMade = true),
    (error: unknown) =>
      universe.violate('test', `the beginning: ${error instanceof Error ? error.message : String(error)}`),
  );
  await universe.run(QUIET_START_MS, until);
  if (!made.isMade) universe.violate('test', 'the networks were not made in time');

  // ---- safety: faults and clients ----------------------------------------------------------------------------------

  for (const entry of schedule.entries) {
    universe.after(Math.max(0, entry.atMs - universe.nowMs), () => {
      if (isFault(entry)) fault(entry);
      else clients.perform(entry);
    });
  }

  function fault(entry: FaultEntry): void {
    const { do: kind, forMs, hard } = entry;
    const site = entry.site % sites.length;
    const other = (site + 1 + (entry.other % Math.max(1, sites.length - 1))) % sites.length;
    const [from, to] = [sites[site]!, sites[other]!];
    const weather = databases[site]!.weather;
    const process = processes[site]![entry.other % shape.processes]!;
    universe.note('fault', () => `${kind} ${from} ${to} ${forMs.toFixed(0)} ms ${hard.toFixed(2)}`);
    const later = (undo: () => void): void => void universe.after(forMs, undo);
    /** Before it has read everything. */
    const inTakeOver =
      (hit: (one: SiteProcess) => void) =>
      ({ name }: Thread): void =>
        void universe.after(hard * MOST_TAKEOVER_MS, () => {
          const one = processes[site]!.find(({ main }) => main.isAlive && main.name === name);
          if (one !== undefined) hit(one);
        });
    switch (kind) {
      case 'crash': {
        const slot = entry.other % shape.processes;
        const crash = (): void => {
          const now = processes[site]![slot]!;
          if (!now.main.isAlive) return;
          now.kill();
          clients.died(now);
          later(() => start(site, slot));
        };
        if (hard < 0.3) return crash();
        if (hard < 0.5) return void (databases[site]!.onNextCommit = crash);
        if (hard < 0.75) return void (databases[site]!.onNextOutcome = crash);
        // Whoever takes over dies of it as well.
        databases[site]!.onNextTakeOver = inTakeOver((one) => {
          const slot = processes[site]!.indexOf(one);
          one.kill();
          clients.died(one);
          later(() => start(site, slot));
        });
        return crash();
      }
      case 'stall':
        if (hard > 0.6) databases[site]!.onNextTakeOver = inTakeOver((one) => one.stall(forMs));
        return process.stall(forMs);
      case 'shard':
        if (hard < 0.4) return process.threads?.kill(entry.other % shape.shards);
        // In the moments that hurt most: its own commit is under way, or one that others have reserved for.
        if (hard < 0.6)
          databases[site]!.onNextCommit = () =>
            processes[site]![entry.other % shape.processes]!.threads?.kill(entry.other % shape.shards);
        else
          databases[site]!.onNextShared = ({ name }) =>
            processes[site]!.forEach(({ threads }) => threads?.killNamed(name));
        return;
      case 'usurp':
        for (let beatMs = 0; beatMs < forMs; beatMs += USURP_MS)
          universe.after(beatMs, () => !state.isOver && databases[site]!.tables.leases.clear());
        return;
      case 'cut':
        wires.block(from, to, true);
        wires.block(to, from, true);
        return later(() => {
          wires.block(from, to, false);
          wires.block(to, from, false);
        });
      case 'silence':
        wires.block(from, to, true);
        return later(() => wires.block(from, to, false));
      case 'reset':
        return wires.reset(from, to);
      case 'flap': {
        const beats = 2 + Math.floor(hard * MOST_BEATS);
        const flap = (peer: string): void => {
          for (let beat = 0; beat < beats; beat++)
            universe.after((forMs * beat) / beats, () => !state.isOver && wires.reset(from, peer));
        };
        // Half of them while something is on its way.
        if (entry.other % 2 === 0) flap(to);
        else databases[site]!.onNextGift = flap;
        return;
      }
      case 'down':
        weather.isDown = true;
        return later(() => (weather.isDown = false));
      case 'storm':
        weather.unsent = hard * 0.9;
        return later(() => (weather.unsent = 0));
      case 'slow':
        weather.slow = hard * 0.5;
        return later(() => (weather.slow = 0));
      case 'doubt':
        Object.assign(weather, { lostBefore: hard * 0.2, lostAfter: hard * 0.2, late: hard * 0.3 });
        return later(() => Object.assign(weather, { lostBefore: 0, lostAfter: 0, late: 0 }));
      case 'restore': {
        const backup = backUp(databases[site]!);
        return later(() => {
          // Two that were restored at once wait for each other, and for an operator.
          if (state.isOver || restored.includes(true)) return;
          for (const one of processes[site]!) {
            if (!one.main.isAlive) continue;
            one.kill();
            clients.died(one);
          }
          disarm(databases[site]!);
          for (const thing of restoreBackup(
            databases[site]!,
            databases.filter((_, index) => index !== site),
            backup,
            watched,
          ))
            lost.add(thing);
          restored[site] = true;
          universe.after(200, () => {
            for (const [slot, one] of processes[site]!.entries()) if (!one.main.isAlive) start(site, slot);
          });
        });
      }
      case 'clock':
        offsets[site] = (hard - 0.5) * 2 * 3_600_000;
        return later(() => (offsets[site] = 0));
    }
  }

  await universe.run(shape.safetyMs, until);
  if (isCutShort()) return clients;

  // ---- liveness: no more faults, and all must become quiet ---------------------------------------------------------

  for (const database of databases) {
    database.weather = fairWeather(shape.databaseMs);
    disarm(database);
  }
  for (const from of sites) for (const to of sites) wires.block(from, to, false);
  offsets.fill(0);
  state.isOver = true;
  const deadline = universe.nowMs + QUIET_WITHIN_MS;
  let restless = unrest(federated);
  while (restless !== undefined && universe.nowMs < deadline && universe.violation === undefined) {
    // With nobody to ask, only an operator can say that what is lost is lost.
    if (sites.length === 1 && restored[0] === true) {
      acceptLost(watched, sites[0]!);
      void processes[0]!
        .find(({ isServing }) => isServing)
        ?.active?.blocks.acceptLoss({ without: true })
        .catch((error: unknown) => universe.note('odd', () => `the loss is not accepted: ${String(error)}`));
    }
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return clients;
    restless = unrest(federated);
  }
  if (restless !== undefined)
    universe.violate('I20', `not quiet ${QUIET_WITHIN_MS} ms after the last fault: ${restless}`);
  if (universe.violation !== undefined) return clients;

  const judged = { isOver: false };
  readEverything(universe, clients)
    .then(() => judge(universe, federated))
    .then(
      () => (judged.isOver = true),
      (error: unknown) =>
        universe.violate('test', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
  for (let waited = 0; !judged.isOver && universe.violation === undefined && waited < 40_000; waited += LOOK_MS) {
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return clients;
  }
  if (!judged.isOver) universe.violate('I20', 'the final look was not answered');
  return clients;
}

async function must(clients: Clients, site: number, method: string, path: string, body: object): Promise<void> {
  const told = await clients.call(site, method, path, body);
  if (told.status !== 200 && told.status !== 201) throw new Error(`${method} ${path}: ${JSON.stringify(told)}`);
}

async function makeNetworks(
  clients: Clients,
  sites: readonly string[],
  externalBits: number,
  globalBits: number,
): Promise<void> {
  const plain = { destinationprefixes: ['0.0.0.0/0'], privatesuper: false, nat: false, underlay: false };
  await must(clients, 0, 'PUT', '/v1/network', {
    ...plain,
    id: GLOBAL_NETWORK,
    prefixes: [`198.51.0.0/${globalBits}`],
    nat: true,
  });
  const each = sites.map(async (site, index) => {
    const partitionid = partitionOf(site);
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      destinationprefixes: [],
      id: `super-${site}`,
      partitionid,
      prefixes: [`10.${index}.0.0/18`],
      privatesuper: true,
      defaultchildprefixlength: { IPv4: 26 },
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      id: externalNetwork(site),
      partitionid,
      prefixes: [`203.0.${index}.0/${externalBits}`],
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      destinationprefixes: [],
      id: `underlay-${site}`,
      partitionid,
      prefixes: [`10.24${index}.0.0/24`],
      underlay: true,
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      id: `private-${site}`,
      partitionid,
      projectid: PROJECT,
      prefixes: [`172.16.${index}.0/24`],
    });
  });
  await Promise.all(each);
}

const isPartial = (told: Told): boolean =>
  told.status === 503 ||
  told.status === 'lost' ||
  told.status === 'unsent' ||
  ('headers' in told && told.headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions'));

/** Who holds what, said once more to everybody when nothing changes any longer. */
async function readEverything(universe: Universe, clients: Clients): Promise<void> {
  const holders = new Map<string, string>();
  for (const [path, take] of READS) {
    let told = await clients.call(0, 'GET', path);
    for (let tries = 0; isPartial(told) && tries < 20; tries++) {
      await new Promise<void>((resolve) => void universe.after(500, resolve));
      told = await clients.call(0, 'GET', path);
    }
    if (told.status !== 200 || isPartial(told)) throw new Error(`GET ${path}: ${JSON.stringify(told)}`);
    for (const one of JSON.parse((told as { text: string }).text) as Listed[])
      for (const [key, holder] of take(one)) holders.set(key, holder);
  }
  const keys = new Set(clients.history.operations.map(({ key }) => key).filter((key) => key !== ''));
  for (const key of holders.keys()) keys.add(key);
  for (const key of keys) {
    // Addresses of machines bear no name: who has them is said by their machines.
    const holder = holders.get(key) ?? '';
    clients.history.begin({ client: 'last', verb: 'read', key }).end({ kind: 'done', holder });
  }
}

interface Listed {
  id: string;
  name: string;
  description?: string;
  ipaddress: string;
  networkid: string;
  type: string;
  allocation?: { name: string; networks: Array<{ networkid: string; ips: string[] | null }> } | null;
}

const READS: Array<[string, (one: Listed) => Array<[string, string]>]> = [
  ['/v1/ip', ({ ipaddress, networkid, name }) => [[`${networkid} ${ipaddress}`, name]]],
  [
    '/v1/machine',
    ({ id, allocation }) =>
      allocation == null
        ? []
        : [
            [`machine ${id}`, allocation.name],
            ...allocation.networks.flatMap(({ networkid, ips }) =>
              (ips ?? []).map((ip): [string, string] => [`${networkid} ${ip}`, allocation.name]),
            ),
          ],
  ],
  [
    '/v1/network',
    ({ id, description = '' }) => [[`${id.startsWith('global-') ? 'global' : 'network'} ${id}`, description]],
  ],
  ['/v1/size', ({ id, description = '' }) => [[`size ${id}`, description]]],
];
