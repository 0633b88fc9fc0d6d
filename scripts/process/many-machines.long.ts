// A partition of 100,000 machines of which a thousand are looked at: memory and the time of a takeover stay as they are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { test } from '../../storage/testing/register.ts';
import { createPool } from '../../storage/driver/pool.ts';
import type { ActorTree } from '../site/inspect/actors.ts';
import { until } from './child.ts';
import { startFleet } from './fleet.ts';
import { copyMachine } from './many-machines.ts';
import { withPlant, type PlantSite } from './plant.ts';
import { seedPlace } from './seed.ts';

const MACHINES = Number(process.env['MACHINES'] ?? 100_000);
const BUSY = 1_000;
const MOST_MIB = 1_024;
/** What one takes in the allocator's index, and what the garbage of a scan leaves behind. */
const MOST_INDEX_BYTES = 2_048;
/** Those that the fleet of four keeps talking of. */
const MOST_RESIDENT = 8;

/** Memory of a process, its share of what it shares with others included. */
function pssMiB(pid: number): number {
  const [, kib = '0'] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1_024);
}

async function untilStarted(site: PlantSite): Promise<number> {
  const from = performance.now();
  await site.start();
  return performance.now() - from;
}

async function untilAllocated(site: PlantSite, body: object): Promise<number> {
  const from = performance.now();
  let machine = '';
  await until(
    'a machine is allocated',
    async () => {
      const answer = await site.ask('POST', '/v1/machine/allocate', body);
      if (answer.status === 200) machine = (JSON.parse(answer.text) as { id: string }).id;
      return answer.status === 200;
    },
    120_000,
    20,
  );
  const tookMs = performance.now() - from;
  await site.call('DELETE', `/v1/machine/${machine}/free`);
  return tookMs;
}

test(`design.md §10: ${MACHINES} machines in one partition, ${BUSY} busy: at most 1 GiB, and a start loads none of them`, async () => {
  await withPlant({ shards: 1 }, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    const fleet = await startFleet({ site, partition: 'muc', machines: 4 });
    try {
      await fleet.untilWaiting();
      const body = {
        name: 'one',
        partitionid: 'muc',
        projectid: seeded.project,
        sizeid: seeded.size,
        imageid: seeded.image,
        networks: [{ networkid: seeded.privateNetwork }],
      };
      const report = async (what: string): Promise<number> => {
        await site.kill();
        const startMs = await untilStarted(site);
        const allocatedMs = await untilAllocated(site, body);
        const memory = pssMiB(site.process.pid);
        console.log(
          `${what}: ready after ${Math.round(startMs)} ms, first allocation after another ${Math.round(allocatedMs)} ms, ${memory} MiB`,
        );
        return memory;
      };
      const before = await report('4 machines');
      await site.kill();
      await copyMachine(site.databaseUrl, fleet.machines[0]!, MACHINES);
      const idle = await report(`${MACHINES} machines`);
      assert.ok((await residentMachines(site)) <= MOST_RESIDENT, 'a takeover loads the index, not the machines');

      const ids = await idsOf(site, BUSY);
      const from = performance.now();
      for (let i = 0; i < ids.length; i += 32) {
        const answers = await Promise.all(ids.slice(i, i + 32).map((id) => site.ask('GET', `/v1/machine/${id}`)));
        assert.ok(answers.every(({ status }) => status === 200));
      }
      const memory = pssMiB(site.process.pid);
      console.log(`${ids.length} of them read in ${Math.round(performance.now() - from)} ms, ${memory} MiB`);
      assert.ok(memory <= MOST_MIB, `${memory} MiB`);
      const indexBytes = ((idle - before) * 2 ** 20) / MACHINES;
      console.log(`a machine that nobody asks for: ${Math.round(indexBytes)} bytes; a busy one is an actor`);
      assert.ok(indexBytes <= MOST_INDEX_BYTES, `${Math.round(indexBytes)} bytes for each machine of the index`);
      const resident = await residentMachines(site);
      assert.ok(resident >= ids.length && resident <= ids.length + MOST_RESIDENT, `${resident} machines in memory`);
    } finally {
      await fleet.stop();
    }
  });
});

/** Machine actors in memory. */
async function residentMachines(site: PlantSite): Promise<number> {
  const tree = await site.call<ActorTree>('GET', '/v2/inspect/actors?kind=machine&limit=0');
  return tree.scopes.flatMap(({ kinds }) => kinds).reduce((sum, { resident }) => sum + resident, 0);
}

async function idsOf(site: PlantSite, count: number): Promise<string[]> {
  const pool = createPool(site.databaseUrl, {
    max: 1,
    isolation: 'read committed',
    applicationName: 'many-machines',
    statementTimeoutMs: 60_000,
    deadlineMs: 60_000,
  });
  const rows = await pool.run<{ key: string }>('select key from machine order by key limit $1::int4', [count]);
  await pool.end();
  return rows.map(({ key }) => key);
}
