import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { hopsOf, MOST_HOPS, type HttpAnswer, type HttpRequest } from './message.ts';
import { entry, fakeSite, row, until, type FakeSite } from './sites.fixture.ts';
import { v1Error } from './v1-error.ts';

// Site muc hosts partition a, site fra hosts partition b; `internet` is a global network of fra, muc holds a block.
const roster = { members: [] as Array<{ site: string; partitions: string[]; links: string[] }> };
let muc: FakeSite;
let fra: FakeSite;

const spread = (rows: ReturnType<typeof entry>[]): void => {
  for (const place of rows) for (const site of [muc, fra]) site.places.put(place);
};

before(async () => {
  muc = await fakeSite('muc', ['a'], roster);
  fra = await fakeSite('fra', ['b'], roster);
  await Promise.all([muc.sees(1), fra.sees(1)]);
  spread([
    entry('partition', 'a', 'muc'),
    entry('partition', 'b', 'fra'),
    entry('globalnetwork', 'internet', 'fra'),
    entry('image', 'of-fra', 'fra'),
    entry('image', 'of-muc', 'muc'),
  ]);
  muc.places.put(row('machine', 'partition:a', 'ma', {}));
  muc.places.put(row('network', 'partition:a', 'na', {}));
  muc.places.put(
    row('holding', 'partition:a', 'internet|1.2.2.0', { network: 'internet', first: '1.2.2.0', length: 24 }),
  );
  // A block that muc gave home, whose new holder got it before muc heard that it came.
  const moved = { network: 'internet', first: '1.2.4.0', length: 24 };
  muc.places.put(row('holding', 'partition:a', 'internet|1.2.4.0', { ...moved, state: 'returning' }));
  fra.places.put(row('holding', 'partition:b', 'internet|1.2.4.0', { ...moved, state: 'held' }));
  // An address that fra gives back to a site that is not there.
  const loan = { as: 'borrowed', from: 'c', site: 'ber', h: 'h', state: 'recalled' };
  fra.places.put(row('ip', 'partition:b', 'internet|1.2.5.4', { network: 'internet', loan }));
  fra.places.put(row('machine', 'partition:b', 'mb', {}));
  fra.places.put(row('switch', 'partition:b', 'sb', {}));
  fra.places.put(row('network', 'partition:b', 'nb', {}));
  fra.places.put(row('network', 'site:fra', 'internet', {}));
  fra.places.put(
    row('holding', 'partition:b', 'internet|1.2.3.0', { network: 'internet', first: '1.2.3.0', length: 24 }),
  );
  fra.places.put(
    row('prefix', 'partition:b', '2001:db8::/48', { cidr: '2001:db8::/48', network: 'nb', root: '2001:db8::/48' }),
  );
});
beforeEach(() => {
  for (const site of [muc, fra]) {
    site.served.length = 0;
    site.edge = undefined;
  }
});
after(async () => {
  await muc.close();
  await fra.close();
});

const siteOf = (json: unknown): unknown =>
  Array.isArray(json) ? json.map((part: { site: string }) => part.site) : (json as { site: string }).site;

