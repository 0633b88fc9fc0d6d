// How long nobody is served when a site's active process is killed while another one stands by, and when one of its threads dies.
import { setTimeout as wait } from 'node:timers/promises';
import { callApi, errorMessage } from '../api-client.ts';
import { until } from '../process/child.ts';
import { startFleet } from '../process/fleet.ts';
import { copyMachine } from '../process/many-machines.ts';
import type { PlantSite } from '../process/plant.ts';
import { addNetwork, seedPlace, type Seeded } from '../process/seed.ts';
import { withSitePair, type SitePair, type SiteProcess } from '../process/site-pair.ts';
import { untilAcknowledged } from '../process/standby-rounds.ts';
import { startWorkload } from '../process/workload.ts';
import { seededRandom } from '../rack/random.ts';
import { pssOf } from './processes.ts';
import { atMost, median, ms, number, type Bench, type Report } from './report.ts';

const PARTITION = 'muc';
const CLIENTS = 16;
const ADDRESSES = Array.from({ length: 62 }, (_, i) => `172.31.1.${i + 1}`);
const PROBE_EVERY_MS = 5;
const LONGEST_MS = 60_000;
/** Between two faults: the load is at work again. */
const QUIET_MS = 300;

const percentile = (values: readonly number[], part: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
};

/** A project and its network in the partition. */
interface Tenancy {
  project: string;
  network: string;
}

/** Milliseconds from before the signal to each of the first successes at the process that takes over. */
interface Killed {
  address: number;
  /** The first machine of a project. */
  machine: number;
  /** One more of a project that has one: the spread over racks counts them all. */
  another: number;
}

const machineFor = (seeded: Seeded, { project, network }: Tenancy) => ({
  name: 'one',
  partitionid: PARTITION,
  projectid: project,
  sizeid: seeded.size,
  imageid: seeded.image,
  networks: [{ networkid: network }],
});

async function anotherTenancy(site: PlantSite): Promise<Tenancy> {
  const { meta } = await site.call<{ meta: { id: string } }>('PUT', '/v1/project', { name: 'b', tenant_id: 'acme' });
  const body = { projectid: meta.id, partitionid: PARTITION, name: 'b' };
  const { id } = await site.call<{ id: string }>('POST', '/v1/network/allocate', body);
  return { project: meta.id, network: id };
}

async function machineThatWaits(site: PlantSite, machines: readonly string[]): Promise<string> {
  let found: string | undefined;
  await until('a machine waits', async () => {
    for (const id of machines) {
      const machine = await site.call<{ allocation?: object | null; events: { log: Array<{ event: string }> } }>(
        'GET',
        `/v1/machine/${id}`,
      );
      if (!machine.allocation && machine.events.log[0]?.event === 'Waiting') found = id;
    }
    return found !== undefined;
  });
  return found!;
}

async function killedOnce(pair: SitePair, seeded: Seeded, fresh: Tenancy): Promise<Killed> {
  const active = await pair.active();
  const next = pair.other(active);
  const from = performance.now();
  const killed = active.child.end('SIGKILL');
  const allocated = async (tenancy: Tenancy): Promise<{ id: string; tookMs: number }> => {
    let id = '';
    await until(
      'a machine is allocated',
      async () => {
        const body = machineFor(seeded, tenancy);
        const path = '/v1/machine/allocate';
        const answer = await callApi(next.url, pair.site.credentials(), 'POST', path, body, { timeoutMs: LONGEST_MS });
        if (answer.status !== 200) throw new Error(`${answer.status} ${errorMessage(answer.text)}`);
        id = (JSON.parse(answer.text) as { id: string }).id;
        return true;
      },
      LONGEST_MS,
      PROBE_EVERY_MS,
    );
    return { id, tookMs: performance.now() - from };
  };
  const [address, machine, another] = await Promise.all([
    untilAcknowledged(pair, next, seeded.project),
    allocated(fresh),
    allocated({ project: seeded.project, network: seeded.privateNetwork }),
  ]);
  for (const { id } of [machine, another]) await pair.site.call('DELETE', `/v1/machine/${id}/free`);
  await killed;
  await active.start();
  await pair.untilBoth();
  return { address, machine: machine.tookMs, another: another.tookMs };
}

