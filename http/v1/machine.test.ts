import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isBodyFailure } from '../body.ts';
import { createApp } from '../app.ts';
import { dispatch } from '../server.ts';
import { signed, type Asked } from '../testing.ts';
import { invalid, unprocessable } from '../../actors/refusal.ts';
import { allocationRecord, machineRecord, machineView, plant, putMachine } from './machine.fixture.ts';

const withMachines = (script: Record<string, unknown> = {}) => {
  const scene = plant({ 'machine.get': ({ to }: Asked) => scene.view(to.id), ...script }) as ReturnType<
    typeof plant
  > & {
    view: (id: string) => unknown;
  };
  const views = [
    machineView('free'),
    machineView('used', { allocation: allocationRecord('used') }),
    machineView('fw', { allocation: allocationRecord('fw', { role: 'firewall', image: 'firewall-3.0.20260101' }) }),
    machineView('silent', { provisioning: null }),
  ];
  for (const view of views) putMachine(scene.site, view);
  scene.view = (id) => views.find(({ machine }) => machine.id === id);
  return scene;
};
const ids = (body: unknown): string[] => (body as { id: string }[]).map(({ id }) => id).sort();

test('machines.md §22: list, find and firewalls of this site', async () => {
  const { call } = withMachines();
  assert.deepEqual(ids((await call('view', 'GET', '/v1/machine')).body), ['free', 'fw', 'silent', 'used']);
  assert.deepEqual(ids((await call('view', 'POST', '/v1/machine/find', { allocation_project: 'project' })).body), [
    'fw',
    'used',
  ]);
  assert.deepEqual((await call('view', 'POST', '/v1/machine/find', { allocation_project: 'none' })).body, []);
  assert.deepEqual((await call('view', 'POST', '/v1/machine/find', { partition_id: 'elsewhere' })).body, []);
  assert.deepEqual(ids((await call('view', 'POST', '/v1/machine/find', { id: 'free' })).body), ['free']);
  assert.deepEqual(ids((await call('view', 'GET', '/v1/firewall')).body), ['fw']);
  assert.deepEqual(
    ids((await call('view', 'POST', '/v1/firewall/find', { id: 'fw', allocation_role: 'machine' })).body),
    ['fw'],
  );
});

test('machines.md §2.2: a machine by id; unknown, or without events, is 404', async () => {
  const { call } = withMachines();
  assert.equal((await call('view', 'GET', '/v1/machine/free')).status, 200);
  const unknown = await call('view', 'GET', '/v1/machine/nobody');
  assert.deepEqual([unknown.status, unknown.message], [404, 'NotFound no machine with id "nobody" found']);
  assert.equal((await call('view', 'GET', '/v1/machine/silent')).status, 404);
  assert.equal((await call('view', 'GET', '/v1/machine/silent/ipmi')).status, 404);
});

test('machines.md §9: a machine that is no firewall is none', async () => {
  const { call } = withMachines();
  assert.equal((await call('view', 'GET', '/v1/firewall/fw')).status, 200);
  assert.equal((await call('view', 'GET', '/v1/firewall/used')).status, 404);
  assert.equal((await call('view', 'GET', '/v1/firewall/nobody')).status, 404);
});

test('machines.md §10.7: nine power routes, whatever the body', async () => {
  const { site, call } = withMachines({ 'machine.power': machineView('free') });
  const commands = ['on', 'off', 'reset', 'cycle', 'bios', 'disk', 'pxe'];
  for (const command of commands) {
    assert.equal((await call('edit', 'POST', `/v1/machine/free/power/${command}`, [])).status, 200);
    assert.equal((site.asked.at(-1)!.body as { command: string }).command, command.toUpperCase());
  }
  site.config.superUserPassword = 'root-pw';
  await call('edit', 'POST', '/v1/machine/free/power/chassis-identify-led-on?description=look%20here', {});
  assert.deepEqual(site.asked.at(-1)!.body, {
    command: 'LED-ON',
    description: 'look here',
    superUserPassword: 'root-pw',
  });
  assert.equal((await call('view', 'POST', '/v1/machine/free/power/on', [])).status, 403);
});

