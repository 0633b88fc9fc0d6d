// What happens in a run, drawn before it begins: its shape (swarm), and a list of client operations and faults with times.
// Noise, the small choices made meanwhile, comes from other streams; so entries can be left out one by one.
import { between, chance, pick, scaled, streamOf, type Random } from './draw.ts';

export const FAULTS = [
  'crash', // a process, at any event
  'stall', // a process stands still
  'usurp', // a site's lease is gone again and again, and whoever had it does not know
  'shard', // one worker thread dies
  'cut', // both ways between two sites
  'silence', // one way
  'reset', // connections break
  'flap', // connections break again and again
  'down', // a database
  'storm', // 40001
  'slow', // some calls of a database wait long before they are executed
  'doubt', // answers to commits are lost, or the commits are late
  'clock', // a wall clock jumps
] as const;
/** Those that lose what was acknowledged: in few runs only, since they leave less to judge. */
export const LOSSES = [
  'restore', // a site goes on with an older backup of its database
] as const;
export type FaultKind = (typeof FAULTS)[number] | (typeof LOSSES)[number];
export const KINDS: readonly FaultKind[] = [...FAULTS, ...LOSSES];

export const OPERATIONS = [
  'takeIp',
  'takeThisIp',
  'freeIp',
  'readIp',
  'allocateMachine',
  'freeMachine',
  'readMachine',
  'agent',
  'allocateNetwork',
  'freeNetwork',
  'readNetwork',
  'putSize',
  'deleteSize',
  'readSize',
  'list',
  'recover',
  'createNetwork',
  'deleteNetwork',
  'putShared', // a name that every site may want
  'deleteShared',
  'forge', // a request that is signed with another key
  'poison', // a text that no column can hold
  'mistake', // its actor throws at it, as a mistake of ours would
  'rogue', // a site speaks for another
] as const;
export type OperationKind = (typeof OPERATIONS)[number];

export interface OperationEntry {
  atMs: number;
  do: OperationKind;
  client: number;
  /** Chooses among what is there. */
  pick: number;
  /** Chooses a network. */
  where: number;
  /** Carries an Idempotency-Key, and is repeated until there is an answer. */
  keyed: boolean;
}

export interface FaultEntry {
  atMs: number;
  do: FaultKind;
  /** Index of a site. */
  site: number;
  /** Another site, a process, or a shard. */
  other: number;
  forMs: number;
  /** 0 … 1: a rate, or how far a clock jumps. */
  hard: number;
  /** Of an outage: longer than anybody waits for anything. */
  isOutlasting?: true;
}

export type Entry = OperationEntry | FaultEntry;
export const isFault = (entry: Entry): entry is FaultEntry => (KINDS as readonly string[]).includes(entry.do);

/** The shape of a run. */
export interface Shape {
  sites: number;
  processes: number;
  shards: number;
  clients: number;
  machines: number;
  /** Bits of the partitions' external networks, and of the global one. */
  externalBits: number;
  globalBits: number;
  /** Its networks have a prefix of IPv6 as well, with as many addresses. */
  isDualStack: boolean;
  /** These are of /64. */
  hasWide?: boolean;
  /** Quarantine of the global networks in seconds; absent: released addresses are free at once. */
  quarantineS?: number;
  /** Milliseconds. */
  databaseMs: number;
  wanMs: number;
  inbox: number;
  /** Longest time of an ask. */
  askMs: number;
  operationsPerGroup: number;
  faults: FaultKind[];
  /** When the faults end. */
  safetyMs: number;
}

export interface Schedule {
  seed: number;
  shape: Shape;
  entries: Entry[];
}

export interface Wishes {
  sites?: number | undefined;
  processes?: number | undefined;
  faults?: readonly FaultKind[] | 'all' | 'none' | undefined;
  /** Virtual time of the first phase. */
  safetyMs?: number | undefined;
  /** These operations come often. */
  often?: readonly OperationKind[] | undefined;
  /** Most client operations. */
  operations?: number | undefined;
}

/** Before this nothing goes wrong: the sites start, meet, and make their networks. */
export const QUIET_START_MS = 12_000;

/** Shorter ones of these are over before anybody notices. */
const LEAST_MS: Partial<Record<FaultKind, number>> = { cut: 200, silence: 200, flap: 300, stall: 1_000 };

/** Part of the runs with several kinds of faults in which a site loses what it had acknowledged. */
const LOSING = 0.2;

function drawFaults(random: Random, wished: Wishes['faults'], isTight: boolean): FaultKind[] {
  const luck = random();
  const each = FAULTS.filter(() => chance(random, 0.4));
  const single = [pick(random, KINDS)];
  const losses = chance(random, LOSING) ? LOSSES : [];
  if (wished === 'all') return [...FAULTS, ...losses];
  if (wished === 'none') return [];
  if (wished !== undefined) return [...wished];
  if (luck < 0.08) return [];
  if (luck < 0.3) return single;
  const several = luck < 0.45 ? FAULTS : each;
  return [...new Set<FaultKind>([...several, ...losses, ...(isTight ? (['cut'] as const) : [])])];
}

const isLarge = (seed: number): boolean => chance(streamOf(seed, 'is large'), 0.08);

/** Runs in which addresses are short: more is taken than there is, while the sites don't always see each other. */
const isTight = (seed: number): boolean => chance(streamOf(seed, 'tight'), 0.25);

