import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from '../../storage/testing/register.ts';
import { callApi, errorMessage, type ApiAnswer } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { createSmallDisk, noSmallDisk } from './small-disk.ts';

/** A cluster has 40 MiB, its journal begins with 16. */
const DISK_MIB = 160;
/** More than what the pages have room for that are there already. */
const MOST_WRITES = 5_000;
const REFUSED_WITHIN_MS = 10_000;
const DESCRIPTION = 'd'.repeat(1_000);

test(
  'reliability.md F16: while the disk of the database is full writes are refused with the cause, reads go on; with space they come back by themselves',
  async () => {
    const disk = createSmallDisk(DISK_MIB);
    try {
      await withPlant({ databaseFolder: join(disk.folder, 'database') }, async (plant) => {
        const site = plant.first;
        const { pid } = site.process;
        const seeded = await seedPlace(plant, site, 'muc');
        await addNetwork(site, seeded, 'full', '172.30.0.0/16');
        const body = { networkid: 'full', projectid: seeded.project, description: DESCRIPTION };
        const take = (): Promise<ApiAnswer> => site.ask('POST', '/v1/ip/allocate', body);
        const first = JSON.parse((await take()).text) as { ipaddress: string };

        disk.fill();
        let taken = 1;
        let refused: ApiAnswer | undefined;
        let refusedMs = 0;
        for (let writes = 0; refused === undefined && writes < MOST_WRITES; writes++) {
          const from = performance.now();
          const answer = await take();
          refusedMs = performance.now() - from;
          if (answer.status === 201) taken++;
          else refused = answer;
        }
        assert.ok(refused !== undefined, `${MOST_WRITES} addresses fit on a full disk`);
        console.log(`refused after ${taken} writes, in ${Math.round(refusedMs)} ms: ${errorMessage(refused.text)}`);
        assert.equal(refused.status, 503);
        assert.match(errorMessage(refused.text), /space .* used up; nothing was changed/);
        assert.ok(Number(refused.headers['retry-after']) >= 1);
        assert.ok(refusedMs < REFUSED_WITHIN_MS, `told after ${refusedMs} ms`);

        // What memory knows, and what the database has.
        const read = await site.ask('GET', `/v1/ip/${first.ipaddress}`);
        assert.equal(read.status, 200, read.text);
        const found = await site.ask('POST', '/v1/ip/find', { networkid: 'full' });
        assert.equal(found.status, 200, found.text);
        assert.equal((JSON.parse(found.text) as unknown[]).length, taken);
        assert.equal((await callApi(site.url, null, 'GET', '/readyz')).status, 200);

        disk.free();
        await until('addresses are given out again', async () => (await take()).status === 201, 30_000);
        assert.equal(site.process.pid, pid, 'it was not restarted');
        assert.equal(site.process.isRunning, true);
        assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
      });
    } finally {
      disk.remove();
    }
  },
  { skip: noSmallDisk() },
);