test('machines.md §10.8: the console password, asked for in the body of a GET', async () => {
  const { site } = withMachines({
    'machine.consolePassword': { machine: machineRecord('used'), password: 'secret' },
  });
  const app = createApp(site);
  const ask = async (body: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    assert.ok(!isBodyFailure(bytes));
    const headers = Object.entries({ ...signed('Metal-Edit', 'GET'), 'content-type': 'application/json' });
    const path = '/v1/machine/consolepassword';
    return dispatch(app, { method: 'GET', path, headers, body: bytes, via: 'link' }, 'b');
  };
  const answer = await ask({ id: 'used', reason: 'broken' });
  assert.deepEqual(await answer.json(), { id: 'used', name: '', description: '', console_password: 'secret' });
  site.config.passwordReasonMinLength = 10;
  assert.equal((await ask({ id: 'used', reason: 'broken' })).status, 400);
  assert.equal((await ask({ id: 'nobody', reason: 'really broken' })).status, 404);
});

test('machines.md §10.3, §10.4: update and state', async () => {
  const { site, call } = withMachines({
    'machine.update': ({ to }: Asked) => (to.id === 'free' ? invalid('not allocated') : machineView(to.id)),
    'machine.setState': machineView('free'),
  });
  const sent = { id: 'used', description: 'd', tags: ['a=b'], ssh_pub_keys: null };
  assert.equal((await call('admin', 'POST', '/v1/machine', sent)).status, 200);
  assert.deepEqual(site.asked.at(-1)!.body, { description: 'd', tags: ['a=b'] });
  assert.equal((await call('admin', 'POST', '/v1/machine', { id: 'free' })).status, 400);
  assert.equal((await call('admin', 'POST', '/v1/machine', { id: 'nobody' })).status, 404);
  assert.equal((await call('edit', 'POST', '/v1/machine', sent)).status, 403);

  const reserve = { description: 'mine', metal_hammer_version: null, value: 'RESERVED' };
  assert.equal((await call('edit', 'POST', '/v1/machine/free/state', reserve)).status, 200);
  assert.deepEqual(site.asked.at(-1)!.body, { value: 'RESERVED', description: 'mine' });
  assert.equal((await call('edit', 'POST', '/v1/machine/free/state', { value: 'BROKEN' })).status, 400);
});

test('machines.md §10.1, §10.2: free and delete go to the allocator of the partition', async () => {
  const { site, call, to } = withMachines({
    'allocator.freeMachine': machineView('used'),
    'allocator.deleteMachine': ({ body }: Asked) =>
      (body as { machine: string }).machine === 'used'
        ? unprocessable('allocated')
        : machineView('silent', { provisioning: null }),
  });
  const freed = await call('edit', 'DELETE', '/v1/machine/used/free');
  assert.equal(freed.status, 200);
  assert.equal((freed.body as { allocation: unknown }).allocation, null);
  assert.deepEqual(site.asked.at(-1)!.to, to('allocator', 'p'));
  assert.equal((await call('admin', 'DELETE', '/v1/machine/used')).status, 422);
  assert.equal((await call('admin', 'DELETE', '/v1/machine/silent')).status, 200, 'W45');
  assert.equal((await call('edit', 'DELETE', '/v1/machine/nobody/free')).status, 404);
});

test('machines.md §10.5, W28: a reinstallation needs an image that fits role and size', async () => {
  const { site, call } = withMachines({ 'allocator.reinstallMachine': machineView('used') });
  const reinstall = (id: string, imageid: string) =>
    call('edit', 'POST', `/v1/machine/${id}/reinstall`, { id: 'ignored', imageid });
  assert.equal((await reinstall('used', 'ubuntu-24.4.20260101')).status, 200);
  const { body } = site.asked.at(-1)! as {
    body: { image: string; layouts: { size: string; layout: { id: string } }[] };
  };
  assert.equal(body.image, 'ubuntu-24.4.20260101');
  assert.deepEqual(
    body.layouts.map(({ size, layout }) => [size, layout.id]),
    [['small', 'default']],
  );
  assert.equal((await reinstall('used', 'firewall-3.0.20260101')).status, 422);
  assert.equal((await reinstall('used', 'debian-12')).status, 404);
  assert.equal((await reinstall('used', '')).status, 400);
  assert.equal((await reinstall('free', 'ubuntu-24.4.20260101')).status, 400);
  assert.equal((await reinstall('nobody', 'ubuntu-24.4.20260101')).status, 404);
});

