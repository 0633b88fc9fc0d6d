// What goes wrong in a run, as its schedule says it (reliability.md §3).
import { backUp, restoreBackup } from './restore.ts';
import { disarm, fairWeather, type Database, type DatabaseWeather } from './database.ts';
import { LEASE_MS, type Simulated } from './federation.ts';
import type { FaultEntry, FaultKind } from './schedule.ts';
import type { SiteProcess } from './site-process.ts';
import type { Thread } from './universe.ts';

/** A takeover is hit so soon after its beginning. */
const MOST_TAKEOVER_MS = 60;
/** A lease that is gone is gone again so soon: no margin protects anybody (reliability.md F05). */
const USURP_MS = 100;
/** An answer may have been given so long before its client hears it. */
const ON_ITS_WAY_MS = 1_000;
/** How often a link breaks in a row. */
const MOST_BEATS = 40;
const MOST_CLOCK_MS = 3_600_000;
/** From the end of a restore until its processes are started. */
const RESTORED_MS = 200;

type Fault = (entry: FaultEntry, simulated: Simulated) => void;

/** The site that is meant, by index. */
const siteOf = ({ site }: FaultEntry, { sites }: Simulated): number => site % sites.length;

/** It, and another one. */
function pairOf(entry: FaultEntry, simulated: Simulated): [string, string] {
  const { sites } = simulated;
  const site = siteOf(entry, simulated);
  const other = (site + 1 + (entry.other % Math.max(1, sites.length - 1))) % sites.length;
  return [sites[site]!, sites[other]!];
}

const databaseOf = (entry: FaultEntry, simulated: Simulated): Database =>
  simulated.databases[siteOf(entry, simulated)]!;

const later = ({ forMs }: FaultEntry, { universe }: Simulated, undo: () => void): void =>
  void universe.after(forMs, undo);

/** Hits a process that takes over before it has read everything. */
const inTakeOver =
  (entry: FaultEntry, simulated: Simulated, hit: (one: SiteProcess, slot: number) => void) =>
  ({ name }: Thread): void =>
    void simulated.universe.after(entry.hard * MOST_TAKEOVER_MS, () => {
      const all = simulated.processesOf(siteOf(entry, simulated));
      const slot = all.findIndex(({ main }) => main.isAlive && main.name === name);
      if (slot >= 0) hit(all[slot]!, slot);
    });

function crash(entry: FaultEntry, simulated: Simulated): void {
  const { hard, other } = entry;
  const site = siteOf(entry, simulated);
  const database = databaseOf(entry, simulated);
  const end = (one: SiteProcess, slot: number): void => {
    if (!one.main.isAlive) return;
    simulated.kill(one);
    later(entry, simulated, () => simulated.start(site, slot));
  };
  const slot = other % simulated.shape.processes;
  const now = (): void => end(simulated.processesOf(site)[slot]!, slot);
  if (hard < 0.3) return now();
  if (hard < 0.5) return void (database.onNextCommit = now);
  if (hard < 0.75) return void (database.onNextOutcome = now);
  // Whoever takes over dies of it as well.
  database.onNextTakeOver = inTakeOver(entry, simulated, end);
  now();
}

function endShard(entry: FaultEntry, simulated: Simulated): void {
  const { hard, other } = entry;
  const all = (): readonly SiteProcess[] => simulated.processesOf(siteOf(entry, simulated));
  const database = databaseOf(entry, simulated);
  const now = (): void => {
    all()[other % simulated.shape.processes]!.threads?.kill(other % simulated.shape.shards);
  };
  if (hard < 0.4) return now();
  // In the moments that hurt most: its own commit is under way, or one that others have reserved for.
  if (hard < 0.6) database.onNextCommit = now;
  else database.onNextShared = ({ name }) => all().forEach(({ threads }) => threads?.killNamed(name));
}

function flap(entry: FaultEntry, simulated: Simulated): void {
  const [from, to] = pairOf(entry, simulated);
  const beats = 2 + Math.floor(entry.hard * MOST_BEATS);
  const beat = (peer: string): void => {
    for (let n = 0; n < beats; n++)
      simulated.universe.after((entry.forMs * n) / beats, () => !simulated.isOver && simulated.wires.reset(from, peer));
  };
  // Half of them while something is on its way.
  if (entry.other % 2 === 0) beat(to);
  else databaseOf(entry, simulated).onNextGift = beat;
}

function restore(entry: FaultEntry, simulated: Simulated): void {
  const { universe, databases, restored } = simulated;
  const site = siteOf(entry, simulated);
  const database = databases[site]!;
  const backup = backUp(database);
  later(entry, simulated, () => {
    // Two that were restored at once wait for each other, and for an operator.
    if (simulated.isOver || restored.includes(true)) return;
    for (const one of simulated.processesOf(site)) simulated.kill(one);
    disarm(database);
    const others = databases.filter((_, index) => index !== site);
    for (const thing of restoreBackup(database, others, backup, simulated.watched)) simulated.lost.add(thing);
    restored[site] = true;
    universe.after(RESTORED_MS, () => simulated.processesOf(site).forEach((_, slot) => simulated.start(site, slot)));
  });
}

