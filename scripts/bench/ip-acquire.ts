// Acquiring addresses of one network over HTTP, beside go-ipam on the same server, and beside what the same edge can do at all.
import { startDatabase } from './database.ts';
import { goIpamObstacle, runGoIpam, type GoIpamResult } from './go-ipam.ts';
import { doublesIn, runLoad, type LoadPlan, type LoadResult } from './load.ts';
import { makePartition, PARTITION, startPlant, type Plant, type PlantCpu } from './plant.ts';
import { atLeast, atMost, median, ms, number, perSecond, type Bench, type Report } from './report.ts';

const CLIENTS = [1, 16, 64];
const MOST_CLIENTS = 64;

interface Measured extends LoadResult {
  siteCpuUs: number;
  databaseCpuUs: number;
}

async function measure(plant: Plant, plan: LoadPlan): Promise<Measured> {
  let siteMs = 0;
  let databaseMs = 0;
  const result = await runLoad<PlantCpu>(plan, {
    read: () => plant.cpu(),
    window: (begin, end) => {
      siteMs = end.siteMs - begin.siteMs;
      databaseMs = end.databaseMs - begin.databaseMs;
    },
  });
  const each = 1_000 / Math.max(1, result.answers);
  return { ...result, siteCpuUs: siteMs * each, databaseCpuUs: databaseMs * each };
}

const oddOf = (what: string, { statuses, broken, odd }: LoadResult, wanted: number): string[] => {
  const others = Object.entries(statuses).filter(([status]) => Number(status) !== wanted);
  return others.length === 0 && broken === 0
    ? []
    : [`${what}: statuses ${JSON.stringify(statuses)}, ${broken} connections broke; ${odd[0] ?? ''}`];
};

type Series = Map<string, Measured[]>;
const put = <T>(series: Map<string, T[]>, name: string, one: T): void => {
  series.set(name, [...(series.get(name) ?? []), one]);
};
const middle = <T>(runs: readonly T[] | undefined, of: (run: T) => number): number => median((runs ?? []).map(of));

const rowOf = (what: string, runs: readonly Measured[]): string[] => [
  what,
  perSecond(middle(runs, (run) => run.perSecond)),
  ms(middle(runs, (run) => run.p50Ms)),
  ms(middle(runs, (run) => run.p99Ms)),
  `${number(middle(runs, (run) => run.siteCpuUs))} µs`,
  `${number(middle(runs, (run) => run.databaseCpuUs))} µs`,
  `${number(middle(runs, (run) => run.generatorCpuUs))} µs`,
];

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
  let plant: Plant | undefined;
  try {
    plant = await startPlant({ database });
    const { project } = await makePartition(plant);
    const plan = { host: plant.host, port: plant.httpPort, credentials: plant.admin, seconds, warmUpSeconds };
    let networks = 0;
    const freshNetwork = async (): Promise<string> => {
      const id = `bench-${networks}`;
      await plant!.call('PUT', '/v1/network', {
        id,
        name: id,
        partitionid: PARTITION,
        projectid: project,
        // 262,142 addresses: more than a run can take.
        prefixes: [`10.${4 * networks++}.0.0/14`],
        destinationprefixes: [],
        privatesuper: false,
        nat: false,
        underlay: false,
      });
      return id;
    };
    const acquire = async (clients: number): Promise<Measured> => {
      const body = {
        networkid: await freshNetwork(),
        projectid: project,
        name: 'bench',
        type: 'ephemeral',
        description: '',
      };
      const result = await measure(plant!, {
        ...plan,
        clients,
        requests: [{ method: 'POST', path: '/v1/ip/allocate', body }],
        each: 'again and again',
        keep: { field: 'ipaddress' },
        wantedStatus: 201,
      });
      const twice = doublesIn(result.kept);
      addresses += result.kept.length;
      doubles += twice.count;
      if (twice.one !== undefined) notes.push(`given out twice: ${twice.one} and ${twice.count - 1} more`);
      notes.push(...oddOf(`${clients} clients`, result, 201));
      return result;
    };
    const answerConstant = async (clients: number, networkid: string): Promise<Measured> => {
      const body = { networkid, projectid: project, name: 'bench', type: 'ephemeral', addressfamily: 'IPv5' };
      const result = await measure(plant!, {
        ...plan,
        clients,
        requests: [{ method: 'POST', path: '/v1/ip/allocate', body }],
        each: 'again and again',
        keep: 'nothing',
        wantedStatus: 422,
      });
      notes.push(...oddOf(`constant, ${clients} clients`, result, 422));
      return result;
    };

    progress('warming up');
    const warm = await freshNetwork();
    await acquire(16);
    for (let round = 1; round <= rounds; round++) {
      for (const clients of CLIENTS) {
        progress(`round ${round} of ${rounds}, ${clients} clients`);
        put(ours, String(clients), await acquire(clients));
        put(constant, String(clients), await answerConstant(clients, warm));
        if (obstacle === false) {
          const url = await database.database('goipam');
          put(theirs, String(clients), await runGoIpam(url, clients, seconds));
        }
      }
    }
  } finally {
    await plant?.stop();
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
      rowOf(`hanse, ${clients} clients`, ours.get(name) ?? []),
      rowOf(`constant answer, ${clients} clients`, constant.get(name) ?? []),
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
    columns: ['', 'rate', 'p50', 'p99', 'CPU site', 'CPU database', 'CPU generator'],
    rows,
    verdicts,
    notes: [
      `${database.about}; one site process; ${number(addresses)} addresses acquired, ${doubles} of them twice.`,
      'Constant answer: the same request with an address family that does not exist. It is located, authenticated, parsed and',
      'validated like the others and then refused, with no actor and no database. CPU is per request; the generator runs beside.',
      obstacle === false
        ? `go-ipam: called directly, without HTTP or authentication in front of it; ${failures} of its calls failed.`
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
  };
}

export const ipAcquire: Bench = {
  name: 'ip-acquire',
  about: 'acquiring addresses over HTTP, beside go-ipam',
  run,
};
