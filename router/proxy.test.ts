import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { request as httpRequest } from 'node:http';
import type { Peering } from './link/peering.ts';
import { processOf } from './link/tls.fixture.ts';
import type { HttpAnswer } from './message.ts';
import { serveProxy, type RunningProxy } from './serve-proxy.ts';
import { calledOf, entry, fakeSite, row, until, type Called, type FakeSite } from './sites.fixture.ts';
import { connectSites, type Sites } from './sites.ts';
import { v1Error } from './v1-error.ts';

// Sites muc (partition a) and fra (partition b); the router is told of muc only.
const roster = { members: [] as Array<{ site: string; partitions: string[]; links: string[] }> };
let muc: FakeSite;
let fra: FakeSite;
let peering: Peering;
let sites: Sites;
let proxy: RunningProxy;

const seed = (site: FakeSite): void => {
  for (const place of [entry('partition', 'a', 'muc'), entry('partition', 'b', 'fra')]) site.places.put(place);
};
const seedFra = (): void => {
  seed(fra);
  fra.places.put(row('machine', 'partition:b', 'mb', {}));
  fra.places.put(row('network', 'partition:b', 'nb', {}));
  fra.places.put(row('network', 'site:fra', 'internet', {}));
};

before(async () => {
  muc = await fakeSite('muc', ['a'], roster);
  fra = await fakeSite('fra', ['b'], roster);
  await Promise.all([muc.sees(1), fra.sees(1)]);
  seed(muc);
  muc.places.put(row('machine', 'partition:a', 'ma', {}));
  seedFra();
  peering = await processOf('router', { kind: 'router' });
  sites = connectSites({ peering, links: [muc.url] });
  proxy = await serveProxy({ host: '127.0.0.1', port: 0, sites, monotonicMs: () => performance.now() });
  await until(() => sites.members().filter(({ up }) => up).length === 2, 'the router learns of fra');
});
beforeEach(() => {
  for (const site of [muc, fra]) {
    site.served.length = 0;
    site.edge = undefined;
  }
});
after(async () => {
  await proxy.stop(100);
  sites.close();
  peering.close();
  await muc.close();
  await fra.close();
});

/** fetch would drop the body of a GET, and hide what is on the wire. */
function call(line: string, body?: unknown, headers: Record<string, string> = {}): Promise<Called> {
  const [method, path] = line.split(' ') as [string, string];
  const bytes = Buffer.from(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  // Without it the body of a GET has no end, and is not sent as one.
  const length = bytes.length === 0 ? {} : { 'content-length': String(bytes.length) };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: '127.0.0.1', port: proxy.port, method, path, headers: { ...headers, ...length }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const pairs: HttpAnswer['headers'] = [];
          for (let i = 0; i < response.rawHeaders.length; i += 2) {
            pairs.push([response.rawHeaders[i]!, response.rawHeaders[i + 1]!]);
          }
          resolve(calledOf({ status: response.statusCode!, headers: pairs, body: Buffer.concat(chunks) }));
        });
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
  });
}

/** Raw bytes in, everything that comes back until the connection ends or 300 ms pass. */
const raw = (bytes: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = connect(proxy.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(bytes);
    setTimeout(() => socket.destroy(), 300);
  });

const siteOf = (json: unknown): unknown =>
  Array.isArray(json) ? json.map((part: { site: string }) => part.site) : (json as { site: string }).site;

const PLACES: ReadonlyArray<[line: string, body: unknown, answers: unknown, hops: string]> = [
  ['GET /v1/machine/mb', undefined, 'fra', '1'],
  ['GET /v1/machine/ma', undefined, 'muc', '1'],
  ['GET /v1/machine/consolepassword', { id: 'mb' }, 'fra', '1'],
  ['POST /v1/machine/allocate', { partitionid: 'b' }, 'fra', '1'],
  ['POST /v1/ip/allocate', { networkid: 'nb' }, 'fra', '1'],
  ['POST /v1/ip/allocate', { networkid: 'internet', machineid: 'mb' }, 'fra', '1'],
  ['POST /v1/ip/allocate', { networkid: 'internet' }, 'muc', '1'],
  ['PUT /v1/partition?site=fra', { id: 'c' }, 'fra', '1'],
  ['PUT /v1/partition', { id: 'c' }, 'muc', '1'],
  ['GET /v1/machine/unknown', undefined, 'muc', '1'],
  ['GET /v1/machine', undefined, ['muc', 'fra'], '2'],
  ['DELETE /v1/partition/b', undefined, 'fra', '2'],
  ['GET /v1/health', undefined, 'muc', '1'],
  ['GET /v2/anything', undefined, 'muc', '1'],
];
for (const [line, body, answers, hops] of PLACES) {
  test(`design.md §2, router: ${line} ${JSON.stringify(body) ?? ''} is answered by ${String(answers)}`, async () => {
    const { status, json } = await call(line, body);
    assert.equal(status, 200);
    assert.deepEqual(siteOf(json), answers);
    const last = [...fra.served, ...muc.served].find(({ headers }) =>
      headers.some(([name, value]) => name === 'x-hanse-hops' && value === hops),
    );
    assert.ok(last, `a request with ${hops} hops arrived`);
  });
}

