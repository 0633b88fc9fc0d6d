// How long nobody is served when a site's active process is killed while another one stands by, and when one of its threads dies.
import { setTimeout as wait } from 'node:timers/promises';
import { callApi } from '../api-client.ts';
import { until } from '../process/child.ts';
import { addNetwork, seedPlace, type Seeded } from '../process/seed.ts';
import { withSitePair, type SitePair, type SiteProcess } from '../process/site-pair.ts';
import { untilAcknowledged } from '../process/standby-rounds.ts';
import { startWorkload } from '../process/workload.ts';
import { seededRandom } from '../rack/random.ts';
import { atMost, median, ms, type Bench, type Report } from './report.ts';

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

/** From the kill to the first address that the other process gives out. */
async function killedOnce(pair: SitePair, seeded: Seeded): Promise<number> {
  const active = await pair.active();
  const from = performance.now();
  const killed = active.child.end('SIGKILL');
  await untilAcknowledged(pair, pair.other(active), seeded.project);
  const tookMs = performance.now() - from;
  await killed;
  await active.start();
  await pair.untilBoth();
  return tookMs;
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
  const crashes = quick ? 3 : 20;
  const killed: number[] = [];
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
      for (let round = 1; round <= kills; round++) {
        progress(`process ${round} of ${kills}`);
        await wait(QUIET_MS);
        killed.push(await killedOnce(pair, seeded));
      }
    } finally {
      await load.stop();
      answers = load.answered;
    }
  });
  const row = (what: string, list: readonly number[]): string[] => [
    what,
    String(list.length),
    ms(median(list)),
    ms(percentile(list, 0.99)),
    ms(Math.min(...list)),
  ];
  const figures = {
    takeoverP50Ms: median(killed),
    takeoverP99Ms: percentile(killed, 0.99),
    crashP50Ms: median(crashed),
    crashP99Ms: percentile(crashed, 0.99),
    answers,
  };
  return {
    name: 'takeover',
    title: `until the first address is given out again, ${CLIENTS} clients taking and giving addresses meanwhile`,
    columns: ['', 'rounds', 'p50', 'p99', 'shortest'],
    rows: [row('active process killed (-9), another stands by', killed), row('thread of a shard ended', crashed)],
    verdicts: [
      atMost('takeover, p50', figures.takeoverP50Ms, 2_000, ' ms'),
      atMost('takeover, p99', figures.takeoverP99Ms, 3_000, ' ms'),
      atMost('thread back, p50', figures.crashP50Ms, 1_000, ' ms'),
    ],
    notes: [
      `Two built processes of one site with 2 shards each, the bundled database, a router; ${answers} answers to the load. Asked every ${PROBE_EVERY_MS} ms,`,
      'at the process that takes over, and at the actor whose thread ended. From before the signal (the message) to the answer.',
    ],
    figures,
  };
}

export const takeover: Bench = {
  name: 'takeover',
  about: 'kill -9 with a standby, and the death of a thread, to the first success',
  run,
};
