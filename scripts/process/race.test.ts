import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { startFleet } from './fleet.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CLIENTS = 64;
const MACHINES = 8;
const PREFIX_62 = '172.31.0.0/26';

interface Ip {
  ipaddress: string;
}
interface Machine {
  id: string;
  allocation: { networks: Array<{ ips: string[] }> };
}

test('networks.md §2.2, machines.md §8: 64 clients race for 62 addresses and for 8 machines, on 2 shards, in groups of 3', async () => {
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'race', PREFIX_62);
    const everybody = Array.from({ length: CLIENTS }, (_, i) => i);

    for (const round of [1, 2]) {
      const body = { networkid: 'race', projectid: seeded.project };
      const answers = await Promise.all(everybody.map(() => site.ask('POST', '/v1/ip/allocate', body)));
      const won = answers.filter(({ status }) => status === 201).map(({ text }) => (JSON.parse(text) as Ip).ipaddress);
      assert.equal(won.length, 62, `round ${round}`);
      assert.equal(new Set(won).size, 62);
      for (const { status, text } of answers.filter(({ status }) => status !== 201)) {
        assert.equal(status, 500);
        assert.match(errorMessage(text), /^Internal cannot allocate free ip in ipam, no ips left/);
      }
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
      const freed = await Promise.all(won.map((address) => site.ask('DELETE', `/v1/ip/free/${address}`)));
      assert.ok(freed.every(({ status }) => status === 200));
    }

    const fleet = await startFleet({ site, partition: 'muc', machines: MACHINES });
    try {
      for (const round of [1, 2]) {
        await fleet.untilWaiting();
        const body = {
          partitionid: 'muc',
          projectid: seeded.project,
          sizeid: seeded.size,
          imageid: seeded.image,
          networks: [{ networkid: seeded.privateNetwork }, { networkid: seeded.dmz }],
        };
        const answers = await Promise.all(
          everybody.map((i) => site.ask('POST', '/v1/machine/allocate', { ...body, name: `m${i}` })),
        );
        const won = answers.filter(({ status }) => status === 200).map(({ text }) => JSON.parse(text) as Machine);
        assert.equal(won.length, MACHINES, `round ${round}: ${answers.map(({ status }) => status).join(' ')}`);
        assert.equal(new Set(won.map(({ id }) => id)).size, MACHINES);
        const ips = won.flatMap(({ allocation }) => allocation.networks.flatMap((network) => network.ips));
        assert.equal(new Set(ips).size, 2 * MACHINES);
        for (const { status, text } of answers.filter(({ status }) => status !== 200)) {
          assert.equal(status, 422, text);
          assert.match(errorMessage(text), /no machine available/);
        }
        assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
        const freed = await Promise.all(won.map(({ id }) => site.ask('DELETE', `/v1/machine/${id}/free`)));
        assert.deepEqual(
          freed.map(({ status }) => status),
          won.map(() => 200),
        );
      }
    } finally {
      await fleet.stop();
    }
    assert.deepEqual(await auditDatabases([site.databaseUrl], { isQuiet: true }), []);
    assert.deepEqual(countTaken([await readSite(site.databaseUrl)]), { addresses: 0, allocations: 0, asns: 0 });
  });
});