function drawShape(seed: number, wishes: Wishes): Shape {
  const random = streamOf(seed, 'shape');
  const sites = wishes.sites ?? pick(random, [1, 2, 2, 3, 3, 3, 4]);
  const single = {
    sites,
    processes: wishes.processes ?? pick(random, [1, 1, 2]),
    shards: pick(random, [1, 2, 2, 3, 4]),
    clients: Math.round(scaled(random, 1, 24)),
    machines: pick(random, [2, 4, 8]),
    externalBits: pick(random, isTight(seed) ? [30, 29] : [30, 29, 28, 27, 24]),
    globalBits: pick(random, isTight(seed) ? [28, 27] : [28, 27, 26, 24, 22]),
    databaseMs: scaled(random, 0.5, 20),
    wanMs: scaled(random, 1, 80),
    inbox: pick(random, [4, 16, 1024, 1024]),
    askMs: pick(random, [5_000, 30_000]),
    operationsPerGroup: pick(random, [1, 2, 8, 512, 512]),
    faults: drawFaults(random, wishes.faults, isTight(seed)),
    safetyMs: wishes.safetyMs ?? 60_000,
  };
  const more = { ...drawQuarantine(seed), ...(isLarge(seed) ? drawLarge(seed, wishes) : {}) };
  return { ...single, isDualStack: chance(random, 0.5), ...more };
}

/** Rests that end while the run lasts, so that addresses and blocks are given out after them. */
function drawQuarantine(seed: number): Partial<Shape> {
  const random = streamOf(seed, 'quarantine');
  return chance(random, 0.3) ? { quarantineS: pick(random, [1, 3, 10]) } : {};
}

/** More of everything than most runs need to find what is wrong. */
function drawLarge(seed: number, wishes: Wishes): Partial<Shape> {
  const random = streamOf(seed, 'large');
  return {
    sites: wishes.sites ?? pick(random, [3, 4, 5]),
    shards: pick(random, [4, 6, 8]),
    clients: Math.round(between(random, 24, 64)),
    machines: pick(random, [8, 16]),
    externalBits: pick(random, [24, 20, 16]),
    globalBits: pick(random, [24, 20, 16]),
    hasWide: true,
  };
}

/** Each run leaves some of the operations out, and does others often. */
function drawMix(seed: number, often: readonly OperationKind[]): Array<{ do: OperationKind; weight: number }> {
  const random = streamOf(seed, 'mix');
  return OPERATIONS.map((kind) => ({
    do: kind,
    weight:
      (kind === 'createNetwork' || kind === 'deleteNetwork' ? 0.15 : 1) *
        (chance(random, 0.8) ? scaled(random, 0.2, 3) : 0) +
      (often.includes(kind) ? 10 : 0) +
      (kind === 'takeIp' && isTight(seed) ? 8 : 0),
  }));
}

/** Part of the runs with outages in which one is longer than anybody waits for anything. */
const OUTLASTING = 0.15;
/** What is under way at the deadline of an ask may end so long after it. */
const BEYOND_MS = 5_000;

/** One of them longer than an ask that came before it, if the run is long enough; no other one of its site ends it early. */
function outlasting(seed: number, outages: FaultEntry[], { askMs, safetyMs }: Shape): FaultEntry[] {
  const random = streamOf(seed, 'outlasting');
  const forMs = askMs + BEYOND_MS + between(random, 0, BEYOND_MS);
  const chosen = pick(random, outages);
  const latestMs = safetyMs - forMs;
  if (!chance(random, OUTLASTING) || latestMs < QUIET_START_MS) return outages;
  const elsewhere = outages.filter(({ site }) => site !== chosen.site);
  return [...elsewhere, { ...chosen, forMs, atMs: Math.min(chosen.atMs, latestMs), isOutlasting: true }];
}

export function drawSchedule(seed: number, wishes: Wishes = {}): Schedule {
  const shape = drawShape(seed, wishes);
  const mix = drawMix(seed, wishes.often ?? []);
  const total = mix.reduce((sum, { weight }) => sum + weight, 0);
  const operations = streamOf(seed, 'operations');
  const count = Math.min(wishes.operations ?? Infinity, Math.round(scaled(operations, 60, 700)));
  const entries: Entry[] = [];
  const bursts = chance(operations, 0.5);
  const keyed = pick(operations, [0.1, 0.3, 0.3, 0.8]);
  for (let i = 0; i < count; i++) {
    let left = operations() * total;
    const kind = mix.find(({ weight }) => (left -= weight) < 0)?.do ?? 'takeIp';
    const plain = between(operations, QUIET_START_MS, shape.safetyMs);
    // In bursts many meet in the same turn.
    const atMs = bursts ? Math.round(plain / 1_500) * 1_500 + between(operations, 0, 20) : plain;
    entries.push({
      atMs: Math.min(atMs, shape.safetyMs - 1),
      do: kind,
      client: Math.floor(operations() * shape.clients),
      pick: operations(),
      where: operations(),
      keyed: chance(operations, keyed),
    });
  }
  for (const kind of shape.faults) {
    const random = streamOf(seed, `faults ${kind}`);
    const times = Math.round(scaled(random, 1, 8));
    const drawn: FaultEntry[] = [];
    for (let i = 0; i < times; i++) {
      drawn.push({
        atMs: between(random, QUIET_START_MS, shape.safetyMs),
        do: kind,
        site: Math.floor(random() * shape.sites),
        other: Math.floor(random() * 8),
        forMs: scaled(random, LEAST_MS[kind] ?? 20, 12_000),
        hard: random(),
      });
    }
    entries.push(...(kind === 'down' ? outlasting(seed, drawn, shape) : drawn));
  }
  entries.sort((a, b) => a.atMs - b.atMs);
  return { seed, shape, entries };
}