/** networks.md §11.11, asked of site muc: the site whose edge answers. */
const VECTORS: ReadonlyArray<[line: string, body: unknown, sites: unknown]> = [
  ['POST /v1/machine/allocate', { partitionid: 'b' }, 'fra'],
  ['POST /v1/machine/allocate', { uuid: 'mb', partitionid: 'a' }, 'fra'],
  ['POST /v1/machine/find', {}, ['muc', 'fra']],
  ['POST /v1/machine/find', { partition_id: 'b' }, ['fra']],
  ['POST /v1/machine/find', { PARTITION_ID: 'b' }, ['fra']],
  ['GET /v1/machine/consolepassword', { id: 'mb' }, 'fra'],
  ['POST /v1/network/find', { partitionid: '' }, ['muc', 'fra']],
  ['PUT /v1/network', { partitionid: 'b' }, 'fra'],
  ['PUT /v1/network', {}, 'muc'],
  ['POST /v1/ip/allocate', { networkid: 'internet' }, 'muc'],
  ['POST /v1/ip/allocate', { networkid: 'internet', machineid: 'mb' }, 'fra'],
  ['POST /v1/ip/allocate', { networkid: 'nb' }, 'fra'],
  ['POST /v1/ip/allocate/1.2.3.4', { networkid: 'internet' }, 'fra'],
  ['POST /v1/ip/allocate/1.2.2.4', { networkid: 'internet' }, 'muc'],
  ['POST /v1/ip/allocate/1.2.99.4', { networkid: 'internet' }, 'fra'],
  ['DELETE /v1/ip/free/2001%3Adb8%3A%3A1', undefined, 'fra'],
  ['DELETE /v1/ip/free/1.2.4.4', undefined, 'fra'],
  ['DELETE /v1/ip/free/1.2.5.4', undefined, 'fra'],
  ['POST /v1/switch/register', { partition_id: 'b' }, 'fra'],
  ['GET /v1/switch/sb', undefined, 'fra'],
  ['GET /v1/machine/ma', undefined, 'muc'],
  ['GET /v1/machine/nowhere', undefined, 'muc'],
  ['GET /v1/machine', undefined, ['muc', 'fra']],
  ['GET /v1/image', undefined, ['muc']],
  ['GET /v1/image/of-fra', undefined, 'muc'],
  ['POST /v1/image', { id: 'of-fra' }, 'fra'],
  ['PUT /v1/image', { id: 'new' }, 'muc'],
  ['POST /v1/partition', { id: 'b' }, 'fra'],
  ['PUT /v1/partition?site=fra', { id: 'c' }, 'fra'],
  ['PUT /v1/partition', { id: 'c' }, 'muc'],
  ['DELETE /v1/network/internet', undefined, 'fra'],
  ['POST /v1/machine/allocate', 'no json', 'muc'],
  ['POST /v1/machine/allocate', { partitionid: 'unknown' }, 'muc'],
  ['GET /v1/version', undefined, 'muc'],
  ['GET /v2/anything', undefined, 'muc'],
];
for (const [line, body, sites] of VECTORS) {
  test(`networks.md §11.11: ${line} ${JSON.stringify(body) ?? ''} is answered by ${String(sites)}`, async () => {
    const { status, json } = await muc.call(line, body);
    assert.equal(status, 200);
    assert.deepEqual(siteOf(json), sites);
  });
}

test('the bytes go unmodified, with all headers but those of the hop and of ours', async () => {
  const bytes = '{ "id" : "mb",\n "description":"ä" }';
  await muc.call('POST /v1/machine/', bytes, [
    ['Authorization', 'Metal-Admin 00'],
    ['X-Date', 'd'],
    ['X-Custom', '1'],
    ['x-custom', '2'],
    ['Connection', 'close, X-Hop, Authorization'],
    ['X-Hop', 'gone'],
    ['Transfer-Encoding', 'chunked'],
    ['X-Hanse-Part', 'own'],
    ['X-Hanse-Hops', '2'],
  ]);
  const [request] = fra.served;
  assert.equal(Buffer.from(request!.body).toString(), bytes);
  assert.equal(request!.path, '/v1/machine/');
  assert.deepEqual(request!.headers, [
    ['Authorization', 'Metal-Admin 00'],
    ['X-Date', 'd'],
    ['X-Custom', '1'],
    ['x-custom', '2'],
    ['x-hanse-hops', '1'],
  ]);
});

test('the answer comes with its status and headers, small or large', async () => {
  fra.edge = () => ({
    ...v1Error(409, 'Conflict'),
    headers: [
      ['content-type', 'application/json'],
      ['x-own', '1'],
    ],
  });
  const small = await muc.call('GET /v1/machine/mb');
  assert.deepEqual([small.status, small.message, small.header('x-own')], [409, 'Conflict', '1']);
  const text = JSON.stringify('x'.repeat(3_000_000));
  fra.edge = () => ({
    status: 200,
    headers: [['content-type', 'application/json']],
    body: Buffer.from(`{"text":${text}}`),
  });
  assert.equal((await muc.call('GET /v1/machine/mb')).json !== undefined, true);
});

