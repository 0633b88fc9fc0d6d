// Over everything that takes its id from the caller: what is accepted can be read and deleted, all else is 400.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { viewWithoutUsage } from '../../actors/network/state.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { notFound } from '../../actors/refusal.ts';
import type { SwitchView } from '../../actors/switch/messages.ts';
import { OPERATIONS } from '../../router/operations.ts';
import { refusePath } from '../../router/path.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, withDirectory, type Asked, type TestSite } from '../testing.ts';

// Images and partitions are created when their files answer.
const files = createServer((_request, response) => void response.end());
let host = '';
before(async () => {
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(files.address() as AddressInfo).port}`;
});
after(() => files.close());

interface Kind {
  path: string;
  create?: { method: string; path: string };
  body: (id: string) => object;
  idOf?: (answer: { id: string; meta: { id: string } }) => string;
  /** What every id of the kind has. */
  suffix?: string;
}

const constraints = [
  { type: 'cores', min: 1, max: 1 },
  { type: 'memory', min: 0, max: 1 },
];
const url = () => `http://${host}/file`;
const asMeta: Pick<Kind, 'idOf'> = { idOf: ({ meta }) => meta.id };

const KINDS: Kind[] = [
  { path: '/v1/network', body: (id) => ({ id, prefixes: ['10.0.0.0/24'], destinationprefixes: [] }) },
  { path: '/v1/project', body: (id) => ({ meta: { id }, tenant_id: 't' }), ...asMeta },
  { path: '/v1/tenant', body: (id) => ({ meta: { id } }), ...asMeta },
  { path: '/v1/size', body: (id) => ({ id, constraints }) },
  {
    path: '/v1/size/reservations',
    body: (id) => ({ id, amount: 1, sizeid: 's', projectid: 'x', partitionids: ['p'] }),
  },
  { path: '/v1/size-image-constraint', body: (id) => ({ id, constraints: { images: { ubuntu: '>= 20.04' } } }) },
  { path: '/v1/filesystemlayout', body: (id) => ({ id, constraints: { sizes: ['s'], images: { ubuntu: '*' } } }) },
  { path: '/v1/image', body: (id) => ({ id, url: url(), features: ['machine'] }), suffix: '-24.4.20260101' },
  { path: '/v1/partition', body: (id) => ({ id, bootconfig: { imageurl: url(), kernelurl: url() } }) },
  {
    path: '/v1/switch',
    create: { method: 'POST', path: '/v1/switch/register' },
    body: (id) => ({ id, name: 's', partition_id: 'p', rack_id: 'r', nics: [], os: { vendor: 'SONiC' } }),
  },
];

const IMPOSSIBLE = ['.', '..', 'a/b c', 'a/b', 'a\\b', 'a\nb', '\u007f', '\ud800', 'x'.repeat(129)];
const REAL = [
  'internet-x',
  'underlay-mini',
  'b1c2d3e4-0000-4000-8000-000000000001',
  'fra-equ01',
  'c1-large-x86',
  'a.b_c',
];
const STRANGE = ['a b', 'a;b', 'ä', 'a%2fb', '%2e', 'a?b#c', 'a:b@c', '~', 'v1', 'x'.repeat(128)];
const WORDS = [...new Set(OPERATIONS.flatMap(({ path }) => path.split('/')))].filter((word) => !word.startsWith('{'));

const switchOf = (id: string): SwitchView => ({
  switch: {
    id,
    name: id,
    description: '',
    created: 0,
    changed: 0,
    partition: 'p',
    rack: 'r',
    mode: 'operational',
    os: null,
    managementIp: '',
    managementUser: '',
    consoleCommand: '',
    nics: [],
  },
  status: { lastSync: null, lastSyncError: null, ports: {} },
  ports: [],
});

/** Networks and switches as their actors would keep them. */
function withActors(site: TestSite): void {
  const networks = new Map<string, NetworkRecord>();
  site.script['registry.createNetwork'] = ({ body }: Asked) => {
    const { network } = body as { network: NetworkRecord };
    networks.set(network.id, network);
    site.networkPlaces.set(network.id, { partition: network.partition, home: 'a' });
    return viewWithoutUsage(network);
  };
  site.script['network.ledger'] = { blocks: [], blockLength: {}, spare: [] };
  site.script['block.usage'] = ({ to }: Asked) => ({ network: to.id, ranges: [] });
  site.script['network.get'] = ({ to }: Asked) => viewWithoutUsage(networks.get(to.id)!);
  site.script['registry.deleteNetwork'] = ({ body }: Asked) => {
    const network = networks.get((body as { id: string }).id)!;
    networks.delete(network.id);
    site.networkPlaces.delete(network.id);
    return viewWithoutUsage(network);
  };
  site.script['switch.register'] = ({ to }: Asked) => {
    site.switchPlaces.set(to.id, 'p');
    return { view: switchOf(to.id), created: true };
  };
  site.script['switch.get'] = ({ to }: Asked) => switchOf(to.id);
  site.script['switch.delete'] = ({ to }: Asked) =>
    site.switchPlaces.delete(to.id) ? switchOf(to.id) : notFound(`no switch ${to.id}`);
}

const start = async () => {
  const site = withDirectory(createTestSite());
  withActors(site);
  site.config.probeAllow = [host];
  const call = clientOf(createApp(site));
  const put = async (path: string, body: object) => {
    const made = await call('Metal-Admin', 'PUT', path, body);
    assert.equal(made.status, 201, JSON.stringify(made.body));
  };
  await put('/v1/partition', { id: 'p', bootconfig: { imageurl: url(), kernelurl: url() } });
  await put('/v1/size', { id: 's', constraints: [{ type: 'cores', min: 9, max: 9 }, constraints[1]] });
  await put('/v1/tenant', { meta: { id: 't' } });
  await put('/v1/project', { meta: { id: 'x' }, tenant_id: 't' });
  return { site, call };
};

for (const {
  path,
  create = { method: 'PUT', path },
  body,
  idOf = (answer: { id: string }) => answer.id,
  suffix = '',
} of KINDS) {
  test(`reliability.md §9, design.md §11: what ${create.method} ${create.path} accepts can be read and deleted`, async () => {
    const { call } = await start();
    const make = (id: string) => call('Metal-Admin', create.method, create.path, body(id));
    for (const id of IMPOSSIBLE) {
      // A version in the end makes another id of it.
      const asked = suffix === '' || !/^\.+$/.test(id) ? `${id}${suffix}` : `../${id}${suffix}`;
      const answer = await make(asked);
      assert.equal(answer.status, 400, `${JSON.stringify(asked)}: ${JSON.stringify(answer.body)}`);
      assert.match((answer.body as { message: string }).message, /\bid\b/);
    }
    for (const word of [...REAL, ...STRANGE, ...WORDS]) {
      const id = word.length < 128 ? `${word}${suffix}` : `${word.slice(suffix.length)}${suffix}`;
      const made = await make(id);
      if (made.status !== 201) {
        assert.equal(made.status, 400, `${id}: ${JSON.stringify(made.body)}`);
        assert.ok(!REAL.includes(word), `${id} is in use: ${JSON.stringify(made.body)}`);
        continue;
      }
      assert.equal(idOf(made.body as never), id);
      const one = `${path}/${encodeURIComponent(id)}`;
      assert.equal(refusePath(one), undefined);
      const read = await call('Metal-Admin', 'GET', one);
      assert.equal(read.status, 200, `GET ${one}: ${JSON.stringify(read.body)}`);
      assert.equal(idOf(read.body as never), id, `GET ${one}`);
      const gone = await call('Metal-Admin', 'DELETE', one);
      assert.equal(gone.status, 200, `DELETE ${one}: ${JSON.stringify(gone.body)}`);
      assert.equal((await call('Metal-Admin', 'GET', one)).status, 404, `GET ${one} afterwards`);
    }
  });
}

test('reliability.md §9: a machine whose id no path can name is not made by what its BMC tells', async () => {
  const { site, call } = await start();
  site.script['machine.bmcReport'] = { outcome: 'created' };
  const reports = Object.fromEntries([...IMPOSSIBLE, 'issues', 'm1'].map((id) => [id, { BMCIp: '10.0.0.1:623' }]));
  const told = await call('Metal-Edit', 'POST', '/v1/machine/ipmi', { partitionid: 'p', reports });
  assert.deepEqual(told.body, { updated: [], created: ['m1'] });
});

test('machines.md §12: a BMC whose chips hold no text keeps nobody else’s report from being taken', async () => {
  const { site, call } = await start();
  site.script['machine.bmcReport'] = { outcome: 'created' };
  const fru = (serial: string) => ({ BMCIp: '10.0.0.1:623', FRU: { product_serial: serial } });
  const reports = { m1: fru('a\0\0'), m2: fru('\ud800'), m3: fru('a') };
  const told = await call('Metal-Edit', 'POST', '/v1/machine/ipmi', { partitionid: 'p', reports });
  assert.deepEqual(told.body, { updated: [], created: ['m3'] });
  const refused = await call('Metal-Edit', 'POST', '/v1/machine/ipmi/find', { id: 'a\0' });
  assert.equal(refused.status, 400);
});
