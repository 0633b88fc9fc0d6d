import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { errorMessage, type ApiAnswer } from '../api-client.ts';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { startFleet } from './fleet.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CLIENTS = 64;
const MACHINES = 8;
const ASKS = 5;
/** 254 addresses for 64 clients that want five each. */
const PREFIX_254 = '172.31.0.0/24';
const NAMED = '172.31.0.77';

interface Ip {
  ipaddress: string;
}
interface Child {
  id: string;
  prefixes: string[];
  vrf: number;
}
interface Machine {
  id: string;
  allocation: { networks: Array<{ ips: string[] }> };
}

const countOf = (answers: readonly ApiAnswer[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

test('networks.md §2.2, machines.md §8: 64 clients race for 254 addresses, one named address, 16 child networks and 8 machines, on 2 shards, in groups of 3', async () => {
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'race', PREFIX_254);
    const everybody = Array.from({ length: CLIENTS }, (_, i) => i);

    /** Each client one after the other. */
    const byClients = async (ask: (client: number) => Array<() => Promise<ApiAnswer>>): Promise<ApiAnswer[]> => {
      const answers = everybody.map(async (client) => {
        const own: ApiAnswer[] = [];
        for (const one of ask(client)) own.push(await one());
        return own;
      });
      return (await Promise.all(answers)).flat();
    };
    const body = { networkid: 'race', projectid: seeded.project };
    const named = await Promise.all(everybody.map(() => site.ask('POST', `/v1/ip/allocate/${NAMED}`, body)));
    assert.deepEqual(countOf(named), { 201: 1, 409: CLIENTS - 1 });
    assert.equal((await site.ask('DELETE', `/v1/ip/free/${NAMED}`)).status, 200);
    const raced = await byClients(() =>
      Array.from({ length: ASKS }, () => () => site.ask('POST', '/v1/ip/allocate', body)),
    );
    assert.deepEqual(countOf(raced), { 201: 254, 500: CLIENTS * ASKS - 254 });
    const taken = raced.flatMap(({ status, text }) => (status === 201 ? [(JSON.parse(text) as Ip).ipaddress] : []));
    assert.equal(new Set(taken).size, 254);
    for (const { text } of raced.filter(({ status }) => status !== 201)) {
      assert.match(
        errorMessage(text),
        /^Internal cannot allocate free ip in ipam, no ips left in network race: 1 prefix of \/24, 254 of 254 addresses held/,
      );
    }
    assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    const released = await byClients((client) =>
      taken
        .filter((_address, i) => i % CLIENTS === client)
        .map((address) => () => site.ask('DELETE', `/v1/ip/free/${address}`)),
    );
    assert.deepEqual(countOf(released), { 200: 254 });

    await site.call('PUT', '/v1/partition', {
      id: 'tiny',
      bootconfig: { imageurl: `${plant.files.url}/boot/initrd.img`, kernelurl: `${plant.files.url}/boot/kernel` },
    });
    await site.call('PUT', '/v1/network', {
      id: 'super-tiny',
      partitionid: 'tiny',
      prefixes: ['10.99.0.0/26'],
      destinationprefixes: [],
      privatesuper: true,
      defaultchildprefixlength: { IPv4: 30 },
      nat: false,
      underlay: false,
    });
    for (const round of [1, 2]) {
      const body = { name: 'child', projectid: seeded.project, partitionid: 'tiny' };
      const answers = await Promise.all(everybody.map(() => site.ask('POST', '/v1/network/allocate', body)));
      const won = answers.filter(({ status }) => status === 201).map(({ text }) => JSON.parse(text) as Child);
      assert.equal(won.length, 16, `round ${round}: ${JSON.stringify(countOf(answers))}`);
      assert.equal(new Set(won.map(({ prefixes }) => prefixes.join())).size, 16);
      assert.equal(new Set(won.map(({ vrf }) => vrf)).size, 16);
      for (const { status, text } of answers.filter(({ status }) => status !== 201)) {
        assert.equal(status, 422, text);
        assert.match(errorMessage(text), /no prefix found in 10\.99\.0\.0\/26 with length:30/);
      }
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
      const freed = await Promise.all(won.map(({ id }) => site.ask('DELETE', `/v1/network/free/${id}`)));
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
