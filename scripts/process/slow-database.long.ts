import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { openSession } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { measureCapacity, openSender, runPhase, type Told } from './open-load.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CLIENTS = 64;
const MEASURE_MS = 4_000;
const ALONE = 7;
/** Each answer of the database, the lease's too. */
const WIRE_MS = 250;
/** Commits only, as in the table. A statement of the site’s is given up by the server after 2.8 s, a commit by the site after 3.5 s. */
const COMMIT_MS = 2_000;
const STALL_MS = 2_000;
const BACK_WITHIN_MS = 5_000;
/** Of what the site does while the database is quick: far more than it can do while commits are slow. */
const FLOOD = 0.7;
const FLOOD_MS = 8_000;
const ACCEPTED_WITHIN_MS = 20_000;
const REFUSED_WITHIN_MS = 5_000;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

test('reliability.md F10: a slow database costs time: groups grow, throughput falls far less than latency rises, what can’t be done in time is refused at once; a stall leaves nothing behind', () =>
  withPlant({ proxies: true, groupLimit: 512 }, async (plant) => {
    const site = plant.first;
    const proxy = site.databaseProxy!;
    const { pid } = site.process;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'slow', '100.64.0.0/12');
    const { send, close } = openSender(site);
    const session = openSession(site.databaseUrl);
    const strange: string[] = [];
    const take = async (): Promise<Told> => {
      const told = await send('POST', '/v1/ip/allocate', { networkid: 'slow', projectid: seeded.project });
      if (![201, 429, 503].includes(told.status)) strange.push(`${told.status} ${errorMessage(told.text)}`);
      if (told.status !== 201 && !((told.retryAfterS ?? 0) >= 1)) strange.push(`${told.status} without Retry-After`);
      return told;
    };
    const figures = { latencyMs: {} as Record<string, number>, perSecond: {} as Record<string, number> };

    async function measure(what: string): Promise<void> {
      const alone: number[] = [];
      for (let i = 0; i < ALONE; i++) {
        const told = await take();
        assert.equal(told.status, 201, `${what}: ${told.text}`);
        alone.push(told.tookMs);
      }
      let done = 0;
      await measureCapacity(CLIENTS, MEASURE_MS, async () => {
        if ((await take()).status === 201) done++;
      });
      figures.latencyMs[what] = median(alone);
      figures.perSecond[what] = (done * 1_000) / MEASURE_MS;
    }

    try {
      await measure('quick');
      proxy.delay(WIRE_MS, 'toClient');
      await measure('wire');
      proxy.delay(0, 'toClient');

      await session.say(`create function slow() returns trigger language plpgsql as $$ begin
        perform pg_sleep(${COMMIT_MS / 1_000});
        return new;
      end $$`);
      await session.say('create trigger slow before insert on commit_group for each row execute function slow()');
      await measure('commit');
      const flood = await runPhase({ perSecond: FLOOD * figures.perSecond['quick']!, forMs: FLOOD_MS }, take);
      await session.say('drop trigger slow on commit_group');
      const accepted = flood.filter(({ status }) => status === 201);
      const refused = flood.filter(({ status }) => status !== 201);

      const stall = { isOver: false };
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (!stall.isOver) await take();
      });
      await wait(500);
      proxy.cut('toServer', 'toClient');
      await wait(STALL_MS);
      proxy.heal();
      await until('addresses are given out again', async () => (await take()).status === 201, BACK_WITHIN_MS);
      stall.isOver = true;
      await Promise.all(clients);
      await measure('afterwards');

      const round = (values: Record<string, number>): string =>
        JSON.stringify(Object.fromEntries(Object.entries(values).map(([what, value]) => [what, Math.round(value)])));
      const longest = (told: readonly Told[]): number => Math.round(Math.max(0, ...told.map(({ tookMs }) => tookMs)));
      console.log(
        `alone ${round(figures.latencyMs)} ms, ${CLIENTS} clients ${round(figures.perSecond)}/s; flood: ${accepted.length} accepted (longest ${longest(accepted)} ms), ${refused.length} refused (longest ${longest(refused)} ms)`,
      );
      for (const what of ['wire', 'commit'] as const) {
        const slower = figures.latencyMs[what]! / figures.latencyMs['quick']!;
        const fewer = figures.perSecond['quick']! / figures.perSecond[what]!;
        assert.ok(fewer < slower / 2, `${what}: ${slower.toFixed(1)} × slower, ${fewer.toFixed(1)} × fewer`);
      }
      assert.ok(accepted.length > 0 && refused.length > 0);
      assert.ok(longest(accepted) < ACCEPTED_WITHIN_MS);
      assert.ok(longest(refused) < REFUSED_WITHIN_MS);
      assert.ok(figures.perSecond['afterwards']! >= figures.perSecond['quick']! / 3, 'nothing is left of it');
      assert.deepEqual(strange, []);
      assert.equal(site.process.pid, pid);
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    } finally {
      close();
      await session.end();
    }
  }));
