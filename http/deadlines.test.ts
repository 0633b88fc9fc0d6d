import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createAsker, type Asker } from '../actors/asker.ts';
import { unlimited } from '../actors/directory/tenant.ts';
import { because, unavailable } from '../actors/refusal.ts';
import { createApp } from './app.ts';
import { answerQuestion } from './questions.ts';
import { asUser, createTestSite, entryOf, withDirectory, type TestSite } from './testing.ts';

/** What goes to the other sites, with who waits for it. */
function watched(site: TestSite): Array<[what: string, asker: Asker | undefined]> {
  const seen: Array<[string, Asker | undefined]> = [];
  const { askOthers, propose, settle, release } = site.federation;
  Object.assign(site.federation, {
    askOthers: (kind, body, withinMs, asker) => (seen.push([kind, asker]), askOthers(kind, body, withinMs)),
    propose: (h, claims, asker) => (seen.push(['propose', asker]), propose(h, claims)),
    settle: (h, made, asker) => (seen.push(['settle', asker]), settle(h, made)),
    release: (claims, asker) => (seen.push(['release', asker]), release(claims)),
  } satisfies Partial<TestSite['federation']>);
  return seen;
}

function start() {
  const site = withDirectory(createTestSite());
  const base = { name: '', description: '', created: 0, changed: 0 };
  const meta = { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null };
  site.entries.push(entryOf('project', { ...base, id: 'x', meta, tenant: 't', quotas: unlimited() }));
  site.entries.push(entryOf('size', { ...base, id: 'c1', constraints: [], labels: {} }));
  const usage = { machines: 0, networks: 0, ips: 0 };
  const answers: Record<string, unknown> = {
    idempotency: { outcome: null, running: false },
    'directory-entry': { entry: null },
    'size-usage': usage,
    'project-usage': usage,
  };
  site.members.set('b', (kind) => answers[kind]);
  const seen = watched(site);
  const app = createApp(site, { report: () => {} });
  const asker = createAsker(() => 1_000);
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    seen.length = 0;
    const init = asUser('Metal-Admin', method, body);
    const all = { ...init, headers: { ...(init.headers as Record<string, string>), ...headers } };
    await app.request(path, all, { asker });
    assert.ok(
      seen.every(([, waits]) => waits === asker),
      `${method} ${path}: ${seen.map(([what, waits]) => `${what} ${waits !== undefined}`).join()}`,
    );
    return seen.map(([what]) => what);
  };
  return { site, call };
}

test('reliability.md §10: for a request the other sites are asked no longer than it has time', async () => {
  const { site, call } = start();
  const network = { prefixes: ['172.0.0.0/24'] };
  site.script['registry.createNetwork'] = unavailable('the database');
  site.script['registry.claims'] = { claims: [] };
  assert.deepEqual(await call('PUT', '/v1/network', network, { 'idempotency-key': 'k' }), [
    'idempotency',
    'propose',
    'settle',
  ]);
  site.proposalRefusal = unavailable('site b');
  assert.deepEqual(await call('PUT', '/v1/network', network), ['propose', 'settle']);
  assert.deepEqual(await call('PUT', '/v1/network', network, { 'x-hanse-dry-run': 'true' }), ['promise.check']);
  assert.deepEqual(await call('GET', '/v1/size/none'), ['directory-entry']);
  assert.deepEqual(await call('PUT', '/v1/size', { id: 'new' }), ['directory-entry']);
  assert.deepEqual(await call('DELETE', '/v1/size/c1'), ['size-usage']);
  assert.deepEqual(await call('DELETE', '/v1/project/x'), ['project-usage']);
});

test('reliability.md §10: what was made is looked after also when nobody waits for it', async () => {
  const { site, call } = start();
  site.script['registry.createNetwork'] = unavailable('the outcome is unknown');
  await call('PUT', '/v1/network', { prefixes: ['172.0.0.0/24'] });
  const askers = new Map(site.asked.map(({ command, options }) => [command, options.asker !== undefined]));
  assert.deepEqual([askers.get('createNetwork'), askers.get('claims')], [true, false]);
});

test('reliability.md §10: a question of another site is asked on no longer than that site waits', async () => {
  const { site } = start();
  site.networkPlaces.set('n', { partition: 'p', home: 'a' });
  const asker = createAsker(() => 1_500);
  await answerQuestion(site, 'promise.check', { h: 'h', site: 'b', claims: [] }, asker);
  await answerQuestion(site, 'network-parts', { network: 'n' }, asker);
  assert.deepEqual(
    site.asked.map(({ command, options }) => [command, options.asker === asker]),
    [
      ['promise', true],
      ['usage', true],
    ],
  );
});

test('reliability.md F08: whose time is over is told what the actor says, the database is not asked for more', async () => {
  const { site } = start();
  let leftMs = 1_000;
  site.script['registry.createNetwork'] = () => {
    leftMs = 0;
    return because('outcome-unknown', unavailable('outcome unknown: no answer; operation 7'));
  };
  let looks = 0;
  site.outcomes.find = () => (looks++ === 0 ? Promise.resolve(undefined) : new Promise(() => {}));
  const init = asUser('Metal-Admin', 'PUT', { prefixes: ['172.0.0.0/24'] });
  const headers = { ...(init.headers as Record<string, string>), 'idempotency-key': 'k' };
  const app = createApp(site, { report: () => {} });
  const answer = await app.request('/v1/network', { ...init, headers }, { asker: createAsker(() => leftMs) });
  assert.deepEqual([answer.status, answer.headers.get('x-refused-because'), looks], [503, 'outcome-unknown', 1]);
  assert.match(await answer.text(), /operation 7/);
});
