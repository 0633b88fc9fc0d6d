// A site of two is backed up, goes on, and is restored while the other can't be reached (reliability.md F24).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { siteFolder } from '../config.ts';
import { acceptLoss } from '../federation-client.ts';
import { errorMessage } from '../api-client.ts';
import { backupSite } from '../site/backup.ts';
import type { SitePlace } from '../site/place.ts';
import { planRestore, restoreSite } from '../site/restore.ts';
import { test } from '../../storage/testing/register.ts';
import { until } from './child.ts';
import { createGlobalLoad, cutWire, healWires } from './global-load.ts';
import type { PlantSite } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';
const WITHIN_MS = 30_000;

interface View {
  restored: { missing: string[] | null; closedBlocks: number };
}
const viewOf = async (site: PlantSite): Promise<View['restored']> =>
  (await site.call<View>('GET', '/v2/federation')).restored;

export function restoredBackup(which: 'muc' | 'fra'): void {
  test(`reliability.md F24: ${which === 'muc' ? 'the home' : 'a holder'} of a global network restored from a backup waits for the other site, and gives out nothing twice`, async () => {
    await withTwoPlants({ proxies: true }, async ({ plant, muc, fra, seeded, untilQuiet }) => {
      await addGlobalNetwork(muc, NETWORK, '203.0.113.0/24');
      const load = createGlobalLoad(seeded.project);
      const given: string[] = [];
      const take = async (site: PlantSite, count: number): Promise<number> => {
        for (let i = 0; i < count; i++) {
          const { address } = await load.take(site, NETWORK, 'client');
          if (address === undefined) return i;
          assert.ok(!given.includes(address), `${address} of ${site.id} was given out before`);
          given.push(address);
        }
        return count;
      };
      const [site, other] = which === 'muc' ? [muc, fra] : [fra, muc];
      for (const one of [muc, fra]) assert.equal(await take(one, 6), 6);

      const folder = siteFolder(plant.folder, site.id);
      const place: SitePlace = { site: site.id, data: plant.folder, folder };
      const path = join(plant.folder, 'backup.hanse');
      await backupSite(place, site.databaseUrl, path);
      // More than a block each: holdings and ledger move on.
      for (const one of [muc, fra]) assert.equal(await take(one, 30), 30);

      await site.kill();
      cutWire(muc, fra);
      cutWire(fra, muc);
      const plan = await planRestore(place, site.databaseUrl, path);
      await restoreSite(place, site.databaseUrl, path, plan, { replaceKeys: false });
      await site.start();

      // Fenced: it says so, and for whom it waits; what is its own goes on.
      const early = await site.ask('POST', '/v1/ip/allocate', { networkid: NETWORK, projectid: seeded.project });
      assert.equal(early.status, 503, early.text);
      assert.match(errorMessage(early.text), /was restored from a backup/);
      await until('it says for whom it waits', async () => {
        const { missing } = await viewOf(site);
        return missing?.some((why) => why.startsWith(`site ${other.id}: `)) ?? false;
      });
      const health = await site.call<{ status: string; services: { ipam: { message: string } } }>('GET', '/v1/health');
      assert.equal(health.status, 'degraded');
      assert.match(health.services.ipam.message, /restored from a backup/);
      await site.call('GET', `/v1/ip/${given[which === 'muc' ? 0 : 6]}`);

      healWires(plant);
      await until('it was compared', async () => (await viewOf(site)).missing === null, WITHIN_MS);
      const { closedBlocks } = await viewOf(site);
      assert.ok(closedBlocks >= 2, `${closedBlocks} blocks are closed`);
      // The rest of the prefix, and not one that anybody ever had.
      let rest = 0;
      for (const one of [site, other]) rest += await take(one, 300);
      assert.ok(rest > 50, `${rest} more were given out`);
      // The databases are read one after the other, while blocks and single addresses still move.
      await untilQuiet();

      assert.equal(await acceptLoss(site.url, site.credentials(), false), closedBlocks);
      // From here on the clients' memory of what came after the backup is void; what anybody holds is not.
      const again = await load.take(site, NETWORK, 'client');
      assert.ok(again.address !== undefined, JSON.stringify(again));
      assert.equal((await viewOf(site)).closedBlocks, 0);
      await untilQuiet();
      assert.deepEqual(load.strange, []);
      console.log(`${site.id} restored: ${given.length} given out, ${closedBlocks} blocks closed until accepted`);
    });
  });
}
