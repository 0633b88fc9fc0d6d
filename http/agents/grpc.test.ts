import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { status, type ServiceError } from '@grpc/grpc-js';
import { becauseOf, invalid, overloaded, unavailable, type Refusal } from '../../actors/refusal.ts';
import { createAuthority } from '../../router/link/certificates.ts';
import { connectAgent, startAgentServer, type AgentClient } from './agents.fixture.ts';
import type { AgentServer } from './grpc.ts';
import { fakeSite, type FakeSite } from './site.fixture.ts';

const size = (id: string, cores: number) => ({
  id,
  name: '',
  description: '',
  created: 0,
  changed: 0,
  labels: {},
  constraints: [
    { type: 'cores' as const, min: cores, max: cores, identifier: '' },
    { type: 'memory' as const, min: 1024, max: 1024, identifier: '' },
  ],
});

const partition = {
  id: 'p1',
  name: '',
  description: '',
  created: 0,
  changed: 0,
  bootConfig: { imageUrl: 'http://files/initrd', kernelUrl: 'http://files/kernel', commandLine: 'console=ttyS0' },
  mgmtServiceAddress: '',
  labels: {},
  dnsServers: [],
  ntpServers: [],
};

const site: FakeSite = fakeSite({
  machines: { m1: 'p1', abroad: 'p2' },
  directory: { size: [size('small', 8), size('large', 32)], partition: [partition] },
  superUserPassword: 'secret',
  hosted: ['p1', 'p2'],
});
const refusals: Refusal[] = [];
let server: AgentServer;
let agent: AgentClient;

before(async () => {
  server = await startAgentServer(site, undefined, (refusal) => void refusals.push(refusal));
  agent = await connectAgent(server.port);
});
after(async () => {
  agent.close();
  await server.stop();
});

const failure = async (call: Promise<unknown>): Promise<{ code: number; details: string }> => {
  try {
    await call;
  } catch (error) {
    const { code, details } = error as ServiceError;
    return { code, details };
  }
  return assert.fail('the call succeeded');
};

test('machines.md §5: a certificate of another authority, or none of kind agent, is refused', async () => {
  const stranger = await connectAgent(server.port, { signedBy: await createAuthority('stranger') });
  assert.equal((await failure(stranger.boot('Dhcp', { uuid: 'm1' }))).code, status.UNAVAILABLE);
  stranger.close();
  const peer = await connectAgent(server.port, { kind: 'site' });
  const refused = await failure(peer.boot('Dhcp', { uuid: 'm1' }));
  peer.close();
  assert.equal(refused.code, status.PERMISSION_DENIED);
  assert.match(refused.details, /kind agent/);
});

test('machines.md W35: an agent acts only for machines and boot images of its own partition', async () => {
  const asked = site.asked.length;
  assert.match((await failure(agent.boot('Dhcp', { uuid: 'abroad' }))).details, /belongs to partition "p2"/);
  assert.equal((await failure(agent.boot('Boot', { partitionId: 'p2' }))).code, status.PERMISSION_DENIED);
  const moved = { uuid: 'new', partitionId: 'p2', hardware: {}, bios: {} };
  assert.equal((await failure(agent.boot('Register', moved))).code, status.PERMISSION_DENIED);
  assert.equal((await agent.wait('abroad').ended).code, status.PERMISSION_DENIED);
  assert.deepEqual(await agent.send({ events: { abroad: { event: 'Waiting' } } }), { events: 0, failed: ['abroad'] });
  assert.equal(site.asked.length, asked);
});

test('reliability.md §9: an agent makes no machine that no path can name', async () => {
  const asked = site.asked.length;
  for (const uuid of ['a/b c', '..', 'a\\b', 'issues', '']) {
    const whole = { uuid, partitionId: 'p1', hardware: {}, bios: {} };
    assert.match((await failure(agent.boot('Register', whole))).details, /\bid\b/, uuid);
    assert.match((await failure(agent.boot('Dhcp', { uuid }))).details, /\bid\b/, uuid);
  }
  assert.deepEqual(await agent.send({ events: { 'a/b': { event: 'Waiting' } } }), { events: 0, failed: ['a/b'] });
  assert.equal(site.asked.length, asked);
});

