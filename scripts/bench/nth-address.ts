// What an address costs that is acquired when so many are held already: CPU time of the site and of the database.
import { startDatabase, type BenchDatabase } from './database.ts';
import { acquisition, FILLED, startFilled } from './filled-network.ts';
import { goIpamObstacle, runGoIpamTo, type GoIpamMark } from './go-ipam.ts';
import type { LoadRequest } from './load.ts';
import { measure, oddOf, us, type Measured } from './measured.ts';
import { makeNetwork, makePartition, startPlant, type Plant } from './plant.ts';
import { atMost, median, ms, number, type Bench, type Report } from './report.ts';

const CLIENTS = 64;
const HELD = [10, 1_000, 100_000, 1_000_000];
/** Acquisitions of one window. */
const WINDOW = 2_000;
const GO_IPAM_HELD = [10, 1_000, 5_000];
const GO_IPAM_WINDOW = 100;

interface Level {
  held: number;
  plant: Plant;
  /** Networks that hold so many addresses; a fresh one for each part of a window where many would be too many. */
  networks(): Promise<string[]>;
  project: string;
  runs: Measured[];
}

const request = (network: string, project: string): LoadRequest => ({
  method: 'POST',
  path: '/v1/ip/allocate',
  body: acquisition(network, project),
});

const loadOf = (plant: Plant, requests: LoadRequest[]) => ({
  host: plant.host,
  port: plant.httpPort,
  credentials: plant.admin,
  clients: CLIENTS,
  requests,
  each: 'once' as const,
  seconds: 60,
  warmUpSeconds: 0,
  keep: 'nothing' as const,
  wantedStatus: 201,
});

const repeated = <T>(one: T, times: number): T[] => Array.from({ length: times }, () => one);

/** A site of its own for few addresses: each part of a window goes to a fresh network that holds them. */
async function startSmall(database: BenchDatabase, held: number, parts: number, second: number): Promise<Level> {
  const plant = await startPlant({ database });
  try {
    const { project } = await makePartition(plant);
    let made = 0;
    const networks = async (): Promise<string[]> => {
      const ids: string[] = [];
      for (let n = 0; n < parts; n++, made++) {
        const id = `small-${made}`;
        await makeNetwork(plant, { id, project, prefix: `10.${second + (made >> 4)}.${(made & 15) << 4}.0/20` });
        ids.push(id);
      }
      // Together, so that filling many costs no more than filling one.
      const fill = ids.flatMap((id) => repeated(request(id, project), held));
      const filled = await measure(plant, loadOf(plant, fill));
      const odd = oddOf('filling', filled, 201);
      if (odd.length > 0) throw new Error(odd.join());
      return ids;
    };
    return { held, plant, project, networks, runs: [] };
  } catch (error) {
    await plant.stop();
    throw error;
  }
}

