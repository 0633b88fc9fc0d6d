import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, type Address } from '../../actors/address.ts';
import { conflictsOf } from '../../actors/directory/conflict.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { Tenant } from '../../actors/directory/tenant.ts';
import { machineBehaviour } from '../../actors/machine/behaviour.ts';
import { emptyIpmi } from '../../actors/machine/hardware.ts';
import { notFound, unavailable } from '../../actors/refusal.ts';
import type { IdempotencyKey } from '../../actors/ports.ts';
import type { CellFilter } from '../../actors/runtime/inspection.ts';
import type { QuarantinedMessage } from '../../actors/runtime/quarantine.ts';
import { createApp } from '../../http/app.ts';
import { asUser, clientOf, createTestSite, entryOf, errorOf, rowOf, type TestSite } from '../../http/testing.ts';
import { allocationRecord, machineRecord, SCOPE } from '../../http/v1/machine.fixture.ts';
import type { Inspection } from '../../storage/inspection.ts';
import type { OverviewAnswer } from '../inspect/views.ts';
import { addInspectRoutes, type InspectOptions } from './inspect-routes.ts';

const cell = (id: string, inbox: number) => ({
  scope: 'partition:p',
  kind: 'machine',
  id,
  status: 'idle',
  inbox,
  waiting: 0,
  held: 0,
  turns: 1,
  crashes: 0,
  idleMs: 10,
  turnMs: null,
  last: null,
});
const sums = { scope: 'partition:p', kind: 'machine', resident: 3, busy: 1, inbox: 1, waiting: 0, held: 0, crashes: 0 };

const ASIDE: QuarantinedMessage = {
  id: 'q1',
  also: ['q0'],
  shard: 0,
  to: addressOf('partition:p', 'network', 'n1'),
  name: 'allocateIp',
  body: { name: 'a' },
  who: 'anna@example.org',
  isDry: false,
  isReservation: false,
  error: 'boom',
  crashes: 3,
  atMs: 0,
  count: 7,
  lastMs: 9,
  partOf: null,
};
const STANDBY = { process: 'there:7:0', urls: ['http://there:8080/'], links: [], startedAtMs: 5, seenAtMs: 9 };

function start(
  hosted: Partial<Record<keyof InspectOptions['host'], unknown>> = {},
  inspection = {},
  site: TestSite = createTestSite(),
) {
  const asked: Array<CellFilter | undefined> = [];
  const aside = [{ ...ASIDE }];
  const options = {
    process: 'here:1',
    admission: { state: { limit: 512, inFlight: 1, refused: { share: 0, limit: 9, overloaded: 2 }, delayMs: 0 } },
    shards: 3,
    blocks: { open: 0 },
    bus: { state: () => ({ isCatchingUp: false, held: 0, waiting: 0, nsqd: 'none' as const }) },
    federation: { status: () => [] },
    standbys: () => [STANDBY],
    inspection: inspection as Inspection,
    host: {
      restarts: 0,
      presences: () =>
        [0, 2, 0].map((startOvers, shard) => ({
          shard,
          startOvers,
          lately: 0,
          awayMs: null,
          isStartingOver: false,
        })),
      async inspect(shard: number, actor: Address | null, filter?: CellFilter) {
        if (actor !== null) return actor.id === 'm1' && shard === 1 ? { ...cell('m1', 0), messages: [] } : null;
        asked.push(filter);
        if (shard === 2) return unavailable('shard 2 is being restarted');
        return { shard, cells: [cell(`m${shard}`, shard)], kinds: [sums] };
      },
      auditMemory: async () => ({ compared: 0, busy: 0, left: 0, notCompared: [], findings: [] }),
      quarantine: () => aside,
      quarantineLost: 4,
      retry: async (id: string, { who, key }: { who: string; key?: IdempotencyKey }) =>
        aside.splice(0).some((message) => message.id === id)
          ? { retriedBy: who, key: key?.key }
          : notFound(`no message ${id}`),
      drop: (id: string) => aside.splice(0).some((message) => message.id === id),
      ...hosted,
    },
  } as unknown as InspectOptions;
  const app = createApp(site, { more: [addInspectRoutes(options)] });
  return { asked, app, call: clientOf(app) };
}

test('reliability.md §9: inspection needs the admin role', async () => {
  const { call } = start();
  for (const view of ['', '/actors', '/shards', '/audit'])
    for (const user of ['Metal-View', 'Metal-Edit'] as const)
      assert.equal((await call(user, 'GET', `/v2/inspect${view}`)).status, 403, `${user} ${view}`);
});

test('a site at a glance says whether it refuses requests, what is set aside, and how often shards started over', async () => {
  const { body } = await start().call('Metal-Admin', 'GET', '/v2/inspect');
  const { quarantined, quarantineLost, admission, shardRestarts, shardStartOvers } = body as OverviewAnswer;
  assert.deepEqual([quarantined, quarantineLost, admission.refused], [1, 4, { share: 0, limit: 9, overloaded: 2 }]);
  assert.deepEqual([shardRestarts, shardStartOvers], [0, 2]);
});

