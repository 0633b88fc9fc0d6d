import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, Row } from '../actors/records.ts';
import { dryAnswer } from '../actors/runtime/dry-run.ts';
import { emptyIpmi } from '../actors/machine/hardware.ts';
import { createApp } from './app.ts';
import type { RegisteredRoute } from './env.ts';
import { withoutSecrets } from './secrets.ts';
import { asUser, entryOf, rowOf, withDirectory, type Asked } from './testing.ts';
import { allocationRecord, machineRecord, machineView, plant, putMachine, SCOPE } from './v1/machine.fixture.ts';

const CANARY = 'canary-5f1c';

/** A machine with a canary in every field that is secret. */
const view = machineView('m1', {
  machine: machineRecord('m1', { ipmi: { ...emptyIpmi(), user: 'root', password: CANARY } }),
  allocation: allocationRecord('m1', { consolePassword: CANARY, userData: `#!/bin/sh\necho ${CANARY}` }),
});
const changeOf = (row: Row): Change => ({ ...row, prev: row.version, version: row.version + 1 });
const changes = [
  changeOf(rowOf('machine', SCOPE, 'm1', 'm1', view.machine)),
  changeOf(rowOf('allocation', SCOPE, 'm1', 'm1', view.allocation!)),
];

const tenant = {
  id: 't1',
  name: 't1',
  description: '',
  created: 0,
  changed: 0,
  meta: { version: 0, createdTime: 0, updatedTime: null, annotations: {}, labels: [] },
  defaultQuotas: { cluster: null, machine: null, ip: null, project: null },
  quotas: { cluster: null, machine: null, ip: null, project: null },
  iamConfig: {
    issuerConfig: null,
    idmConfig: { idmType: 'AD', connectorConfig: { idmApiUser: CANARY } },
    groupConfig: null,
  },
};

const orDry =
  (reply: unknown) =>
  ({ options }: Asked): unknown =>
    options.dry === true ? dryAnswer(reply, changes) : reply;

function start() {
  const done = orDry(view);
  const { site } = plant({
    'machine.get': view,
    'machine.bmcReport': orDry({ outcome: 'updated' }),
    ...Object.fromEntries(['update', 'setState', 'power'].map((name) => [`machine.${name}`, done])),
    ...Object.fromEntries(
      ['allocate', 'free', 'delete', 'reinstall'].map((name) => [`allocator.${name}Machine`, done]),
    ),
  });
  putMachine(site, view);
  site.networkPlaces.set('net', { partition: 'p', home: 'a' });
  site.entries.push(entryOf('tenant', tenant));
  withDirectory(site);
  let routes: RegisteredRoute[] = [];
  const app = createApp(site, { more: [(edge) => void (routes = edge.routes)] });
  return { site, app, routes };
}

const allocation = (imageid: string) => ({
  projectid: 'project',
  partitionid: 'p',
  sizeid: 'small',
  imageid,
  networks: [{ networkid: 'net' }],
  user_data: CANARY,
});
const BODIES: Readonly<Record<string, unknown>> = {
  updateMachine: { id: 'm1', description: 'new' },
  setMachineState: { value: 'LOCKED', description: 'why' },
  reinstallMachine: { imageid: 'ubuntu-24.4' },
  allocateMachine: allocation('ubuntu-24.4'),
  allocateFirewall: allocation('firewall-3.0'),
  ipmiReport: { partitionid: 'p', reports: { m1: { BMCIp: '10.1.0.1:623' } } },
  updateTenant: { meta: { id: 't1' }, name: 'new', iam_config: { idm_config: { idm_type: 'AD' } } },
};
/** Answered without asking anybody. */
const NEVER = new Set(['updateFirmware']);

test('networks.md N47, W34: no dry run of an operation on machines gives out a secret of their rows', async () => {
  const { site, app, routes } = start();
  const isMachines = ({ path, effect, operation }: RegisteredRoute): boolean =>
    effect === 'write' && /^\/v[12]\/(machine|firewall)\b/.test(path) && !NEVER.has(operation);
  const mutating = routes.filter(isMachines);
  assert.ok(mutating.length >= 2 * 17, `${mutating.length} operations`);
  for (const { method, path, operation } of mutating) {
    const init = asUser('Metal-Admin', method.toUpperCase(), BODIES[operation]);
    const headers = { ...(init.headers as Record<string, string>), 'x-hanse-dry-run': 'true' };
    const answer = await app.request(path.replace(':id', 'm1'), { ...init, headers });
    const text = await answer.text();
    assert.equal(answer.status, 200, `${path}: ${text}`);
    assert.equal(site.asked.at(-1)?.options.dry, true, path);
    assert.ok(!text.includes(CANARY), `${method} ${path} gives out a secret: ${text}`);
    if (path.startsWith('/v2/')) {
      const told = (JSON.parse(text) as { changes: Array<{ value: unknown }> }).changes;
      assert.deepEqual(
        told.map(({ value }) => value),
        changes.map(({ value }) => withoutSecrets(value)),
        path,
      );
    }
  }
});

test('networks.md N43: nor does that of a tenant what its identity management is reached with', async () => {
  const { app } = start();
  const answer = await app.request('/v2/tenant?dryRun=true', asUser('Metal-Admin', 'POST', BODIES['updateTenant']));
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  assert.match(text, /"connectorConfig":"\*\*\*"/);
  assert.ok(!text.includes(CANARY), text);
});

test('what is done is answered as ever, with the user data that v1 has', async () => {
  const { app } = start();
  const init = asUser('Metal-Edit', 'POST', BODIES['setMachineState']);
  const answer = await app.request('/v1/machine/m1/state', init);
  assert.match(await answer.text(), /"user_data":"#!\/bin\/sh/);
});

test('a secret is hidden however deep it lies; what is empty, or no secret, stays as it is', () => {
  const date = new Date(0);
  assert.deepEqual(
    withoutSecrets({
      password: '',
      tags: ['password'],
      nothing: null,
      date,
      list: [{ superUserPassword: 'x', user: 'u' }, null, { token: { id: 1 } }],
    }),
    {
      password: '',
      tags: ['password'],
      nothing: null,
      date,
      list: [{ superUserPassword: '***', user: 'u' }, null, { token: '***' }],
    },
  );
});