test('what a peer can’t read it has not done', async () => {
  const headers = Array.from({ length: 300 }, (_, n): [string, string] => [`x-${n}`, '1']);
  const { status, message } = await muc.call('POST /v1/machine', { id: 'mb' }, headers);
  assert.equal(status, 503);
  assert.match(message, /^partition "b" \(site "fra"\): the peer can't read it: headers: .*; nothing was done$/);
});

test('networks.md §10.2: a wrong credential is the answer if it is here, a failing part counts as unreachable', async () => {
  muc.edge = () => v1Error(403, 'no');
  assert.equal((await muc.call('GET /v1/machine')).status, 403);
  muc.edge = undefined;
  // 403: its clock is off, or it has other keys.
  for (const status of [400, 401, 403, 415, 500]) {
    fra.edge = () => v1Error(status, 'no');
    const part = await muc.call('GET /v1/machine');
    assert.deepEqual([part.status, siteOf(part.json), part.header('x-stale-partitions')], [200, ['muc'], 'b']);
  }
  muc.edge = () => v1Error(500, 'Internal');
  fra.edge = undefined;
  const other = await muc.call('GET /v1/machine');
  assert.deepEqual([other.status, siteOf(other.json), other.header('x-stale-partitions')], [200, ['fra'], 'a']);
});

test('what one part warns of the merged list warns of', async () => {
  const list = (site: string, warning?: string) => (): HttpAnswer => ({
    status: 200,
    headers: [
      ['content-type', 'application/json'],
      ...(warning === undefined ? [] : [['Warning', warning] as [string, string]]),
    ],
    body: new TextEncoder().encode(JSON.stringify([{ site }])),
  });
  muc.edge = list('muc');
  fra.edge = list('fra', '199 hanse "entries before noon may be missing"');
  const one = await muc.call('GET /v1/machine');
  assert.equal(one.header('warning'), '199 hanse "entries before noon may be missing"');
  muc.edge = list('muc', '199 hanse "of our own"');
  const two = await muc.call('GET /v1/machine');
  assert.equal(two.header('warning'), '199 hanse "of our own", 199 hanse "entries before noon may be missing"');
  muc.edge = undefined;
  fra.edge = undefined;
  assert.equal((await muc.call('GET /v1/machine')).header('warning'), undefined);
});

test('a part is not spread again, and is no way around the home of a write', async () => {
  const over = async (line: string, headers: Array<[string, string]>): Promise<HttpAnswer | undefined> => {
    const [method, path] = line.split(' ') as [string, string];
    return await fra.forwarder.beforeApp({ method, path, headers, body: new Uint8Array(0), via: 'link' });
  };
  assert.equal(
    await over('GET /v1/machine', [
      ['x-hanse-part', 'own'],
      ['x-hanse-hops', '1'],
    ]),
    undefined,
  );
  const write = await over('DELETE /v1/machine/ma/free', [
    ['x-hanse-part', 'own'],
    ['x-hanse-hops', '2'],
  ]);
  assert.equal(write?.status, 421);
});

test('reliability.md F26: a request at a wrong home is passed on once, never executed there, never in a circle', async () => {
  const wrong = (hops: string): HttpRequest => ({
    method: 'DELETE',
    path: '/v1/machine/ma/free',
    headers: [['X-Hanse-Hops', hops]],
    body: new Uint8Array(0),
    via: 'link',
  });
  const passed = await fra.forwarder.beforeApp(wrong('1'));
  assert.equal(passed?.status, 200);
  assert.equal(muc.served.length, 1);
  const stopped = await fra.forwarder.beforeApp(wrong('2'));
  assert.equal(stopped?.status, 421);
  assert.deepEqual([muc.served.length, fra.served.length], [1, 0]);
  assert.equal(hopsOf({ via: 'link', headers: [['x-hanse-hops', 'many']] }), MOST_HOPS);
  assert.equal(hopsOf({ via: 'http', headers: [['x-hanse-hops', '2']] }), 0);
});

test('reliability.md F26: a remembered place that is wrong is forgotten, and everybody asked again', async () => {
  fra.places.put(row('machine', 'partition:b', 'moved', {}));
  assert.equal(siteOf((await muc.call('GET /v1/machine/moved')).json), 'fra');
  fra.places.put(row('machine', 'partition:b', 'moved', null));
  // As it answers at the last hop, behind a router.
  fra.edge = () => v1Error(421, 'not here');
  const answer = await muc.call('GET /v1/machine/moved');
  assert.equal(siteOf(answer.json), 'muc', 'nobody has it: our own edge says 404');
});

test('design.md §12: an address with two holders is decided by nobody but a network', async () => {
  muc.places.put(
    row('prefix', 'partition:a', '10.9.0.0/16', { cidr: '10.9.0.0/16', network: 'na', root: '10.9.0.0/16' }),
  );
  muc.places.host('a2');
  muc.places.put(
    row('prefix', 'partition:a2', '10.9.0.0/16', { cidr: '10.9.0.0/16', network: 'na2', root: '10.9.0.0/16' }),
  );
  const refused = await muc.call('DELETE /v1/ip/free/10.9.0.1');
  assert.equal(refused.status, 409);
  assert.match(refused.message, /"a" .*"a2"/);
  assert.equal(siteOf((await muc.call('POST /v1/ip/allocate/10.9.0.1', { networkid: 'na' })).json), 'muc');
});

test('reliability.md §9, path: strange paths are refused before anybody reads them', async () => {
  for (const path of ['/v1/machine/../size', '/v1/machine/a%2Fb', '//v1/machine']) {
    assert.equal((await muc.call(`GET ${path}`)).status, 400);
  }
  assert.equal((await muc.call('PUT /v1/partition?site=nobody', {})).status, 400);
});

test('reliability.md F11: while a site is cut off, lists say so, writes are 503 naming it at once, the rest goes on', async () => {
  await fra.close();
  await muc.sees(0);
  const list = await muc.call('GET /v1/machine');
  assert.deepEqual([list.status, siteOf(list.json), list.header('x-stale-partitions')], [200, ['muc'], 'b']);
  assert.match(list.header('warning')!, /^199 hanse "partition 'b' \(site 'fra'\) can't be reached/);

  const from = performance.now();
  for (const [line, body] of [
    ['POST /v1/machine/allocate', { partitionid: 'b' }],
    ['POST /v1/image', { id: 'of-fra' }],
    ['GET /v1/machine/mb', undefined],
    ['GET /v1/machine/unknown', undefined],
    ['GET /v1/image/unknown', undefined],
    ['POST /v1/machine/find', { partition_id: 'b' }],
  ] as const) {
    const answer = await muc.call(line, body);
    assert.equal(answer.status, 503, line);
    assert.match(answer.message, /"b" \(site "fra"\)|site "fra"/, line);
    assert.deepEqual(
      [Number(answer.header('retry-after')) >= 1, answer.header('x-refused-because')],
      [true, 'partition-unreachable'],
      line,
    );
  }
  assert.ok(performance.now() - from < 1_000, 'at once');
  for (const [line, body] of [
    ['POST /v1/machine/allocate', { partitionid: 'a' }],
    ['POST /v1/ip/allocate', { networkid: 'internet' }],
    ['GET /v1/image/of-fra', undefined],
    ['PUT /v1/image', { id: 'x' }],
  ] as const) {
    assert.equal(siteOf((await muc.call(line, body)).json), 'muc', line);
  }

  // It comes back at the same address.
  const { port } = new URL(roster.members.find(({ site }) => site === 'fra')!.links[0]!);
  fra = await fakeSite('fra', ['b'], roster, { port: Number(port) });
  fra.places.put(row('machine', 'partition:b', 'mb', {}));
  await muc.sees(1);
  await until(() => fra.places.machine('mb') === 'b', 'rows');
  assert.equal(siteOf((await muc.call('GET /v1/machine/mb')).json), 'fra');
});

test('design.md §2: what belongs to a site as a whole is read from the copy while it is away, and says so; its partitions have none', async () => {
  const places = { members: [...roster.members] };
  const asked: string[] = [];
  const body = Buffer.from('[{"id":"internet"}]');
  const ber = await fakeSite('ber', ['d'], places, {
    async copyOf(site, { path }) {
      asked.push(`${site} ${path}`);
      return path.startsWith('/v1/network') ? { ageS: 12.4, answer: { status: 200, headers: [], body } } : undefined;
    },
  });
  try {
    ber.places.put(entry('globalnetwork', 'internet', 'ham'));
    places.members.push({ site: 'ham', partitions: ['e'], links: [] });
    await ber.sees(2);
    const one = await ber.call('GET /v1/network/internet');
    assert.deepEqual([one.status, one.header('x-stale-partitions')], [200, 'site:ham;age=12']);
    assert.match(one.header('warning')!, /^199 hanse "site 'ham' can't be reached: this part is 12 s old"$/);
    const list = await ber.call('GET /v1/network');
    assert.ok((list.json as Array<{ id?: string }>).some(({ id }) => id === 'internet'));
    assert.equal(list.header('x-stale-partitions'), 'e, site:ham;age=12');
    assert.equal((await ber.call('POST /v1/network', { id: 'internet' })).status, 503);
    assert.equal((await ber.call('GET /v1/machine')).header('x-stale-partitions'), 'e');
    assert.deepEqual(asked, ['ham /v1/network/internet', 'ham /v1/network', 'ham /v1/machine']);
  } finally {
    await ber.close();
  }
});

test('design.md §2: a standby passes everything but its own health to the active process of its site', async () => {
  const standby = await fakeSite('ber', ['d'], { members: [...roster.members] }, { isActive: () => false });
  try {
    const answer = await standby.call('GET /v1/machine');
    assert.equal(answer.status, 503);
    assert.match(answer.message, /active process of site "ber"/);
    assert.equal(siteOf((await standby.call('GET /v1/health?x=1')).json), 'ber');
    const twice = await standby.forwarder.beforeApp({
      method: 'GET',
      path: '/v1/machine',
      headers: [['x-hanse-standby', '1']],
      body: new Uint8Array(0),
      via: 'link',
    });
    assert.equal(twice?.status, 503);
  } finally {
    await standby.close();
  }
});
