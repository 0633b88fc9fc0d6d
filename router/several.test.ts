import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { serveProxy, type RunningProxy } from './serve-proxy.ts';
import type { Peering } from './link/peering.ts';
import { processOf } from './link/tls.fixture.ts';
import { entry, fakeSite, row, until, type FakeSite } from './sites.fixture.ts';
import { connectSites, type Sites } from './sites.ts';

// Machine m and switch s were moved from partition a of muc to partition b of fra; ber has neither.
const roster = { members: [] as Array<{ site: string; partitions: string[]; links: string[] }> };
let muc: FakeSite;
let fra: FakeSite;
let ber: FakeSite;
let peering: Peering;
let sites: Sites;
let proxy: RunningProxy;

const served = (): string[] => [muc, fra, ber].filter((site) => site.served.length > 0).map(({ site }) => site);
const meaning = (partition: string): Array<[string, string]> => [['X-Hanse-Partition', partition]];
const BOTH = /partition "(a|b)" \(site "(muc|fra)"\) and in partition "(a|b)" \(site "(muc|fra)"\)/;

before(async () => {
  muc = await fakeSite('muc', ['a'], roster);
  fra = await fakeSite('fra', ['b'], roster);
  ber = await fakeSite('ber', ['c'], roster);
  const all = [muc, fra, ber];
  await Promise.all(all.map((site) => site.sees(2)));
  for (const site of all)
    for (const [id, home] of [
      ['a', 'muc'],
      ['b', 'fra'],
      ['c', 'ber'],
    ] as const)
      site.places.put(entry('partition', id, home));
  for (const [site, scope] of [
    [muc, 'partition:a'],
    [fra, 'partition:b'],
  ] as const)
    for (const [table, id] of [
      ['machine', 'm'],
      ['switch', 's'],
    ] as const)
      site.places.put(row(table, scope, id, {}));
  muc.places.put(row('machine', 'partition:a', 'only', {}));
  peering = await processOf('router', { kind: 'router' });
  sites = connectSites({ peering, links: [ber.url] });
  proxy = await serveProxy({ host: '127.0.0.1', port: 0, sites, monotonicMs: () => performance.now() });
  await until(() => sites.members().filter(({ up }) => up).length === 3, 'the router learns of all');
});
beforeEach(() => {
  for (const site of [muc, fra, ber]) site.served.length = 0;
});
after(async () => {
  await proxy.stop(100);
  sites.close();
  peering.close();
  for (const site of [muc, fra, ber]) await site.close();
});

test('design.md §12, moved machines: what would act on one of two is 409 naming both, wherever it is asked', async () => {
  for (const line of [
    'DELETE /v1/machine/m/free',
    'DELETE /v1/machine/m',
    'POST /v1/machine/m/power/off',
    'DELETE /v2/machine/m/free',
    'DELETE /v1/switch/s',
  ]) {
    for (const site of [muc, fra, ber]) {
      const refused = await site.call(line, line.startsWith('POST') ? {} : undefined);
      assert.equal(refused.status, 409, `${line} at ${site.site}`);
      assert.match(refused.message, BOTH);
      assert.match(refused.message, /X-Hanse-Partition/);
    }
  }
  assert.equal((await ber.call('POST /v1/machine/allocate', { uuid: 'm' })).status, 409);
  assert.deepEqual(served(), []);
});

test('a read, and what a switch reports, goes on; so does a machine that is nowhere else', async () => {
  assert.equal((await muc.call('GET /v1/machine/m')).status, 200);
  assert.equal((await ber.call('GET /v1/machine/m')).status, 200);
  assert.equal((await fra.call('POST /v1/switch/s/notify', {})).status, 200);
  assert.equal((await ber.call('DELETE /v1/machine/only/free')).status, 200);
  assert.equal(muc.served.at(-1)?.path, '/v1/machine/only/free');
});

test('the partition that is named decides, at whichever site; no other one is ever meant', async () => {
  for (const site of [muc, fra, ber]) {
    fra.served.length = 0;
    assert.equal((await site.call('DELETE /v1/machine/m/free', undefined, meaning('b'))).status, 200);
    assert.deepEqual(served(), ['fra']);
  }
  fra.served.length = 0;
  assert.equal((await muc.call('DELETE /v1/machine/m/free', undefined, meaning('z'))).status, 409);
  assert.equal((await ber.call('DELETE /v1/machine/only/free', undefined, meaning('b'))).status, 409);
  assert.deepEqual(served(), []);
});

test('the router sends it to a site that says so, or that finds the one that is meant', async () => {
  const call = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}${path}`, { method, headers });
    return { status: response.status, text: await response.text() };
  };
  const refused = await call('DELETE', '/v1/machine/m/free');
  assert.equal(refused.status, 409);
  assert.match(JSON.parse(JSON.parse(refused.text) as string).message as string, BOTH);
  assert.deepEqual(served(), []);
  for (const [partition, site] of [
    ['a', 'muc'],
    ['b', 'fra'],
  ] as const) {
    for (const one of [muc, fra]) one.served.length = 0;
    assert.equal((await call('DELETE', '/v1/machine/m/free', { 'X-Hanse-Partition': partition })).status, 200);
    assert.deepEqual(served(), [site]);
  }
  assert.equal((await call('GET', '/v1/machine/m')).status, 200);
});

test('a site that can not be reached keeps no partition from its own machine, but from being taken for another', async () => {
  await fra.close();
  await Promise.all([muc.sees(1), ber.sees(1)]);
  assert.equal((await muc.call('DELETE /v1/machine/m/free')).status, 200);
  assert.equal((await muc.call('DELETE /v1/machine/m/free', undefined, meaning('b'))).status, 409);
  assert.equal(muc.served.length, 1);
});
