import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { withPlant, type Plant, type PlantSite } from './plant.ts';
import { addGlobalNetwork, seedPlace } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

interface Answered {
  status: number;
  text: string;
}

const network = (partitionid: string | null, id: string, prefixes: string[]) => ({
  id,
  name: id,
  prefixes,
  destinationprefixes: ['0.0.0.0/0'],
  nat: true,
  privatesuper: false,
  underlay: false,
  ...(partitionid === null ? {} : { partitionid }),
});

const put = (site: PlantSite, body: object): Promise<Answered> => site.ask('PUT', '/v1/network', body);
const update = (site: PlantSite, id: string, prefixes: string[]): Promise<Answered> =>
  site.ask('POST', '/v1/network', { id, prefixes });
const is = (status: number, answer: Answered): void => assert.equal(answer.status, status, answer.text);
const messageOf = ({ text }: Answered): string => errorMessage(text);

const untilConserved = async (plant: Plant): Promise<void> => {
  const databases = plant.sites.map(({ databaseUrl }) => databaseUrl);
  let violations: string[] = [];
  await until(
    'everything is conserved',
    async () => (violations = await auditDatabases(databases, { isQuiet: true })).length === 0,
    20_000,
    100,
  ).catch((error: Error) => assert.deepEqual(violations, [], error.message));
};

test('networks.md §1.3–1.6, design.md §12: a prefix that an update removes or replaces is free at every site, also after a cut', async () => {
  await withTwoPlants({ proxies: true }, async ({ plant, muc, fra }) => {
    for (const [place, base] of [
      ['muc', 17],
      [null, 18],
    ] as const) {
      const id = `n-${base}`;
      is(201, await put(muc, network(place, id, [`${base}.1.0.0/24`, `${base}.2.0.0/24`])));
      is(200, await update(muc, id, [`${base}.1.0.0/24`]));
      is(201, await put(fra, network('fra', `other-${base}`, [`${base}.2.0.0/24`])));
      // Added and removed by one request.
      is(200, await update(muc, id, [`${base}.3.0.0/24`]));
      is(201, await put(fra, network('fra', `more-${base}`, [`${base}.1.0.0/24`])));
      // The same addresses, larger and smaller.
      is(200, await update(muc, id, [`${base}.3.0.0/24`, `${base}.8.0.0/24`]));
      is(200, await update(muc, id, [`${base}.3.0.0/24`, `${base}.8.0.0/23`]));
      is(422, await put(fra, network('fra', `late-${base}`, [`${base}.8.1.0/24`])));
      is(200, await update(muc, id, [`${base}.3.0.0/24`, `${base}.8.0.0/25`]));
      is(201, await put(fra, network('fra', `late-${base}`, [`${base}.8.1.0/24`])));
      // Given up, and taken again by the same network.
      is(200, await update(muc, id, [`${base}.3.0.0/24`]));
      is(200, await update(muc, id, [`${base}.3.0.0/24`, `${base}.8.0.0/25`]));
    }
    await untilConserved(plant);

    const overlap = await put(fra, network('fra', 'mine', ['17.3.0.0/25']));
    is(422, overlap);
    assert.equal(messageOf(overlap), '17.3.0.0/25 overlaps 17.3.0.0/24 of network n-17 (site muc)');
    const twice = await put(fra, network('fra', 'mine', ['17.9.0.0/24', '17.9.0.128/25']));
    is(422, twice);
    assert.equal(messageOf(twice), '17.9.0.128/25 overlaps 17.9.0.0/24 of the same request');
    is(201, await put(fra, { ...network('fra', 'numbered', ['17.10.0.0/24']), vrf: 4711 }));
    const numbered = await put(fra, { ...network('fra', 'again', ['17.11.0.0/24']), vrf: 4711 });
    is(409, numbered);
    assert.match(messageOf(numbered), /VRF 4711 is that of network numbered in partition fra/);

    // What is removed while nobody hears it is told when the link is back.
    for (const site of [muc, fra]) site.linkProxy!.cut('toServer', 'toClient');
    is(200, await update(muc, 'n-17', ['17.3.0.0/24']));
    for (const site of [muc, fra]) site.linkProxy!.heal();
    await until('it is free at fra', async () => {
      const made = await put(fra, network('fra', 'freed', ['17.8.0.0/25']));
      return made.status === 201;
    });
    await untilConserved(plant);
  });
});

test('design.md §11, §12: what was there before two sites joined is deleted everywhere: each kind of the directory, networks, partitions', async () => {
  await withPlant({ sites: ['muc', 'fra'] }, async (plant) => {
    const [muc, fra] = [plant.site('muc'), plant.site('fra')];
    const seeded = await seedPlace(plant, muc, 'muc');
    await muc.call('PUT', '/v1/network', network('muc', 'old', ['17.1.0.0/24']));
    await addGlobalNetwork(muc, 'internet', '203.0.113.0/24');
    const boot = (await muc.call<{ bootconfig: object }>('GET', '/v1/partition/muc')).bootconfig;
    const partition = { id: 'spare', bootconfig: boot, mgmtserviceaddress: '127.0.0.1:3333' };
    const layout = { id: 'l1', name: 'l1', constraints: { sizes: ['c9'], images: { debian: '*' } } };
    const image = {
      id: 'debian-12.0.20260101',
      name: 'debian',
      features: ['machine'],
      classification: 'supported',
      url: `${plant.files.url}/images/debian/img.tar.lz4`,
    };
    /** Path of the kind, id, and what makes it. A constraint has the id of its size. */
    const things: Array<[path: string, id: string, body: object]> = [
      ['tenant', 't1', { meta: { id: 't1' }, name: 't1' }],
      ['project', 'p1', { meta: { id: 'p1' }, name: 'p1', tenant_id: 'acme' }],
      [
        'size',
        'c9',
        {
          id: 'c9',
          constraints: [
            { type: 'cores', min: 99, max: 99 },
            { type: 'memory', min: 1, max: 2 },
          ],
        },
      ],
      ['image', image.id, image],
      ['filesystemlayout', 'l1', layout],
      ['size-image-constraint', seeded.size, { id: seeded.size, images: { debian: '*' } }],
      [
        'size/reservations',
        'r1',
        { id: 'r1', sizeid: seeded.size, projectid: seeded.project, amount: 1, partitionids: ['muc'] },
      ],
      ['partition', 'spare', partition],
    ];
    for (const [path, , body] of things) await muc.call('PUT', `/v1/${path}`, body);
    await plant.joinFirst('fra');
    await seedPlace(plant, fra, 'fra', 1);

    // Each by the other site: the request finds its home.
    for (const [path, id, body] of [...things].reverse()) {
      await until(`fra knows ${path} ${id}`, async () => (await fra.ask('GET', `/v1/${path}/${id}`)).status === 200);
      is(200, await fra.ask('DELETE', `/v1/${path}/${id}`));
      // A partition is hosted again by who hosted it before.
      const again = await (path === 'partition' ? muc : fra).ask('PUT', `/v1/${path}`, body);
      assert.equal(again.status, 201, `${path} ${id}: ${again.text}`);
      is(200, await muc.ask('DELETE', `/v1/${path}/${id}`));
    }
    for (const id of ['old', 'internet']) is(200, await muc.ask('DELETE', `/v1/network/${id}`));
    is(201, await put(fra, network('fra', 'old', ['17.1.0.0/25'])));
    is(201, await put(fra, network(null, 'internet', ['203.0.113.0/24'])));
    is(201, await put(muc, network('muc', 'rest', ['17.1.0.128/25'])));
    await untilConserved(plant);
  });
});
