import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { until } from './child.ts';
import { allocatable } from './fleet.ts';
import { seedOfRun } from './kill-rounds.ts';
import { withPlant } from './plant.ts';
import { rackOf } from './rack-plant.ts';
import { seedPlace } from './seed.ts';

const CYCLES = 100;
const CLIENTS = 6;
const MACHINES = 8;
const KILL_EVERY_MS = [4_000, 12_000] as const;
/** A machine boots, waits, is installed and phones home; with a site killed in between it starts again. */
const INSTALLED_MS = 90_000;

interface Machine {
  id: string;
  allocation?: { name: string } | null;
  events?: { log?: Array<{ event?: string }> | null };
}

test('machines.md §2.4: 100 machines allocated, installed and freed on one rack while the site is killed: all wait again, nothing is left', async () => {
  const seed = seedOfRun();
  const random = seededRandom(seed);
  console.log(`seed ${seed}`);
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    const rack = await rackOf(plant, site, { partition: 'muc', machines: MACHINES, speed: 100, seed });
    rack.start();
    const allWait = (): Promise<void> =>
      until('all machines wait', async () => (await allocatable(site, 'muc')) === MACHINES, 60_000, 100);
    await allWait();

    const run = { begun: 0, done: 0, kills: 0, unanswered: 0 };
    const strange: string[] = [];
    const body = {
      partitionid: 'muc',
      projectid: seeded.project,
      sizeid: seeded.size,
      imageid: seeded.image,
      networks: [{ networkid: seeded.privateNetwork }, { networkid: seeded.dmz }],
    };

    /** The answer's JSON, or undefined where there was none and everything has to be looked at again. */
    async function asked<T>(
      method: string,
      path: string,
      what?: unknown,
      fine: readonly number[] = [],
    ): Promise<T | undefined> {
      try {
        const { status, text } = await site.ask(method, path, what);
        if (status === 200) return JSON.parse(text) as T;
        if (status !== 503 && !fine.includes(status))
          strange.push(`${method} ${path}: ${status} ${errorMessage(text)}`);
        if (status === 503) run.unanswered++;
      } catch {
        run.unanswered++;
      }
      await wait(50 + random() * 100);
      return undefined;
    }

    async function allocate(name: string): Promise<string> {
      for (;;) {
        const machine = await asked<Machine>('POST', '/v1/machine/allocate', { ...body, name }, [422]);
        if (machine !== undefined) return machine.id;
        let found: Machine[] | undefined;
        while (found === undefined)
          found = await asked<Machine[]>('POST', '/v1/machine/find', { allocation_name: name });
        if (found[0] !== undefined) return found[0].id;
      }
    }

    async function cycle(name: string): Promise<void> {
      const id = await allocate(name);
      await until(
        `${name}: machine ${id} is installed`,
        async () => {
          const machine = await asked<Machine>('GET', `/v1/machine/${id}`);
          assert.ok(
            machine === undefined || machine.allocation?.name === name,
            `machine ${id} is no longer of ${name}`,
          );
          return machine?.events?.log?.[0]?.event === 'Phoned Home';
        },
        INSTALLED_MS,
        100,
      );
      for (;;) {
        if ((await asked('DELETE', `/v1/machine/${id}/free`)) !== undefined) return;
        const machine = await asked<Machine>('GET', `/v1/machine/${id}`);
        if (machine !== undefined && machine.allocation?.name !== name) return;
      }
    }

    const client = async (): Promise<void> => {
      while (run.begun < CYCLES) {
        await cycle(`cycle-${++run.begun}`);
        run.done++;
      }
    };
    const clients = Promise.all(Array.from({ length: CLIENTS }, client));
    const killer = (async () => {
      while (run.done < CYCLES) {
        const [least, most] = KILL_EVERY_MS;
        await wait(least + random() * (most - least));
        if (run.done >= CYCLES) return;
        await site.kill();
        await site.start();
        run.kills++;
        assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
      }
    })();
    try {
      await Promise.all([clients, killer]);
    } catch (error) {
      console.error(`the rack's last lines:\n${rack.lastLines(60)}`);
      throw error;
    } finally {
      run.begun = CYCLES;
      run.done = CYCLES;
    }
    await allWait();
    console.log(`${CYCLES} cycles, ${run.kills} kills, ${run.unanswered} requests without an answer`);
    assert.deepEqual(strange, []);
    assert.deepEqual(await auditDatabases([site.databaseUrl], { isQuiet: true }), []);
    assert.deepEqual(countTaken([await readSite(site.databaseUrl)]), { addresses: 0, allocations: 0, asns: 0 });
    await rack.end('SIGTERM');
  });
});
