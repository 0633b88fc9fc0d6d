import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { partitionScope } from '../../actors/address.ts';
import { emptyHardware, emptyIpmi, available } from '../../actors/machine/hardware.ts';
import { emptyContainer } from '../../actors/machine/provisioning.ts';
import { conflict, unreachable } from '../../actors/refusal.ts';
import type { RowOf } from '../../actors/records.ts';
import { createApp } from '../app.ts';
import { isPublicAddress, probeUrl } from '../probe.ts';
import { asUser, clientOf, createTestSite, entryOf, errorOf, rowOf, TEST_NOW_MS, withDirectory } from '../testing.ts';

/** Boot files: `/ok` answers, `/moved` redirects to it, `/inside` to a place that nobody may reach. */
async function withFiles(body: (host: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    assert.equal(request.method, 'HEAD');
    if (request.url === '/moved') return response.writeHead(302, { location: '/ok' }).end();
    if (request.url === '/inside') return response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    return response.writeHead(request.url === '/ok' ? 200 : 404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

test('design.md §11: probes go to public addresses and named hosts only, redirects checked again', async () => {
  await withFiles(async (host) => {
    assert.equal(await probeUrl(`http://${host}/ok`, [host]), undefined);
    assert.equal(await probeUrl(`http://${host}/moved`, ['127.0.0.1']), undefined);
    assert.match((await probeUrl(`http://${host}/ok`, [])) ?? '', /not a public address/);
    assert.match((await probeUrl(`http://${host}/inside`, [host])) ?? '', /169\.254\.169\.254 is not a public/);
    assert.match((await probeUrl(`http://${host}/missing`, [host])) ?? '', /404/);
  });
  assert.match((await probeUrl('http://localhost:1/x', [])) ?? '', /no public address/);
  assert.match((await probeUrl('http://[::ffff:127.0.0.1]/x', [])) ?? '', /not a public address/);
  assert.match((await probeUrl('ftp://example.org/x', [])) ?? '', /expected http or https/);
  assert.match((await probeUrl('nonsense', [])) ?? '', /not a URL/);
  const inside = ['10.0.0.1', '192.168.0.1', '100.64.0.1', '169.254.1.1', '::1', 'fd00::1', 'fe80::1', '0.0.0.0'];
  assert.deepEqual(inside.filter(isPublicAddress), []);
  assert.ok(isPublicAddress('1.1.1.1') && isPublicAddress('2606:4700::1111'));
});

test('machines.md §14.1, design.md §11: a partition is created with the word of all, and hosted here', async () => {
  await withFiles(async (host) => {
    const site = withDirectory(createTestSite());
    const call = clientOf(createApp(site));
    site.config.probeAllow = [host];
    site.members.set('b', () => ({ entry: null }));
    const put = (id: string, file = 'ok') => {
      const bootconfig = { imageurl: `http://${host}/${file}`, kernelurl: `http://${host}/ok` };
      return call('Metal-Admin', 'PUT', '/v1/partition', { id, bootconfig, dns_servers: [{ ip: '1.1.1.1' }] });
    };
    assert.equal((await put('q', 'missing')).status, 400);
    assert.equal((await put('')).status, 400);
    const made = await put('q');
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.deepEqual((made.body as { ntp_servers?: unknown }).ntp_servers, undefined);
    assert.deepEqual(site.hostedNow, ['p', 'q']);
    assert.deepEqual(site.proposals.at(-1)?.claims, [{ what: 'partition', value: 'q', holder: 'q' }]);
    assert.equal(site.proposals.at(-1)?.made, true);
    assert.equal((await put('q', 'missing')).status, 409);
    site.proposalRefusal = conflict('partition r belongs to site b');
    assert.equal((await put('r')).status, 409);

    const update = { id: 'q', description: 'd', dns_servers: null };
    const updated = await call('Metal-Admin', 'POST', '/v1/partition', update);
    assert.deepEqual((updated.body as { dns_servers: unknown }).dns_servers, [{ ip: '1.1.1.1' }]);

    const network = { id: 'n', partition: 'q' } as RowOf<'network'>['value'];
    site.stored.push(rowOf('network', partitionScope('q'), 'n', 'n', network));
    assert.equal((await call('Metal-Admin', 'DELETE', '/v1/partition/q')).status, 422);
    site.stored = [];
    assert.equal((await call('Metal-Admin', 'DELETE', '/v1/partition/q')).status, 200);
  });
});

test('a partition is deleted once no address of a global network is in use in it, and its blocks are given back', async () => {
  const site = withDirectory(createTestSite());
  const app = createApp(site);
  const base = { name: '', description: '', created: 0, changed: 0, labels: {} };
  const bootConfig = { imageUrl: '', kernelUrl: '', commandLine: '' };
  const partition = { ...base, id: 'p', bootConfig, mgmtServiceAddress: '', dnsServers: [], ntpServers: [] };
  site.entries.push(entryOf('partition', partition));
  const left: string[] = [];
  let isReachable = false;
  site.withoutBlocks = async (id, act) => {
    left.push(id);
    return isReachable ? act() : unreachable("blocks of network internet can't be given back");
  };
  const remove = async (headers: Record<string, string> = {}) => {
    const init = asUser('Metal-Admin', 'DELETE');
    const response = await app.request('/v1/partition/p', {
      ...init,
      headers: { ...(init.headers as Record<string, string>), ...headers },
    });
    return response.ok ? { statuscode: response.status, message: '' } : errorOf(response);
  };
  const ip = (change: object) => {
    const value = { address: '1.2.3.4', network: 'internet', ...change } as RowOf<'ip'>['value'];
    site.stored = [rowOf('ip', partitionScope('p'), 'internet', 'internet|1.2.3.4', value)];
  };
  const borrowed = { as: 'borrowed', from: 'q', site: 'b', h: 'h' };
  const used = [{}, { loan: { as: 'lent', to: 'q', site: 'b', h: 'h', state: 'delivered' } }];
  for (const change of [...used, { loan: { ...borrowed, state: 'held' } }]) {
    ip(change);
    assert.deepEqual(await remove(), {
      statuscode: 422,
      message: 'partition "p" cannot be deleted, there are still 1 ips in it',
    });
  }
  assert.deepEqual(left, []);
  ip({ restingUntilMs: 1 });
  assert.equal((await remove({ 'X-Hanse-Dry-Run': 'true' })).statuscode, 200);
  assert.deepEqual(left, [], 'a dry run gives nothing back');
  const refused = await remove();
  assert.equal(refused.statuscode, 503);
  assert.match(refused.message, /can't be given back/);
  isReachable = true;
  assert.equal((await remove()).statuscode, 200);
  assert.deepEqual(left, ['p', 'p']);
});

test('a partition whose hosting failed is hosted by whoever asks for it again, though the log knows it as one of ours', async () => {
  await withFiles(async (host) => {
    const site = withDirectory(createTestSite());
    const app = createApp(site);
    site.config.probeAllow = [host];
    const asked: string[] = [];
    let isAway = true;
    site.host = async (partition) => {
      asked.push(partition);
      // The entry is committed, so the index has it.
      if (!site.hostedNow.includes(partition)) site.hostedNow.push(partition);
      if (isAway)
        throw Object.assign(new Error('connect ECONNREFUSED'), { name: 'StatementFailure', kind: 'connection' });
    };
    const bootconfig = { imageurl: `http://${host}/ok`, kernelurl: `http://${host}/ok` };
    const put = async (headers: Record<string, string> = {}): Promise<number> => {
      const init = asUser('Metal-Admin', 'PUT', { id: 'q', bootconfig });
      const response = await app.request('/v1/partition', {
        ...init,
        headers: { ...(init.headers as Record<string, string>), ...headers },
      });
      return response.status;
    };
    assert.ok((await put({ 'Idempotency-Key': 'k' })) >= 500);
    assert.ok((await put()) >= 500);
    isAway = false;
    assert.equal(await put({ 'X-Hanse-Dry-Run': 'true' }), 409);
    assert.equal(asked.length, 2, 'a dry run hosts nothing');
    assert.equal(await put(), 409);
    assert.equal(await put({ 'Idempotency-Key': 'k' }), 201);
    assert.deepEqual(asked, ['q', 'q', 'q', 'q']);
  });
});

test('machines.md §14.2: capacity counts the machines hosted here, and errors are 400', async () => {
  const site = withDirectory(createTestSite());
  const call = clientOf(createApp(site));
  const created = { wallMs: 0, counter: 0, site: 'a' };
  const base = { name: '', description: '', created: 0, changed: 0, labels: {} };
  const bootConfig = { imageUrl: '', kernelUrl: '', commandLine: '' };
  const partition = { ...base, id: 'p', bootConfig, mgmtServiceAddress: '', dnsServers: [], ntpServers: [] };
  site.entries.push({ kind: 'partition', id: 'p', home: 'a', revision: 1, created, entity: partition });
  site.entries.push({
    kind: 'size',
    id: 's',
    home: 'a',
    revision: 1,
    created,
    entity: { ...base, id: 's', constraints: [] },
  });
  const scope = partitionScope('p');
  const machine = {
    ...base,
    id: 'm',
    partition: 'p',
    size: 's',
    waiting: true,
    state: available(),
    hardware: emptyHardware(),
    ipmi: { ...emptyIpmi(), address: '10.0.0.1:623', mac: 'aa', lastUpdated: TEST_NOW_MS },
  } as unknown as RowOf<'machine'>['value'];
  const events = [{ time: TEST_NOW_MS, event: 'Waiting' as const, message: '' }];
  site.stored.push(rowOf('machine', scope, 'm', 'm', machine));
  site.stored.push(rowOf('provisioning', scope, 'm', 'm', { ...emptyContainer(), events, lastEventTime: TEST_NOW_MS }));
  const { body } = await call('Metal-View', 'POST', '/v1/partition/capacity', { projectid: null });
  assert.deepEqual(body, [
    {
      id: 'p',
      name: '',
      description: '',
      servers: [{ size: 's', total: 1, waiting: 1, allocatable: 1, free: 1 }],
    },
  ]);
  assert.equal((await call('Metal-View', 'POST', '/v1/partition/capacity', { id: 'none' })).status, 400);
});
