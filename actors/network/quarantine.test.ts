import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { reservation } from '../runtime/behaviour.ts';
import { createRequest, createPlant, granted, newNetwork, refused } from './plant.fixture.ts';
import { networkToCreate } from './network-rules.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';
import { createResting } from './resting.ts';

const at = addressOf(partitionScope('p'), 'network', 'n');
const registry = addressOf(siteScope('s'), 'registry', 's');
const request = { project: 'q', name: '', description: '', type: 'ephemeral' as const, tags: [] };

function scene(seconds: string, prefixes = ['10.0.0.0/29']) {
  const plant = createPlant();
  const network = newNetwork('n', { prefixes, labels: { [QUARANTINE_LABEL]: seconds } });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'h', partitions: ['p'] }));
  const acquire = (address?: string) =>
    plant.ask(at, 'allocateIp', { ...request, ...(address === undefined ? {} : { address }) });
  const free = (address: string) => granted(plant.ask(at, 'freeIp', { address }));
  const remove = () => plant.ask(registry, 'deleteNetwork', { id: 'n', partition: 'p', partitions: ['p'] });
  return { plant, acquire, free, remove };
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
  const machine = { machine: 'm', allocation: 'u', project: 'q', name: '', auto: true, given: [] };
  plant.reserve([reservation(at, 'acquireIps', machine)]);
  plant.reserve([reservation(at, 'releaseIps', { machine: 'm', ips: ['10.0.0.1'] })]);
  assert.equal(granted(acquire()).address, '10.0.0.2');
  plant.settle(6_000);
  refused(plant.reserve([reservation(at, 'acquireIps', machine)], false), 'Conflict', 'given up');
  assert.equal(granted(acquire()).address, '10.0.0.1');
});

test('a network goes with what rested in it, and not before', () => {
  const { plant, acquire, free, remove } = scene('5');
  granted(acquire());
  free('10.0.0.1');
  refused(remove(), 'Unprocessable', 'has ip 10.0.0.1 in use');
  plant.settle(6_000);
  granted(remove());
  assert.equal(plant.store.live('ip').length, 0);
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
