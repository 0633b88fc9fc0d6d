// Allocating machines over HTTP, each with an address of a private network and one of the internet, in a full partition.
import { setTimeout as pause } from 'node:timers/promises';
import { startAgents, type Agents } from './agents.ts';
import { startDatabase } from './database.ts';
import { doublesIn, runLoad, type LoadPlan, type LoadResult } from './load.ts';
import { makePartition, PARTITION, startPlant, type Plant, type PlantCpu } from './plant.ts';
import { atLeast, atMost, median, ms, number, perSecond, type Bench, type Report } from './report.ts';

const CLIENTS = 64;
const GIB = 2 ** 30;

/** What of an answer is checked. */
interface Allocated {
  id: string;
  allocation?: { networks?: Array<{ networkid: string; ips?: string[] }> };
}

async function makeCatalogue(plant: Plant, project: string): Promise<{ privateNetwork: string }> {
  await plant.call('PUT', '/v1/size', {
    id: 'c1-small',
    name: 'c1-small',
    constraints: [
      { type: 'cores', min: 8, max: 8 },
      { type: 'memory', min: 60 * GIB, max: 68 * GIB },
      { type: 'storage', min: 1_000 * GIB, max: 1_400 * GIB },
    ],
  });
  await plant.call('PUT', '/v1/image', {
    id: 'ubuntu-24.4.20260101',
    name: 'Ubuntu 24.04',
    description: 'Ubuntu 24.04',
    features: ['machine'],
    url: `${plant.filesUrl}/images/ubuntu-24.4.20260101/img.tar.lz4`,
    classification: 'supported',
  });
  await plant.call('PUT', '/v1/filesystemlayout', {
    id: 'default',
    name: 'default',
    constraints: { sizes: ['c1-small'], images: { ubuntu: '*' } },
    disks: [
      {
        device: '/dev/sda',
        wipeonreinstall: true,
        partitions: [
          { number: 1, label: 'efi', size: 500, gpttype: 'ef00' },
          { number: 2, label: 'root', size: 0, gpttype: '8300' },
        ],
      },
    ],
    filesystems: [
      { path: '/boot/efi', device: '/dev/sda1', format: 'vfat', label: 'efi' },
      { path: '/', device: '/dev/sda2', format: 'ext4', label: 'root' },
    ],
  });
  await plant.call('PUT', '/v1/network', {
    id: 'super',
    name: 'super',
    partitionid: PARTITION,
    prefixes: ['10.0.0.0/12'],
    defaultchildprefixlength: { IPv4: 22 },
    destinationprefixes: [],
    privatesuper: true,
    nat: false,
    underlay: false,
  });
  await plant.call('PUT', '/v1/network', {
    id: 'internet',
    name: 'internet',
    prefixes: ['100.64.0.0/16'],
    destinationprefixes: ['0.0.0.0/0'],
    privatesuper: false,
    nat: true,
    underlay: false,
    vrf: 104_009,
  });
  const network = await plant.call<{ id: string }>('POST', '/v1/network/allocate', {
    name: 'bench',
    projectid: project,
    partitionid: PARTITION,
    length: { IPv4: 17 },
  });
  return { privateNetwork: network.id };
}

async function allocatable(plant: Plant): Promise<number> {
  const partitions = await plant.call<Array<{ servers?: Array<{ allocatable?: number }> }>>(
    'POST',
    '/v1/partition/capacity',
    { id: PARTITION },
  );
  return partitions.flatMap(({ servers = [] }) => servers).reduce((sum, server) => sum + (server.allocatable ?? 0), 0);
}

async function untilAllocatable(plant: Plant, wanted: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const now = await allocatable(plant);
    if (now >= wanted) return;
    if (performance.now() > deadline) throw new Error(`only ${now} of ${wanted} machines came to wait`);
    await pause(500);
  }
}