test('reliability.md §9, router: bytes and headers go unmodified, internal headers of a client do not', async () => {
  const bytes = '{"id":"mb" ,"description":"ä"}';
  await call('POST /v1/machine', bytes, {
    Authorization: 'Metal-Edit 00',
    'X-Date': 'd',
    'X-Hanse-Part': 'own',
    'X-Hanse-Hops': '9',
  });
  const [request] = fra.served;
  assert.equal(Buffer.from(request!.body).toString(), bytes);
  const names = request!.headers.map(([name]) => name);
  assert.ok(names.includes('Authorization') && names.includes('X-Date'), names.join());
  assert.deepEqual(
    request!.headers.filter(([name]) => name.toLowerCase().startsWith('x-hanse')),
    [['x-hanse-hops', '1']],
  );
});

test('a place is asked for once, then remembered', async () => {
  let asks = 0;
  fra.peering.onAsk('locate', (body) => {
    asks += 1;
    return fra.forwarder.answerLocate(body);
  });
  fra.places.put(row('machine', 'partition:b', 'often', {}));
  await Promise.all([call('GET /v1/machine/often'), call('GET /v1/machine/often')]);
  await call('GET /v1/machine/often');
  assert.equal(asks, 1);
});

test('networks.md §10.1: uploads and long answers are streamed, a long body of anything else is 413', async () => {
  const long = 'x'.repeat(2_000_000);
  const upload = await call('PUT /v1/firmware/bios/v/b/1%2F2', long, { 'content-type': 'multipart/form-data' });
  // Read to its end by the site, which has a limit of its own here.
  assert.equal((upload.json as { path: string }).path, '/too-large');
  for (const line of ['POST /v1/machine', 'POST /v2/nothing']) {
    const refused = await call(line, long);
    assert.deepEqual([refused.status, refused.message], [413, 'the request body is larger than 1048576 bytes'], line);
  }
  assert.equal(muc.served.length + fra.served.length, 1);
  const text = JSON.stringify({ site: 'muc', text: long });
  muc.edge = () => ({ status: 200, headers: [['content-type', 'application/json']], body: Buffer.from(text) });
  assert.equal((await call('GET /v1/machine/ma')).status, 200);
});

test('events come as they are sent', async () => {
  let more = (): void => {};
  muc.edge = () => ({
    status: 200,
    headers: [['content-type', 'text/event-stream']],
    body: new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('data: 1\n\n'));
        more = () => {
          controller.enqueue(Buffer.from('data: 2\n\n'));
          controller.close();
        };
      },
    }),
  });
  const response = await fetch(`http://127.0.0.1:${proxy.port}/v2/events`);
  const reader = response.body!.getReader();
  assert.match(Buffer.from((await reader.read()).value!).toString(), /data: 1/);
  more();
  assert.match(Buffer.from((await reader.read()).value!).toString(), /data: 2/);
  assert.equal((await reader.read()).done, true);
});