test('design.md §2: the overview and the leases name the processes of the site that stand by', async () => {
  const { call } = start({}, { leases: async () => [], log: async () => ({ streams: [], cursors: [] }) });
  for (const path of ['', '/leases']) {
    const { status, body } = await call('Metal-Admin', 'GET', `/v2/inspect${path}`);
    assert.deepEqual([status, (body as { standbys: unknown }).standbys], [200, [STANDBY]], path);
  }
});

test('the tree adds the shards up, the busiest actors first, and names who does not answer', async () => {
  const { call, asked } = start();
  const { status, body } = await call('Metal-Admin', 'GET', '/v2/inspect/actors?kind=machine&limit=1');
  assert.equal(status, 200);
  const tree = body as {
    resident: number;
    scopes: Array<{ kinds: Array<{ actors: Array<{ id: string }> }> }>;
    missing: unknown;
  };
  assert.equal(tree.resident, 6);
  assert.deepEqual(
    tree.scopes[0]?.kinds[0]?.actors.map(({ id }) => id),
    ['m1'],
  );
  assert.deepEqual(tree.missing, [{ shard: 2, reason: 'shard 2 is being restarted' }]);
  assert.deepEqual(asked[0], { scopes: null, kind: 'machine', id: null, limit: 1 });
});

test('one actor, wherever its shard is; what is asked wrongly is named', async () => {
  const { call } = start();
  const one = await call('Metal-Admin', 'GET', '/v2/inspect/actor?scope=partition:p&kind=machine&id=m1');
  assert.equal((one.body as { shard: number }).shard, 1);
  assert.equal(
    (await call('Metal-Admin', 'GET', '/v2/inspect/actor?scope=partition:p&kind=machine&id=m9')).status,
    404,
  );
  for (const path of [
    'actor?id=m1',
    'actors?limit=many',
    'actors?kind=foo',
    'actor?scope=partition:p&kind=foo&id=m1',
    'audit?entries=-1',
    'audit?actors=0',
  ]) {
    const { status } = await call('Metal-Admin', 'GET', `/v2/inspect/${path}`);
    assert.ok(status === 400 || status === 422, `${path}: ${status}`);
  }
});

test('a scope that has not the form of one is refused by name, as a kind is; several may be asked for at once', async () => {
  const { app, asked } = start();
  const get = (query: string) => app.request(`/v2/inspect/${query}`, asUser('Metal-Admin', 'GET'));
  for (const query of [
    'actors?scope=nonsense',
    'actors?scope=site:a&scope=rack:p',
    'actors?scope=partition:',
    'actor?scope=p&kind=machine&id=m1',
  ]) {
    const answer = await get(query);
    const { message } = await errorOf(answer);
    assert.equal(answer.status, 400, `${query}: ${message}`);
    assert.match(message, /scope:".*" is not valid, expected partition:ID or site:ID/);
  }
  assert.equal(asked.length, 0, 'no shard was asked');
  assert.equal((await get('actors?scope=partition:p&scope=site:p')).status, 200);
  assert.deepEqual(asked[0]?.scopes, ['partition:p', 'site:p']);
});

test('reliability.md F18: a message in quarantine is listed, tried again or dropped by an admin, once', async () => {
  for (const [method, path, answer] of [
    ['POST', '/v2/inspect/quarantine/q1/retry', 'outcome'],
    ['DELETE', '/v2/inspect/quarantine/q1', 'dropped'],
  ] as const) {
    const { call } = start();
    assert.equal((await call('Metal-Edit', method, path)).status, 403);
    const listed = await call('Metal-Admin', 'GET', '/v2/inspect/quarantine');
    assert.deepEqual(listed.body, { site: 'a', quarantine: [ASIDE], lost: 4 });
    const done = await call('Metal-Admin', method, path);
    assert.equal(done.status, 200);
    assert.ok(answer in (done.body as object));
    assert.equal((await call('Metal-Admin', method, path)).status, 404);
  }
});

test('reliability.md I18: a dry run of the quarantine shows the message, and leaves it where it is; a key goes to the actor', async () => {
  const { call, app } = start();
  for (const [method, path] of [
    ['POST', '/v2/inspect/quarantine/q1/retry'],
    ['DELETE', '/v2/inspect/quarantine/q1'],
  ] as const) {
    const { status, body } = await call('Metal-Admin', method, `${path}?dryRun=true`);
    const { answer, changes } = body as { answer: { site: string; message: unknown }; changes: unknown };
    assert.deepEqual([status, answer.site, answer.message, changes], [200, 'a', ASIDE, []]);
    assert.equal((await call('Metal-Admin', method, `${path.replace('q1', 'q2')}?dryRun=true`)).status, 404);
  }
  const init = asUser('Metal-Admin', 'POST');
  const headers = { ...(init.headers as Record<string, string>), 'idempotency-key': 'k' };
  const answer = await app.request('/v2/inspect/quarantine/q1/retry', { ...init, headers });
  assert.equal(((await answer.json()) as { outcome: { key: string } }).outcome.key, 'k');
});

