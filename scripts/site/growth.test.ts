import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { partitionScope } from '../../actors/address.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { createGrowthStore, type GrowthStore } from '../../storage/growth.ts';
import type { Change } from '../../actors/records.ts';
import { createShardStore, createSiteStore } from '../../storage/index.ts';
import { suite, test } from '../../storage/testing/register.ts';
import { asked, freshScope, groupOf, ipChange, ipRecord } from '../../storage/testing/samples.ts';
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
      const taken = { IPv4: 100, IPv6: 0 };
      const writes: number[] = [];
      let ended = (): void => {};
      const noted: GrowthStore = {
        ...store,
        async write(rows) {
          writes.push(rows.length);
          await store.write(rows);
        },
        // The last thing of a look.
        async sweep(beforeMs) {
          await store.sweep(beforeMs);
          ended();
        },
        now: async () => [{ network: 'n', held: 1, taken: { ...taken } }],
        close: async () => {},
      };
      const open = () =>
        keepGrowth({
          store: noted,
          world,
          hosted: () => ['p'],
          odd: (what, error) => assert.fail(`${what}: ${String(error)}`),
        });
      /** Until the look that is due then is over, however long it takes: real I/O under virtual time. */
      const pass = async (ms: number): Promise<void> => {
        const isOver = new Promise<void>((resolve) => (ended = resolve));
        world.run(world.monotonicMs() + ms);
        await isOver;
        // The next one is planned by then.
        await new Promise((resolve) => setImmediate(resolve));
      };
      const first = open();
      assert.equal(first.earlier(scope, 'n'), undefined);
      await pass(60_000);
      const startMs = world.wallMs();
      assert.deepEqual(first.earlier(scope, 'n')?.taken, { IPv4: 100, IPv6: 0 });
      taken.IPv6 = 2 ** 80;
      await pass(2 * HOUR_MS);
      await pass(2 * HOUR_MS);
      assert.deepEqual(writes, [1, 1, 0]);
      await first.stop();

      const second = open();
      await pass(60_000);
      const known = second.earlier(scope, 'n');
      assert.deepEqual(known?.taken, { IPv4: 100, IPv6: 0 });
      assert.ok(Math.abs(known.atMs - startMs) < HOUR_MS);
      // A week later it is what was held when the week began.
      for (let day = 0; day < 9; day++) await pass(DAY_MS);
      assert.deepEqual(
        [second.earlier(scope, 'n')?.taken.IPv6, second.earlier(scope, 'n')?.atMs],
        [2 ** 80, world.wallMs() - 7 * DAY_MS],
      );
      await second.stop();
    });

    test('what is taken is counted by family: addresses in use, and those in children of super networks', async () => {
      const fresh = freshScope();
      const options = { url: started.url, applicationName: 'growth-test' };
      const sites = await createSiteStore(options);
      const shard = createShardStore(options);
      const child = (root: string, cidr: string): Change => ({
        table: 'prefix',
        scope: fresh,
        key: cidr,
        owner: 'super',
        prev: 0,
        version: 1,
        value: { cidr, network: cidr, root },
      });
      const changes = [
        ...['10.0.0.1', '10.0.0.2', '2001:db8::1'].map((address) => ipChange(fresh, 'n', address)),
        ...['10.0.0.3', '2001:db8::2'].map((address) =>
          ipChange(fresh, 'n', address, { value: ipRecord('n', address, { restingUntilMs: 5 }) }),
        ),
        child('10.0.0.0/14', '10.0.0.0/14'),
        child('10.0.0.0/14', '10.0.0.0/22'),
        child('2001:db8::/48', '2001:db8::/64'),
      ];
      const fences = await sites.takeOver([fresh], 1);
      assert.equal((await asked(shard).commit(groupOf(fences, changes, 1))).outcome, 'committed');
      assert.deepEqual(await store.now(fresh), [
        { network: 'n', held: 3, taken: { IPv4: 2, IPv6: 1 } },
        { network: 'super', held: 2, taken: { IPv4: 1_024, IPv6: 2 ** 64 } },
      ]);
      await shard.close();
      await sites.close();
    });

    test('what was noted before families were told apart says nothing of them', async () => {
      const row = { scope, network: 'old', atMs: 1_000, held: 7, taken: null };
      await store.write([row]);
      assert.deepEqual(
        (await store.since(0)).filter(({ network }) => network === 'old'),
        [row],
      );
    });
  });
}
