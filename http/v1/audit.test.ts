import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApp } from '../app.ts';
import { asUser, clientOf, createTestSite } from '../testing.ts';
import { redacted, type Trace, type TraceFilter } from '../trace.ts';

function start() {
  const kept: Trace[] = [];
  const filters: TraceFilter[] = [];
  const site = createTestSite();
  site.traces = {
    refused: (trace) => void kept.push(trace),
    find: async (filter) => {
      filters.push(filter);
      return { traces: kept };
    },
  };
  const app = createApp(site);
  return { kept, filters, app, call: clientOf(app) };
}

test('networks.md §6.5: what is refused is kept with who, what and why, without secrets; reads and what succeeds are not', async () => {
  const { kept, call } = start();
  const body = { id: 'x', name: 'x', consolePassword: 'geheim', constraints: 'wrong' };
  const refused = await call('Metal-View', 'PUT', '/v1/size', body);
  assert.equal(refused.status, 403);
  await call('Metal-View', 'GET', '/v1/size/nothing');
  await call('Metal-View', 'POST', '/v1/audit/find', {});
  assert.equal(kept.length, 1);
  const [trace] = kept;
  assert.deepEqual([trace?.detail, trace?.path, trace?.status], ['PUT', '/v1/size', 403]);
  assert.match(trace?.user ?? '', /metal-view/);
  assert.match(trace?.error ?? '', /role admin/);
  assert.match(trace?.body ?? '', /"consolePassword":"\*\*\*"/);
  assert.ok(!JSON.stringify(kept).includes('geheim'));
});

test('reliability.md I18: a dry run that is refused by a rule is not kept, one of somebody who may not is', async () => {
  const { kept, app } = start();
  const freed = async (user: 'Metal-Edit' | 'Metal-View'): Promise<Response> => {
    const { headers, ...rest } = asUser(user, 'DELETE');
    return app.request('/v1/ip/free/10.9.9.9', { ...rest, headers: { ...headers, 'X-Hanse-Dry-Run': 'true' } });
  };
  assert.equal((await freed('Metal-Edit')).status, 404);
  assert.equal(kept.length, 0);
  assert.equal((await freed('Metal-View')).status, 403);
  assert.equal(kept.length, 1);
});

test('networks.md §6.5: nobody who is not signed in leaves a trace', async () => {
  const { kept, app } = start();
  const response = await app.request('/v1/size', { ...asUser('Metal-Admin', 'PUT', {}), headers: {} });
  assert.ok(response.status >= 400);
  assert.equal(kept.length, 0);
});

test('networks.md §6.5: empty strings, 0 and the zero time are not asked; the default is the last day', async () => {
  const { filters, call } = start();
  await call('Metal-View', 'POST', '/v1/audit/find', {
    user: '',
    status_code: 0,
    limit: 0,
    from: '0001-01-01T00:00:00.000Z',
    to: '0001-01-01T00:00:00.000Z',
    path: 'size',
  });
  const [filter] = filters;
  assert.deepEqual([filter?.user, filter?.status, filter?.limit, filter?.path], [undefined, undefined, 0, 'size']);
  assert.equal((filter?.toMs ?? 0) - (filter?.fromMs ?? 0), 2 * 86_400_000);
});

test('networks.md §6.5: the wire form; what no trace of ours has finds nothing', async () => {
  const { kept, call } = start();
  await call('Metal-Edit', 'PUT', '/v1/size', { id: 'x' });
  const { body } = await call('Metal-View', 'POST', '/v1/audit/find', {});
  const [entry] = body as Array<Record<string, unknown>>;
  assert.deepEqual(Object.keys(entry ?? {}).sort(), [
    'body',
    'component',
    'detail',
    'error',
    'forwarded_for',
    'path',
    'phase',
    'remote_addr',
    'rqid',
    'status_code',
    'tenant',
    'timestamp',
    'type',
    'user',
  ]);
  assert.equal(entry?.['timestamp'], new Date(kept[0]?.atMs ?? 0).toISOString());
  for (const filter of [{ component: 'other' }, { phase: 'request' }, { type: 'grpc' }])
    assert.deepEqual((await call('Metal-View', 'POST', '/v1/audit/find', filter)).body, []);
  assert.equal((await call('Metal-View', 'POST', '/v1/audit/find', { from: 'yesterday' })).status, 400);
});

test('reliability.md §9, networks.md N47: secrets are left out wherever they stand in a body', () => {
  assert.equal(
    redacted('{"a":[{"ipmi":{"password":"x","user":"u"}}],"user_data":"#!/bin/sh","ssh_pub_keys":["ssh-ed25519 A"]}'),
    '{"a":[{"ipmi":{"password":"***","user":"u"}}],"user_data":"***","ssh_pub_keys":["ssh-ed25519 A"]}',
  );
  assert.equal(redacted('password=x'), '(not JSON)');
  assert.equal(redacted(''), '');
});

test('networks.md §6.5: a search that had to leave older entries out says so', async () => {
  const site = createTestSite();
  site.traces = { refused: () => {}, find: async () => ({ traces: [], wholeFromMs: Date.UTC(2026, 0, 2) }) };
  const response = await createApp(site).request('/v1/audit/find', asUser('Metal-View', 'POST', {}));
  assert.equal(response.status, 200);
  assert.match(
    response.headers.get('warning') ?? '',
    /^199 hanse "entries before 2026-01-02T00:00:00.000Z may be missing/,
  );
});