test('machines.md §5.3: Dhcp tells of PXE booting, also of a machine nobody knows', async () => {
  site.answer = () => ({ known: false, stored: true });
  assert.deepEqual(await agent.boot('Dhcp', { uuid: 'new' }), {});
  assert.deepEqual(site.asked.at(-1), {
    to: 'partition:p1/machine/new',
    command: 'event',
    body: { event: 'PXE Booting', message: '', partition: 'p1' },
    who: 'metal-hammer',
  });
});

test('machines.md §5.3: Boot answers the boot configuration of the partition', async () => {
  assert.deepEqual(await agent.boot('Boot', { mac: '00:00:00:00:00:01', partitionId: 'p1' }), {
    kernel: 'http://files/kernel',
    initRamDisks: ['http://files/initrd'],
    cmdline: 'console=ttyS0',
  });
});

test('machines.md W17: the superuser feature is on when there is a password', async () => {
  assert.deepEqual(await agent.boot('SuperUserPassword', {}), { featureDisabled: false, superUserPassword: 'secret' });
});

test('machines.md §6.2: Register sends hardware with neighbours, the only matching size, and times the BMC', async () => {
  site.answer = ({ body }) => ({
    view: { machine: { id: 'm1', ...(body as object) }, allocation: null, provisioning: null },
    created: true,
  });
  const reply = await agent.boot('Register', {
    uuid: 'm1',
    partitionId: 'p1',
    metalHammerVersion: 'v1',
    hardware: {
      memory: 1024,
      cpus: [{ vendor: 'v', model: 'm', cores: 8, threads: 16 }],
      nics: [
        {
          mac: 'aa',
          name: 'eth0',
          hostname: 'own',
          neighbors: [{ mac: 'Ethernet0', identifier: 'Ethernet0', name: 'e', hostname: 'leaf01' }],
        },
      ],
    },
    bios: { version: '1', vendor: 'v', date: 'd' },
    ipmi: { address: '10.0.0.1:623', mac: 'bb', fru: { boardMfg: 'acme' } },
  });
  assert.deepEqual(reply, { uuid: 'm1', size: 'small', partitionId: 'p1' });
  const { to, command, body } = site.asked.at(-1)!;
  assert.equal(`${to} ${command}`, 'partition:p1/allocator/p1 registerMachine');
  const { hardware, ipmi, hammerVersion } = body as {
    hardware: { nics: { hostname: string; neighbors: unknown[] }[] };
    ipmi: { lastUpdated: number; fru: Record<string, string> };
    hammerVersion: string;
  };
  assert.equal(hammerVersion, 'v1');
  assert.equal(hardware.nics[0]!.hostname, '');
  assert.deepEqual(hardware.nics[0]!.neighbors, [
    {
      mac: 'Ethernet0',
      name: 'e',
      identifier: 'Ethernet0',
      hostname: 'leaf01',
      vrf: '',
      state: '',
      bgpPortState: '',
      neighbors: [],
    },
  ]);
  assert.equal(ipmi.fru['boardMfg'], 'acme');
  assert.equal(ipmi.fru['productSerial'], '');
  assert.ok(Date.now() - ipmi.lastUpdated < 60_000);
});

test('machines.md §6.2: Register needs uuid, hardware and bios; several or no matching sizes are unknown', async () => {
  assert.match((await failure(agent.boot('Register', { hardware: {}, bios: {} }))).details, /uuid/);
  assert.match((await failure(agent.boot('Register', { uuid: 'm1', bios: {} }))).details, /hardware/);
  assert.match((await failure(agent.boot('Register', { uuid: 'm1', hardware: {} }))).details, /bios/);
  await agent.boot('Register', { uuid: 'm1', partitionId: 'p1', hardware: { memory: 1 }, bios: {} });
  assert.equal((site.asked.at(-1)!.body as { size: string }).size, 'unknown');
});

