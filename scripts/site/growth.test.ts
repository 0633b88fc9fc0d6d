import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { partitionScope } from '../../actors/address.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { createGrowthStore, type GrowthStore } from '../../storage/growth.ts';
import { createSiteStore } from '../../storage/index.ts';
import { suite, test } from '../../storage/testing/register.ts';
import { testServers } from '../../storage/testing/servers.ts';
import { keepGrowth } from './growth.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const scope = partitionScope('p');

for (const server of testServers().slice(0, 2)) {
  suite(`growth over ${server.name}`, { skip: server.skip }, () => {
    let started: { url: string; stop(): Promise<void> };
    let store: GrowthStore;
    before(async () => {
      started = await server.start();
      await (await createSiteStore({ url: started.url, applicationName: 'growth-test' })).close();
      store = createGrowthStore({ url: started.url, applicationName: 'growth-test' });
    });
    after(async () => {
      await store?.close();
      await started?.stop();
    });

    test('what a network held a week ago is known after a restart; what does not change is not noted again', async () => {
      const world = createVirtualWorld();
      const held = { now: 100 };
      const writes: number[] = [];
      const noted: GrowthStore = {
        ...store,
        async write(rows) {
          writes.push(rows.length);
          await store.write(rows);
        },
        close: async () => {},
      };
      const open = () =>
        keepGrowth({
          store: noted,
          rows: { countByOwner: async () => new Map([['n', held.now]]) },
          world,
          hosted: () => ['p'],
          odd: (what, error) => assert.fail(`${what}: ${String(error)}`),
        });
      /** Until the last look is over: real I/O under virtual time. */
      const pass = async (ms: number): Promise<void> => {
        const looks = writes.length;
        world.run(world.monotonicMs() + ms);
        for (let turns = 0; writes.length === looks && turns < 500; turns++)
          await new Promise((resolve) => setTimeout(resolve, 5));
        await new Promise((resolve) => setTimeout(resolve, 20));
      };
      const first = open();
      assert.equal(first.earlier(scope, 'n'), undefined);
      await pass(60_000);
      const startMs = world.wallMs();
      assert.equal(first.earlier(scope, 'n')?.held, 100);
      held.now = 150;
      await pass(2 * HOUR_MS);
      await pass(2 * HOUR_MS);
      assert.deepEqual(writes, [1, 1, 0]);
      await first.stop();

      const second = open();
      await pass(60_000);
      const known = second.earlier(scope, 'n');
      assert.equal(known?.held, 100);
      assert.ok(Math.abs(known.atMs - startMs) < HOUR_MS);
      // A week later it is what was held when the week began.
      for (let day = 0; day < 9; day++) await pass(DAY_MS);
      assert.deepEqual(
        [second.earlier(scope, 'n')?.held, second.earlier(scope, 'n')?.atMs],
        [150, world.wallMs() - 7 * DAY_MS],
      );
      await second.stop();
    });
  });
}