/** From the message that ends its actor's thread to the next address of the same actor. */
async function crashedOnce(pair: SitePair, active: SiteProcess, seeded: Seeded, round: number): Promise<number> {
  const take = async (name: string): Promise<number> => {
    // Each is another one, or it would be set aside as one that threads die of.
    const body = { networkid: 'crash', projectid: seeded.project, name, description: `round ${round}` };
    const answer = await callApi(active.url, pair.site.credentials(), 'POST', '/v1/ip/allocate', body, {
      timeoutMs: 5_000,
    });
    return answer.status;
  };
  const from = performance.now();
  await take('poison: exit');
  await until('the actor answers again', async () => (await take('after')) === 201, LONGEST_MS, PROBE_EVERY_MS);
  return performance.now() - from;
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const kills = quick ? 4 : 20;
  const machines = quick ? 20_000 : 100_000;
  const crashes = quick ? 3 : 20;
  const few: Killed[] = [];
  const many: Killed[] = [];
  let bytes = NaN;
  const crashed: number[] = [];
  let answers = 0;
  // As production runs, but that a message may end its thread.
  const options = { shards: 2, groupLimit: 512, env: { HANSE_FAULT: 'poison' } };
  await withSitePair(options, async (pair) => {
    const { site } = pair;
    const seeded = await seedPlace(pair.plant, site, PARTITION);
    await addNetwork(site, seeded, 'load', '172.31.1.0/26');
    await addNetwork(site, seeded, 'probe', '172.31.9.0/24');
    await addNetwork(site, seeded, 'crash', '172.30.0.0/20');
    const grpcPorts = pair.processes.map(({ grpcPort }) => grpcPort);
    const fleet = await startFleet({ site, partition: PARTITION, machines: 6, grpcPorts });
    await fleet.untilWaiting();
    const fresh = await anotherTenancy(site);
    await site.call(
      'POST',
      '/v1/machine/allocate',
      machineFor(seeded, { project: seeded.project, network: seeded.privateNetwork }),
    );
    const killRounds = async (what: string, into: Killed[]): Promise<number> => {
      for (let round = 1; round <= kills; round++) {
        progress(`process ${round} of ${kills}, ${what}`);
        await wait(QUIET_MS);
        into.push(await killedOnce(pair, seeded, fresh));
      }
      // The index is whole by then.
      await wait(QUIET_MS);
      return pssOf((await pair.active()).child.pid);
    };
    const load = startWorkload({
      site,
      seeded,
      network: 'load',
      addresses: ADDRESSES,
      addressClients: CLIENTS,
      machineClients: 0,
      random: seededRandom(1),
    });
    try {
      await pair.untilBoth();
      const active = await pair.active();
      for (let round = 1; round <= crashes; round++) {
        progress(`thread ${round} of ${crashes}`);
        await wait(QUIET_MS);
        crashed.push(await crashedOnce(pair, active, seeded, round));
      }
      const before = await killRounds('6 machines', few);
      progress(`${machines} machines`);
      const template = await machineThatWaits(site, fleet.machines);
      for (const { child } of pair.processes) await child.end('SIGKILL');
      await copyMachine(site.databaseUrl, template, machines);
      for (const process of pair.processes) await process.start();
      await pair.untilBoth();
      bytes = ((await killRounds(`${machines} machines`, many)) - before) / machines;
    } finally {
      await load.stop();
      answers = load.answered;
      await fleet.stop();
    }
  });
  const row = (what: string, list: readonly number[]): string[] => [
    what,
    String(list.length),
    ms(median(list)),
    ms(percentile(list, 0.99)),
    ms(Math.min(...list)),
  ];
  const times = (list: readonly Killed[]) => {
    const of = (what: keyof Killed): number[] => list.map((each) => each[what]);
    return { address: of('address'), machine: of('machine'), another: of('another') };
  };
  const [little, much] = [times(few), times(many)];
  const worst = [...much.address, ...much.machine, ...much.another];
  const slowest = much.another;
  const figures = {
    takeoverP50Ms: median(little.address),
    takeoverP99Ms: percentile(little.address, 0.99),
    manyP50Ms: median(slowest),
    manyP99Ms: percentile(worst, 0.99),
    crashP50Ms: median(crashed),
    crashP99Ms: percentile(crashed, 0.99),
    bytesEach: bytes,
    answers,
  };
  const rowsOf = (plant: string, { address, machine, another }: ReturnType<typeof times>): string[][] => [
    row(`${plant}: an address`, address),
    row("a project's first machine", machine),
    row('another machine of a project', another),
  ];
  return {
    name: 'takeover',
    title: `until the first success of each kind, ${CLIENTS} clients taking and giving addresses meanwhile`,
    columns: ['active process killed (-9), another stands by', 'rounds', 'p50', 'p99', 'shortest'],
    rows: [
      ...rowsOf('6 machines', little),
      ...rowsOf(`${number(machines)} machines registered`, much),
      row('thread of a shard ended: an address', crashed),
    ],
    verdicts: [
      atMost('takeover, an address, p50', figures.takeoverP50Ms, 2_000, ' ms'),
      atMost('takeover, an address, p99', figures.takeoverP99Ms, 3_000, ' ms'),
      atMost(`with ${number(machines)} machines, another machine, p50`, figures.manyP50Ms, 2_000, ' ms'),
      atMost(`with ${number(machines)} machines, anything, p99`, figures.manyP99Ms, 3_000, ' ms'),
      atMost('thread back, p50', figures.crashP50Ms, 1_000, ' ms'),
    ],
    notes: [
      `Two built processes of one site with 2 shards each, the bundled database, a router; ${answers} answers to the load. Asked every ${PROBE_EVERY_MS} ms,`,
      'at the process that takes over, and at the actor whose thread ended. From before the signal (the message) to the answer.',
      `A machine that nobody asks for: ${number(bytes)} B of the process that took over, garbage of reading it included.`,
    ],
    figures,
  };
}

export const takeover: Bench = {
  name: 'takeover',
  about: 'kill -9 with a standby, and the death of a thread, to the first success',
  run,
};