test('machines.md §5: an error of a handler has code Unknown and its text, somebody unreachable Unavailable', async () => {
  const asked = { uuid: 'm1', consolePassword: 'x', bootInfo: { kernel: 'k' }, success: true };
  site.answer = () => invalid('no private network');
  assert.deepEqual(await failure(agent.boot('Report', asked)), { code: status.UNKNOWN, details: 'no private network' });
  site.answer = () => unavailable('shard restarts');
  assert.equal((await failure(agent.boot('Report', asked))).code, status.UNAVAILABLE);
  site.answer = () => Promise.reject(new Error('a secret of the database'));
  const crashed = await failure(agent.boot('Report', asked));
  assert.equal(crashed.code, status.INTERNAL);
  assert.doesNotMatch(crashed.details, /secret/);
});

test('reliability.md §10: every refusal is heard of, so that those for overload can be counted', async () => {
  refusals.length = 0;
  site.answer = () => overloaded('80 requests wait here');
  const asked = { uuid: 'm1', consolePassword: 'x', bootInfo: { kernel: 'k' }, success: true };
  assert.equal((await failure(agent.boot('Report', asked))).code, status.UNAVAILABLE);
  const wait = agent.wait('m1');
  assert.equal((await wait.ended).code, status.UNAVAILABLE);
  assert.deepEqual(refusals.map(becauseOf), ['overloaded', 'overloaded']);
});

test('machines.md §10.6: Report goes to the allocator, and needs boot info', async () => {
  assert.match((await failure(agent.boot('Report', { uuid: 'm1' }))).details, /boot_info/);
  site.answer = () => ({});
  await agent.boot('Report', { uuid: 'm1', consolePassword: 'pw', bootInfo: { kernel: 'k' }, success: true });
  const { to, command, body } = site.asked.at(-1)!;
  assert.equal(`${to} ${command}`, 'partition:p1/allocator/p1 reportInstalled');
  assert.deepEqual(body, {
    machine: 'm1',
    consolePassword: 'pw',
    success: true,
    bootInfo: { imageId: '', primaryDisk: '', osPartition: '', initrd: '', cmdline: '', kernel: 'k', bootloaderId: '' },
  });
});

test('machines.md §10.5: AbortReinstall answers the old boot info, or none', async () => {
  site.answer = () => ({ bootInfo: null });
  assert.deepEqual(await agent.boot('AbortReinstall', { uuid: 'm1', primaryDiskWiped: true }), { bootInfo: null });
});

test('machines.md W50: Send stores what it can and names the rest, an empty map is fine', async () => {
  site.answer = ({ to }) => (to.endsWith('bad') ? unavailable('no') : { known: true, stored: true });
  const reply = await agent.send({
    events: { m1: { event: 'Phoned Home', message: 'up' }, bad: { event: 'Waiting' }, odd: { event: 'Nonsense' } },
  });
  assert.equal(reply.events, 1);
  assert.deepEqual(reply.failed.sort(), ['bad', 'odd']);
  assert.deepEqual(await agent.send({ events: {} }), { events: 0, failed: [] });
});

test('reliability.md §10: a call has the time that its caller gives it, ten seconds at most, and is given up when it is cancelled', async () => {
  site.answer = () => ({});
  await agent.boot('Dhcp', { uuid: 'm1' });
  assert.deepEqual([site.options?.withinMs, site.options?.asker?.remainingMs], [10_000, Infinity]);
  await agent.boot('Dhcp', { uuid: 'm1' }, { withinMs: 3_000 });
  const remainingMs = site.options?.asker?.remainingMs ?? Infinity;
  assert.ok(remainingMs > 0 && remainingMs <= 3_000, String(remainingMs));

  const caller = new AbortController();
  let gone = (): void => {};
  const left = new Promise<void>((resolve) => (gone = resolve));
  site.answer = async () => {
    site.options?.asker?.whenGone(gone);
    caller.abort();
    await left;
    return {};
  };
  const called = failure(agent.boot('Dhcp', { uuid: 'm1' }, { signal: caller.signal }));
  await left;
  assert.equal((await called).code, status.CANCELLED);
  assert.equal(site.options?.asker?.isGone, true);
});