/** Blocks ways between two sites for a while. */
const block =
  (isBothWays: boolean): Fault =>
  (entry, simulated) => {
    const { wires } = simulated;
    const [from, to] = pairOf(entry, simulated);
    const set = (isBlocked: boolean): void => {
      wires.block(from, to, isBlocked);
      if (isBothWays) wires.block(to, from, isBlocked);
    };
    set(true);
    later(entry, simulated, () => set(false));
  };

/** A database's weather for a while: what is bad of it, by how hard it is. */
const weather =
  (of: (hard: number) => Partial<DatabaseWeather>): Fault =>
  (entry, simulated) => {
    const { weather: now } = databaseOf(entry, simulated);
    const fair = fairWeather(now.latencyMs);
    const bad = of(entry.hard);
    Object.assign(now, bad);
    const names = Object.keys(bad) as Array<keyof DatabaseWeather>;
    later(entry, simulated, () => void Object.assign(now, Object.fromEntries(names.map((name) => [name, fair[name]]))));
  };

const outage = weather(() => ({ isDown: true }));

/** A shard that dies now is back when the database is: who asked it something must not wait for that. */
function outlastingOutage(entry: FaultEntry, simulated: Simulated): void {
  databaseOf(entry, simulated).onNextShared = ({ name }) => {
    if (simulated.isOver) return;
    for (const { threads } of simulated.processesOf(siteOf(entry, simulated))) threads?.killOthers(name);
    outage(entry, simulated);
  };
}

const FAULTS: Readonly<Record<FaultKind, Fault>> = {
  crash,
  stall(entry, simulated) {
    const site = siteOf(entry, simulated);
    if (entry.hard > 0.6)
      databaseOf(entry, simulated).onNextTakeOver = inTakeOver(entry, simulated, (one) => one.stall(entry.forMs));
    simulated.processesOf(site)[entry.other % simulated.shape.processes]!.stall(entry.forMs);
  },
  usurp(entry, simulated) {
    const { universe } = simulated;
    const { leases } = databaseOf(entry, simulated).tables;
    const take = (): void => {
      if (simulated.isOver) return;
      leases.clear();
      simulated.disputedUntilMs = universe.nowMs + LEASE_MS + ON_ITS_WAY_MS;
    };
    for (let beatMs = 0; beatMs < entry.forMs; beatMs += USURP_MS) universe.after(beatMs, take);
  },
  shard: endShard,
  cut: block(true),
  silence: block(false),
  reset: (entry, simulated) => simulated.wires.reset(...pairOf(entry, simulated)),
  flap,
  down(entry, simulated) {
    if (entry.isOutlasting === true && entry.hard > 0.3) outlastingOutage(entry, simulated);
    else outage(entry, simulated);
  },
  storm: weather((hard) => ({ unsent: hard * 0.9 })),
  slow: weather((hard) => ({ slow: hard * 0.5 })),
  doubt: weather((hard) => ({ lostBefore: hard * 0.2, lostAfter: hard * 0.2, late: hard * 0.3 })),
  restore,
  clock(entry, simulated) {
    const site = siteOf(entry, simulated);
    simulated.offsetsMs[site] = (entry.hard - 0.5) * 2 * MOST_CLOCK_MS;
    later(entry, simulated, () => (simulated.offsetsMs[site] = 0));
  },
};

const BETWEEN_SITES: ReadonlySet<FaultKind> = new Set(['cut', 'silence', 'reset', 'flap']);

/** Answers whether anything went wrong: a single site has no link that could be cut. */
export function strike(entry: FaultEntry, simulated: Simulated): boolean {
  const [from, to] = pairOf(entry, simulated);
  simulated.universe.note(
    'fault',
    () => `${entry.do} ${from} ${to} ${entry.forMs.toFixed(0)} ms ${entry.hard.toFixed(2)}`,
  );
  FAULTS[entry.do](entry, simulated);
  return simulated.sites.length > 1 || !BETWEEN_SITES.has(entry.do);
}

/** The faults end: what stands, or lies in wait, is gone. Things that died are started again by themselves. */
export function endFaults(simulated: Simulated): void {
  const { databases, sites, wires, offsetsMs, shape } = simulated;
  for (const database of databases) {
    database.weather = fairWeather(shape.databaseMs);
    disarm(database);
  }
  for (const from of sites) for (const to of sites) wires.block(from, to, false);
  offsetsMs.fill(0);
}
