import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import type { BlockStep } from '../../router/federation/blocks.ts';
import { createGlobalLoad, type GlobalLoad } from './global-load.ts';
import { checkHistory } from './linear.ts';
import { isUp, type PlantSite } from './plant.ts';
import { until } from './child.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

/** Sixteen blocks of one address: every address that changes plants is a hand-over. */
const PREFIX_BITS = 28;
const USABLE = 14;
/** A denial answers for a second, and an unreachable home is asked again after two. */
const AGAIN_MS = 1_100;
const TRIES = 40;
/** Home offers what it gave again after five seconds. */
const OFFERED_AGAIN_MS = 5_500;

/** What each side does in the hand-over; muc is home of the network and holds blocks itself. */
const STEPS: ReadonlyArray<readonly [site: 'muc' | 'fra', step: BlockStep]> = [
  ['fra', 'adopt'],
  ['fra', 'give'],
  ['fra', 'receive'],
  ['fra', 'deliver'],
  ['fra', 'delivered'],
  ['fra', 'return'],
  ['fra', 'returned'],
  ['muc', 'adopt'],
  ['muc', 'give'],
  ['muc', 'receive'],
  ['muc', 'deliver'],
  ['muc', 'delivered'],
  ['muc', 'home.give'],
  ['muc', 'home.recall'],
  ['muc', 'home.takeBack'],
  ['muc', 'home.deliver'],
];

test('reliability.md §7.2: either side of the hand-over of blocks killed at each of its steps: no address is lost or double', async () => {
  await withTwoPlants({}, async ({ muc, fra, seeded, untilQuiet }) => {
    const load = createGlobalLoad(seeded.project);
    const networks: string[] = [];
    const killed: string[] = [];

    /** Whoever died is started again, without the fault. */
    async function revive(): Promise<void> {
      for (const site of [muc, fra]) {
        if (site.process.isRunning) continue;
        assert.equal(site.process.ended, 'SIGKILL', `site ${site.id} ended by itself: ${site.process.lastLines()}`);
        killed.push(site.id);
        await site.start();
      }
    }

    async function takeMany(site: PlantSite, network: string, count: number, refusals: number): Promise<string[]> {
      const taken: string[] = [];
      for (let tries = 0, refused = 0; taken.length < count && tries < TRIES && refused < refusals; tries++) {
        const answer = await load.take(site, network, 'c');
        if (answer.address !== undefined) taken.push(answer.address);
        else {
          if (answer.why === 'exhausted') refused++;
          await revive();
          await wait(answer.why === 'lost' ? 50 : AGAIN_MS);
        }
      }
      return taken;
    }

    async function giveMany(site: PlantSite, network: string, addresses: readonly string[]): Promise<void> {
      for (const address of addresses) {
        while (!(await load.give(site, network, address, 'c'))) {
          await revive();
          await wait(50);
        }
      }
    }

    /** Everything to fra, then back to muc, then to fra again: blocks go out, are recalled, and come home. */
    async function roundTrip(network: string): Promise<void> {
      const there = await takeMany(fra, network, USABLE, 3);
      await giveMany(fra, network, there);
      const here = await takeMany(muc, network, USABLE / 2, 8);
      assert.ok(here.length > 0, `muc got nothing of ${network} although fra gave everything back`);
      const again = await takeMany(fra, network, 3, 8);
      await giveMany(muc, network, here);
      await giveMany(fra, network, again);
    }

    for (const [index, [id, step]] of STEPS.entries()) {
      const victim = id === 'muc' ? muc : fra;
      const network = `global-${index}`;
      networks.push(network);
      await until('both are up', async () => (await isUp(muc)) && (await isUp(fra)));
      // With an older network there is always something to adopt at the start; the others come up later.
      const before = killed.length;
      await victim.process.end('SIGTERM');
      if (step === 'adopt') {
        await victim.start();
        await until('both are up', async () => (await isUp(muc)) && (await isUp(fra)));
        await addGlobalNetwork(muc, network, `198.51.${100 + index}.0/${PREFIX_BITS}`);
        await victim.process.end('SIGTERM');
        victim.process.start({ HANSE_FAULT: step });
        await victim.process.untilEnded();
        await revive();
      } else {
        // Not `start`: what it takes up at its start may already reach the step.
        victim.process.start({ HANSE_FAULT: step });
        await until('it is ready, or reached the step', async () => !victim.process.isRunning || victim.isReady());
        await revive();
        await until('both are up', async () => {
          await revive();
          return (await isUp(muc)) && (await isUp(fra));
        });
        await until(`${network} is made`, async () => {
          await revive();
          await makeNetwork(muc, network, `198.51.${100 + index}.0/${PREFIX_BITS}`);
          return true;
        });
      }
      await roundTrip(network);
      if (killed.length === before) await roundTrip(network);
      assert.equal(killed.length, before + 1, `site ${id} never reached ${step}`);
      await wait(OFFERED_AGAIN_MS);
      await untilQuiet();
      console.log(`${id} killed at ${step}: ${JSON.stringify(load.history.counts())}`);
    }

    const held = await load.readAll(muc, networks);
    assert.deepEqual(await load.readAll(fra, networks), held);
    for (const key of held) {
      const [network = '', address = ''] = key.split(' ');
      await giveAnywhere(load, [muc, fra], network, address);
    }
    assert.deepEqual(await load.readAll(muc, networks), []);
    assert.deepEqual(checkHistory(load.history.operations), []);
    await untilQuiet();

    // Nothing was lost on the way: all of the last network can be taken, by both together.
    const last = networks[networks.length - 1]!;
    const atFra = await takeMany(fra, last, USABLE, 3);
    const atMuc = await takeMany(muc, last, USABLE - atFra.length, 3);
    assert.equal(
      new Set([...atFra, ...atMuc]).size,
      USABLE,
      `of ${USABLE} only ${atFra.length} + ${atMuc.length} came`,
    );
    assert.deepEqual(checkHistory(load.history.operations), []);
    await untilQuiet();
    // Among others: a network whose creation was answered is known wherever it is asked for (design.md §2).
    assert.deepEqual(load.strange, []);
  });
});

/** Creates it, unless an earlier try got through. */
async function makeNetwork(site: PlantSite, id: string, prefix: string): Promise<void> {
  const known = await site.ask('GET', `/v1/network/${id}`);
  if (known.status !== 200) await addGlobalNetwork(site, id, prefix);
}

async function giveAnywhere(
  load: GlobalLoad,
  sites: readonly PlantSite[],
  network: string,
  address: string,
): Promise<void> {
  for (const site of sites) if (await load.give(site, network, address, 'janitor')) return;
}
