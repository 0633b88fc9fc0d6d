import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import type { ApiAnswer } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { seedOfRun } from './kill-rounds.ts';
import { insistKeyed, sendKeyed, type KeyedRequest } from './keyed-client.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CLIENTS = 12;
const KILLS = 3;
const NETWORK = 'keyed';

test('reliability.md F22, I10: requests repeated around kill -9 with the same key: one answer, one effect', async () => {
  const seed = seedOfRun();
  console.log(`seed ${seed} (SEED=${seed} repeats the moments)`);
  const random = seededRandom(seed);
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.31.0.0/20');
    const told: Array<{ request: KeyedRequest; text: string; status: number }> = [];
    const run = { isOver: false };
    const held = { addresses: 0, networks: 0, projects: 0 };
    const before = countTaken([await readSite(site.databaseUrl)]);

    async function done(request: KeyedRequest): Promise<string> {
      const { text, status } = await insistKeyed([site], request);
      told.push({ request, text, status });
      return text;
    }
    async function client(name: number): Promise<void> {
      for (let i = 0; !run.isOver; i++) {
        const key = `${name}-${i}`;
        const body = { networkid: NETWORK, projectid: seeded.project, name: key };
        const text = await done({ method: 'POST', path: '/v1/ip/allocate', body, key });
        const { ipaddress, name: named } = JSON.parse(text) as { ipaddress: string; name: string };
        assert.equal(named, key);
        held.addresses++;
        if (i % 3 === 1) {
          await done({ method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: `${key}-free` });
          held.addresses--;
        }
        if (i % 8 === 2) {
          const child = { projectid: seeded.project, partitionid: 'muc', name: key, length: { IPv4: 28 } };
          await done({ method: 'POST', path: '/v1/network/allocate', body: child, key: `${key}-network` });
          held.networks++;
        }
        if (i % 8 === 5) {
          const project = { name: `p${key}`, tenant_id: 'acme' };
          await done({ method: 'PUT', path: '/v1/project', body: project, key: `${key}-project` });
          held.projects++;
        }
      }
    }
    const clients = Array.from({ length: CLIENTS }, (_, name) => client(name));
    for (let kill = 0; kill < KILLS; kill++) {
      await wait(300 + 1_500 * random());
      await site.kill();
      await site.start();
    }
    run.isOver = true;
    await Promise.all(clients);

    for (const { request, text, status } of told) {
      const again = await sendKeyed(site, request);
      assert.deepEqual([again.status, again.text], [status, text], `${request.method} ${request.path} ${request.key}`);
      assert.equal(again.headers['idempotent-replayed'], 'true');
    }
    const [first] = told;
    const other = await sendKeyed(site, {
      ...first!.request,
      body: { ...(first!.request.body as object), name: 'other' },
    });
    assert.equal(other.status, 422);

    const find = async (path: string, body: object): Promise<number> =>
      (await site.call<unknown[] | null>('POST', path, body))?.length ?? 0;
    assert.deepEqual(
      {
        addresses: await find('/v1/ip/find', { networkid: NETWORK }),
        networks: (await find('/v1/network/find', { projectid: seeded.project })) - 1,
        projects: (await find('/v1/project/find', { tenant_id: 'acme' })) - 1,
      },
      held,
    );
    assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    assert.ok(told.length > CLIENTS, `${told.length} operations`);

    // What is told dry is what is done, and telling it does nothing.
    const after = countTaken([await readSite(site.databaseUrl)]);
    assert.notDeepEqual(after, before);
    const body = { networkid: NETWORK, projectid: seeded.project, name: 'dry' };
    const dry = { 'x-hanse-dry-run': 'true' };
    const request = { method: 'POST', path: '/v1/ip/allocate', body, key: 'dry' };
    const asked = await sendKeyed(site, request, dry);
    const free = first!;
    const { ipaddress } = JSON.parse(free.text) as { ipaddress: string };
    const freed = await sendKeyed(site, { method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: 'dry-free' }, dry);
    const child = { projectid: seeded.project, partitionid: 'muc', length: { IPv4: 28 } };
    const carved = await sendKeyed(site, { method: 'POST', path: '/v2/network/allocate', body: child, key: 'c' }, dry);
    assert.deepEqual([asked.status, freed.status, carved.status], [201, 200, 201], carved.text);
    const told2 = JSON.parse(carved.text) as { dryRun: boolean; changes: Array<{ table: string }> };
    assert.ok(told2.dryRun && told2.changes.some(({ table }) => table === 'network'));
    assert.deepEqual(countTaken([await readSite(site.databaseUrl)]), after);
    const real = await sendKeyed(site, request);
    const addressOf = (answer: ApiAnswer) => (JSON.parse(answer.text) as { ipaddress: string }).ipaddress;
    assert.deepEqual([real.status, addressOf(real)], [201, addressOf(asked)]);
  });
});
