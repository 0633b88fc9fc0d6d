import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dryAnswer } from '../actors/runtime/dry-run.ts';
import { unlimited } from '../actors/directory/tenant.ts';
import type { IpRecord } from '../actors/network/record.ts';
import { conflict, exhausted, unavailable } from '../actors/refusal.ts';
import { createApp } from './app.ts';
import { outcomeName } from './outcomes.ts';
import { answerQuestion } from './questions.ts';
import { asUser, createTestSite, entryOf, errorOf, withDirectory, type Asked, type TestSite } from './testing.ts';

const META = { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null };
const ADMIN = 'metal-stack/metal-admin@metal-stack.io';

const ip = (address: string): IpRecord => ({
  address,
  uuid: 'u',
  network: 'n',
  project: 'x',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix: '10.0.0.0/16',
  created: 0,
  changed: 0,
});

/** A site whose network gives out one address after another, and frees them. */
function start() {
  let given = 0;
  const freed = new Set<string>();
  const site = withDirectory(createTestSite());
  const allocate = ({ options }: Asked): unknown => {
    const made = ip(`10.0.0.${given + 1}`);
    if (options.dry) {
      const scope = 'partition:p' as const;
      const key = `n|${made.address}`;
      return dryAnswer(made, [{ table: 'ip', scope, key, owner: 'n', prev: 0, version: 1, value: made }]);
    }
    given++;
    site.addressPlaces.set(made.address, { partition: 'p', network: 'n', holder: 'network' });
    return made;
  };
  Object.assign(site.script, {
    'network.allocateIp': allocate,
    'block.allocateIp': allocate,
    'network.freeIp': ({ body }: Asked) => {
      const { address } = body as { address: string };
      freed.add(address);
      site.addressPlaces.delete(address);
      return ip(address);
    },
  });
  const base = { name: '', description: '', created: 0, changed: 0 };
  site.entries.push(entryOf('project', { ...base, id: 'x', meta: META, tenant: 't', quotas: unlimited() }));
  site.networkPlaces.set('n', { partition: 'p', home: 'a' });
  site.networkPlaces.set('internet', { partition: '', home: 'b' });
  const app = createApp(site, { report: () => {} });
  const call = async (method: string, path: string, body: unknown, headers: Record<string, string> = {}) => {
    const init = asUser('Metal-Admin', method, body);
    return app.request(path, { ...init, headers: { ...(init.headers as Record<string, string>), ...headers } });
  };
  return { site, app, call, given: () => given, freed };
}

const ALLOCATE = { networkid: 'n', projectid: 'x' };
const withKey = (key: string) => ({ 'idempotency-key': key });
const DRY = { 'x-hanse-dry-run': 'true' };
/** Boot files that a probe finds; the server ends with the tests. */
async function bootFiles(site: TestSite) {
  const server = createServer((_, response) => response.writeHead(200).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  site.config.probeAllow = [host];
  return { imageurl: `http://${host}/image`, kernelurl: `http://${host}/kernel` };
}
const askedOf = (site: TestSite, command: string) => site.asked.filter((asked) => asked.command === command);

test('reliability.md F22: the same key gets the same answer, done once; another key is another request', async () => {
  const { call, given } = start();
  const first = await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'));
  assert.equal(first.status, 201);
  assert.equal(first.headers.get('idempotent-replayed'), null);
  const text = await first.text();
  for (const body of [ALLOCATE, '{ "projectid": "x",\n "networkid": "n" }']) {
    const again = await call('POST', '/v1/ip/allocate', body, withKey('k'));
    assert.deepEqual([again.status, await again.text()], [201, text], 'blanks and the order of keys are no difference');
    assert.equal(again.headers.get('idempotent-replayed'), 'true');
  }
  assert.equal(given(), 1);
  assert.notEqual(await (await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('l'))).text(), text);
  assert.equal(
    (await call('POST', '/v2/ip/allocate/', ALLOCATE, withKey('l'))).headers.get('idempotent-replayed'),
    'true',
  );
  assert.equal(given(), 2);
});

test('what is gone since is answered as it was: a freed address, a deleted entry', async () => {
  const { site, call } = start();
  await call('POST', '/v1/ip/allocate', ALLOCATE);
  const first = await call('DELETE', '/v1/ip/free/10.0.0.1', undefined, withKey('k'));
  assert.equal(first.status, 200);
  const again = await call('DELETE', '/v1/ip/free/10.0.0.1', undefined, withKey('k'));
  assert.deepEqual([again.status, await again.text()], [200, await first.text()]);
  assert.equal((await call('DELETE', '/v1/ip/free/10.0.0.1', undefined)).status, 404);

  const tenant = { meta: { id: 't9' }, name: 'nine' };
  assert.equal((await call('PUT', '/v1/tenant', tenant, withKey('create'))).status, 201);
  assert.equal((await call('PUT', '/v1/tenant', tenant, withKey('create'))).status, 201);
  assert.equal((await call('PUT', '/v1/tenant', tenant)).status, 409);
  assert.equal((await call('DELETE', '/v1/tenant/t9', undefined, withKey('delete'))).status, 200);
  const deleted = await call('DELETE', '/v1/tenant/t9', undefined, withKey('delete'));
  assert.deepEqual([deleted.status, deleted.headers.get('idempotent-replayed')], [200, 'true']);
  assert.equal(site.entries.filter(({ kind, entity }) => kind === 'tenant' && entity !== null).length, 0);
});

