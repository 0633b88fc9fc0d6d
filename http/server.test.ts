import { test } from 'node:test';
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { z } from 'zod';
import { addressOf, partitionScope } from '../actors/address.ts';
import type { Asker } from '../actors/asker.ts';
import { isRefusal, overloaded } from '../actors/refusal.ts';
import { createAdmission, createGate } from './admission.ts';
import { createEdge, finishEdge } from './app.ts';
import { ok, route } from './route.ts';
import { dispatch, serveEdge, type EdgeAnswer, type EdgeRequest } from './server.ts';
import { createTestSite, signed, type Asked } from './testing.ts';

const app = () => {
  const edge = createEdge(createTestSite());
  const body = z.object({ id: z.string() });
  route(edge, { method: 'get', path: '/v1/secret', role: 'edit', operation: 'secret', body }, (r) => ok(r.body));
  route(edge, { method: 'post', path: '/v1/secret', role: 'edit', operation: 'post', body }, (r) => ok(r.body));
  return finishEdge(edge);
};

/** node:http, because fetch refuses a body on GET. */
const send = (port: number, method: string, body: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    const all = { ...signed('Metal-Edit', method), 'content-type': 'application/json', ...headers };
    const outgoing = request({ port, host: '127.0.0.1', method, path: '/v1/secret', headers: all }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

test('machines.md §1.1: the body of a GET arrives, over a socket and over a peer link', async () => {
  const edge = await serveEdge(app(), { host: '127.0.0.1', port: 0 });
  try {
    const body = '{"id":"m"}\n';
    const direct = await send(edge.port, 'GET', body, { 'content-length': String(body.length) });
    assert.deepEqual([direct.status, direct.text], [200, '{"id":"m"}']);
    const headers = Object.entries({ ...signed('Metal-Edit', 'GET'), 'content-type': 'application/json' });
    const linked: EdgeRequest = { method: 'GET', path: '/v1/secret', headers, body: Buffer.from(body), via: 'link' };
    assert.deepEqual(await (await dispatch(app(), linked, 'b')).json(), { id: 'm' });
  } finally {
    await edge.stop();
  }
});

test('what stands in front sees the bytes once, and may answer', async () => {
  const seen: EdgeRequest[] = [];
  const edge = await serveEdge(app(), {
    host: '127.0.0.1',
    port: 0,
    beforeApp: (early) => {
      seen.push(early);
      const text = Buffer.from(early.body).toString();
      return text.includes('far') ? { status: 201, headers: [['x-from', 'b']], body: Buffer.from('far') } : undefined;
    },
  });
  try {
    assert.deepEqual(await send(edge.port, 'POST', '{"id":"far"}'), { status: 201, text: 'far' });
    assert.deepEqual(await send(edge.port, 'POST', '{"id":"near"}'), { status: 200, text: '{"id":"near"}' });
    assert.deepEqual(
      seen.map(({ method, path, via }) => [method, path, via]),
      [
        ['POST', '/v1/secret', 'http'],
        ['POST', '/v1/secret', 'http'],
      ],
    );
  } finally {
    await edge.stop();
  }
});

test('reliability.md §10: who is refused for overload behind the gate is counted there, by the process that refuses', async () => {
  const site = createTestSite();
  const made = createEdge(site);
  route(made, { method: 'post', path: '/v1/secret', role: 'edit', operation: 'post' }, () =>
    overloaded('80 requests wait here'),
  );
  const admission = createAdmission({ world: { monotonicMs: () => 0, random: () => 0 } });
  const busy = { status: 503, headers: [['x-refused-because', 'overloaded']] as Array<[string, string]>, body: null };
  let elsewhere: EdgeAnswer | undefined;
  const edge = await serveEdge(finishEdge(made), {
    host: '127.0.0.1',
    port: 0,
    gate: createGate(admission, '/'),
    beforeApp: () => elsewhere,
  });
  const counted = async (): Promise<number> => {
    assert.equal((await send(edge.port, 'POST', '{}')).status, 503);
    return admission.state.refused.overloaded;
  };
  try {
    assert.equal(await counted(), 1);
    elsewhere = busy;
    assert.equal(await counted(), 2, 'a link has no room');
    elsewhere = { ...busy, isPassedOn: true };
    assert.equal(await counted(), 2, 'another site said so, and counts it');
    elsewhere = { ...busy, headers: [['x-refused-because', 'database']] };
    assert.equal(await counted(), 2);
    assert.deepEqual([admission.state.refused.limit, admission.state.inFlight], [0, 0]);
  } finally {
    await edge.stop();
  }
});

test('networks.md §10: a request is looked at before the app whatever it calls its body; only an upload is not', async () => {
  const seen: string[] = [];
  const edge = await serveEdge(app(), {
    host: '127.0.0.1',
    port: 0,
    basePath: '/metal/',
    beforeApp: ({ method, path, body }) => {
      seen.push(`${method} ${path} ${Buffer.from(body).toString()}`);
      return { status: 201, headers: [], body: null };
    },
  });
  const status = (method: string, path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'multipart/form-data; boundary=x', 'content-length': '2' };
      const outgoing = request({ port: edge.port, host: '127.0.0.1', method, path, headers }, (response) => {
        resolve(response.resume().statusCode ?? 0);
      });
      outgoing.on('error', reject);
      outgoing.end('{}');
    });
  try {
    assert.equal(await status('DELETE', '/metal/v1/machine/m1/free'), 201);
    assert.equal(await status('POST', '/metal/v2/anything'), 201);
    assert.equal(await status('PUT', '/metal/v1/firmware/bios/v/b/1'), 403);
    assert.deepEqual(seen, ['DELETE /metal/v1/machine/m1/free {}', 'POST /metal/v2/anything {}']);
  } finally {
    await edge.stop();
  }
});