/** Machines or addresses that two answers name. */
function doubles(answers: readonly Allocated[]): { count: number; incomplete: number } {
  const ips = answers.map(({ allocation }) => (allocation?.networks ?? []).flatMap((network) => network.ips ?? []));
  return {
    count: doublesIn(answers.map(({ id }) => id)).count + doublesIn(ips.flat()).count,
    incomplete: ips.filter((own) => own.length !== 2).length,
  };
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const machines = quick ? 800 : 5_000;
  const most = quick ? 300 : 1_500;
  const rounds = quick ? 1 : 3;
  const notes: string[] = [];
  const rates: LoadResult[] = [];
  const frees: LoadResult[] = [];
  const costs: PlantCpu[] = [];
  let twice = 0;
  let incomplete = 0;

  const database = await startDatabase();
  let plant: Plant | undefined;
  let agents: Agents | undefined;
  try {
    plant = await startPlant({ database });
    const { project } = await makePartition(plant);
    const { privateNetwork } = await makeCatalogue(plant, project);
    progress(`${machines} machines register`);
    agents = await startAgents({
      partition: PARTITION,
      address: `${plant.host}:${plant.grpcPort}`,
      certificates: plant.agentFolder,
      url: plant.url,
      editKey: plant.editKey,
      machines,
    });
    await untilAllocatable(plant, machines);

    const plan = {
      host: plant.host,
      port: plant.httpPort,
      credentials: plant.admin,
      clients: CLIENTS,
      warmUpSeconds: 0,
    };
    const body = {
      name: 'bench',
      hostname: 'bench',
      projectid: project,
      partitionid: PARTITION,
      sizeid: 'c1-small',
      imageid: 'ubuntu-24.4.20260101',
      networks: [
        { networkid: privateNetwork, autoacquire: true },
        { networkid: 'internet', autoacquire: true },
      ],
      ips: [],
      ssh_pub_keys: [],
      tags: [],
    };
    const load = async (more: Pick<LoadPlan, 'requests' | 'each' | 'keep'> & { most?: number }) => {
      let cpu: PlantCpu = { siteMs: 0, databaseMs: 0 };
      const result = await runLoad<PlantCpu>(
        { ...plan, ...more, seconds: 60, wantedStatus: 200 },
        {
          read: () => plant!.cpu(),
          window: (begin, end) => {
            cpu = { siteMs: end.siteMs - begin.siteMs, databaseMs: end.databaseMs - begin.databaseMs };
          },
        },
      );
      if (result.odd.length > 0 || result.broken > 0) {
        notes.push(
          `statuses ${JSON.stringify(result.statuses)}, ${result.broken} connections broke; ${result.odd[0] ?? ''}`,
        );
      }
      return { result, cpu };
    };
    const allocateAndFree = async (count: number): Promise<void> => {
      const allocation = await load({
        requests: [{ method: 'POST', path: '/v1/machine/allocate', body }],
        each: 'again and again',
        keep: 'bodies',
        most: count,
      });
      const answers = allocation.result.kept.map((text) => JSON.parse(text) as Allocated);
      const check = doubles(answers);
      twice += check.count;
      incomplete += check.incomplete;
      rates.push(allocation.result);
      costs.push(allocation.cpu);
      const requests = answers.map(({ id }) => ({ method: 'DELETE', path: `/v1/machine/${id}/free` }));
      frees.push((await load({ requests, each: 'once', keep: 'nothing' })).result);
      await agents!.waitAgain();
      await untilAllocatable(plant!, machines);
    };

    progress('warming up');
    await allocateAndFree(Math.ceil(most / 3));
    for (const list of [rates, frees, costs]) list.length = 0;
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round} of ${rounds}`);
      await allocateAndFree(most);
    }
    const { booted } = agents;
    notes.unshift(
      `${machines} machines in ${booted.racks} racks: switches registered in ${number(booted.switchesS)} s, machines in ${number(booted.registerS)} s` +
        ` (${perSecond(machines / booted.registerS)}), their events in ${number(booted.eventsS)} s. All hold a wait stream while it is measured.`,
    );
  } finally {
    agents?.stop();
    await plant?.stop();
    await database.stop();
  }

  const of = (list: readonly LoadResult[], pick: (one: LoadResult) => number): number => median(list.map(pick));
  const costUs = (pick: (cpu: PlantCpu) => number): number =>
    median(costs.map((cpu, at) => (1_000 * pick(cpu)) / Math.max(1, rates[at]?.answers ?? 0)));
  const row = (what: string, list: readonly LoadResult[]): string[] => [
    what,
    perSecond(of(list, (one) => one.perSecond)),
    ms(of(list, (one) => one.p50Ms)),
    ms(of(list, (one) => one.p99Ms)),
    ms(of(list, (one) => one.maxMs)),
  ];
  const figures = {
    allocatePerSecond: of(rates, (one) => one.perSecond),
    allocateP99Ms: of(rates, (one) => one.p99Ms),
    freePerSecond: of(frees, (one) => one.perSecond),
    allocateSiteCpuUs: costUs(({ siteMs }) => siteMs),
    allocateDatabaseCpuUs: costUs(({ databaseMs }) => databaseMs),
    doubles: twice,
    incomplete,
  };
  return {
    name: 'machine-allocate',
    title: `${most} machines of ${number(machines)} by POST /v1/machine/allocate with private network and internet, ${CLIENTS} clients, median of ${rounds}`,
    columns: ['', 'rate', 'p50', 'p99', 'longest'],
    rows: [row('allocate', rates), row('free', frees)],
    verdicts: [
      atLeast('allocations', figures.allocatePerSecond, 500, '/s'),
      atMost('p99', figures.allocateP99Ms, 200, ' ms'),
      atMost('machines or addresses given twice', twice, 0, ''),
      atMost('allocations without both addresses', incomplete, 0, ''),
    ],
    notes: [
      `${database.about}; CPU of an allocation: site ${number(figures.allocateSiteCpuUs)} µs, database ${number(figures.allocateDatabaseCpuUs)} µs.`,
      ...notes,
    ],
    figures,
  };
}

export const machineAllocate: Bench = {
  name: 'machine-allocate',
  about: 'allocating machines with two networks over HTTP',
  run,
};
