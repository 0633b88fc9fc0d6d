// Acquiring addresses of one network over HTTP, beside go-ipam on the same server, and beside what the same edge can do at all.
import { join } from 'node:path';
import { bundle } from '../build.ts';
import { NODE_FLAGS } from '../node-flags.ts';
import { projectRoot } from '../root.ts';
import { startDatabase } from './database.ts';
import { goIpamObstacle, runGoIpam, type GoIpamResult } from './go-ipam.ts';
import { doublesIn } from './load.ts';
import { LOAD_COLUMNS, loadRow, measure, oddOf, type Measured } from './measured.ts';
import { makeNetwork, makePartition, startPlant, type Plant } from './plant.ts';
import type { Plot } from './plot.ts';
import { atLeast, atMost, median, ms, number, perSecond, type Bench, type Report } from './report.ts';

const CLIENTS = [1, 16, 64];
const MOST_CLIENTS = 64;
/**
 * go-ipam's clients wait for each other, 64 of them up to a minute, and its rate counts until the last of its calls is back:
 * after a short run that is chance (23 to 59/s in runs of 5 s), after a longer one less so.
 */
const THEIR_LONGER_RUN = 4;
/** The same process of a site, but that acquisitions are answered without the actors. */
const CONSTANT_SITE = [...NODE_FLAGS, join(projectRoot, 'dist', 'bench', 'constant-site.js')];

