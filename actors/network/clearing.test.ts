import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { reservation } from '../runtime/behaviour.ts';
import { CLEARED_AT_ONCE } from './clearing.ts';
import { allocator, at as networkAt, childAsk, registry, releaseChild, request, superOf } from './go-ipam.fixture.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';

const at = networkAt('n');
const MANY = 2 * CLEARED_AT_ONCE + 100;

function scene(seconds: string, prefixes = ['10.0.0.0/21']) {
  const plant = createPlant();
  const network = newNetwork('n', { prefixes, labels: { [QUARANTINE_LABEL]: seconds } });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'h', partitions: ['p'] }));
  const remove = () => ({ id: 'n', partition: 'p', partitions: ['p'] });
  const used = () => granted(plant.ask(at, 'usage', {}));
  return { plant, used, remove };
}

/** Acquires so many and gives them back, all at once. */
function release(plant: Plant, to: typeof at | ReturnType<typeof blockOf>, count: number): string[] {
  const addresses: string[] = [];
  for (let left = count; left > 0; left -= 500) {
    const taken = Array.from({ length: Math.min(500, left) }, () => plant.start(to, 'allocateIp', request));
    plant.settle(50);
    addresses.push(...taken.map((answer) => granted(answer()!).address));
  }
  for (let from = 0; from < count; from += 500) {
    const freed = addresses.slice(from, from + 500).map((address) => plant.start(to, 'freeIp', { address }));
    plant.settle(50);
    for (const answer of freed) granted(answer()!);
  }
  return addresses;
}

const blockOf = (partition: string) => addressOf(partitionScope(partition), 'block', 'internet');

/** The most `ip` rows that one operation took away since then. */
function mostAtOnce({ store }: Plant, since: number): number {
  const counts = store.log
    .slice(since)
    .map(({ changes }) => changes.filter(({ table, value }) => table === 'ip' && value === null).length);
  return Math.max(0, ...counts);
}

const rows = ({ store }: Plant): number => store.live('ip').length;

test('the row of a released address goes when its rest is over, though nobody asks for anything', () => {
  const { plant, used } = scene('10', ['10.0.0.0/21', 'fd00::/64']);
  release(plant, at, 100);
  granted(plant.ask(at, 'allocateIp', { ...request, address: 'fd00::7' }));
  granted(plant.ask(at, 'freeIp', { address: 'fd00::7' }));
  const attached = { machine: 'm', allocation: 'u', project: 'q', name: '', given: [], auto: true };
  plant.reserve([reservation(at, 'acquireIps', attached)]);
  plant.reserve([reservation(at, 'releaseIps', { machine: 'm', ips: ['10.0.0.101', 'fd00::1'] })]);
  assert.equal(rows(plant), 103);
  plant.settle(9_000);
  assert.equal(rows(plant), 103);
  plant.settle(4_000);
  assert.equal(rows(plant), 0);
  assert.deepEqual(
    used().ranges.map(({ held, resting }) => [held, resting]),
    [
      [0, 0],
      [0, 0],
    ],
  );
  assert.equal(granted(plant.ask(at, 'allocateIp', request)).address, '10.0.0.1');
});

test('after a restart the next question to the network is enough; many go a portion at a time', () => {
  const { plant, used } = scene('10');
  release(plant, at, MANY);
  plant.restart();
  plant.settle(20_000);
  assert.equal(rows(plant), MANY);
  const since = plant.store.log.length;
  used();
  plant.settle(3_000);
  assert.equal(rows(plant), 0);
  assert.equal(mostAtOnce(plant, since), CLEARED_AT_ONCE);
});

test('what somebody else took again meanwhile stays', () => {
  const { plant } = scene('10');
  release(plant, at, 2);
  plant.settle(9_950);
  const attached = { machine: 'm', allocation: 'u', project: 'q', name: '', given: [], auto: true };
  plant.reserve([reservation(at, 'acquireIps', attached)]);
  plant.settle(5_000);
  assert.deepEqual(
    plant.store.live('ip').map(({ key }) => key),
    ['n|10.0.0.1'],
  );
});

test('more than wakes in one turn: the address that is named does, and those that are free are given out', () => {
  const { plant } = scene('10');
  const released = release(plant, at, 400);
  plant.restart();
  plant.settle(10_000);
  const last = released.at(-1)!;
  assert.equal(granted(plant.ask(at, 'allocateIp', { ...request, address: last })).address, last);
  granted(plant.ask(at, 'allocateIp', request));
});

