import { after, test } from 'node:test';
import { passOn } from '../pass-on.ts';
import { createAsker } from '../../actors/asker.ts';
import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { createServer as createTcpServer, connect, type AddressInfo, type Socket } from 'node:net';
import { createAuthority } from './certificates.ts';
import { dialPeer } from './dial.ts';
import { refuseAsk, type LinkFailure } from './failure.ts';
import { listenForPeers, type PeerListener } from './listen.ts';
import type { Link } from './link.ts';
import { createPeering, type Peering } from './peering.ts';
import { federation, processOf, reaches } from './tls.fixture.ts';

const cleanups: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

async function listen(peering: Peering, port = 0): Promise<PeerListener> {
  const listener = await listenForPeers(peering, { host: '127.0.0.1', port });
  cleanups.push(
    () => listener.close(),
    () => peering.close(),
  );
  return listener;
}

function dial(peering: Peering, port: number, expectedSite?: string): Link {
  cleanups.push(() => peering.close());
  return dialPeer(peering, {
    url: `https://127.0.0.1:${port}`,
    ...(expectedSite === undefined ? {} : { expectedSite }),
  });
}

async function* pieces(...parts: (string | Uint8Array)[]): AsyncIterable<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

async function all(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of body) text += Buffer.from(bytes).toString();
  return text;
}

const failure = async (promise: Promise<unknown>): Promise<LinkFailure> =>
  await promise.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error as LinkFailure,
  );

test('a link carries requests, asks and notices both ways over mutual TLS', async () => {
  const muc = await processOf('muc');
  const fra = await processOf('fra');
  const { port } = await listen(muc);
  const link = dial(fra, port, 'muc');
  muc.onRequest(async ({ method, path, headers, body }, peer) => ({
    status: 201,
    headers: [['x-peer', `${peer.name} ${peer.partitions.join()}`]],
    body: pieces(`${method} ${path} ${headers.join()} `, await all(body)),
  }));
  muc.onAsk('add', (body, peer) => ({
    sum: (body as number[]).reduce((a, b) => a + b),
    for: peer.name,
    greeting: peer.greeting,
  }));
  muc.onAsk('no', () => {
    throw refuseAsk('NotMine', 'block 7 is not mine', { block: 7 });
  });
  fra.onAsk('name', () => 'fra');
  await link.whenUp();
  assert.equal(link.peer?.site, 'muc');

  const response = await link.request(
    {
      method: 'GET',
      path: '/v1/ip?a=%2f',
      headers: [
        ['A', '1'],
        ['a', '2'],
      ],
    },
    pieces('with ', 'a body'),
    { deadlineMs: 5_000 },
  );
  assert.equal(response.status, 201);
  assert.deepEqual(response.headers, [['x-peer', 'fra fra']]);
  assert.equal(await all(response.body), 'GET /v1/ip?a=%2f A,1,a,2 with a body');

  assert.deepEqual(await link.ask('add', [1, 2], 5_000), { sum: 3, for: 'fra', greeting: { of: 'fra' } });
  const refused = await failure(link.ask('no', null, 5_000));
  assert.deepEqual(refused.refusal, { kind: 'NotMine', message: 'block 7 is not mine', details: { block: 7 } });
  assert.equal((await failure(link.ask('what', null, 5_000))).refusal?.kind, 'UnknownKind');

  const [back] = muc.links();
  assert.equal(await back?.ask('name', null, 5_000), 'fra', 'the ask above was answered over it');
  const heard = new Promise((resolve) => fra.onNotify('grown', resolve));
  back?.notify('grown', 5);
  assert.equal(await heard, 5);
});

test('bodies of megabytes go both ways with backpressure, beside asks that do not wait for them', async () => {
  const muc = await processOf('muc');
  const fra = await processOf('fra');
  const { port } = await listen(muc);
  const link = dial(fra, port, 'muc');
  muc.onRequest(async ({ body }) => ({ status: 200, headers: [], body }));
  muc.onAsk('ping', () => 'pong');
  await link.whenUp();
  const part = Buffer.alloc(100_000, 'x');
  let written = 0;
  async function* source(): AsyncIterable<Uint8Array> {
    for (let i = 0; i < 80; i += 1) {
      written += part.length;
      yield part;
    }
  }
  const response = await link.request({ method: 'POST', path: '/echo', headers: [] }, source(), { deadlineMs: 10_000 });
  assert.equal(await link.ask('ping', null, 5_000), 'pong');
  // Nobody has read yet: what is under way is bounded by the windows of both directions.
  assert.ok(written <= 2 * 256 * 1024 + 3 * part.length, String(written));
  let size = 0;
  for await (const bytes of response.body) size += bytes.byteLength;
  assert.equal(size, 8_000_000);
});

