// Weaknesses of the original (networks.md §8) that have no place of their own: what holds here instead.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import {
  acquireChild,
  acquireIp,
  allocator,
  at,
  childOf,
  newPrefix,
  registry,
  releaseChild,
  releaseIp,
  request,
  superOf,
  usageOf,
} from './go-ipam.fixture.ts';
import { createPlant, granted, newNetwork, refused } from './plant.fixture.ts';

test('networks.md N22: a prefix that had children has as many again, and nothing of them is kept', () => {
  const plant = createPlant();
  superOf(plant, '192.168.0.0/20', 22);
  const fresh = usageOf(plant, 'super-p');
  for (let round = 0; round < 3; round++) {
    for (const id of ['a', 'b', 'c', 'd']) granted(acquireChild(plant, `${id}${round}`));
    for (const id of ['b', 'd', 'a', 'c']) granted(releaseChild(plant, `${id}${round}`));
  }
  assert.deepEqual(usageOf(plant, 'super-p'), fresh);
  assert.deepEqual(
    plant.store.live('prefix').map(({ key }) => key),
    ['192.168.0.0/20'],
  );
  assert.equal(childOf(acquireChild(plant, 'half', 21)), '192.168.0.0/21');
});

test('networks.md N24: an address taken while its child network is freed: one of both is refused, never both done', () => {
  for (const first of ['free', 'take'] as const) {
    const plant = createPlant();
    superOf(plant, '192.168.0.0/20', 22);
    granted(acquireChild(plant, 'a'));
    const free = () => plant.start(allocator(), 'freeNetwork', { network: 'a', as: 'free' });
    const take = () => plant.start(at('a'), 'allocateIp', request);
    const answers = first === 'free' ? [free(), take()] : [take(), free()];
    plant.settle(2_000);
    const done = answers.filter((answer) => !isRefusal(answer()));
    assert.equal(done.length, 1);
    const isFreed = plant.store.live('network').every(({ key }) => key !== 'a');
    assert.equal(plant.store.live('ip').length, isFreed ? 0 : 1);
    assert.equal(usageOf(plant, 'super-p').used_prefixes, isFreed ? 0 : 1);
  }
});

test('networks.md N12: what comes late for an earlier life of an address or a network frees nothing of the new one', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const taken = granted(plant.ask(at('n'), 'allocateIp', { ...request, machine: 'm1' }));
  const release = (machine: string) =>
    plant.reserve([reservation(at('n'), 'releaseIps', { machine, ips: [taken.address] })]);
  assert.deepEqual(release('m1'), [{ released: [taken.address], kept: [] }]);
  const again = granted(plant.ask(at('n'), 'allocateIp', { ...request, machine: 'm2' }));
  assert.equal(again.address, taken.address);
  assert.deepEqual(release('m1'), [{ released: [], kept: [] }]);
  assert.equal(granted(plant.ask(at('n'), 'getIp', { address: taken.address })).uuid, again.uuid);

  superOf(plant, '192.168.0.0/20', 22);
  const prefixes = granted(acquireChild(plant, 'a')).network.prefixes;
  granted(releaseChild(plant, 'a'));
  assert.deepEqual(granted(acquireChild(plant, 'b')).network.prefixes, prefixes);
  plant.reserve([reservation(at('super-p'), 'releaseChildren', { child: 'a', prefixes })]);
  assert.equal(usageOf(plant, 'super-p').used_prefixes, 1);
});

test('networks.md N14, N19: row and book are one; a free that fails leaves both, one that is done leaves neither', () => {
  for (const fault of ['refused', 'lost before', 'lost after', 'unsent'] as const) {
    const plant = createPlant();
    granted(newPrefix(plant, 'n', '10.0.0.0/24'));
    const { address } = granted(acquireIp(plant, 'n'));
    plant.store.faults.push(fault);
    const answer = releaseIp(plant, 'n', address);
    plant.settle(2_000);
    const isThere = plant.store.live('ip').length === 1;
    if (!isRefusal(answer)) assert.equal(isThere, false, fault);
    assert.equal(usageOf(plant, 'n').used_ips, isThere ? 3 : 2, fault);
    plant.restart();
    assert.equal(usageOf(plant, 'n').used_ips, isThere ? 3 : 2, fault);
  }
});

test('networks.md N16: an address without project that is tagged with a machine is not freed, and that is said', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const ip = granted(
    plant.ask(at('n'), 'allocateIp', { ...request, project: '', tags: ['machine.metal-stack.io/id=m'] }),
  );
  refused(releaseIp(plant, 'n', ip.address), 'Invalid', 'ip with machine scope can not be deleted');
  assert.equal(plant.store.live('ip').length, 1);
});

test('networks.md N55: private ranges are unique over the partitions that know of each other', () => {
  const plant = createPlant({ partitions: ['p', 'q'] });
  superOf(plant, '10.0.0.0/16', 22);
  granted(acquireChild(plant, 'a'));
  const overlapping = newNetwork('super-q', {
    partition: 'q',
    prefixes: ['10.0.0.0/22'],
    privateSuper: true,
    defaultChildPrefixLength: { IPv4: 24 },
  });
  const answer = plant.ask(registry, 'createNetwork', { network: overlapping, h: 'q', partitions: ['p', 'q'] });
  refused(answer, 'Unprocessable', '10.0.0.0/22 overlaps 10.0.0.0/16');
});

test('networks.md N20, N21: one row an address, in one commit with whatever waits, however many are taken', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/16'));
  const rowsOfOne = (): number => {
    const before = plant.store.log.length;
    granted(acquireIp(plant, 'n'));
    return plant.store.log.slice(before).flatMap(({ changes }) => changes).length;
  };
  assert.equal(rowsOfOne(), 1);
  const answers = Array.from({ length: 1_000 }, () => plant.start(at('n'), 'allocateIp', request));
  plant.settle(5_000);
  for (const answer of answers) granted(answer()!);
  assert.equal(rowsOfOne(), 1);
  assert.equal(usageOf(plant, 'n').used_ips, 2 + 1_002);
});

test('networks.md N54: the numbers of a network are read from memory, nothing is asked of the database', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/16'));
  for (let n = 0; n < 5; n++) granted(acquireIp(plant, 'n'));
  plant.store.down = true;
  assert.equal(usageOf(plant, 'n').used_ips, 2 + 5);
});
