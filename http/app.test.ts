import { test } from 'node:test';
import assert from 'node:assert/strict';
import { z } from 'zod';
import { because, overloaded, unavailable, unprocessable, unreachable } from '../actors/refusal.ts';
import { createApp, createEdge, finishEdge } from './app.ts';
import type { Edge } from './env.ts';
import { bodyFailureResponse, created, ok, route } from './route.ts';
import { asUser, createTestSite, errorOf, signed } from './testing.ts';
import { refusalResponse } from './wire-errors.ts';

const edgeWith = (add: (edge: Edge) => void) => {
  const reported: unknown[] = [];
  const edge = createEdge(createTestSite(), { report: (error) => reported.push(error) });
  add(edge);
  return { app: finishEdge(edge), reported };
};

const echo = edgeWith((edge) => {
  const body = z.object({
    id: z.string().optional(),
    meta: z.object({ labels: z.array(z.string()).optional(), apiversion: z.string().optional() }).optional(),
    labels: z.record(z.string(), z.string()).optional(),
  });
  route(edge, { method: 'post', path: '/v1/echo', role: 'view', operation: 'echo', body }, (request) =>
    ok(request.body),
  );
  route(edge, { method: 'put', path: '/v1/echo', role: 'admin', operation: 'putEcho', body }, () => created({}));
  route(edge, { method: 'get', path: '/v1/echo', role: 'view', operation: 'getEcho', body }, (request) =>
    ok(request.body),
  );
  route(
    edge,
    { method: 'post', path: '/v1/free/:id', role: 'edit', operation: 'free', contentType: 'any' },
    ({ param }) => ok({ id: param('id') }),
  );
  route(edge, { method: 'get', path: '/v1/full', role: 'auth', operation: 'full' }, () => unavailable('site b', 2));
  route(edge, { method: 'get', path: '/v1/rule', role: 'auth', operation: 'rule' }, () => unprocessable('no "x"'));
  route(edge, { method: 'get', path: '/v1/crash', role: 'auth', operation: 'crash' }, () => {
    throw new Error('duplicate key value violates unique constraint "ip_pkey"');
  });
}).app;

test('machines.md §1.3: an error is a JSON string that holds the encoded object', async () => {
  const response = await echo.request('/v1/rule', asUser('Metal-View', 'GET'));
  assert.equal(response.status, 422);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(await response.text(), JSON.stringify('{"statuscode":422,"message":"no \\"x\\""}'));
});

/** Reason and seconds of a refusal for a while. */
const whyNotNow = ({ status, headers }: Response): [status: number, because: string | null, isInTime: boolean] => {
  const seconds = Number(headers.get('retry-after') ?? NaN);
  return [status, headers.get('x-refused-because'), seconds >= 1 && seconds <= 4];
};

test('reliability.md §10: a refusal for a while says when to try again, and why for programs', async () => {
  const full = await echo.request('/v1/full', asUser('Metal-View', 'GET'));
  assert.deepEqual(whyNotNow(full), [503, 'unavailable', true]);
  for (const [refusal, reason] of [
    [overloaded('9 wait'), 'overloaded'],
    [unreachable('site b'), 'partition-unreachable'],
    [because('lease', unavailable('another one is active')), 'lease'],
  ] as const) {
    assert.deepEqual(whyNotNow(refusalResponse(refusal)), [503, reason, true]);
  }
  const site = createTestSite();
  let isReady = false;
  const app = createApp(site, { isReady: () => isReady });
  assert.deepEqual(whyNotNow(await app.request('/readyz')), [503, 'starting', true]);
  isReady = true;
  site.healthNow = { status: 'unhealthy', message: '', services: {} };
  assert.deepEqual(whyNotNow(await app.request('/readyz')), [503, 'unavailable', true]);
  assert.deepEqual(whyNotNow(bodyFailureResponse('too-many')), [503, 'overloaded', true]);
});

test('machines.md §1.2: without credentials and with another scheme 403, as a bare message', async () => {
  for (const headers of [{}, { authorization: 'Basic x' }, { authorization: 'metal-admin x' }]) {
    const response = await echo.request('/v1/rule', { headers });
    assert.equal(response.status, 403);
    assert.match((await response.json()) as string, /^tenant {2}not allowed/);
  }
});

test('machines.md §1.1: unknown path 404, other method 405, both after authentication', async () => {
  assert.equal((await echo.request('/v1/nothing')).status, 403);
  const unknown = await echo.request('/v1/nothing', asUser('Metal-View', 'GET'));
  assert.deepEqual([unknown.status, (await errorOf(unknown)).statuscode], [404, 404]);
  const wrong = await echo.request('/v1/free/x', asUser('Metal-View', 'GET'));
  assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST']);
  // Two routes with GET fit here: that of the issues, and that of any machine.
  const many = await createApp(createTestSite()).request('/v1/machine/issues', asUser('Metal-Edit', 'PUT'));
  assert.deepEqual([many.status, many.headers.get('allow')], [405, 'GET, DELETE']);
  assert.match((await errorOf(many)).message, /, only GET, DELETE$/);
});

test('an exception is 500 without its text', async () => {
  const { app, reported } = edgeWith((edge) =>
    route(edge, { method: 'get', path: '/v1/crash', role: 'auth', operation: 'crash' }, () => {
      throw new Error('duplicate key value violates unique constraint "ip_pkey"');
    }),
  );
  const response = await app.request('/v1/crash', asUser('Metal-View', 'GET'));
  assert.equal(response.status, 500);
  assert.doesNotMatch((await errorOf(response)).message, /ip_pkey/);
  assert.equal(reported.length, 1);
});