test('reliability.md §10: what an asker still waits travels with its request', async () => {
  const muc = await processOf('muc');
  const fra = await processOf('fra');
  const { port } = await listen(muc);
  const link = dial(fra, port, 'muc');
  const seen: number[] = [];
  muc.onRequest(({ asker }) => {
    seen.push(asker.remainingMs);
    return Promise.resolve({ status: 204, headers: [], body: undefined });
  });
  await link.whenUp();
  const peers = { request: (_site: string, ...of: Parameters<typeof link.request>) => link.request(...of) };
  const request = { method: 'GET', path: '/', headers: [], body: new Uint8Array() };
  const patient = { site: 'muc', hops: 1, deadlineMs: 20_000 };
  await passOn(peers, request, patient);
  await passOn(peers, request, { ...patient, asker: createAsker(() => 7_000) });
  const [whole, rest] = seen as [number, number];
  assert.ok(whole > 7_000 && whole <= 20_000, String(whole));
  assert.ok(rest > 0 && rest <= 7_000, String(rest));
});

test('leaving a response, an asker who leaves and a failing handler end both sides', async () => {
  const muc = await processOf('muc', { odd: () => {} });
  const fra = await processOf('fra');
  const { port } = await listen(muc);
  const link = dial(fra, port, 'muc');
  const left = { resolve: (_how: string): void => {} };
  muc.onRequest(async ({ path, asker }) => {
    const aborted = new Promise<void>((resolve) => void asker.whenGone(resolve));
    if (path === '/throw') throw new Error('a secret');
    void aborted.then(() => left.resolve(path));
    if (path === '/never') await aborted;
    async function* events(): AsyncIterable<Uint8Array> {
      yield Buffer.from('event');
      await aborted;
    }
    return { status: 200, headers: [], body: events() };
  });
  await link.whenUp();
  const leaving = new Promise<string>((resolve) => (left.resolve = resolve));
  const watch = await link.request({ method: 'GET', path: '/watch', headers: [] }, undefined, { deadlineMs: 5_000 });
  for await (const bytes of watch.body) {
    assert.equal(Buffer.from(bytes).toString(), 'event');
    break;
  }
  assert.equal(await leaving, '/watch');

  const aborting = new Promise<string>((resolve) => (left.resolve = resolve));
  const asker = createAsker();
  const never = link.request({ method: 'GET', path: '/never', headers: [] }, undefined, {
    deadlineMs: 5_000,
    asker,
  });
  asker.leave();
  assert.equal((await failure(never)).kind, 'Aborted');
  // The abort may have overtaken the handler's start; then it never ran.
  void aborting;

  const thrown = await failure(
    link.request({ method: 'GET', path: '/throw', headers: [] }, undefined, { deadlineMs: 5_000 }),
  );
  assert.equal(thrown.kind, 'Refused');
  assert.doesNotMatch(thrown.message, /secret/);
  async function* badSource(): AsyncIterable<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('the client hung up');
  }
  assert.equal(
    (await failure(link.request({ method: 'PUT', path: '/never', headers: [] }, badSource(), { deadlineMs: 5_000 })))
      .kind,
    'Aborted',
  );
});

test('reliability.md §9: no link without a certificate of the federation, of the right kind and site', async () => {
  const muc = await processOf('muc');
  const { port } = await listen(muc);
  const stranger = dial(await processOf('fra', { authority: await createAuthority('another') }), port);
  const agent = dial(await processOf('fra', { kind: 'agent', process: 'agent' }), port);
  const mistaken = dial(await processOf('ber'), port, 'fra');
  const failed = async (link: Link): Promise<string> => {
    const signal = AbortSignal.timeout(1_500);
    return (await failure(link.whenUp(signal))).message;
  };
  const [a, b, c] = await Promise.all([failed(stranger), failed(agent), failed(mistaken)]);
  assert.match(a, /certificate/);
  assert.match(b, /kind agent opens no links/);
  assert.match(c, /site fra is expected there, the certificate is of site muc/);
  assert.equal(muc.links().length, 0);

  const status = await new Promise<string>((resolve, reject) => {
    const request = httpsRequest(
      { port, path: '/metrics', ca: federation.cert, checkServerIdentity: () => undefined },
      (response) => {
        response.resume();
        response.on('end', () => resolve(String(response.statusCode)));
      },
    );
    request.on('error', reject);
    request.end();
  });
  assert.equal(status, '403');
});