type Series = Map<string, Measured[]>;
const put = <T>(series: Map<string, T[]>, name: string, one: T): void => {
  series.set(name, [...(series.get(name) ?? []), one]);
};
const middle = <T>(runs: readonly T[] | undefined, of: (run: T) => number): number => median((runs ?? []).map(of));
const rowOf = (what: string, runs: readonly Measured[] | undefined): string[] =>
  loadRow(what, (pick) => middle(runs, pick));

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const seconds = quick ? 2 : 5;
  const warmUpSeconds = quick ? 0.5 : 1;
  const ours: Series = new Map();
  const constant: Series = new Map();
  const theirs = new Map<string, GoIpamResult[]>();
  const notes: string[] = [];
  const obstacle = goIpamObstacle();
  let addresses = 0;
  let doubles = 0;

  const database = await startDatabase();
  const plants: Plant[] = [];
  try {
    const open = async (program?: string[]): Promise<{ plant: Plant; project: string }> => {
      const plant = await startPlant({ database, program });
      plants.push(plant);
      return { plant, ...(await makePartition(plant)) };
    };
    await bundle(projectRoot, ['bench/constant-site']);
    const real = await open();
    const mock = await open(CONSTANT_SITE);
    let networks = 0;
    const load = async ({ plant, project }: typeof real, clients: number, keeps: boolean): Promise<Measured> => {
      // 262,142 addresses: more than a run can take.
      const networkid = `bench-${networks}`;
      await makeNetwork(plant, { id: networkid, project, prefix: `10.${4 * networks++}.0.0/14` });
      const body = { networkid, projectid: project, name: 'bench', type: 'ephemeral', description: '' };
      const result = await measure(plant, {
        host: plant.host,
        port: plant.httpPort,
        credentials: plant.admin,
        seconds,
        warmUpSeconds,
        clients,
        requests: [{ method: 'POST', path: '/v1/ip/allocate', body }],
        each: 'again and again',
        keep: keeps ? { field: 'ipaddress' } : 'nothing',
        wantedStatus: 201,
      });
      notes.push(...oddOf(`${keeps ? '' : 'constant, '}${clients} clients`, result, 201));
      return result;
    };
    const acquire = async (clients: number): Promise<Measured> => {
      const result = await load(real, clients, true);
      const twice = doublesIn(result.kept);
      addresses += result.kept.length;
      doubles += twice.count;
      if (twice.one !== undefined) notes.push(`given out twice: ${twice.one} and ${twice.count - 1} more`);
      return result;
    };

    progress('warming up');
    await acquire(16);
    await load(mock, 16, false);
    for (let round = 1; round <= rounds; round++) {
      for (const clients of CLIENTS) {
        progress(`round ${round} of ${rounds}, ${clients} clients`);
        put(ours, String(clients), await acquire(clients));
        put(constant, String(clients), await load(mock, clients, false));
        if (obstacle === false) {
          const url = await database.database('goipam');
          const theirSeconds = clients === MOST_CLIENTS ? THEIR_LONGER_RUN * seconds : seconds;
          put(theirs, String(clients), await runGoIpam(url, clients, theirSeconds));
        }
      }
    }
  } finally {
    for (const plant of plants) await plant.stop();
    await database.stop();
  }

  const most = String(MOST_CLIENTS);
  const rate = middle(ours.get(most), (each) => each.perSecond);
  const p99 = middle(ours.get(most), (each) => each.p99Ms);
  const constantRate = middle(constant.get(most), (each) => each.perSecond);
  const theirRates = CLIENTS.map((clients) => middle(theirs.get(String(clients)), (each) => each.perSecond));
  const theirBest = Math.max(...theirRates.filter((value) => !Number.isNaN(value)));
  const rows = CLIENTS.flatMap((clients) => {
    const name = String(clients);
    const others = theirs.get(name);
    return [
      rowOf(`hanse, ${clients} clients`, ours.get(name)),
      rowOf(`constant answer, ${clients} clients`, constant.get(name)),
      ...(others === undefined
        ? []
        : [
            [
              `go-ipam, ${clients} clients`,
              perSecond(middle(others, (each) => each.perSecond)),
              ms(middle(others, (each) => each.p50Ms)),
              ms(middle(others, (each) => each.p99Ms)),
              '',
              '',
              '',
            ],
          ]),
    ];
  });
  const failures = [...theirs.values()].flat().reduce((sum, each) => sum + each.failures, 0);
  const verdicts = [
    atLeast('acquisitions at 64 clients', rate, 5_000, '/s'),
    atMost('p99 at 64 clients', p99, 50, ' ms'),
    atLeast('of the constant answer', (100 * rate) / constantRate, 50, ' %'),
    atMost('addresses given out twice', doubles, 0, ''),
    ...(obstacle === false
      ? [
          atLeast("times go-ipam's best", rate / theirBest, 15, '×'),
          atLeast('times go-ipam at 64 clients', rate / (theirRates.at(-1) ?? NaN), 100, '×'),
        ]
      : []),
  ];
  return {
    name: 'ip-acquire',
    title: `addresses of one network by POST /v1/ip/allocate, median of ${rounds} runs of ${seconds} s, each on a fresh prefix`,
    columns: LOAD_COLUMNS,
    rows,
    verdicts,
    notes: [
      `${database.about}; one site process; ${number(addresses)} addresses acquired, ${doubles} of them twice.`,
      'Constant answer: the same request to the same process of a site, located, authenticated, parsed and validated like the',
      'others, answered 201 with an address that stands fast where the actor would be asked. CPU is per request; the generator',
      'runs beside.',
      obstacle === false
        ? `go-ipam: called directly, without HTTP or authentication in front of it; ${MOST_CLIENTS} clients for ` +
          `${THEIR_LONGER_RUN * seconds} s, rates until the last call is back; ${failures} of its calls failed.`
        : `go-ipam was not measured: ${obstacle}.`,
      ...notes,
    ],
    figures: {
      ...Object.fromEntries(
        CLIENTS.flatMap((clients, at): Array<[string, number]> => {
          const of = (runs: Series, pick: (each: Measured) => number): number =>
            middle(runs.get(String(clients)), pick);
          return [
            [`acquirePerSecond${clients}`, of(ours, (each) => each.perSecond)],
            [`acquireP99Ms${clients}`, of(ours, (each) => each.p99Ms)],
            [`acquireSiteCpuUs${clients}`, of(ours, (each) => each.siteCpuUs)],
            [`acquireDatabaseCpuUs${clients}`, of(ours, (each) => each.databaseCpuUs)],
            [`constantPerSecond${clients}`, of(constant, (each) => each.perSecond)],
            [`goIpamPerSecond${clients}`, theirRates[at] ?? NaN],
          ];
        }),
      ),
      doubles,
    },
    plots: [ratePlot(ours, constant, theirRates)],
  };
}

function ratePlot(ours: Series, constant: Series, theirRates: readonly number[]): Plot {
  const rate = (series: Series, clients: number): number =>
    middle(series.get(String(clients)), (each) => each.perSecond);
  const along = (of: (clients: number, at: number) => number): Array<[number, number]> =>
    CLIENTS.map((clients, at) => [clients, of(clients, at)]);
  return {
    name: 'ip-acquire',
    title: 'Addresses of one network acquired a second',
    x: { label: 'clients', scale: 'log' },
    y: { label: 'acquisitions a second', scale: 'log' },
    series: [
      { label: 'hanse', points: along((clients) => rate(ours, clients)) },
      { label: 'the edge with a constant answer', points: along((clients) => rate(constant, clients)) },
      { label: 'go-ipam, called directly', points: along((_, at) => theirRates[at] ?? NaN) },
    ],
  };
}

export const ipAcquire: Bench = {
  name: 'ip-acquire',
  about: 'acquiring addresses over HTTP, beside go-ipam',
  run,
};
