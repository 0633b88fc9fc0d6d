// The last addresses of a global network, over two plants: clients hold nearly all of it, so that single addresses are lent
// from one plant to the other all the time, while either is killed or the link is cut.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { seededRandom } from '../rack/random.ts';
import { until } from './child.ts';
import { createGlobalLoad, cutWire, healWires } from './global-load.ts';
import { checkHistory } from './linear.ts';
import { isUp, type PlantSite } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';
const CLIENTS = 4;
/** 62 addresses for 8 clients that want up to 9 each. */
const MOST_HELD = 9;
const QUIET_MS = 1_500;

export async function lastAddresses(rounds: number, seed: number): Promise<void> {
  console.log(`seed ${seed}`);
  await withTwoPlants({ proxies: true }, async ({ plant, muc, fra, seeded, untilQuiet }) => {
    await addGlobalNetwork(muc, NETWORK, '203.0.113.0/26');
    const load = createGlobalLoad(seeded.project);
    const random = seededRandom(seed);
    const run = { isOver: false };
    let lent = 0;

    async function client(site: PlantSite, other: PlantSite, name: string): Promise<void> {
      const held = new Set<string>();
      while (!run.isOver) {
        const chance = random();
        if (held.size >= MOST_HELD || (held.size > 0 && chance < 0.35)) {
          const address = [...held][Math.floor(random() * held.size)]!;
          // Whoever is asked passes it on to where the address is.
          if (await load.give(random() < 0.8 ? site : other, NETWORK, address, name)) held.delete(address);
        } else if (chance < 0.5) {
          const address = `203.0.113.${1 + Math.floor(random() * 62)}`;
          if (await load.takeThis(site, NETWORK, address, name)) held.add(address);
        } else {
          const { address } = await load.take(site, NETWORK, name);
          if (address !== undefined) held.add(address);
          else await wait(100);
        }
        await wait(random() * 20);
      }
    }

    // One address is free, in a block of fra that is in use: it is lent to muc.
    const all: string[] = [];
    for (let taken = await load.take(fra, NETWORK, 'first'); taken.address !== undefined;) {
      all.push(taken.address);
      taken = await load.take(fra, NETWORK, 'first');
    }
    const free = all.splice(all.length >> 1, 1)[0]!;
    assert.ok(await load.give(fra, NETWORK, free, 'first'));
    let moved: string | undefined;
    await until('the last address is lent', async () => {
      moved = (await load.take(muc, NETWORK, 'first')).address;
      return moved !== undefined;
    });
    assert.equal(moved, free);
    for (const address of [...all, free]) assert.ok(await load.give(fra, NETWORK, address, 'first'));

    const pairs = [
      [muc, fra],
      [fra, muc],
    ] as const;
    const clients = pairs.flatMap(([site, other]) =>
      Array.from({ length: CLIENTS }, (_unused, i) => client(site, other, `c${i}`)),
    );
    try {
      for (let round = 0; round < rounds; round++) {
        await wait(QUIET_MS * (0.5 + random()));
        const [site, other] = pairs[Math.floor(random() * 2)]!;
        if (random() < 0.7) {
          await site.kill();
          await site.start();
        } else {
          cutWire(site, other);
          cutWire(other, site);
          await wait(QUIET_MS);
          healWires(plant);
        }
        await until('both are up', async () => (await isUp(muc)) && (await isUp(fra)));
        for (const one of [muc, fra]) {
          const { status, text } = await one.ask('GET', `/v2/network/${NETWORK}/usage`);
          if (status === 200) lent = Math.max(lent, (JSON.parse(text) as { lent: number }).lent);
        }
      }
    } finally {
      run.isOver = true;
      await Promise.all(clients);
    }
    await untilQuiet();
    const held = await load.readAll(muc, [NETWORK]);
    assert.deepEqual(await load.readAll(fra, [NETWORK]), held);
    for (const key of held)
      await until(`${key} is given back`, () => load.give(fra, NETWORK, key.split(' ')[1]!, 'janitor'));
    const left = await load.readAll(muc, [NETWORK]);
    console.log(`${JSON.stringify(load.history.counts())}, at most ${lent} lent at a time`);
    assert.deepEqual({ left, violations: checkHistory(load.history.operations) }, { left: [], violations: [] });
    assert.deepEqual(load.strange, []);
    await untilQuiet();
  });
}
