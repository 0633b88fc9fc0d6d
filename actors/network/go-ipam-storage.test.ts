// go-ipam's cases (networks.md §3.7) about its storage, encodings, namespaces and service: what holds of them here, or why
// they can't occur. A namespace is a partition's space; a stored prefix is a row of its own, not one document a prefix.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { refusePartitionDelete } from '../directory/partition.ts';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { decode, encode } from '../runtime/codec.ts';
import {
  acquireChild,
  acquireIp,
  at,
  childOf,
  deletePrefix,
  newPrefix,
  registry,
  releaseChild,
  releaseIp,
  request,
  superOf,
} from './go-ipam.fixture.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';

const changed = (plant: Plant, id: string, prefixes: string[], withinMs?: number) => {
  const patch = { prefixes, additionalAnnouncableCidrs: [], force: false, site: 's', h: `${id}-more` };
  return plant.start(at(id), 'update', patch, withinMs);
};

/** A scene with a network, a child, addresses and a static one, as rows. */
function rowsOf(): unknown[] {
  const plant = createPlant();
  superOf(plant, '10.64.0.0/14', 22);
  granted(acquireChild(plant, 'a'));
  granted(newPrefix(plant, 'v6', '2001:db8::/64'));
  for (let n = 0; n < 3; n++) granted(acquireIp(plant, 'a'));
  granted(plant.ask(at('v6'), 'allocateIp', { ...request, type: 'static', tags: ['b', 'a'] }));
  return [...plant.store.live('network'), ...plant.store.live('prefix'), ...plant.store.live('ip')];
}

test('go-ipam JSON, Gob: what goes to the database, to another thread or another site comes back as it was', () => {
  const rows = rowsOf();
  assert.equal(rows.length, 3 + 3 + 4);
  assert.deepEqual(JSON.parse(JSON.stringify(rows)), rows);
  assert.deepEqual(decode(encode(rows)), rows);
});

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

test('go-ipam PrefixDeepCopy: a record is never changed in place, so nobody needs a copy of it', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const before = frozen(granted(plant.ask(at('n'), 'get', {})).network);
  const ip = frozen(granted(acquireIp(plant, 'n')));
  const more = changed(plant, 'n', ['10.0.0.0/24', '10.9.0.0/24']);
  granted(plant.ask(at('n'), 'updateIp', { address: ip.address, tags: ['a'], type: 'static' }));
  plant.settle(100);
  assert.equal(granted(more()!).network.prefixes.length, 2);
  assert.deepEqual([before.prefixes, ip.tags, ip.type], [['10.0.0.0/24'], [], 'ephemeral']);
  granted(releaseIp(plant, 'n', ip.address));
});

test('go-ipam NamespaceFromContext: an operation names its space, and nothing is looked for in another one', () => {
  const plant = createPlant({ partitions: ['p', 'q'] });
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  granted(acquireIp(plant, 'n'));
  refused(acquireIp(plant, 'n', undefined, 'q'), 'NotFound');
  // Missing: a network without partition is of the space of the whole site.
  const network = newNetwork('internet', { partition: '', prefixes: ['212.34.80.0/24'] });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'internet', partitions: ['p', 'q'] }));
  granted(plant.ask(addressOf(siteScope('s'), 'network', 'internet'), 'get', {}));
  refused(plant.ask(at('internet', 'p'), 'get', {}), 'NotFound');
});

test('go-ipam NamespaceDoesNotExist: a partition that is not hosted here gives nothing', () => {
  const plant = createPlant();
  const answer = plant.ask(addressOf(partitionScope('nowhere'), 'network', 'n'), 'allocateIp', request);
  assert.ok(isRefusal(answer));
  assert.equal(answer.kind, 'Unavailable');
  assert.match(answer.message, /nowhere/);
});

test('go-ipam CreateNamespace, NameTooLong: any name of a partition does, it is no table here', () => {
  const uuid = '0190a4e2-7b44-7c3e-9a51-2f6d8b1c0e77';
  for (const partition of [uuid, uuid.repeat(4), `d'"; drop table ip; --`, 'ä🧊|:/%']) {
    const plant = createPlant({ partitions: [partition] });
    const network = newNetwork('n', { partition, prefixes: ['192.168.0.0/20'] });
    plant.reserve([reservation(at('n', partition), 'create', { network })]);
    assert.equal(granted(acquireIp(plant, 'n', undefined, partition)).address, '192.168.0.1');
    plant.restart();
    assert.equal(granted(acquireIp(plant, 'n', undefined, partition)).address, '192.168.0.2');
  }
});