test('a renewed identity is used for new connections: a site that took over another authority meets its members', async () => {
  const own = await createAuthority('muc alone');
  const alone = await processOf('muc', { authority: own });
  const joined = await processOf('muc');
  let now = alone;
  const muc = createPeering({ ...alone.options, identity: () => now.options.identity() });
  const listener = await listen(muc);
  const link = dial(await processOf('fra'), listener.port, 'muc');
  await failure(link.whenUp(AbortSignal.timeout(300)));
  now = joined;
  listener.renew();
  await link.whenUp();
  assert.equal(link.peer?.site, 'muc');
});

test('F25: a second process of the same name is refused with a sentence, the first stays', async () => {
  const muc = await processOf('muc');
  const { port } = await listen(muc);
  const first = dial(await processOf('fra'), port);
  await first.whenUp();
  const second = dial(await processOf('fra'), port);
  const { message } = await failure(second.whenUp(AbortSignal.timeout(500)));
  assert.match(message, /process p1 of site fra speaks with two keys: [0-9a-f]{16} \(connected\) and [0-9a-f]{16}/);
  assert.equal(first.state, 'up');
  const self = await processOf('muc');
  const clone = dial(self, port);
  assert.match((await failure(clone.whenUp(AbortSignal.timeout(500)))).message, /runs twice/);
});

test('when both dial, one connection stays and both use it; when it dies, one comes back', async () => {
  const muc = await processOf('muc');
  const fra = await processOf('fra');
  const [atMuc, atFra] = [await listen(muc), await listen(fra)];
  muc.onAsk('who', () => 'muc');
  fra.onAsk('who', () => 'fra');
  const toMuc = dial(fra, atMuc.port, 'muc');
  const toFra = dial(muc, atFra.port, 'fra');
  await Promise.all([toMuc.whenUp(), toFra.whenUp()]);
  assert.deepEqual([muc.links().length, fra.links().length], [1, 1]);
  assert.deepEqual(await Promise.all([toMuc.ask('who', null, 5_000), toFra.ask('who', null, 5_000)]), ['muc', 'fra']);
  assert.equal(muc.links()[0]?.state, 'up');
});

test('F11: a dialler comes back by itself after the peer restarted; meanwhile asks fail at once, naming the site', async () => {
  const fra = await processOf('fra');
  const first = await processOf('muc');
  const listener = await listenForPeers(first, { host: '127.0.0.1', port: 0 });
  first.onAsk('silent', async () => await new Promise(() => {}));
  const link = dial(fra, listener.port, 'muc');
  await link.whenUp();
  const waiting = failure(link.ask('silent', null, 60_000));
  first.close();
  await listener.close();
  assert.equal((await waiting).kind, 'LinkDown');
  await reaches(link, 'down');
  const startMs = performance.now();
  const refused = await failure(link.ask('who', null, 60_000));
  assert.ok(performance.now() - startMs < 100);
  assert.match(refused.message, /^site muc at 127\.0\.0\.1:\d+ can't be reached/);
  const second = await processOf('muc');
  second.onAsk('who', () => 'second');
  await listen(second, listener.port);
  await link.whenUp();
  assert.equal(await link.ask('who', null, 5_000), 'second');
});

test('F12: with one way swallowed on real sockets, both sides are down within two seconds, and come back', async () => {
  const met = { link: (_link: Link): void => {} };
  const meeting = new Promise<Link>((resolve) => (met.link = resolve));
  const muc = await processOf('muc', { onLink: (link) => met.link(link) });
  const fra = await processOf('fra');
  muc.onAsk('silent', async () => await new Promise(() => {}));
  const { port } = await listen(muc);
  const proxy = await swallowingProxy(port);
  cleanups.push(() => proxy.close());
  const link = dial(fra, proxy.port, 'muc');
  await link.whenUp();
  const back = await meeting;
  const waiting = failure(link.ask('silent', null, 60_000));
  const startMs = performance.now();
  proxy.swallow(true);
  await Promise.all([reaches(link, 'down'), reaches(back, 'down')]);
  assert.ok(performance.now() - startMs < 2_600, String(performance.now() - startMs));
  assert.equal((await waiting).kind, 'LinkDown');
  proxy.swallow(false);
  proxy.cut();
  await Promise.all([link.whenUp(), back.whenUp()]);
});

/** Passes bytes on; while it swallows, those from the dialler vanish and those to it go through. */
async function swallowingProxy(target: number) {
  let swallows = false;
  const sockets = new Set<Socket>();
  const server = createTcpServer((inbound) => {
    const outbound = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => void (from === inbound && swallows ? undefined : to.write(bytes)));
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    swallow: (is: boolean) => void (swallows = is),
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}