test('reliability.md F07: a list that the database does not answer is 503, not 500; a mistake of ours stays 500', async () => {
  for (const [kind, status] of [
    ['unsent', 503],
    ['unknown', 503],
    ['retry', 503],
    ['other', 500],
  ] as const) {
    const { app, reported } = edgeWith((edge) =>
      route(edge, { method: 'get', path: '/v1/list', role: 'auth', operation: 'list' }, () => {
        throw Object.assign(new Error('connect ECONNREFUSED'), { name: 'StatementFailure', kind });
      }),
    );
    const response = await app.request('/v1/list', asUser('Metal-View', 'GET'));
    assert.equal(response.status, status, kind);
    assert.equal(response.headers.get('x-refused-because'), status === 503 ? 'database' : null);
    assert.ok(!(await errorOf(response)).message.includes('ECONNREFUSED'));
    assert.equal(reported.length, 1);
  }
});

test('machines.md §1.5: keys without case, last one wins, null is absent, unknown ignored', async () => {
  const text = '{"ID":"a","id":"b","Id":"c","new":1,"labels":null,"META":{"Labels":null,"apiVersion":"v1"}}\n';
  const response = await echo.request('/v1/echo', asUser('Metal-View', 'POST', text));
  assert.deepEqual(await response.json(), { id: 'c', meta: { apiversion: 'v1' } });
});

test('machines.md §1.1: empty body 400, no JSON 400, wrong type 400 with the field, other media 415, 406', async () => {
  const post = (body: string | undefined, headers: Record<string, string>) =>
    echo.request('/v1/echo', {
      method: 'POST',
      headers: { ...signed('Metal-View', 'POST'), ...headers },
      ...(body === undefined ? {} : { body }),
    });
  const json = { 'content-type': 'application/json' };
  assert.equal((await post('', json)).status, 400);
  assert.equal((await post('{', json)).status, 400);
  assert.match((await errorOf(await post('{"id":1}', json))).message, /^id: must be a string, not the number 1$/);
  assert.match((await errorOf(await post('{"meta":{"labels":[1]}}', json))).message, /^meta\.labels\[0\]: /);
  assert.match((await errorOf(await post('[]', json))).message, /^the request body: must be an object, not a list$/);
  assert.match((await errorOf(await post('['.repeat(40), json))).message, /deeper than 32/);
  assert.equal((await post('{}', { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post('{}', { ...json, accept: 'text/html' })).status, 406);
  assert.equal((await post('{}', { ...json, accept: 'text/html, */*;q=0.1' })).status, 200);
  assert.equal((await post(`{"id":"${'x'.repeat(1 << 20)}"}`, json)).status, 413);
});

test('networks.md §1.5: the deprecated free takes any or no content type, and no body', async () => {
  const response = await echo.request('/v1/free/a%2Fb', { method: 'POST', headers: signed('Metal-Edit', 'POST') });
  assert.deepEqual([response.status, await response.json()], [200, { id: 'a/b' }]);
});

test('machines.md §1.2: every route of the app answers exactly the roles that it declares', async () => {
  const edge = createEdge(createTestSite());
  createApp(edge.site, { more: [(inner) => void (edge.routes = inner.routes)] });
  const app = createApp(createTestSite(), { report: () => undefined });
  const rank = { none: 0, auth: 1, view: 1, edit: 2, admin: 3 };
  assert.ok(edge.routes.length > 0);
  for (const { method, path, role } of edge.routes) {
    const verb = method.toUpperCase();
    for (const [user, has] of [
      ['Metal-View', 1],
      ['Metal-Edit', 2],
      ['Metal-Admin', 3],
    ] as const) {
      const init: RequestInit = {
        method: verb,
        headers: { ...signed(user, verb), 'content-type': 'application/json' },
      };
      const { status } = await app.request(path.replace(/:[a-z]+/gi, 'x'), init);
      assert.equal(status !== 403, has >= rank[role], `${verb} ${path} as ${user}: ${status}`);
    }
    const guest = await app.request(path.replace(/:[a-z]+/gi, 'x'), { method: verb });
    assert.equal(guest.status !== 403, role === 'none', `${verb} ${path} as guest: ${guest.status}`);
  }
});

test('machines.md §19.3: health is a plain object, also with 500', async () => {
  const site = createTestSite();
  const down = { status: 'unhealthy', message: 'no database', services: { db: { status: 'unhealthy', message: '' } } };
  site.healthNow = down as typeof site.healthNow;
  const response = await createApp(site).request('/v1/health');
  assert.deepEqual([response.status, await response.json()], [500, down]);
  site.healthNow = { ...site.healthNow, status: 'degraded' };
  assert.equal((await createApp(site).request('/v1/health/')).status, 200);
});

test('networks.md §7.1: version needs no credentials, but wrong ones are refused', async () => {
  const app = createApp(createTestSite());
  assert.equal(((await (await app.request('/v1/version')).json()) as { name: string }).name, 'metal-api');
  const wrong = { ...signed('Metal-View', 'GET'), Authorization: `Metal-View ${'0'.repeat(64)}` };
  assert.equal((await app.request('/v1/version', { headers: wrong })).status, 403);
});

test('machines.md §1.1: the base path is configurable', async () => {
  const site = createTestSite();
  site.config.basePath = '/metal/';
  const app = createApp(site);
  assert.equal((await app.request('/metal/v1/user/me', asUser('Metal-View', 'GET'))).status, 200);
  assert.equal((await app.request('/v1/user/me', asUser('Metal-View', 'GET'))).status, 404);
});
