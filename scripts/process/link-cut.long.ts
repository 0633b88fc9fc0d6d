import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { until } from './child.ts';
import { createGlobalLoad, cutWire, healWires } from './global-load.ts';
import { seedOfRun } from './kill-rounds.ts';
import { checkHistory } from './linear.ts';
import { isUp, type PlantSite } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';
const CLIENTS = 4;
const MOST_HELD = 3;
const CUT_MS = 2_000;
/** F12: a heartbeat or two of silence. */
const DOWN_WITHIN_MS = 6_000;
const UP_WITHIN_MS = 15_000;
/** F11: a write to the other side fails in this time, not after 30 s. */
const REFUSED_WITHIN_MS = 8_000;

test('reliability.md F11, F12: the link cut in either direction and in both: both sites give out addresses of one network, none twice, and heal by themselves', async () => {
  const seed = seedOfRun();
  console.log(`seed ${seed}`);
  await withTwoPlants({ proxies: true }, async ({ plant, muc, fra, seeded, there, untilQuiet }) => {
    await addGlobalNetwork(muc, NETWORK, '203.0.113.0/24');
    const load = createGlobalLoad(seeded.project);
    const random = seededRandom(seed);
    const run = { isOver: false };
    const taken = new Map([muc, fra].map((site) => [site.id, 0]));

    async function client(site: PlantSite, name: string): Promise<void> {
      const held: string[] = [];
      while (!run.isOver) {
        if (held.length > 0 && (held.length >= MOST_HELD || random() < 0.4)) {
          const [address] = held.splice(Math.floor(random() * held.length), 1);
          await load.give(site, NETWORK, address!, name);
        } else {
          const answer = await load.take(site, NETWORK, name);
          if (answer.address !== undefined) {
            held.push(answer.address);
            taken.set(site.id, taken.get(site.id)! + 1);
          } else await wait(100);
        }
        await wait(random() * 30);
      }
    }

    // Its creation was answered: it can be used at once, everywhere (design.md §2, read your writes).
    for (const site of [fra, muc]) {
      const first = await load.take(site, NETWORK, 'first');
      assert.ok(first.address !== undefined, `${site.id}: ${JSON.stringify(first)}`);
    }
    const clients = [muc, fra].flatMap((site) => Array.from({ length: CLIENTS }, (_, i) => client(site, `c${i}`)));
    try {
      for (const [what, cut] of [
        ['muc → fra', () => cutWire(muc, fra)],
        ['fra → muc', () => cutWire(fra, muc)],
        [
          'both',
          () => {
            cutWire(muc, fra);
            cutWire(fra, muc);
          },
        ],
      ] as const) {
        cut();
        for (const site of [muc, fra]) {
          await until(`${site.id} knows that ${what} is cut`, async () => !(await isUp(site)), DOWN_WITHIN_MS);
        }
        const before = new Map(taken);
        const startMs = performance.now();
        const foreign = await muc.ask('POST', '/v1/ip/allocate', { networkid: there.dmz, projectid: seeded.project });
        assert.equal(foreign.status, 503, `${what}: ${foreign.text}`);
        assert.match(errorMessage(foreign.text), /fra/);
        assert.ok(performance.now() - startMs < REFUSED_WITHIN_MS, `refused after ${performance.now() - startMs} ms`);
        await wait(CUT_MS);
        for (const site of [muc, fra]) {
          const got = taken.get(site.id)! - before.get(site.id)!;
          assert.ok(got >= 10, `${site.id} gave out ${got} addresses while ${what} was cut`);
        }
        healWires(plant);
        for (const site of [muc, fra]) {
          await until(`${site.id} is connected again after ${what}`, () => isUp(site), UP_WITHIN_MS);
        }
      }
    } finally {
      run.isOver = true;
      await Promise.all(clients);
    }
    const held = await load.readAll(muc, [NETWORK]);
    assert.deepEqual(await load.readAll(fra, [NETWORK]), held);
    for (const key of held) await load.give(muc, NETWORK, key.split(' ')[1]!, 'janitor');
    assert.deepEqual(await load.readAll(fra, [NETWORK]), []);
    console.log(`taken ${JSON.stringify([...taken])}, ${JSON.stringify(load.history.counts())}`);
    assert.deepEqual(checkHistory(load.history.operations), []);
    assert.deepEqual(load.strange, []);
    await untilQuiet();
  });
});
