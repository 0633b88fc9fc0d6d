import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { callApi, errorMessage, type ApiAnswer } from '../api-client.ts';
import { readSite } from './audit-rows.ts';
import { until } from './child.ts';
import { isUp, withPlant, type PlantSite } from './plant.ts';
import { addGlobalNetwork, seedPlace } from './seed.ts';

const send = (
  site: PlantSite,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<ApiAnswer> => callApi(site.url, site.credentials(), method, path, body, { timeoutMs: 20_000, headers });
const withKey = (key: string) => ({ 'idempotency-key': key });
const isReplayed = ({ headers }: ApiAnswer): boolean => headers['idempotent-replayed'] === 'true';

/** Everything that an operation of this test could write. */
const written = (sites: PlantSite[]) =>
  Promise.all(
    sites.map(async (site) => {
      const { claim, directory, network, prefix, pool, global_network } = (await readSite(site.databaseUrl)).rows;
      return [claim, directory, network, prefix, pool, global_network];
    }),
  );

test('design.md §12: a key counts at every site; while one is down, creates wait and addresses say how far theirs counts', async () => {
  await withPlant({ sites: ['muc', 'fra'] }, async (plant) => {
    const [muc, fra] = [plant.site('muc'), plant.site('fra')];
    const seeded = await seedPlace(plant, muc, 'muc');
    await plant.joinFirst('fra');
    await seedPlace(plant, fra, 'fra', 1);

    const size = { id: 's9', name: 'nine', constraints: [{ type: 'cores', min: 1, max: 1 }] };
    const two = { id: 's10', constraints: [{ type: 'cores', min: 2, max: 2 }] };
    const made = await send(muc, 'PUT', '/v1/size', size, withKey('size'));
    assert.equal(made.status, 201, made.text);
    const elsewhere = await send(fra, 'PUT', '/v1/size', size, withKey('size'));
    assert.deepEqual([elsewhere.status, elsewhere.text, isReplayed(elsewhere)], [201, made.text, true]);
    const other = await send(fra, 'PUT', '/v1/size', { ...size, name: 'ten' }, withKey('size'));
    assert.equal(other.status, 422, other.text);

    // What has a home is passed on to it with both headers.
    const rename = { method: 'POST', path: '/v1/size', body: { ...size, description: 'renamed' } };
    const asDry = await send(fra, rename.method, rename.path, rename.body, { 'x-hanse-dry-run': 'true' });
    assert.deepEqual([asDry.status, asDry.headers['x-hanse-dry-run']], [200, 'true'], asDry.text);
    const unchanged = await muc.call<{ description: string }>('GET', '/v1/size/s9');
    assert.equal(unchanged.description, '');
    const asDryV2 = await send(fra, rename.method, '/v2/size?dryRun=true', rename.body, {});
    assert.equal((JSON.parse(asDryV2.text) as { dryRun: boolean }).dryRun, true);
    assert.equal((await muc.call<{ description: string }>('GET', '/v2/size/s9')).description, '');
    const renamed = await send(fra, rename.method, rename.path, rename.body, withKey('rename'));
    const again = await send(muc, rename.method, rename.path, rename.body, withKey('rename'));
    assert.deepEqual([again.status, again.text, isReplayed(again)], [200, renamed.text, true]);

    // A partition is made, and hosted, where it was asked for first.
    const bootconfig = { imageurl: `${plant.files.url}/boot/initrd.img`, kernelurl: `${plant.files.url}/boot/kernel` };
    const hall = { id: 'hall', bootconfig };
    const before = await written([muc, fra]);
    const dry = await send(fra, 'PUT', '/v2/partition?dryRun=true', hall, {});
    assert.equal(dry.status, 201, dry.text);
    const internet = { id: 'internet', prefixes: ['203.0.113.0/24'], destinationprefixes: ['0.0.0.0/0'], nat: true };
    const dryNetwork = await send(muc, 'PUT', '/v1/network', internet, { 'x-hanse-dry-run': 'true' });
    assert.equal(dryNetwork.status, 201, dryNetwork.text);
    const overlapping = { ...internet, id: 'o', prefixes: ['10.1.0.0/16'] };
    const dryRefused = await send(muc, 'PUT', '/v1/network', overlapping, { 'x-hanse-dry-run': 'true' });
    const refused = await send(muc, 'PUT', '/v1/network', overlapping, {});
    assert.deepEqual([dryRefused.status, dryRefused.text], [refused.status, refused.text]);
    assert.notEqual(refused.status, 201);
    assert.deepEqual(await written([muc, fra]), before);
    const first = await send(fra, 'PUT', '/v1/partition', hall, withKey('hall'));
    assert.equal(first.status, 201, first.text);
    const second = await send(muc, 'PUT', '/v1/partition', hall, withKey('hall'));
    assert.deepEqual([second.status, second.text, isReplayed(second)], [201, first.text, true]);
    const { partitions } = await muc.call<{ partitions: string[] }>('GET', '/v2/federation');
    assert.deepEqual(partitions, ['muc']);

    await addGlobalNetwork(muc, 'internet', '203.0.113.0/24');
    const take = { networkid: 'internet', projectid: seeded.project };
    await until('fra has a block', async () => (await fra.ask('POST', '/v1/ip/allocate', take)).status === 201);
    const address = await send(fra, 'POST', '/v1/ip/allocate', take, withKey('ip'));
    assert.equal(address.status, 201, address.text);
    const same = await send(muc, 'POST', '/v1/ip/allocate', take, withKey('ip'));
    assert.deepEqual([same.status, same.text, isReplayed(same)], [201, address.text, true]);
    assert.equal(address.headers['idempotency-scope'], undefined);

    await fra.kill();
    await until('muc sees that fra is gone', async () => !(await isUp(muc)));
    const create = await send(muc, 'PUT', '/v1/size', two, withKey('late'));
    assert.equal(create.status, 503);
    assert.match(errorMessage(create.text), /site fra can't be reached/);
    const alone = await send(muc, 'POST', '/v1/ip/allocate', take, withKey('alone'));
    assert.deepEqual([alone.status, alone.headers['idempotency-scope']], [201, 'site muc'], alone.text);
    await fra.start();
    await until('both are up', async () => (await isUp(muc)) && (await isUp(fra)));
    await wait(100);
    const healed = await send(muc, 'PUT', '/v1/size', two, withKey('late'));
    assert.equal(healed.status, 201, healed.text);
    const replayed = await send(fra, 'POST', '/v1/ip/allocate', take, withKey('alone'));
    assert.deepEqual([replayed.text, isReplayed(replayed)], [alone.text, true]);
  });
});
