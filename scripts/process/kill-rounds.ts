// Rounds of a fault under load: after each one all answers can be explained, what was acknowledged is there and nothing
// leaked; at the end nothing is left.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { seededRandom } from '../rack/random.ts';
import { startFleet } from './fleet.ts';
import { createJudge } from './judge.ts';
import { withPlant, type Plant, type PlantOptions, type PlantSite } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { startWorkload } from './workload.ts';

export interface Rounds {
  rounds: number;
  seed: number;
  addressClients?: number;
  machineClients?: number;
  machines?: number;
  /** So long the load runs before each fault, at least and at most. */
  quietMs: readonly [number, number];
  plant?: PlantOptions;
  /** The fault, and how it is over: the site answers again afterwards. */
  fault(plant: Plant, site: PlantSite): Promise<void>;
}

/** No request may take longer: the product's own deadline of 30 s and a little for a loaded machine. */
const LONGEST_MS = 33_000;

const NETWORK = 'load';
/** 62 addresses for clients that want more, so that some are refused. */
const PREFIX = '172.31.1.0/26';
const ADDRESSES = Array.from({ length: 62 }, (_, i) => `172.31.1.${i + 1}`);

export async function runRounds(options: Rounds): Promise<void> {
  const { rounds, seed, addressClients = 24, machineClients = 8, machines = 8 } = options;
  console.log(`seed ${seed} (SEED=${seed} repeats the moments)`);
  const random = seededRandom(seed);
  await withPlant(options.plant ?? {}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, PREFIX);
    const fleet = await startFleet({ site, partition: 'muc', machines });
    try {
      await fleet.untilWaiting();
      const load = startWorkload({
        site,
        seeded,
        network: NETWORK,
        addresses: ADDRESSES,
        addressClients,
        machineClients,
        random: seededRandom(seed + 1),
      });
      const judge = createJudge(load, site.databaseUrl);
      try {
        for (let round = 1; round <= rounds; round++) {
          const [least, most] = options.quietMs;
          await wait(least + random() * (most - least));
          await options.fault(plant, site);
          await judge.round(`after fault ${round} of seed ${seed}`);
        }
        await wait(options.quietMs[0]);
      } finally {
        await load.stop();
      }
      await judge.end(`seed ${seed}`);
      console.log(
        `${rounds} faults, ${load.answered} answers, longest ${Math.round(load.longestMs)} ms, ${JSON.stringify(load.history.counts())}`,
      );
      assert.ok(load.longestMs < LONGEST_MS, `a request took ${load.longestMs} ms`);
      await fleet.untilWaiting();
    } finally {
      await fleet.stop();
    }
  });
}

export const seedOfRun = (): number => Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000));
