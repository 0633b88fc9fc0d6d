// A network of a million held addresses comes into memory: how long its first client waits, and how long everybody else.
import { setTimeout as pause } from 'node:timers/promises';
import { startDatabase } from './database.ts';
import { acquisition, FILLED, fillSite, textOf } from './filled-network.ts';
import { makeNetwork, startPlant, type Plant, type PlantCpu, type Remains } from './plant.ts';
import { pssOf } from './processes.ts';
import { atMost, median, ms, number, type Bench, type Report } from './report.ts';

const HELD = 1_000_000;
/** Another network of the same partition; with one shard its actor shares the thread with the one that loads. */
const OTHER = 'other';
const USUAL_MS = 2_000;
/** Between two questions. */
const EVERY_MS = 1;

/** Asks for the other network, one question after the other, until told to stop; answers what each took. */
function askOthers(plant: Plant): () => Promise<number[]> {
  const took: number[] = [];
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      const from = performance.now();
      await plant.call('GET', `/v1/network/${OTHER}`);
      took.push(performance.now() - from);
      await pause(EVERY_MS);
    }
  })();
  return async () => {
    isOver = true;
    await asking;
    return took;
  };
}

interface Loaded {
  firstMs: number;
  /** Of others: meanwhile, and for a while before. */
  others: number[];
  usual: number[];
  /** What the process grew by. */
  bytes: number;
  /** CPU time of the load: what it took beyond that of as many reads of others. */
  cpu: PlantCpu;
}

const cpuSince = (plant: Plant, before: PlantCpu): PlantCpu => {
  const now = plant.cpu();
  return { siteMs: now.siteMs - before.siteMs, databaseMs: now.databaseMs - before.databaseMs };
};

async function loadOnce(plant: Plant, project: string, expected: string): Promise<Loaded> {
  // The other network is in memory, and the way to it is warm.
  for (let n = 0; n < 200; n++) await plant.call('GET', `/v1/network/${OTHER}`);
  const usually = askOthers(plant);
  const begun = plant.cpu();
  await pause(USUAL_MS);
  const usual = await usually();
  const usualCpu = cpuSince(plant, begun);
  const meanwhile = askOthers(plant);
  const before = pssOf(plant.pid);
  const cpuBefore = plant.cpu();
  const from = performance.now();
  const answer = await plant.call<{ ipaddress: string }>('POST', '/v1/ip/allocate', acquisition(FILLED, project));
  const firstMs = performance.now() - from;
  const others = await meanwhile();
  const all = cpuSince(plant, cpuBefore);
  const share = others.length / usual.length;
  const cpu = {
    siteMs: all.siteMs - usualCpu.siteMs * share,
    databaseMs: all.databaseMs - usualCpu.databaseMs * share,
  };
  const bytes = pssOf(plant.pid) - before;
  if (answer.ipaddress !== expected) throw new Error(`${expected} is the next free address, not ${answer.ipaddress}`);
  return { firstMs, others, usual, bytes, cpu };
}

const quantile = (values: readonly number[], q: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;
};

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const rounds = quick ? 1 : 5;
  const runs: Loaded[] = [];
  let rowBytes = NaN;
  const database = await startDatabase();
  let plant: Plant | undefined;
  try {
    progress(`filling ${number(HELD)} rows`);
    const site = await fillSite(database, HELD, (first, project) =>
      makeNetwork(first, { id: OTHER, project, prefix: '192.168.0.0/16' }),
    );
    let remains: Remains = site.remains;
    rowBytes = site.rowBytes;
    for (let round = 1; round <= rounds; round++) {
      progress(`load ${round} of ${rounds}`);
      plant = await startPlant({ database, remains });
      runs.push(await loadOnce(plant, site.project, textOf(HELD + round)));
      remains = await plant.leave();
    }
    plant = await startPlant({ database, remains });
  } finally {
    await plant?.stop();
    await database.stop();
  }
  const firstS = median(runs.map(({ firstMs }) => firstMs)) / 1_000;
  const longest = median(runs.map(({ others }) => Math.max(...others)));
  const usual = median(runs.map(({ usual: before }) => Math.max(...before)));
  const grownBytes = median(runs.map(({ bytes }) => bytes)) / HELD;
  const of = (pick: (run: Loaded) => readonly number[], q: number): string =>
    ms(median(runs.map((each) => quantile(pick(each), q))));
  const row = (what: string, pick: (run: Loaded) => readonly number[]): string[] => [
    what,
    of(pick, 0.5),
    of(pick, 0.99),
    of(pick, 1),
  ];
  return {
    name: 'address-load',
    title: `the first acquisition after a start, of a network that holds ${number(HELD)} addresses, and reads of another network of the same shard, median of ${rounds}`,
    columns: ['reads of others', 'p50', 'p99', 'longest'],
    rows: [row('before', ({ usual: before }) => before), row('while it is loaded', ({ others }) => others)],
    verdicts: [
      atMost('first acquisition, loading included', firstS, 2, ' s'),
      atMost('longest wait of others while it is loaded', longest, 20, ' ms'),
    ],
    notes: [
      `${database.about}; each time: ${runs.map(({ firstMs }) => `${number(firstMs / 1_000)} s`).join(', ')}.`,
      `CPU time of a load: database ${ms(median(runs.map(({ cpu }) => cpu.databaseMs)))}, site ${ms(median(runs.map(({ cpu }) => cpu.siteMs)))}.`,
      `Longest wait of a read each time: ${runs.map(({ others }) => ms(Math.max(...others))).join(', ')}; before, with nothing to load: ${runs.map(({ usual: before }) => ms(Math.max(...before))).join(', ')}.`,
      `A held address in all: ${number(rowBytes)} B on disk (its row with owner, project, tags and machines, and five indexes); the process grew by ${number(grownBytes)} B each while it loaded, garbage of the loading included.`,
    ],
    figures: { firstS, longestOthersMs: longest, longestUsualMs: usual, rowBytes, grownBytes },
  };
}

export const addressLoad: Bench = {
  name: 'address-load',
  about: 'a network of a million held addresses comes into memory',
  run,
};