test('headers that no peer link carries are 431 at a site as at the router', async () => {
  const edge = await serveEdge(app(), { host: '127.0.0.1', port: 0 });
  try {
    const many = Object.fromEntries(Array.from({ length: 241 }, (_, n) => [`x-${n}`, '1']));
    const refused = await send(edge.port, 'POST', '{"id":"m"}', many);
    assert.equal(refused.status, 431);
    assert.deepEqual(JSON.parse(JSON.parse(refused.text) as string), {
      statuscode: 431,
      message: 'the request has more than 240 headers',
    });
    assert.equal((await send(edge.port, 'POST', '{"id":"m"}', { ['x'.repeat(257)]: '1' })).status, 431);
  } finally {
    await edge.stop();
  }
});

test('a body above the limit is 413 in the error shape, by its length and by counting', async () => {
  const edge = await serveEdge(app(), { host: '127.0.0.1', port: 0 });
  try {
    const big = JSON.stringify({ id: 'x'.repeat((1 << 20) + 10) });
    const counted = await send(edge.port, 'POST', big, { 'transfer-encoding': 'chunked' });
    assert.equal(counted.status, 413);
    const declared = await send(edge.port, 'POST', big);
    assert.equal((JSON.parse(JSON.parse(declared.text) as string) as { statuscode: number }).statuscode, 413);
  } finally {
    await edge.stop();
  }
});

test('a graceful stop answers what is in flight, then ends soon, also with clients that keep connections', async () => {
  const edge = createEdge(createTestSite());
  route(edge, { method: 'post', path: '/v1/secret', role: 'edit', operation: 'slow', contentType: 'any' }, async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return ok({ late: true });
  });
  const running = await serveEdge(finishEdge(edge), { host: '127.0.0.1', port: 0 });
  const answer = send(running.port, 'POST', '');
  await new Promise((resolve) => setTimeout(resolve, 50));
  const sinceMs = performance.now();
  await running.stop();
  assert.ok(performance.now() - sinceMs < 2_000, 'stopped only by the end of the grace');
  assert.deepEqual(await answer, { status: 200, text: '{"late":true}' });
  await assert.rejects(send(running.port, 'POST', ''), /ECONNREFUSED|ECONNRESET|hang up/);
});

test('design.md §4: who hangs up is known to have left, to whatever is asked in their name', async () => {
  const site = createTestSite({
    'allocator.pools': ({ options }: Asked) => {
      asked(options.asker);
      return new Promise(() => {});
    },
  });
  const edge = createEdge(site);
  let asked: (asker: Asker | undefined) => void = () => {};
  route(edge, { method: 'get', path: '/v1/slow', role: 'view', operation: 'slow' }, async ({ as }) => {
    const pools = await site.ask(addressOf(partitionScope('p'), 'allocator', 'p'), 'pools', {}, as);
    return isRefusal(pools) ? pools : ok(pools);
  });
  const running = await serveEdge(finishEdge(edge), { host: '127.0.0.1', port: 0 });
  try {
    const asker = await new Promise<Asker | undefined>((resolve) => {
      const outgoing = request({
        port: running.port,
        host: '127.0.0.1',
        path: '/v1/slow',
        headers: signed('Metal-View', 'GET'),
      });
      outgoing.on('error', () => {});
      outgoing.end();
      asked = (heard) => {
        resolve(heard);
        outgoing.destroy();
      };
    });
    assert.ok(asker !== undefined);
    await new Promise<void>((resolve) => void asker.whenGone(resolve));
    assert.equal(asker.isGone, true);
  } finally {
    await running.stop(0);
  }
});

test('reliability.md F20: a body that is long in coming takes nobody’s place; one that is too large is answered while it is sent', async () => {
  const entered: string[] = [];
  const edge = await serveEdge(app(), {
    host: '127.0.0.1',
    port: 0,
    gate: {
      look: ({ header }) =>
        header('x-full') === undefined
          ? undefined
          : { status: 503, headers: [['retry-after', '1']], body: new Uint8Array() },
      enter({ path }) {
        entered.push(path);
        return () => {};
      },
    },
  });
  try {
    const headers = { ...signed('Metal-Edit', 'POST'), 'content-type': 'application/json', 'content-length': '10' };
    const slow = request({ port: edge.port, host: '127.0.0.1', method: 'POST', path: '/v1/secret', headers });
    const answered = new Promise<number>((resolve, reject) => {
      slow.on('response', (response) => resolve(response.resume().statusCode ?? 0));
      slow.on('error', reject);
    });
    slow.write('{"id"');
    assert.equal((await send(edge.port, 'POST', '{"id":"m"}')).status, 200);
    assert.equal(entered.length, 1);
    slow.end(':"s"}');
    assert.equal(await answered, 200);
    assert.equal(entered.length, 2);

    assert.equal((await send(edge.port, 'POST', '{"id":"m"}', { 'x-full': '1' })).status, 503);
    const large = await send(edge.port, 'POST', `{"id":"${'x'.repeat(8 << 20)}"}`);
    assert.equal(large.status, 413);
    assert.match(large.text, /larger than 1048576 bytes/);
    assert.equal(entered.length, 2);
  } finally {
    await edge.stop();
  }
});