test('reliability.md F23: another request under the key is 422 that says what differs', async () => {
  const { call, given } = start();
  await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'));
  const messages: string[] = [];
  for (const ask of [
    () => call('POST', '/v1/ip/allocate', { ...ALLOCATE, name: 'other' }, withKey('k')),
    () => call('POST', '/v1/ip/allocate/10.0.0.9', ALLOCATE, withKey('k')),
    () => call('DELETE', '/v1/ip/free/10.0.0.1', undefined, withKey('k')),
  ]) {
    const answer = await ask();
    assert.equal(answer.status, 422);
    messages.push((await errorOf(answer)).message);
  }
  assert.match(messages[0]!, /: the body was another, method and path are the same; use a new key/);
  assert.match(messages[1]!, /the path was \/v1\/ip\/allocate/);
  assert.match(messages[2]!, /the method was POST/);
  assert.equal(given(), 1);
});

test('reliability.md F23: while the first is running, the same key is 409 with Retry-After', async () => {
  const { site, call, given } = start();
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const allocate = site.script['network.allocateIp'] as (asked: Asked) => unknown;
  site.script['network.allocateIp'] = async (asked: Asked) => {
    await gate;
    return allocate(asked);
  };
  const first = call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'));
  while (askedOf(site, 'allocateIp').length === 0) await new Promise((resolve) => setImmediate(resolve));
  const second = await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'));
  assert.deepEqual([second.status, second.headers.get('retry-after')], [409, '1']);
  assert.match((await errorOf(second)).message, /still running/);
  const question = { identity: ADMIN, key: 'k' };
  assert.deepEqual(await answerQuestion(site, 'idempotency', question), { outcome: null, running: true });
  go();
  const text = await (await first).text();
  assert.equal(await (await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'))).text(), text);
  assert.equal(given(), 1);
  const { outcome, running } = (await answerQuestion(site, 'idempotency', question)) as {
    outcome: { request: string };
    running: boolean;
  };
  assert.deepEqual([outcome.request.startsWith('POST /v1/ip/allocate '), running], [true, false]);
});

test('a refusal leaves nothing and is evaluated again; an outcome that appears meanwhile is found', async () => {
  const { site, call, given } = start();
  const allocate = site.script['network.allocateIp'];
  site.script['network.allocateIp'] = exhausted('no ips left');
  assert.equal((await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'))).status, 500);
  assert.equal(site.kept.size, 0);
  site.script['network.allocateIp'] = allocate;
  assert.equal((await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'))).status, 201);

  const { request } = site.kept.get(outcomeName(ADMIN, 'k'))!;
  site.script['network.allocateIp'] = ({ options: { key } }: Asked) => {
    site.kept.set(outcomeName(ADMIN, key!.key), { ...key!, operation: 'o', reply: ip('10.0.0.77'), atMs: 0 });
    return conflict('the shard ended');
  };
  const raced = await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('raced'));
  assert.deepEqual([raced.status, raced.headers.get('idempotent-replayed')], [201, 'true']);
  assert.equal(((await raced.json()) as { ipaddress: string }).ipaddress, '10.0.0.77');
  assert.equal(site.kept.get(outcomeName(ADMIN, 'raced'))!.request, request);
  assert.equal(given(), 1);
});

test('a bad key is 400 naming the header; a database that does not answer is 503 and nothing is done', async () => {
  const { site, call, given } = start();
  for (const key of ['', 'a b', 'ä', 'x'.repeat(256)]) {
    const answer = await call('POST', '/v1/ip/allocate', ALLOCATE, withKey(key));
    assert.equal(answer.status, 400, key);
    assert.match((await errorOf(answer)).message, /Idempotency-Key must have 1 to 255/);
  }
  assert.equal((await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('x'.repeat(255)))).status, 201);
  site.outcomes.find = async () => {
    throw new Error('no server');
  };
  const answer = await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('k'));
  assert.deepEqual([answer.status, (await errorOf(answer)).message.includes('no server')], [503, false]);
  assert.equal(given(), 1);
});

test('design.md §12: without a place, the other sites are asked for the key first', async () => {
  const { site, call, given } = start();
  const internet = { networkid: 'internet', projectid: 'x' };
  const asked: unknown[] = [];
  const silent = (kind: string, body: unknown): unknown => {
    asked.push([kind, body]);
    return kind === 'idempotency' ? { outcome: null, running: false } : { entry: null };
  };
  site.members.set('b', silent);
  const first = await call('POST', '/v1/ip/allocate', internet, withKey('k'));
  assert.deepEqual([first.status, first.headers.get('idempotency-scope')], [201, null]);
  assert.deepEqual(asked, [['idempotency', { identity: ADMIN, key: 'k' }]]);
  await call('POST', '/v1/ip/allocate', ALLOCATE, withKey('placed'));
  await call('POST', '/v1/ip/allocate', { ...internet, machineid: 'm' }, withKey('near'));
  assert.equal(asked.length, 1, 'what has a place asks nobody');

  site.members.set('b', () => ({ outcome: site.kept.get(outcomeName(ADMIN, 'k')), running: false }));
  const known = site.kept.get(outcomeName(ADMIN, 'k'))!;
  site.kept.delete(outcomeName(ADMIN, 'k'));
  site.members.set('b', () => ({ outcome: known, running: false }));
  const elsewhere = await call('POST', '/v1/ip/allocate', internet, withKey('k'));
  assert.deepEqual(
    [elsewhere.headers.get('idempotent-replayed'), await elsewhere.text()],
    ['true', await first.text()],
  );
  site.members.set('b', () => ({ outcome: null, running: true }));
  const running = await call('POST', '/v1/ip/allocate', internet, withKey('k2'));
  assert.equal(running.status, 409);
  assert.match((await errorOf(running)).message, /running at site b/);

  site.members.set('b', () => unavailable("site b can't be reached"));
  const here = await call('POST', '/v1/ip/allocate', internet, withKey('k3'));
  assert.deepEqual([here.status, here.headers.get('idempotency-scope')], [201, 'site a']);
  const count = given();
  const size = await call('PUT', '/v1/size', { id: 's' }, withKey('k4'));
  assert.equal(size.status, 503);
  assert.match((await errorOf(size)).message, /site b can't be reached/);
  assert.equal((await call('PUT', '/v1/size', { id: 's' })).status, 201, 'without a key nobody is asked for it');
  assert.equal(given(), count);
});

test('an address that moves between sites takes no outcome along: the others are asked before it is freed or changed', async () => {
  const { site, call, freed } = start();
  const address = '1.2.3.4';
  const free = () => call('DELETE', `/v1/ip/free/${address}`, undefined, withKey('k'));
  const rename = () => call('POST', '/v1/ip', { ipaddress: address, name: 'new' }, withKey('u'));
  for (const command of ['freeIp', 'updateIp'])
    site.script[`block.${command}`] = { ...ip(address), network: 'internet' };
  // Site b, which had it on loan, freed it; it came back, and is somebody else's now.
  const outcomes = new Map(
    [
      ['k', `DELETE /v1/ip/free/${address} -`],
      ['u', 'POST /v1/ip another body'],
    ].map(([key, request]) => [key, { identity: ADMIN, key, request, operation: 'o', reply: ip(address), atMs: 0 }]),
  );
  site.members.set('b', (_, body) => ({
    outcome: outcomes.get((body as { key: string }).key) ?? null,
    running: false,
  }));
  for (const place of [{ partition: 'p', network: 'internet', holder: 'block' as const }, undefined]) {
    if (place !== undefined) site.addressPlaces.set(address, place);
    else site.addressPlaces.delete(address);
    const answer = await free();
    assert.deepEqual([answer.status, answer.headers.get('idempotent-replayed')], [200, 'true']);
    assert.equal((await rename()).status, 422);
    assert.equal(site.asked.length, 0);
  }
  site.addressPlaces.set(address, { partition: 'p', network: 'n', holder: 'network' });
  assert.equal((await free()).status, 200);
  assert.deepEqual([...freed], [address], 'a network of a partition stays where it is');
});

test('a partition that was created before a crash is hosted by whoever repeats the request', async () => {
  const { site, call } = start();
  const host = site.host;
  site.host = async () => {
    throw new Error('the process ends here');
  };
  const asked = { id: 'q', bootconfig: await bootFiles(site) };
  assert.equal((await call('PUT', '/v1/partition', asked, withKey('k'))).status, 500);
  site.host = host;
  const again = await call('PUT', '/v1/partition', asked, withKey('k'));
  assert.deepEqual([again.status, again.headers.get('idempotent-replayed')], [201, 'true']);
  assert.deepEqual(site.hostedNow, ['p', 'q']);
  assert.equal(askedOf(site, 'create').length, 1);
});

test('reliability.md I18: a dry run answers as the real one and changes nothing', async () => {
  const { site, call, given } = start();
  const members: string[] = [];
  site.members.set('b', (kind) => {
    members.push(kind);
    return kind === 'promise.check' ? {} : { entry: null };
  });
  const dry = await call('POST', '/v1/ip/allocate', ALLOCATE, DRY);
  assert.deepEqual([dry.status, dry.headers.get('x-hanse-dry-run')], [201, 'true']);
  assert.equal(given(), 0);
  const real = await call('POST', '/v1/ip/allocate', ALLOCATE);
  assert.deepEqual([await dry.text(), real.headers.get('x-hanse-dry-run')], [await real.text(), null]);

  const told = await call('POST', '/v2/ip/allocate?dryRun=true', ALLOCATE);
  const { changes, answer, ...rest } = (await told.json()) as Record<string, unknown>;
  assert.deepEqual(rest, { dryRun: true, status: 201 });
  assert.equal((answer as { ipaddress: string }).ipaddress, '10.0.0.2');
  assert.deepEqual(changes, [{ table: 'ip', key: 'n|10.0.0.2', value: ip('10.0.0.2') }]);

  const bootconfig = await bootFiles(site);
  const partition = { id: 'q', bootconfig };
  assert.equal((await call('PUT', '/v1/partition', partition, DRY)).status, 201);
  assert.equal((await call('PUT', '/v1/tenant', { meta: { id: 't9' } }, DRY)).status, 201);
  assert.deepEqual([site.hostedNow, site.spread, site.proposals], [['p'], [], []]);
  assert.deepEqual(
    site.entries.map(({ kind }) => kind),
    ['project'],
  );
  assert.deepEqual(new Set(members), new Set(['promise.check', 'directory-entry']));
  assert.equal((await call('PUT', '/v1/partition', partition)).status, 201);

  site.members.set('b', (kind) => (kind === 'promise.check' ? conflict('taken (site c)') : { entry: null }));
  const refused = await call('PUT', '/v2/partition?dryRun=true', { id: 'r', bootconfig });
  assert.deepEqual([refused.status, refused.headers.get('x-hanse-dry-run')], [409, 'true']);
  assert.equal((await errorOf(refused)).message, 'Conflict taken (site c)');
});

test('a dry run leaves no outcome; under a key that has one it answers as the repeated request', async () => {
  const { site, call, given } = start();
  const both = { ...withKey('k'), ...DRY };
  assert.equal((await call('POST', '/v1/ip/allocate', ALLOCATE, both)).status, 201);
  assert.equal(site.kept.size, 0);
  assert.equal((await call('POST', '/v2/ip/allocate?dryRun=false', ALLOCATE, withKey('k'))).status, 201);
  const again = await call('POST', '/v1/ip/allocate', ALLOCATE, both);
  assert.equal(again.headers.get('idempotent-replayed'), 'true');
  assert.equal(given(), 1);
});

test('a dry run that is mistyped is refused, and nothing is done', async () => {
  const { site, call } = start();
  const headers = ['dry-run', 'DryRun', 'X-Dry-Run', 'x-hanse-dryrun'];
  const asked = [
    ...headers.map((name) => call('POST', '/v1/ip/allocate', ALLOCATE, { [name]: 'true' })),
    ...['dry-run', 'dry_run', 'dryrun', 'x-hanse-dry-run'].flatMap((name) =>
      ['v1', 'v2'].map((version) => call('POST', `/${version}/ip/allocate?${name}=true`, ALLOCATE)),
    ),
    // Also where there is none.
    call('POST', '/v1/machine/x/power/on?dry-run=true', []),
  ];
  for (const answer of await Promise.all(asked)) {
    assert.equal(answer.status, 400);
    assert.match((await errorOf(answer)).message, /nothing was done.*X-Hanse-Dry-Run: true.*dryRun=true/);
  }
  assert.deepEqual(
    site.asked.filter(({ command }) => command === 'allocateIp'),
    [],
  );
});

test('a dry run that would be overlooked is refused', async () => {
  const { call, given, freed } = start();
  const query = await call('POST', '/v1/ip/allocate?dryRun=true', ALLOCATE);
  assert.equal(query.status, 400);
  assert.match((await errorOf(query)).message, /dryRun is a parameter of \/v2.*X-Hanse-Dry-Run/);
  for (const value of ['', 'yes', '1']) {
    const header = await call('DELETE', '/v1/ip/free/10.0.0.1', undefined, { 'x-hanse-dry-run': value });
    assert.equal(header.status, 400, value);
  }
  assert.equal((await call('POST', '/v2/ip/allocate?dryRun=1', ALLOCATE)).status, 400);
  const none = await call('POST', '/v1/vpn/authkey', undefined, { ...DRY, 'content-type': 'application/json' });
  assert.equal(none.status, 422);
  assert.match((await errorOf(none)).message, /getVPNAuthKey has no dry run/);
  assert.deepEqual([given(), freed.size], [0, 0]);
});