for (const pauseMs of [0, 20_000]) {
  test(`networks.md §1.7: a network goes with all that rests, or did, in operations of a bounded size; ${pauseMs} ms`, () => {
    const { plant, remove } = scene('10');
    const [address = ''] = release(plant, at, MANY);
    plant.settle(pauseMs);
    plant.restart();
    const since = plant.store.log.length;
    granted(plant.ask(at, 'allocateIp', { ...request, address: '10.0.7.1' }));
    refused(plant.ask(registry, 'deleteNetwork', remove()), 'Unprocessable', 'has ip 10.0.7.1 in use');
    if (pauseMs === 0) refused(plant.ask(at, 'allocateIp', { ...request, address }), 'Conflict', 'kept back');
    plant.dry(registry, 'deleteNetwork', remove());
    if (pauseMs === 0) assert.equal(rows(plant), MANY + 1);
    granted(plant.ask(at, 'freeIp', { address: '10.0.7.1' }));
    granted(plant.ask(registry, 'deleteNetwork', remove()));
    assert.equal(rows(plant), 0);
    assert.ok(mostAtOnce(plant, since) <= CLEARED_AT_ONCE);
    assert.equal(plant.store.live('network').length, 0);
  });
}

test('networks.md §1.5: the same for a child network, and for a prefix that is removed', () => {
  const plant = createPlant();
  superOf(plant, '192.168.0.0/20', 22);
  const labels = { [QUARANTINE_LABEL]: '600' };
  granted(plant.ask(allocator(), 'allocateNetwork', { ...childAsk('c'), labels }));
  release(plant, networkAt('c'), MANY);
  granted(releaseChild(plant, 'c'));
  assert.equal(rows(plant), 0);
  assert.ok(mostAtOnce(plant, 0) <= CLEARED_AT_ONCE);

  const other = scene('600', ['10.0.0.0/22', '10.1.0.0/22']);
  release(other.plant, at, MANY);
  granted(other.plant.ask(at, 'allocateIp', { ...request, address: '10.1.0.9' }));
  granted(other.plant.ask(at, 'freeIp', { address: '10.1.0.9' }));
  const patch = { additionalAnnouncableCidrs: [], force: false, site: 's', h: 'h1', prefixes: ['10.1.0.0/22'] };
  granted(other.plant.ask(at, 'update', patch));
  assert.deepEqual(
    other.plant.store.live('ip').map(({ key }) => key),
    ['n|10.1.0.9'],
  );
  assert.ok(mostAtOnce(other.plant, 0) <= CLEARED_AT_ONCE);
});

test('a block goes home with all that rests in it; its partition keeps the copy until their rows are gone', () => {
  const plant = createPlant();
  const block = blockOf('p');
  const labels = { [QUARANTINE_LABEL]: '600' };
  const network = newNetwork('internet', { prefixes: ['10.0.0.0/18'], partition: '', labels });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'h', partitions: ['p'] }));
  granted(plant.ask(block, 'adopt', { network, home: 's' }));
  const [want] = granted(plant.ask(block, 'holdings', {})).wants;
  const { h } = want!;
  const home = addressOf(siteScope('s'), 'network', 'internet');
  const ask = { h, partition: 'p', site: 's', family: 'IPv4' as const, address: null, count: 1 };
  granted(plant.ask(block, 'receive', { h, ...granted(plant.ask(home, 'giveBlocks', ask)) }));
  release(plant, block, MANY);
  const since = plant.store.log.length;
  const recalled = plant.start(block, 'recall', { count: 9, resting: true });
  const returned = plant.start(block, 'returned', { first: '10.0.0.0', h });
  const adopted = plant.start(block, 'adopt', { network: null, home: 's' });
  plant.settle(1_000);
  const { blocks } = granted(recalled()!);
  assert.deepEqual(
    blocks.map(({ first, rest }) => [first, rest!.untilMs - rest!.sinceMs]),
    [['10.0.0.0', 600_000]],
  );
  granted(returned()!);
  refused(adopted(), 'Conflict', 'released addresses of network internet');
  granted(plant.ask(block, 'adopt', { network: null, home: 's' }));
  assert.equal(rows(plant), 0);
  assert.equal(mostAtOnce(plant, since), CLEARED_AT_ONCE);
});