async function startLarge(database: BenchDatabase, held: number): Promise<Level> {
  const { plant, project } = await startFilled(database, held);
  return { held, plant, project, networks: () => Promise.resolve([FILLED]), runs: [] };
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const rounds = quick ? 3 : 8;
  const notes: string[] = [];
  const levels: Level[] = [];
  let theirs: GoIpamMark[] = [];
  const obstacle = goIpamObstacle();
  const database = await startDatabase();
  try {
    for (const held of HELD) {
      progress(`a site with ${number(held)} addresses`);
      // 16 × 125 after the 10th, 2 × 1,000 after the 1,000th.
      if (held === 10) levels.push(await startSmall(database, held, 16, 0));
      else if (held === 1_000) levels.push(await startSmall(database, held, 2, 0));
      else levels.push(await startLarge(database, held));
    }
    for (let round = 0; round <= rounds; round++) {
      progress(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
      // Another one begins each time, so that no level always comes after the same one.
      for (let n = 0; n < levels.length; n++) {
        const { held, plant, project, networks, runs } = levels[(round + n) % levels.length]!;
        const ids = await networks();
        const requests = ids.flatMap((id) => repeated(request(id, project), WINDOW / ids.length));
        const result = await measure(plant, loadOf(plant, requests));
        notes.push(...oddOf(`${number(held)} held`, result, 201));
        if (round > 0) runs.push(result);
      }
    }
    if (obstacle === false) {
      progress('go-ipam');
      const url = await database.database('goipam');
      theirs = await runGoIpamTo(url, GO_IPAM_HELD, GO_IPAM_WINDOW, () => database.cpuMs());
    }
  } finally {
    for (const { plant } of levels) await plant.stop();
    await database.stop();
  }

  const costs = levels.map(({ held, runs }) => {
    const siteUs = median(runs.map((each) => each.siteCpuUs));
    const databaseUs = median(runs.map((each) => each.databaseCpuUs));
    return { held, siteUs, databaseUs, totalUs: siteUs + databaseUs };
  });
  const mean = costs.reduce((sum, { totalUs }) => sum + totalUs, 0) / costs.length;
  const farthest = Math.max(...costs.map(({ totalUs }) => Math.abs(totalUs / mean - 1)));
  return {
    name: 'nth-address',
    title: `the next ${number(WINDOW)} addresses acquired by ${CLIENTS} clients when so many are held, CPU time each, median of ${rounds} windows in turn`,
    columns: ['', 'CPU site', 'CPU database', 'together', 'from the mean'],
    rows: [
      ...costs.map(({ held, siteUs, databaseUs, totalUs }) => [
        `hanse, ${number(held)} held`,
        us(siteUs),
        us(databaseUs),
        us(totalUs),
        `${totalUs >= mean ? '+' : '−'}${number(Math.abs(totalUs / mean - 1) * 100)} %`,
      ]),
      ...theirs.map(({ held, cpuUs, databaseCpuUs, ms: each }) => [
        `go-ipam, ${number(held)} held`,
        us(cpuUs),
        us(databaseCpuUs),
        us(cpuUs + databaseCpuUs),
        `${ms(each)} each`,
      ]),
    ],
    verdicts: [atMost('farthest from the mean', farthest * 100, 20, ' %')],
    notes: [
      `${database.about}; a site, a database and so tables of their own for each number.`,
      `Up to 1,000 the addresses were acquired as all others, and a window goes to fresh networks (16 × 125 after the 10th, 2 × 1,000 after the 1,000th).`,
      'From 100,000 on the rows are copies of one that the site wrote, made before it was started; a copied row is compared with a written one.',
      obstacle === false
        ? `go-ipam: one client, called directly, ${GO_IPAM_WINDOW} acquisitions after each number.`
        : `go-ipam was not measured: ${obstacle}.`,
      ...notes,
    ],
    figures: {
      ...Object.fromEntries(
        costs.flatMap(({ held, siteUs, databaseUs }) => [
          [`siteCpuUs${held}`, siteUs],
          [`databaseCpuUs${held}`, databaseUs],
        ]),
      ),
      ...Object.fromEntries(
        theirs.map(({ held, cpuUs, databaseCpuUs }) => [`goIpamCpuUs${held}`, cpuUs + databaseCpuUs]),
      ),
      farthestPercent: farthest * 100,
    },
    plots: [
      {
        name: 'nth-address',
        title: 'CPU time of one acquisition, site and database together',
        x: { label: 'addresses held', scale: 'log' },
        y: { label: 'µs', scale: 'log' },
        series: [
          { label: 'hanse', points: costs.map(({ held, totalUs }) => [held, totalUs]) },
          {
            label: 'go-ipam, to 5,000',
            points: theirs.map(({ held, cpuUs, databaseCpuUs }) => [held, cpuUs + databaseCpuUs]),
          },
        ],
      },
    ],
  };
}

export const nthAddress: Bench = {
  name: 'nth-address',
  about: 'what an address costs when up to a million are held',
  run,
};
