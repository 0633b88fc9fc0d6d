// Cutting networks out of a super network over HTTP, and giving them back.
import { startDatabase } from './database.ts';
import { doublesIn } from './load.ts';
import { LOAD_COLUMNS, loadRow, measure, oddOf, type Measured } from './measured.ts';
import { makePartition, PARTITION, startPlant, type Plant } from './plant.ts';
import { atLeast, atMost, median, number, type Bench, type Report } from './report.ts';

const CLIENTS = 64;
const PREFIX = '10.0.0.0/8';
const LENGTH = 24;

interface Made {
  id: string;
  prefixes: string[];
  vrf: number;
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const count = quick ? 1_000 : 4_000;
  const allocated: Measured[] = [];
  const freed: Measured[] = [];
  const notes: string[] = [];
  let doubles = 0;
  const database = await startDatabase();
  let plant: Plant | undefined;
  try {
    plant = await startPlant({ database });
    const { project } = await makePartition(plant);
    await plant.call('PUT', '/v1/network', {
      id: 'super',
      name: 'super',
      partitionid: PARTITION,
      prefixes: [PREFIX],
      defaultchildprefixlength: { IPv4: LENGTH },
      destinationprefixes: [],
      privatesuper: true,
      nat: false,
      underlay: false,
    });
    const common = {
      host: plant.host,
      port: plant.httpPort,
      credentials: plant.admin,
      clients: CLIENTS,
      seconds: 120,
      warmUpSeconds: 0,
    };
    const body = { name: 'bench', projectid: project, partitionid: PARTITION };
    const cycle = async (networks: number): Promise<{ made: Measured; gone: Measured }> => {
      const made = await measure(plant!, {
        ...common,
        requests: Array.from({ length: networks }, () => ({ method: 'POST', path: '/v1/network/allocate', body })),
        each: 'once',
        keep: 'bodies',
        wantedStatus: 201,
      });
      const answers = made.kept.map((text) => JSON.parse(text) as Made);
      for (const of of [
        answers.map(({ id }) => id),
        answers.flatMap(({ prefixes }) => prefixes),
        answers.map(({ vrf }) => String(vrf)),
      ])
        doubles += doublesIn(of).count;
      const gone = await measure(plant!, {
        ...common,
        requests: answers.map(({ id }) => ({ method: 'DELETE', path: `/v1/network/free/${id}` })),
        each: 'once',
        keep: 'nothing',
        wantedStatus: 200,
      });
      notes.push(...oddOf('allocating', made, 201), ...oddOf('freeing', gone, 200));
      return { made, gone };
    };
    progress('warming up');
    await cycle(500);
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round} of ${rounds}`);
      const { made, gone } = await cycle(count);
      allocated.push(made);
      freed.push(gone);
    }
  } finally {
    await plant?.stop();
    await database.stop();
  }
  const middle = (runs: readonly Measured[]) => (pick: (run: Measured) => number) => median(runs.map(pick));
  const allocations = middle(allocated)((each) => each.perSecond);
  const frees = middle(freed)((each) => each.perSecond);
  // As one client after the other would do it: each of a pair takes its part of the time.
  const pairs = 1 / (1 / allocations + 1 / frees);
  return {
    name: 'network-allocate',
    title: `child networks of length ${LENGTH} out of ${PREFIX} by ${CLIENTS} clients, ${number(count)} allocated and then freed, median of ${rounds}`,
    columns: LOAD_COLUMNS,
    rows: [loadRow('allocate', middle(allocated)), loadRow('free', middle(freed))],
    verdicts: [
      atLeast('allocations and frees in turn', 2 * pairs, 1_000, '/s'),
      atMost('ids, prefixes and VRFs given out twice', doubles, 0, ''),
    ],
    notes: [
      `${database.about}; allocate and free together: ${number(pairs)} pairs a second.`,
      'An allocation reserves prefix, VRF and the row of the network in one commit; a free asks for the network first.',
      ...notes,
    ],
    figures: {
      allocatePerSecond: allocations,
      freePerSecond: frees,
      pairsPerSecond: pairs,
      allocateSiteCpuUs: middle(allocated)((each) => each.siteCpuUs),
      allocateDatabaseCpuUs: middle(allocated)((each) => each.databaseCpuUs),
      freeSiteCpuUs: middle(freed)((each) => each.siteCpuUs),
      freeDatabaseCpuUs: middle(freed)((each) => each.databaseCpuUs),
      doubles,
    },
  };
}

export const networkAllocate: Bench = {
  name: 'network-allocate',
  about: 'child networks allocated and freed over HTTP',
  run,
};
