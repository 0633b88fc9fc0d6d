import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { until } from './child.ts';
import { startFleet } from './fleet.ts';
import { insistKeyed, isReplayed, sendKeyed, type KeyedRequest } from './keyed-client.ts';
import { seedOfRun } from './kill-rounds.ts';
import { isUp, type PlantSite } from './plant.ts';
import { withTwoPlants } from './two-plants.ts';

const KILLS = 10;
const MACHINES = 6;
const MACHINE_CLIENTS = 4;
const CATALOGUE_CLIENTS = 3;

interface Told {
  request: KeyedRequest;
  status: number;
  text: string;
}

test(`reliability.md F22, F23, I04: machines, partitions, networks and the catalogue, asked for with a key at either of two sites, killed ${KILLS} ×: one effect, one answer`, async () => {
  const seed = seedOfRun();
  console.log(`seed ${seed} (SEED=${seed} repeats the moments)`);
  const random = seededRandom(seed);
  await withTwoPlants({}, async ({ plant, muc, fra, seeded, untilQuiet }) => {
    const sites = [muc, fra] as const;
    const fleet = await startFleet({ site: muc, partition: 'muc', machines: MACHINES });
    const told: Told[] = [];
    const run = { isOver: false };
    const made = { partition: [] as string[], network: [] as string[], size: [] as string[], tenant: [] as string[] };

    /** Begins at a site that the name draws, so that the next try is at the other one. */
    async function done(request: KeyedRequest, isTransient?: Parameters<typeof insistKeyed>[2]): Promise<string> {
      const order = random() < 0.5 ? [muc, fra] : [fra, muc];
      const { status, text } = await insistKeyed(order, request, isTransient);
      told.push({ request, status, text });
      return text;
    }

    async function machineClient(name: string): Promise<void> {
      for (let i = 0; !run.isOver; i++) {
        const key = `${name}-${i}`;
        const body = {
          name: key,
          partitionid: 'muc',
          projectid: seeded.project,
          sizeid: seeded.size,
          imageid: seeded.image,
          networks: [{ networkid: seeded.privateNetwork }],
        };
        // Machines are few: whoever finds none asks again, under the same key, for nothing was done.
        const request = { method: 'POST', path: '/v1/machine/allocate', body, key };
        const text = await done(request, ({ status }) => status === 422);
        const { id, allocation } = JSON.parse(text) as { id: string; allocation: { name: string } };
        assert.equal(allocation.name, key);
        await done({ method: 'DELETE', path: `/v1/machine/${id}/free`, key: `${key}-free` });
      }
    }

    async function catalogueClient(name: number): Promise<void> {
      for (let i = 0; !run.isOver; i++) {
        const id = `c${name}-${i}`;
        const put = (path: string, body: object): Promise<string> =>
          done({ method: 'PUT', path: `/v1/${path}`, body, key: `${id}-${path}` });
        const cores = 100 + name * 1_000 + i;
        await put('size', { id, constraints: [{ type: 'cores', min: cores, max: cores }] });
        made.size.push(id);
        await put('tenant', { meta: { id }, name: id });
        made.tenant.push(id);
        await put('network', {
          id,
          prefixes: [`198.${18 + name}.${i}.0/24`],
          destinationprefixes: [],
          privatesuper: false,
          nat: true,
          underlay: false,
        });
        made.network.push(id);
        if (i % 3 === 0) {
          const { url } = plant.files;
          await put('partition', { id, bootconfig: { imageurl: `${url}/initrd.img`, kernelurl: `${url}/kernel` } });
          made.partition.push(id);
        }
      }
    }

    const clients: Array<Promise<void>> = [];
    try {
      // Before anybody asks: a machine that a client holds is not to be had, and then all of them never are at once.
      await fleet.untilWaiting(60_000);
      clients.push(
        ...Array.from({ length: MACHINE_CLIENTS }, (_, i) => machineClient(`m${i}`)),
        ...Array.from({ length: CATALOGUE_CLIENTS }, (_, i) => catalogueClient(i)),
      );
      // Whoever fails ends the test at once, not after the last kill.
      const failed = Promise.all(clients);
      failed.catch(() => (run.isOver = true));
      for (let kill = 0; kill < KILLS && !run.isOver; kill++) {
        await wait(300 + 1_500 * random());
        const victim = sites[kill % 2]!;
        await victim.kill();
        await victim.start();
        await until('both are up', async () => (await isUp(muc)) && (await isUp(fra)));
      }
      run.isOver = true;
      await failed;

      // The same for ever, wherever it is asked for.
      for (const { request, status, text } of told) {
        for (const site of sites) {
          const again = await sendKeyed(site, request);
          const what = `${request.method} ${request.path} ${request.key} at ${site.id}`;
          assert.deepEqual([again.status, again.text, isReplayed(again)], [status, text, true], what);
        }
      }
      const { request } = told[0]!;
      const other = await sendKeyed(fra, { ...request, body: { ...(request.body as object), description: 'another' } });
      assert.equal(other.status, 422, other.text);
      assert.notEqual(errorMessage(other.text), '');

      await everyOnce(sites, made);
      const machines = await muc.call<Array<{ allocation?: object | null }>>('POST', '/v1/machine/find', {
        partition_id: 'muc',
      });
      assert.equal(
        machines.filter(({ allocation }) => allocation != null).length,
        0,
        'all were freed, and none is left',
      );
      assert.ok(told.length > 2 * KILLS, `${told.length} operations`);
      console.log(`${told.length} operations, ${JSON.stringify(Object.entries(made).map(([k, v]) => [k, v.length]))}`);
      await untilQuiet();
    } finally {
      run.isOver = true;
      await Promise.allSettled(clients);
      await fleet.stop();
    }
  });
});

/** Each thing that was made is there once, seen from either site, and nothing else that was asked for. */
async function everyOnce(sites: readonly PlantSite[], made: Record<string, string[]>): Promise<void> {
  for (const [kind, ids] of Object.entries(made)) {
    for (const site of sites) {
      const all = await site.call<Array<{ id?: string; meta?: { id: string } }>>('GET', `/v1/${kind}`);
      const found = all.map(({ id, meta }) => id ?? meta?.id ?? '').filter((id) => /^c\d-\d+$/.test(id));
      assert.deepEqual(found.sort(), [...ids].sort(), `${kind} at ${site.id}`);
    }
  }
}
