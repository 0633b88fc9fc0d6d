import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import type { BlockStep } from '../../router/federation/blocks.ts';
import { until } from './child.ts';
import { startFleet } from './fleet.ts';
import { insistKeyed, type KeyedRequest } from './keyed-client.ts';
import { isUp, type PlantSite } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';

/** What each side does when an address that muc gave out is used in fra, and comes back. */
const STEPS: ReadonlyArray<readonly [site: 'muc' | 'fra', step: BlockStep]> = [
  ['fra', 'borrow'],
  ['muc', 'lender.lend'],
  ['fra', 'lent'],
  ['muc', 'lender.lent'],
  ['fra', 'bringBack'],
  ['fra', 'broughtBack'],
];

interface Ip {
  ipaddress: string;
}
interface Machine {
  id: string;
  allocation?: { networks: Array<{ networkid: string; ips: string[] | null }> } | null;
}

test('design.md §6, reliability.md I01, I08: either side of a loan of an address killed at each of its steps: it is in one place, and comes back', () =>
  withTwoPlants({}, async ({ muc, fra, there, untilQuiet }) => {
    await addGlobalNetwork(muc, NETWORK, '203.0.113.0/24');
    const fleet = await startFleet({ site: fra, partition: 'fra', machines: 2 });
    const killed: string[] = [];
    try {
      await fleet.untilWaiting(60_000);

      /** Repeats it under its key; whoever died meanwhile is started again, without the fault. */
      async function insist(site: PlantSite, request: KeyedRequest): Promise<string> {
        const run = { isOver: false };
        const answer = insistKeyed([site], request, ({ status }) => status === 409 || status === 422);
        const over = answer.then(
          () => void (run.isOver = true),
          () => void (run.isOver = true),
        );
        while (!run.isOver) {
          await revive();
          await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 50))]);
        }
        return (await answer).text;
      }
      async function revive(): Promise<void> {
        for (const site of [muc, fra]) {
          if (site.process.isRunning) continue;
          assert.equal(site.process.ended, 'SIGKILL', `site ${site.id} ended by itself: ${site.process.lastLines()}`);
          killed.push(site.id);
          await site.start();
        }
      }
      const bothUp = (): Promise<void> =>
        until('both are up', async () => {
          await revive();
          return (await isUp(muc)) && (await isUp(fra));
        });

      for (const [index, [id, step]] of STEPS.entries()) {
        const victim = id === 'muc' ? muc : fra;
        await bothUp();
        const before = killed.length;
        await victim.process.end('SIGTERM');
        victim.process.start({ HANSE_FAULT: step });
        await bothUp();

        const take = { networkid: NETWORK, projectid: there.project, name: step, type: 'static' };
        const taken = await insist(muc, { method: 'POST', path: '/v1/ip/allocate', body: take, key: `take-${index}` });
        const { ipaddress } = JSON.parse(taken) as Ip;
        const allocate = {
          name: `with ${ipaddress}`,
          partitionid: 'fra',
          projectid: there.project,
          sizeid: there.size,
          imageid: there.image,
          networks: [{ networkid: there.privateNetwork }, { networkid: NETWORK, autoacquire: false }],
          ips: [ipaddress],
        };
        const path = '/v1/machine/allocate';
        const allocated = await insist(fra, { method: 'POST', path, body: allocate, key: `allocate-${index}` });
        const { id: machine, allocation } = JSON.parse(allocated) as Machine;
        const held = allocation?.networks.find(({ networkid }) => networkid === NETWORK)?.ips;
        assert.deepEqual(held, [ipaddress], step);
        await insist(fra, { method: 'DELETE', path: `/v1/machine/${machine}/free`, key: `free-${index}` });
        await insist(muc, { method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: `give-${index}` });
        await until(
          `site ${id} reached ${step}`,
          async () => {
            await revive();
            return killed.length > before;
          },
          20_000,
        );
        await bothUp();
        for (const site of [muc, fra]) {
          const found = await site.call<Ip[]>('POST', '/v1/ip/find', { networkid: NETWORK });
          assert.deepEqual(found, [], `after ${step}, seen from ${site.id}`);
        }
        await untilQuiet(60_000);
        console.log(`${id} killed at ${step}`);
      }
    } finally {
      await fleet.stop();
    }
  }));
