// A federation as one run has it: databases, wires, processes that are started again when they end, clients.
import type { EdgeConfig } from '../../http/site.ts';
import { ALL_RULES } from '../../actors/runtime/store-model.ts';
import { behaviours as sound } from '../shard.ts';
import { poisonable } from '../site/poison.ts';
import { createWatched, watchDatabase, watchStreams, type Federated, type Watched } from './checks.ts';
import { createClients } from './clients.ts';
import { createDatabase, fairWeather, type Database } from './database.ts';
import { between } from './draw.ts';
import { SOUND, type Mutation } from './parts.ts';
import type { Shape } from './schedule.ts';
import { partitionOf, seedSite, type SeededSite } from './seed.ts';
import { watchRows } from './sightings.ts';
import { startProcess, type SiteProcess } from './site-process.ts';
import type { Universe } from './universe.ts';
import { createWires, type Wires } from './wires.ts';

/** Sites are named by their index here. */
export interface Simulated extends Federated {
  readonly universe: Universe;
  readonly shape: Shape;
  /** By site and place of start. */
  readonly processes: readonly SiteProcess[][];
  readonly wires: Wires;
  readonly watched: Watched;
  readonly lost: Set<string>;
  /** How far the wall clock of a site is off. */
  readonly offsetsMs: number[];
  /** Its database was replaced by a backup, and it was not compared with the others yet. */
  readonly restored: boolean[];
  /**
   * A lease was taken from under its holder (usurp), which may believe in it until then: what it says from memory may be old,
   * only time protects from that. What it writes is refused, whatever it believes (design.md §5).
   */
  disputedUntilMs: number;
  /** Clients begin nothing more, and nothing goes wrong any more. */
  isOver: boolean;
  /** Starts the process of that place, unless it lives. */
  start(site: number, slot: number): void;
  /** Ends it at once; requests on their way to it end with its connections. */
  kill(process: SiteProcess): void;
}

export const LEASE_MS = 1_500;
const HMAC: EdgeConfig['hmac'] = {
  'Metal-View': { key: 'view', lifetimeMs: 30_000 },
  'Metal-Edit': { key: 'edit', lifetimeMs: 30_000 },
  'Metal-Admin': { key: 'admin', lifetimeMs: 90_000 },
};
/** One message is a mistake of ours: its actor throws at it (reliability.md F18). */
const behaviours = sound.map(poisonable);

export function createFederated(universe: Universe, shape: Shape, mutation: Mutation = {}): Simulated {
  const sites = Array.from({ length: shape.sites }, (_, i) => String.fromCharCode(97 + i));
  const parts = { ...SOUND, ...mutation.parts };
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
      ...mutation.rules,
    });
    watchDatabase(universe, database, watched);
    watchRows(universe, wires, database);
    seedSite(database.model, site, seeded, sites[0]!);
    return database;
  });
  const processes: SiteProcess[][] = sites.map(() => []);
  const offsetsMs = sites.map(() => 0);
  const restored = sites.map(() => false);
  const processesOf = (site: number): readonly SiteProcess[] => processes[site]!;
  let lives = 0;

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
        wallOffsetMs: () => offsetsMs[site]!,
        isRestored: () => restored[site]!,
        compared: () => {
          universe.met('restored and compared');
          restored[site] = false;
        },
        onCommitted: watchStreams(universe, sites[site]!, `${sites[site]}/${slot}#${lives + 1}`, watched),
        onEnded() {
          clients.died(process);
          universe.after(between(restarts, 200, 2_000), () => start(site, slot));
        },
      },
      ++lives,
    );
    processes[site]![slot] = process;
  }

  const clients = createClients({
    universe,
    shape,
    sites,
    hmac: HMAC,
    processesOf,
    watchReleases: () => watchReleases(databases),
    isCut: (site) => wires.isCut(sites[site]!),
    isAllocated: (site, machine) => databases[site]!.model.live('allocation').some(({ key }) => key === machine),
    isOver: () => simulated.isOver,
    isDisputed: () => universe.nowMs < simulated.disputedUntilMs,
  });

  const simulated: Simulated = {
    universe,
    shape,
    sites,
    lost: new Set(),
    shards: shape.shards,
    databases,
    processes,
    processesOf,
    clients,
    wires,
    watched,
    offsetsMs,
    restored,
    disputedUntilMs: -Infinity,
    isOver: false,
    start,
    kill(process) {
      if (!process.main.isAlive) return;
      process.kill();
      clients.died(process);
    },
  };
  return simulated;
}

/** Begins to look: whether an address was released since, wherever. */
function watchReleases(databases: readonly Database[]): (address: string) => boolean {
  const before = databases.map(({ model }) => model.log.length);
  return (address) =>
    databases.some(({ model }, index) =>
      model.log
        .slice(before[index])
        .some(({ changes }) =>
          changes.some(({ table, key, value }) => table === 'ip' && value === null && key.endsWith(`|${address}`)),
        ),
    );
}
