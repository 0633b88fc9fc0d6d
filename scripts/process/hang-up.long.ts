import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from '../../storage/testing/register.ts';
import { signedHeaders } from '../api-client.ts';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { withPlant, type PlantSite } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const ROUNDS = 12;
const CLIENTS = 12;

/** Sends a request, and goes away instead of waiting for the answer. */
function startAndLeave({ url, credentials }: PlantSite, path: string, body: object): { leave(): void } {
  const bytes = JSON.stringify(body);
  const outgoing = request(new URL(path, url), {
    method: 'POST',
    agent: false,
    headers: { ...signedHeaders(credentials(), 'POST'), 'content-type': 'application/json' },
  });
  outgoing.on('error', () => {});
  outgoing.end(bytes);
  return { leave: () => void outgoing.destroy() };
}

test('networks.md §8, invariants 2 and 3: clients that hang up at any moment leave nothing behind that nobody could free', async () => {
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'left', '172.31.0.0/22');
    const ip = ['/v1/ip/allocate', { networkid: 'left', projectid: seeded.project }] as const;
    const child = [
      '/v1/network/allocate',
      { name: 'left', projectid: seeded.project, partitionid: 'muc', length: { IPv4: 28 } },
    ] as const;
    const answered: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const gone = Array.from({ length: CLIENTS }, (_, i) =>
        i % 2 === 0 ? startAndLeave(site, ...ip) : startAndLeave(site, ...child),
      );
      // Those who stay are answered one after the other, and at each answer one of the others leaves: before its request
      // was read, while it waits for its turn or for the commit, or with the answer on its way.
      await Promise.all(
        gone.map(async ({ leave }) => {
          const { status, text } = await site.ask('POST', ...ip);
          leave();
          assert.equal(status, 201, text);
          answered.push((JSON.parse(text) as { ipaddress: string }).ipaddress);
        }),
      );
    }
    assert.equal(new Set(answered).size, ROUNDS * CLIENTS);
    const held = async (): Promise<{ ips: string[]; children: string[] }> => {
      const ips = await site.call<Array<{ ipaddress: string }>>('POST', '/v1/ip/find', { networkid: 'left' });
      const children = await site.call<Array<{ id: string }>>('POST', '/v1/network/find', { name: 'left' });
      return { ips: ips.map(({ ipaddress }) => ipaddress), children: children.map(({ id }) => id) };
    };
    const all = await held();
    for (const address of answered) assert.ok(all.ips.includes(address), `${address} was promised`);
    assert.ok(all.ips.length > answered.length && all.children.length > 0, 'nothing was done for who had left');
    // What had been read before its client left may be done a moment later: it is listed then, and can be freed.
    for (let empty = 0; empty < 3;) {
      const { ips, children } = await held();
      empty = ips.length + children.length === 0 ? empty + 1 : 0;
      // One at a time: a site refuses what it can't answer in time.
      for (const address of ips) await site.call('DELETE', `/v1/ip/free/${address}`);
      for (const id of children) await site.call('DELETE', `/v1/network/free/${id}`);
    }
    const usage = await site.call<{ inOperation: number; families: Array<{ held: number }> }>(
      'GET',
      '/v2/network/left/usage',
    );
    assert.deepEqual([usage.inOperation, usage.families.map((family) => family.held)], [0, [0]]);
    assert.deepEqual(await auditDatabases([site.databaseUrl], { isQuiet: true }), []);
    const { addresses, allocations, asns } = countTaken([await readSite(site.databaseUrl)]);
    assert.deepEqual({ addresses, allocations, asns }, { addresses: 0, allocations: 0, asns: 0 });
  });
});
