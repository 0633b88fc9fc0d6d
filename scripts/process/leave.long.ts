import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { callApi } from '../api-client.ts';
import { siteFolder } from '../config.ts';
import { join } from 'node:path';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { freePort, until } from './child.ts';
import { startFleet } from './fleet.ts';
import { addNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const EACH_WAY = 12;
const MACHINES = 4;
/** Shorter than the lease: nobody takes over meanwhile. */
const PATIENCE_MS = 400;
/** What is in the group that is under way when its asker leaves is finished: of each shard one group. */
const SHARDS = 2;
const GROUP_LIMIT = 3;

test('design.md §4, §10: clients hang up while the database does not answer: what had not begun is not done, by whichever way they came, and nothing stays reserved', async () => {
  await withTwoPlants(
    { proxies: true, shards: SHARDS, groupLimit: GROUP_LIMIT },
    async ({ plant, muc, fra, seeded, databases, untilQuiet }) => {
      await addNetwork(muc, seeded, 'left', '172.31.0.0/24');
      const port = await freePort();
      const router = plant.child('router', 'router.js', {
        HANSE_ROUTER_HOST: '127.0.0.1',
        HANSE_ROUTER_PORT: String(port),
        HANSE_ROUTER_SITES: `https://${muc.linkProxy!.host}:${muc.linkProxy!.port}`,
        HANSE_ROUTER_IDENTITY: join(siteFolder(plant.folder, muc.id), 'identity', 'router'),
      });
      router.start();
      const routerUrl = `http://127.0.0.1:${port}`;
      const take = (url: string, path: string, body: object, timeoutMs: number) =>
        callApi(url, muc.credentials(), 'POST', path, body, { timeoutMs });
      const address = { networkid: 'left', projectid: seeded.project };
      const machine = {
        partitionid: 'muc',
        projectid: seeded.project,
        sizeid: seeded.size,
        imageid: seeded.image,
        name: 'm',
        networks: [{ networkid: seeded.privateNetwork }, { networkid: seeded.dmz }],
      };
      const ways = [muc.url, fra.url, routerUrl];
      for (const url of ways) {
        await until(`${url} has the way`, async () => {
          const answer = await take(url, '/v1/ip/allocate', address, 5_000).catch(() => undefined);
          return answer?.status === 201;
        });
      }
      const fleet = await startFleet({ site: muc, partition: 'muc', machines: MACHINES });
      try {
        await fleet.untilWaiting();
        const before = countTaken([await readSite(muc.databaseUrl)]);

        muc.databaseProxy!.cut('toServer', 'toClient');
        const leaving = ways.flatMap((url) => [
          ...Array.from({ length: EACH_WAY }, () => take(url, '/v1/ip/allocate', address, PATIENCE_MS)),
          take(url, '/v1/machine/allocate', machine, PATIENCE_MS),
        ]);
        const left = await Promise.allSettled(leaving);
        assert.ok(
          left.every(({ status }) => status === 'rejected'),
          'nobody was answered',
        );
        // Their word travels over links.
        await wait(100);
        muc.databaseProxy!.heal();

        const stayed = await take(muc.url, '/v1/ip/allocate', address, 30_000);
        assert.equal(stayed.status, 201, stayed.text);
        await untilQuiet();
        const after = countTaken([await readSite(muc.databaseUrl)]);
        const done = after.addresses - before.addresses - 1;
        console.log(`${leaving.length} left, ${done} addresses were taken for them`);
        // A machine takes two.
        assert.ok(done <= 2 * SHARDS * GROUP_LIMIT, `${done} addresses for clients who had left`);

        // Nothing of the others is kept: all machines that are free can be had.
        const free = MACHINES - (after.allocations - before.allocations);
        const had = await Promise.all(
          Array.from({ length: free }, () => take(muc.url, '/v1/machine/allocate', machine, 30_000)),
        );
        assert.deepEqual(
          had.map(({ status }) => status),
          had.map(() => 200),
        );
      } finally {
        await fleet.stop();
      }
      assert.deepEqual(await auditDatabases(databases, { isQuiet: true }), []);
    },
  );
});
