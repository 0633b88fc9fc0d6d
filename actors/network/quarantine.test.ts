import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { allocator, at as networkAt, childAsk, registry, releaseChild, request, superOf } from './go-ipam.fixture.ts';
import type { NetworkPatch } from './messages.ts';
import { createRequest, createPlant, granted, newNetwork, refused } from './plant.fixture.ts';
import { networkToCreate } from './network-rules.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';
import { createResting } from './resting.ts';

const at = networkAt('n');

const forMachine = { machine: 'm', allocation: 'u', project: 'q', name: '', given: [] };

function scene(seconds: string, prefixes = ['10.0.0.0/29']) {
  const plant = createPlant();
  const network = newNetwork('n', { prefixes, labels: { [QUARANTINE_LABEL]: seconds } });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'h', partitions: ['p'] }));
  const acquire = (address?: string) =>
    plant.ask(at, 'allocateIp', { ...request, ...(address === undefined ? {} : { address }) });
  const free = (address: string) => granted(plant.ask(at, 'freeIp', { address }));
  const remove = () => plant.ask(registry, 'deleteNetwork', { id: 'n', partition: 'p', partitions: ['p'] });
  const update = (patch: Partial<NetworkPatch>) =>
    plant.ask(at, 'update', { additionalAnnouncableCidrs: [], force: false, site: 's', h: 'h1', ...patch });
  return { plant, acquire, free, remove, update };
}

test('0 by default: a released address is the next one', () => {
  const { acquire, free } = scene('0');
  granted(acquire());
  granted(acquire());
  free('10.0.0.1');
  assert.equal(granted(acquire()).address, '10.0.0.1');
});

test('networks.md N18: a released address is kept back so long, over a restart too, and is then the next one', () => {
  const { plant, acquire, free } = scene('60');
  const first = granted(acquire());
  granted(acquire());
  free('10.0.0.1');
  refused(plant.ask(at, 'getIp', { address: '10.0.0.1' }), 'NotFound');
  refused(plant.ask(at, 'freeIp', { address: '10.0.0.1' }), 'NotFound');
  assert.equal(granted(acquire()).address, '10.0.0.3');
  refused(
    acquire('10.0.0.1'),
    'Conflict',
    'ip already allocated: 10.0.0.1 of network n was released and is kept back for another 60 s',
  );
  plant.settle(40_000);
  plant.restart();
  for (const address of ['10.0.0.4', '10.0.0.5', '10.0.0.6']) assert.equal(granted(acquire()).address, address);
  refused(acquire(), 'Exhausted', '6 of 6 addresses held, 1 of them kept back after their release, the next for 20 s');
  plant.settle(21_000);
  const again = granted(acquire());
  assert.equal(again.address, '10.0.0.1');
  assert.notEqual(again.uuid, first.uuid);
  refused(acquire(), 'Exhausted', '6 of 6 addresses held');
  assert.equal(plant.store.live('ip').length, 6);
});

test('machines take and give back the same way; what was given up rests no longer', () => {
  const { plant, acquire } = scene('5');
  const machine = { ...forMachine, auto: true };
  plant.reserve([reservation(at, 'acquireIps', machine)]);
  plant.reserve([reservation(at, 'releaseIps', { machine: 'm', ips: ['10.0.0.1'] })]);
  assert.equal(granted(acquire()).address, '10.0.0.2');
  plant.settle(6_000);
  refused(plant.reserve([reservation(at, 'acquireIps', machine)], false), 'Conflict', 'given up');
  assert.equal(granted(acquire()).address, '10.0.0.1');
});

test('networks.md §1.7: only an address that somebody has keeps a network; what rests, or did, goes with it', () => {
  for (const pauseMs of [0, 6_000]) {
    const { plant, acquire, free, remove } = scene('5');
    for (let n = 0; n < 3; n++) granted(acquire());
    free('10.0.0.1');
    free('10.0.0.3');
    refused(remove(), 'Unprocessable', /has ip 10\.0\.0\.2 in use$/);
    free('10.0.0.2');
    plant.settle(pauseMs);
    plant.restart();
    granted(remove());
    assert.equal(plant.store.live('ip').length, 0);
    const network = newNetwork('again', { prefixes: ['10.0.0.0/29'] });
    granted(plant.ask(registry, 'createNetwork', { network, h: 'h2', partitions: ['p'] }));
    assert.equal(granted(plant.ask(networkAt('again'), 'allocateIp', request)).address, '10.0.0.1');
  }
});

test('networks.md N24: an address taken, or given back, while its network is deleted: never both', () => {
  for (const what of ['take', 'give'] as const) {
    for (const aheadMs of [0, 0.1, 0.2, 0.5]) {
      const { plant, acquire, free, remove } = scene('5');
      granted(acquire());
      free('10.0.0.1');
      plant.settle(6_000);
      const taking = reservation(at, 'acquireIps', { ...forMachine, auto: true });
      if (what === 'give') plant.reserve([taking]);
      const giving = reservation(at, 'releaseIps', { machine: 'm', ips: ['10.0.0.1'] });
      const answer = plant.startReserve([what === 'take' ? taking : giving]);
      plant.settle(aheadMs);
      const isDeleted = !isRefusal(remove());
      plant.settle(10);
      assert.equal(plant.store.live('ip').length, isDeleted ? 0 : 1, `${what} ${aheadMs}`);
      // What was given back before rests only.
      if (what === 'take') assert.equal(isRefusal(answer()), isDeleted, `${what} ${aheadMs}`);
      else assert.equal(isRefusal(answer()), false, `${what} ${aheadMs}`);
    }
  }
});

