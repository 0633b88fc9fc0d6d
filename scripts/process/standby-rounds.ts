// Rounds in which the active process of a site dies or stalls under load while another one stands by.
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { callApi } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { until } from './child.ts';
import { startFleet } from './fleet.ts';
import { createJudge } from './judge.ts';
import type { Operation } from './history.ts';
import type { PlantOptions } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { withSitePair, type SitePair, type SiteProcess } from './site-pair.ts';
import { startWorkload } from './workload.ts';

export interface StandbyRounds {
  rounds: number;
  seed: number;
  addressClients: number;
  machineClients: number;
  quietMs: readonly [number, number];
  plant?: PlantOptions;
  /** What of the history is judged; default: all of it. */
  isTelling?: (operation: Operation) => boolean;
  /** Longest time to the first acknowledged write elsewhere. */
  withinMs: { p50: number; p99: number };
  /** Ends the active process's service; answers what must be done before the next round. `project` may take of `PROBE`. */
  fault(active: SiteProcess, round: number, pair: SitePair, project: string): Promise<() => Promise<void>>;
}

const NETWORK = 'load';
/** A network that no client of the load uses. */
export const PROBE = 'probe';
const ADDRESSES = Array.from({ length: 62 }, (_, i) => `172.31.1.${i + 1}`);
const PROBE_MS = 5;

interface Ip {
  ipaddress: string;
}

/** Milliseconds from the fault until the other process acknowledges a write of its own. */
export async function untilAcknowledged(pair: SitePair, at: SiteProcess, project: string): Promise<number> {
  const from = performance.now();
  let address = '';
  await until(
    `${at.name} acknowledges a write`,
    async () => {
      // A machine that is busy enough takes its lease from a standby, too; a launcher would start it again.
      if (!at.child.isRunning) at.child.start();
      const body = { networkid: PROBE, projectid: project };
      const options = { timeoutMs: 5_000 };
      const answer = await callApi(at.url, pair.site.credentials(), 'POST', '/v1/ip/allocate', body, options);
      if (answer.status !== 201) return false;
      address = (JSON.parse(answer.text) as Ip).ipaddress;
      return true;
    },
    60_000,
    PROBE_MS,
  );
  const tookMs = performance.now() - from;
  // There, too: the router may not have heard of the takeover yet. 404: an earlier try, of which nothing was heard, got through.
  await until(`${at.name} takes ${address} back`, async () => {
    const { status } = await callApi(at.url, pair.site.credentials(), 'DELETE', `/v1/ip/free/${address}`, undefined, {
      timeoutMs: 30_000,
    });
    return status === 200 || status === 404;
  });
  return tookMs;
}

const at = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;

export async function runStandbyRounds(options: StandbyRounds): Promise<void> {
  const { rounds, seed, addressClients, machineClients } = options;
  console.log(`seed ${seed} (SEED=${seed} repeats the moments)`);
  const random = seededRandom(seed);
  await withSitePair(options.plant ?? {}, async (pair) => {
    const { site } = pair;
    const seeded = await seedPlace(pair.plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.31.1.0/26');
    await addNetwork(site, seeded, PROBE, '172.31.9.0/24');
    const fleet = await startFleet({
      site,
      partition: 'muc',
      machines: 8,
      grpcPorts: pair.processes.map(({ grpcPort }) => grpcPort),
    });
    const took: number[] = [];
    try {
      await fleet.untilWaiting(60_000);
      const load = startWorkload({
        site,
        seeded,
        network: NETWORK,
        addresses: ADDRESSES,
        addressClients,
        machineClients,
        random: seededRandom(seed + 1),
      });
      const judge = createJudge(load, site.databaseUrl, options.isTelling);
      try {
        for (let round = 1; round <= rounds; round++) {
          await pair.untilBoth();
          const [least, most] = options.quietMs;
          await wait(least + random() * (most - least));
          const active = await pair.active();
          const repair = await options.fault(active, round, pair, seeded.project);
          took.push(await untilAcknowledged(pair, pair.other(active), seeded.project));
          await repair();
          await pair.untilBoth();
          await judge.round(`after round ${round} of seed ${seed}`);
        }
      } finally {
        await load.stop();
      }
      await judge.end(`seed ${seed}`);
      took.sort((a, b) => a - b);
      console.log(
        `${rounds} rounds, ${addressClients + machineClients} clients, ${load.answered} answers; takeover p50 ${Math.round(at(took, 0.5))} ms, p99 ${Math.round(at(took, 0.99))} ms, longest request ${Math.round(load.longestMs)} ms, ${JSON.stringify(load.history.counts())}`,
      );
      assert.ok(at(took, 0.5) <= options.withinMs.p50, `p50 ${at(took, 0.5)} ms`);
      assert.ok(at(took, 0.99) <= options.withinMs.p99, `p99 ${at(took, 0.99)} ms`);
    } finally {
      await fleet.stop();
    }
  });
}