test('go-ipam NamespacedOps: a partition is not deleted while it has prefixes, afterwards it is', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '192.168.0.0/20'));
  const refusal = () => {
    const networks = plant.store.live('network').length;
    return refusePartitionDelete('p', { machines: 0, switches: 0, networks, ips: 0, reservations: 0 });
  };
  refused(refusal(), 'Unprocessable', /network/);
  granted(deletePrefix(plant, 'n'));
  assert.equal(refusal(), undefined);
});

test('go-ipam storage Update: an empty cidr and an unknown prefix are refused, and nothing is written', () => {
  const plant = createPlant();
  granted(newPrefix(plant, 'n', '10.0.0.0/24'));
  const before = plant.store.log.length;
  for (const [id, prefixes] of [
    ['n', ['']],
    ['unknown', ['10.1.0.0/24']],
  ] as const) {
    const answer = changed(plant, id, [...prefixes]);
    plant.settle(100);
    refused(answer(), id === 'n' ? 'Unprocessable' : 'NotFound');
  }
  assert.equal(plant.store.log.length, before);
});

// go-ipam does 50,000 at once on a map in memory: here too, on what is in memory (actors/ipam/child-prefixes.test.ts). What
// writes rows passes through the registry, whose claims lie in one actor, and commits: as much of it as takes few seconds.
test('go-ipam storage Update: 10,000 creations, reads, changes and deletions of different prefixes, any of them at once', () => {
  const plant = createPlant();
  const [prefixes, each] = [2_500, 25];
  const cidr = (n: number, top = 10) => `${top}.${n >> 8}.${n & 255}.0/24`;
  const within = 60_000;
  const steps = [
    (id: string, n: number) => {
      const network = newNetwork(id, { prefixes: [cidr(n)] });
      return plant.start(registry, 'createNetwork', { network, h: id, partitions: ['p'] }, within);
    },
    (id: string) => plant.start(at(id), 'get', {}, within),
    (id: string, n: number) => changed(plant, id, [cidr(n), cidr(n, 11)], within),
    (id: string) => plant.start(registry, 'deleteNetwork', { id, partition: 'p', partitions: ['p'] }, within),
  ];
  const seenAfter = (n: number) => [[cidr(n)], [cidr(n)], [cidr(n), cidr(n, 11)], [cidr(n), cidr(n, 11)]];
  const begin = (n: number, step: number) => ({ n, step, answer: steps[step]!(`n${n}`, n) });
  let [next, done, kinds] = [0, 0, 0];
  let going: Array<ReturnType<typeof begin>> = [];
  while (next < prefixes || going.length > 0) {
    // A few each time, so that all kinds are under way at once.
    for (const last = Math.min(prefixes, next + each); next < last; next++) going.push(begin(next, 0));
    kinds = Math.max(kinds, new Set(going.map(({ step }) => step)).size);
    plant.settle(1);
    going = going.flatMap((one) => {
      const answer = one.answer();
      if (answer === undefined) return [one];
      assert.deepEqual(granted(answer).network.prefixes, seenAfter(one.n)[one.step]);
      done++;
      return one.step + 1 === steps.length ? [] : [begin(one.n, one.step + 1)];
    });
  }
  assert.deepEqual([done, kinds], [10_000, steps.length]);
  assert.deepEqual([plant.store.live('prefix').length, plant.store.live('network').length], [0, 0]);
});

test('go-ipam service: create, get, delete, get fails; a child and an address, taken and given back; the same in a second namespace', () => {
  const plant = createPlant({ partitions: ['p', 'q'] });
  ['p', 'q'].forEach((partition, n) => {
    const top = `192.167.${n}`;
    granted(newPrefix(plant, 'gone', '192.169.0.0/24'));
    granted(plant.ask(at('gone'), 'get', {}));
    granted(deletePrefix(plant, 'gone'));
    refused(plant.ask(at('gone'), 'get', {}), 'NotFound');

    superOf(plant, `${top}.0/24`, 28, partition);
    const id = `child-${partition}`;
    assert.equal(childOf(acquireChild(plant, id, undefined, false, partition)), `${top}.0/28`);
    assert.equal(granted(acquireIp(plant, id, undefined, partition)).address, `${top}.1`);
    granted(plant.ask(at(id, partition), 'freeIp', { address: `${top}.1` }));
    granted(releaseChild(plant, id, partition));
    refused(plant.ask(at(id, partition), 'get', {}), 'NotFound');
  });
});