test('machines.md §10.9: firmware updates are switched off', async () => {
  const { call } = withMachines();
  assert.equal((await call('admin', 'POST', '/v1/machine/update-firmware/free', { kind: 'bios' })).status, 500);
});

test('machines.md §12: BMC reports by machine, nulls and other cases included', async () => {
  const { site, call } = withMachines({
    'machine.bmcReport': ({ to }: Asked) => ({
      outcome: to.id === 'new' ? 'created' : to.id === 'free' ? 'updated' : 'skipped',
    }),
  });
  site.machinePlaces.set('moved', 'q');
  const report = {
    BMCIp: '10.0.0.1',
    BMCVersion: null,
    BIOSVersion: 'b',
    FRU: { board_mfg: 'acme', product_serial: null },
    PowerState: 'ON',
    IndicatorLEDState: 'LED-OFF',
    PowerMetric: { averageconsumedwatts: 10.5, intervalinmin: 1, maxconsumedwatts: 11, minconsumedwatts: 9 },
    PowerSupplies: [{ status: { health: 'OK', state: 'Enabled' } }],
  };
  const reports = { free: report, new: { bmcip: '10.0.0.2' }, used: report, moved: report, '': report };
  const answer = await call('edit', 'POST', '/v1/machine/ipmi', { partitionid: 'p', reports });
  assert.deepEqual([answer.status, answer.body], [200, { updated: ['free'], created: ['new'] }]);
  assert.deepEqual(site.asked.find(({ to }) => to.id === 'free')!.body, {
    partition: 'p',
    ip: '10.0.0.1',
    fru: { boardMfg: 'acme' },
    biosVersion: 'b',
    bmcVersion: '',
    powerState: 'ON',
    ledState: 'LED-OFF',
    powerMetric: { averageConsumedWatts: 10.5, intervalInMin: 1, maxConsumedWatts: 11, minConsumedWatts: 9 },
    powerSupplies: [{ health: 'OK', state: 'Enabled' }],
  });
  assert.equal((site.asked.find(({ to }) => to.id === 'new')!.body as { ip: string }).ip, '10.0.0.2');
  assert.ok(!site.asked.some(({ to }) => to.id === 'moved' || to.id === ''));
  assert.deepEqual((await call('edit', 'POST', '/v1/machine/ipmi', { partitionid: 'p' })).body, {
    updated: [],
    created: [],
  });
  assert.equal((await call('edit', 'POST', '/v1/machine/ipmi', { partitionid: '' })).status, 400);
  assert.equal((await call('edit', 'POST', '/v1/machine/ipmi', { partitionid: 'q' })).status, 404);
});

test('machines.md §12: machines with their BMC', async () => {
  const { call } = withMachines();
  const one = await call('view', 'GET', '/v1/machine/free/ipmi');
  assert.equal((one.body as { ipmi: { last_updated: string } }).ipmi.last_updated, '0001-01-01T00:00:00Z');
  const all = (await call('view', 'POST', '/v1/machine/ipmi/find', {})).body as { ipmi: object }[];
  assert.equal(all.length, 4);
  assert.ok(all.every(({ ipmi }) => 'fru' in ipmi));
});

test('machines.md §13: the catalogue, and issues sorted by machine, null if there are none', async () => {
  const { call } = withMachines();
  const catalogue = (await call('view', 'GET', '/v1/machine/issues')).body as { id: string; ref_url: string }[];
  assert.equal(catalogue.length, 13);
  assert.equal(catalogue[0]!.ref_url, 'https://docs.metal-stack.io/stable/installation/troubleshoot/#no-partition');
  const evaluate = (body: object) => call('view', 'POST', '/v1/machine/issues/evaluate', body);
  const found = (await evaluate({ only: ['asn-not-unique', 'no-event-container'] })).body;
  assert.deepEqual(found, [{ machineid: 'silent', issues: ['no-event-container'] }]);
  assert.equal((await evaluate({ id: 'silent', omit: ['no-event-container'] })).body, null);
  assert.equal((await evaluate({ only: ['nonsense'] })).status, 400);
  assert.equal((await evaluate({ severity: 'high' })).status, 400);
});