const SMUGGLING: Record<string, string> = {
  'CL.TE':
    'POST /v1/machine HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/machine HTTP/1.1\r\nHost: a\r\n\r\n',
  'TE.CL': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n',
  'TE.TE':
    'POST /v1/machine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'TE, hidden': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'TE in HTTP/1.0': 'POST /v1/machine HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'two equal lengths': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}',
  'a signed length': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}',
  'a blank before the colon': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}',
  'obs-fold': 'GET /v1/machine HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n',
  'bare line feeds': 'GET /v1/machine HTTP/1.1\nHost: a\n\n',
  'a bad chunk': 'POST /v1/machine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}X\r\n0\r\n\r\n',
  'a target of another host': 'GET http://evil/v1/machine HTTP/1.1\r\nHost: a\r\n\r\n',
  'two hosts': 'GET /v1/machine HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'no host': 'GET /v1/machine HTTP/1.1\r\n\r\n',
  'an asterisk': 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'dot segments': 'GET /v1/machine/../size HTTP/1.1\r\nHost: a\r\n\r\n',
  'a fragment': 'GET /v1/machine#x HTTP/1.1\r\nHost: a\r\n\r\n',
};
for (const [name, bytes] of Object.entries(SMUGGLING)) {
  test(`reliability.md §9, router: ${name} is refused, once, and reaches no site`, async () => {
    const answer = await raw(bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(answer.match(/HTTP\/1\.1 /g)!.length, 1);
    assert.deepEqual([muc.served.length, fra.served.length], [0, 0]);
  });
}

test('reliability.md §9, router: a chunk extension, and a body on a GET, are parts of one request', async () => {
  await raw(
    'POST /v1/machine HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\n{"id":\r\n5\r\n"mb"}\r\n0\r\n\r\n',
  );
  assert.equal(Buffer.from(fra.served[0]!.body).toString(), '{"id":"mb"}');
  const inner = 'GET /v1/machine HTTP/1.1\r\nHost: a\r\n\r\n';
  const answer = await raw(`GET /v1/machine/ma HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`);
  assert.equal(answer.match(/HTTP\/1\.1 200/g)!.length, 1);
  assert.deepEqual(
    muc.served.map(({ path }) => path),
    ['/v1/machine/ma'],
  );
});

test('headers have a limit, and errors of the socket are in the encoding of v1', async () => {
  const answer = await raw(`GET /v1/machine HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
  assert.match(answer, /"\{\\"statuscode\\":431,/);
  const many = Array.from({ length: 300 }, (_, i) => `X${i}: 1\r\n`).join('');
  assert.match(await raw(`GET /v1/machine HTTP/1.1\r\nHost: a\r\n${many}\r\n`), /^HTTP\/1\.1 431 /);
});

test('reliability.md F26: a site that says "not here" is asked no second time, the others are asked anew', async () => {
  fra.places.put(row('machine', 'partition:b', 'moving', {}));
  await call('GET /v1/machine/moving');
  fra.places.put(row('machine', 'partition:b', 'moving', null));
  muc.places.put(row('machine', 'partition:a', 'moving', {}));
  fra.edge = () => v1Error(421, 'not here');
  // fra's own forwarding passes it on; its edge would not be reached.
  const { json } = await call('GET /v1/machine/moving');
  assert.equal(siteOf(json), 'muc');
});

test('reliability.md F11: a site out of sight: reads by the next one, writes are 503 naming it, and it comes back', async () => {
  await fra.close();
  await until(() => sites.members().filter(({ up }) => up).length === 1, 'fra is down for the router');
  await muc.sees(0);
  const list = await call('GET /v1/machine');
  assert.deepEqual([list.status, siteOf(list.json), list.header('x-stale-partitions')], [200, ['muc'], 'b']);
  const write = await call('POST /v1/machine/allocate', { partitionid: 'b' });
  assert.equal(write.status, 503);
  assert.match(write.message, /partition "b" \(site "fra"\)/);
  assert.equal((await call('GET /readyz').catch(() => undefined))?.status, undefined);

  const { port } = new URL(roster.members.find(({ site }) => site === 'fra')!.links[0]!);
  fra = await fakeSite('fra', ['b'], roster, { port: Number(port) });
  seedFra();
  await muc.sees(1);
  await until(() => sites.members().filter(({ up }) => up).length === 2, 'fra is back');
  assert.equal(siteOf((await call('GET /v1/machine/mb')).json), 'fra');
});

test('health of its own, and 503 in the encoding of v1 when nobody is there', async () => {
  const url = `http://127.0.0.1:${proxy.port}`;
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  const lonely = await processOf('router', { kind: 'router', process: 'p2' });
  const none = connectSites({ peering: lonely, links: ['https://127.0.0.1:1'] });
  const other = await serveProxy({ host: '127.0.0.1', port: 0, sites: none, monotonicMs: () => performance.now() });
  try {
    const health = await fetch(`http://127.0.0.1:${other.port}/v1/health`);
    assert.equal(health.status, 503);
    assert.match(await health.text(), /^"\{\\"statuscode\\":503,/);
    assert.equal((await fetch(`http://127.0.0.1:${other.port}/healthz`)).status, 200);
    const ready = await fetch(`http://127.0.0.1:${other.port}/readyz`);
    assert.deepEqual([ready.status, ready.headers.get('x-refused-because')], [503, 'partition-unreachable']);
    assert.ok(Number(ready.headers.get('retry-after')) >= 1);
  } finally {
    await other.stop(100);
    none.close();
    lonely.close();
  }
});

test('a graceful stop answers what was accepted', async () => {
  let answer = (): void => {};
  const waiting = new Promise<void>((resolve) => (answer = resolve));
  const own = await serveProxy({ host: '127.0.0.1', port: 0, sites, monotonicMs: () => performance.now() });
  muc.edge = () => ({
    status: 200,
    headers: [['content-type', 'application/json']],
    body: new ReadableStream<Uint8Array>({
      async start(controller) {
        await waiting;
        controller.enqueue(Buffer.from('{}'));
        controller.close();
      },
    }),
  });
  const pending = fetch(`http://127.0.0.1:${own.port}/v1/machine/ma`);
  await until(() => muc.served.length === 1, 'it arrived');
  const stopped = own.stop();
  answer();
  assert.equal((await pending).status, 200);
  await stopped;
  await assert.rejects(fetch(`http://127.0.0.1:${own.port}/healthz`));
});