test('networks.md §1.5: a child network is freed with what rests in it', () => {
  const plant = createPlant();
  superOf(plant, '192.168.0.0/20', 22);
  const labels = { [QUARANTINE_LABEL]: '31536000' };
  const child = granted(plant.ask(allocator(), 'allocateNetwork', { ...childAsk('c'), labels }));
  const { address } = granted(plant.ask(networkAt('c'), 'allocateIp', request));
  const other = granted(plant.ask(networkAt('c'), 'allocateIp', request));
  granted(plant.ask(networkAt('c'), 'freeIp', { address }));
  refused(releaseChild(plant, 'c'), 'Unprocessable', `prefix ${child.network.prefixes[0]} has ips`);
  granted(plant.ask(networkAt('c'), 'freeIp', { address: other.address }));
  granted(releaseChild(plant, 'c'));
  assert.equal(plant.store.live('ip').length, 0);
});

test('what rests in a prefix goes with it when it is removed, what rests in others stays', () => {
  const { plant, acquire, free, update } = scene('60', ['10.0.0.0/29', '10.0.1.0/29']);
  for (const address of ['10.0.0.1', '10.0.1.1']) {
    granted(acquire(address));
    free(address);
  }
  granted(update({ prefixes: ['10.0.1.0/29'] }));
  assert.deepEqual(
    plant.store.live('ip').map(({ key }) => key),
    ['n|10.0.1.1'],
  );
  refused(acquire('10.0.1.1'), 'Conflict', 'kept back for another');
});

test('a shorter quarantine, or none, holds for what rests already; a longer one not beyond what was said', () => {
  const { plant, acquire, free, update } = scene('600');
  const label = (seconds?: string) =>
    granted(update({ labels: seconds === undefined ? {} : { [QUARANTINE_LABEL]: seconds } }));
  const restsFor = (seconds: number) =>
    refused(
      acquire('10.0.0.1'),
      'Conflict',
      `10.0.0.1 of network n was released and is kept back for another ${seconds} s`,
    );
  granted(acquire());
  free('10.0.0.1');
  plant.settle(10_000);
  label('60');
  for (const again of [false, true]) {
    if (again) plant.restart();
    restsFor(50);
  }
  label('3600');
  restsFor(590);
  label('5');
  granted(acquire('10.0.0.1'));
  free('10.0.0.1');
  restsFor(5);
  label();
  plant.restart();
  assert.equal(granted(acquire()).address, '10.0.0.1');
  assert.equal(plant.store.live('ip').length, 1);
});

test('what is longer again before anybody took the address holds it back again, whoever was about to', () => {
  const { plant, acquire, free, update } = scene('600');
  granted(acquire());
  free('10.0.0.1');
  granted(update({ labels: {} }));
  refused(plant.reserve([reservation(at, 'acquireIps', { ...forMachine, auto: true })], false), 'Conflict', 'given up');
  granted(update({ labels: { [QUARANTINE_LABEL]: '600' } }));
  assert.equal(granted(acquire()).address, '10.0.0.2');
  refused(acquire('10.0.0.1'), 'Conflict', 'kept back for another');
});

test('an address that another operation is about to take is said to be: it is held by nobody, and kept back for no time', () => {
  const texts = [0, 0.1, 0.2, 0.3, 0.5].flatMap((aheadMs) =>
    [true, false].map((hasRested) => {
      const { plant, acquire, free, update } = scene('600');
      if (hasRested) {
        granted(acquire());
        free('10.0.0.1');
        granted(update({ labels: {} }));
      }
      plant.startReserve([reservation(at, 'acquireIps', { ...forMachine, auto: true })], false);
      plant.settle(aheadMs);
      const answer = acquire('10.0.0.1');
      return isRefusal(answer) ? answer.message : '';
    }),
  );
  const taken = 'Conflict ip already allocated: 10.0.0.1 of network n is being taken by another operation';
  assert.deepEqual([...new Set(texts)].sort(), ['', taken]);
});

test('exhaustion counts what is kept back of the family that it is about', () => {
  const { acquire, free } = scene('30', ['10.20.0.0/30', 'fd20::/64']);
  for (const end of ['1', '2', '3']) granted(acquire(`fd20::${end}`));
  for (const end of ['1', '2', '3']) free(`fd20::${end}`);
  granted(acquire());
  granted(acquire());
  const text = 'no ips left in network n: 1 prefix of /30, 2 of 2 addresses held';
  refused(acquire(), 'Exhausted', new RegExp(`${text}$`));
  free('10.20.0.2');
  refused(acquire(), 'Exhausted', new RegExp(`${text}, 1 of them kept back after their release, the next for 30 s$`));
});

test('a label that names no time is refused', () => {
  const network = (seconds: string) =>
    networkToCreate(createRequest({ prefixes: ['10.0.0.0/29'], labels: { [QUARANTINE_LABEL]: seconds } }), {
      id: 'n',
      nowMs: 0,
    });
  for (const seconds of ['', '-1', '1.5', 'soon', '31536001']) {
    refused(network(seconds), 'Invalid', `labels: ${QUARANTINE_LABEL} is "${seconds}", expected whole seconds`);
  }
  assert.equal((network('31536000') as { id: string }).id, 'n');
});

test('rests end in the order of time, whatever the order they began in', () => {
  const resting = createResting();
  resting.add('c', 1, 30);
  resting.add('a', 1, 10);
  resting.add('b', 1, 20);
  resting.add('a', 2, 25);
  assert.deepEqual(resting.over(9), []);
  assert.deepEqual(resting.over(25), ['b', 'a']);
  assert.equal(resting.version('a'), 2);
  resting.forget('c');
  assert.deepEqual(resting.over(99), []);
});