test('a dry retry says which actor would get which message again, and that what comes of it is not known', async () => {
  const network = addressOf('partition:p', 'network', 'n1');
  const whole = { to: addressOf('partition:p', 'allocator', 'p'), name: 'allocateMachine', body: { name: 'm' } };
  const tried = async (more: Partial<QuarantinedMessage>, id = 'q1') => {
    const { call } = start({
      quarantine: () => [{ ...ASIDE, ...more }],
      retry: () => assert.fail('it was tried'),
    });
    const { status, body } = await call('Metal-Admin', 'POST', `/v2/inspect/quarantine/${id}/retry?dryRun=true`);
    const { answer, changes } = body as { answer: { wouldTry: Record<string, unknown> }; changes: unknown };
    assert.deepEqual([status, changes], [200, []]);
    return answer.wouldTry;
  };
  const { outcome, ...direct } = await tried({}, 'q0');
  assert.deepEqual(direct, { to: 'partition:p/network/n1', name: 'allocateIp', body: { name: 'a' } });
  assert.match(
    String(outcome),
    /not known before.*no changes are shown.*came 7 times and crashed 3 times.*boom.*fails again/,
  );
  const part = await tried({ to: network, name: 'reserveIp', isReservation: true, partOf: whole });
  assert.deepEqual(
    [part['to'], part['name'], part['body']],
    ['partition:p/allocator/p', 'allocateMachine', { name: 'm' }],
  );
  const alone = await tried({ name: 'reserveIp', isReservation: true });
  assert.match(String(alone['outcome']), /refused: .* only dropped/);
});

test('machines.md W34: no answer of the inspection gives out a secret', async () => {
  const canary = 'canary-5f1c';
  const machine = machineRecord('m1', { ipmi: { ...emptyIpmi(), user: 'root', password: canary } });
  const allocation = allocationRecord('m1', { consolePassword: canary, userData: canary });
  const state = machineBehaviour.create('m1', SCOPE);
  for (const row of [rowOf('machine', SCOPE, 'm1', 'm1', machine), rowOf('allocation', SCOPE, 'm1', 'm1', allocation)])
    machineBehaviour.evolve(state, { ...row, prev: 0 });
  const iamConfig = { idmConfig: { idmType: 'AD', connectorConfig: { idmApiUser: canary } } };
  const entity = { id: 't', iamConfig } as unknown as Tenant;
  const lost = { home: 'b', revision: 1, created: { wallMs: 0, counter: 0, site: 'b' }, seenMs: 0, entity };
  const standing = { ...entryOf('tenant', entity), lost: [lost] } as DirectoryRecord;
  const site = createTestSite();
  site.stored = [rowOf('directory', 'site:a', 'tenant', 'tenant|t', standing)];
  const message = {
    ...ASIDE,
    partOf: { to: ASIDE.to, name: 'whole', body: { userData: canary, consolePassword: canary } },
    body: { request: { userData: canary }, consolePassword: canary, superUserPassword: canary },
  };
  const { call } = start(
    {
      async inspect(_shard: number, actor: Address | null) {
        if (actor === null) return { shard: 0, cells: [cell('m1', 0)], kinds: [sums], fences: [] };
        if (actor.kind === 'directory') return { ...cell(actor.id, 0), state: { conflicts: conflictsOf(standing) } };
        return { ...cell('m1', 0), messages: [], state: machineBehaviour.describe?.(state) };
      },
      quarantine: () => [message],
      retry: async () => ({ machine, allocation, password: canary }),
    },
    { leases: async () => [], log: async () => ({ streams: [], cursors: [] }) },
    site,
  );
  const asked: Array<[method: string, path: string]> = [
    ['GET', ''],
    ['GET', '/actors'],
    ['GET', `/actor?scope=${SCOPE}&kind=machine&id=m1`],
    ['GET', '/actor?scope=site:a&kind=directory&id=tenant'],
    ['GET', '/shards'],
    ['GET', '/leases'],
    ['GET', '/log'],
    ['GET', '/links'],
    ['GET', '/blocks'],
    ['GET', '/quarantine'],
    ['GET', '/conflicts'],
    ['POST', '/quarantine/q1/retry?dryRun=true'],
    ['POST', '/quarantine/q1/retry'],
    ['DELETE', '/quarantine/q1?dryRun=true'],
  ];
  let hidden = 0;
  for (const [method, path] of asked) {
    const { status, body } = await call('Metal-Admin', method, `/v2/inspect${path}`);
    const text = JSON.stringify(body);
    assert.equal(status, 200, `${path}: ${text}`);
    assert.ok(!text.includes(canary), `${method} ${path} gives out a secret: ${text}`);
    hidden += text.split('"***"').length - 1;
  }
  assert.ok(hidden >= 3 + 3 * 3 + 3 + 1 + 1, `${hidden} were hidden`);
});
