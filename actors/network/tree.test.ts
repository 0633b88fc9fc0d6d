// Any sequence of operations on a tree of prefixes, two partitions of them, gives the answers of a naive model, and nothing
// is lost or double after each (networks.md §8's invariants: I01 addresses, I04 prefixes).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { formatAddress } from '../ipam/address.ts';
import { overlaps, parsePrefix, prefixOf, type Prefix } from '../ipam/prefix.ts';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';

const PARTITIONS = ['p', 'q'] as const;
const PARENTS = {
  p: { IPv4: '10.0.0.0/25', IPv6: '2001:db8::/121' },
  q: { IPv4: '10.1.0.0/26', IPv6: '2001:db8:1::/122' },
};
const registry = addressOf(siteScope('s'), 'registry', 's');
const allocatorOf = (partition: string) => addressOf(partitionScope(partition), 'allocator', partition);
const networkAt = (partition: string, id: string) => addressOf(partitionScope(partition), 'network', id);

const partition = fc.constantFrom(...PARTITIONS);
const op = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant('child' as const), partition, bits: fc.integer({ min: 0, max: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('free' as const), partition, at: fc.nat(15) }) },
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant('acquire' as const), partition, at: fc.nat(15), v6: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('release' as const), partition, at: fc.nat(15), nth: fc.nat(5) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('given up' as const), partition, bits: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const), partition }) },
);

/** Best fit, by looking at everything: the maximal free blocks, the smallest large enough, the lowest on a tie. */
function bestFit(parent: Prefix, taken: readonly Prefix[], length: number): string | undefined {
  const free: Prefix[] = [];
  const split = (block: Prefix): void => {
    if (!taken.some((one) => overlaps(one, block))) return void free.push(block);
    if (block.length >= length) return;
    for (const value of [
      block.first,
      BigInt(block.first) + (1n << BigInt((block.family === 'IPv4' ? 32 : 128) - block.length - 1)),
    ]) {
      const address =
        block.family === 'IPv4'
          ? { family: 'IPv4' as const, value: Number(value) }
          : { family: 'IPv6' as const, value: BigInt(value) };
      split(prefixOf(address, block.length + 1));
    }
  };
  split(parent);
  const fitting = free.filter((block) => block.length <= length);
  fitting.sort((a, b) => b.length - a.length || (a.first < b.first ? -1 : 1));
  const [best] = fitting;
  if (best === undefined || length <= parent.length) return undefined;
  return prefixOf(
    best.family === 'IPv4' ? { family: 'IPv4', value: best.first } : { family: 'IPv6', value: best.first },
    length,
  ).canonical;
}

function lowest(cidr: string, held: ReadonlySet<string>): string | undefined {
  const prefix = parsePrefix(cidr)!;
  const last = BigInt(prefix.last) - (prefix.family === 'IPv4' ? 1n : 0n);
  for (let value = BigInt(prefix.first) + 1n; value <= last; value++) {
    const text = formatAddress(
      prefix.family === 'IPv4' ? { family: 'IPv4', value: Number(value) } : { family: 'IPv6', value },
    );
    if (!held.has(text)) return text;
  }
  return undefined;
}

interface Child {
  id: string;
  prefixes: [string, string];
  held: Set<string>;
}

function conserved(plant: Plant, models: Record<string, Child[]>): void {
  for (const one of PARTITIONS) {
    const scope = partitionScope(one);
    const children = models[one]!;
    const cut = plant.store.live('prefix', scope).filter(({ key, value }) => (value as { root: string }).root !== key);
    assert.deepEqual(cut.map(({ key }) => key).sort(), children.flatMap(({ prefixes }) => prefixes).sort());
    const prefixes = cut.map(({ key }) => parsePrefix(key)!);
    prefixes.forEach((a, i) =>
      assert.ok(!prefixes.slice(i + 1).some((b) => overlaps(a, b)), `${a.canonical} overlaps`),
    );
    const rows = plant.store.live('ip', scope).map(({ key }) => key);
    assert.deepEqual(rows.sort(), children.flatMap(({ id, held }) => [...held].map((ip) => `${id}|${ip}`)).sort());
    const usage = granted(plant.ask(networkAt(one, `super-${one}`), 'get', {})).usage;
    assert.equal(usage.IPv4?.used_prefixes, children.length);
    assert.equal(plant.store.live('pool', scope).length, children.length, 'one VRF a child');
  }
}

test('any sequence on any tree of prefixes: the answers of a naive model, conservation after each', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40 }), (operations) => {
      const plant = createPlant({ partitions: [...PARTITIONS] });
      const models: Record<string, Child[]> = { p: [], q: [] };
      for (const one of PARTITIONS) {
        const network = newNetwork(`super-${one}`, {
          partition: one,
          prefixes: [PARENTS[one].IPv4, PARENTS[one].IPv6],
          privateSuper: true,
          defaultChildPrefixLength: { IPv4: 28, IPv6: 124 },
        });
        granted(plant.ask(registry, 'createNetwork', { network, h: network.id, partitions: [...PARTITIONS] }));
      }
      let ids = 0;
      for (const one of operations) {
        const children = models[one.partition]!;
        const child = 'at' in one && children.length > 0 ? children[one.at % children.length] : undefined;
        const parents = PARENTS[one.partition];
        if (one.what === 'child' || one.what === 'given up') {
          const length = { IPv4: 32 - one.bits, IPv6: 128 - one.bits };
          const taken = children.flatMap(({ prefixes }) => prefixes).map((cidr) => parsePrefix(cidr)!);
          const expected = (['IPv4', 'IPv6'] as const).map((family) =>
            bestFit(parsePrefix(parents[family])!, taken, length[family]),
          );
          const isPossible = !expected.includes(undefined);
          const id = `c${++ids}`;
          if (one.what === 'given up') {
            const ask = { child: id, lengths: length };
            const cut = reservation(networkAt(one.partition, `super-${one.partition}`), 'cutChildren', ask);
            const answer = plant.reserve([cut], false);
            refused(answer, isPossible ? 'Conflict' : 'Unprocessable', isPossible ? 'given up' : 'no prefix found');
            continue;
          }
          const answer = plant.ask(allocatorOf(one.partition), 'allocateNetwork', {
            id,
            name: '',
            description: '',
            labels: {},
            project: 'x',
            shared: false,
            nat: false,
            destinationPrefixes: [],
            length,
          });
          if (!isPossible) refused(answer, 'Unprocessable', /no prefix found|must be greater/);
          else {
            assert.deepEqual(granted(answer).network.prefixes, expected);
            children.push({ id, prefixes: expected as [string, string], held: new Set() });
          }
        } else if (one.what === 'restart') plant.restart();
        else if (child === undefined) continue;
        else if (one.what === 'free') {
          const answer = plant.ask(allocatorOf(one.partition), 'freeNetwork', { network: child.id, as: 'free' });
          if (child.held.size > 0) refused(answer, 'Unprocessable', 'has ips');
          else {
            granted(answer);
            children.splice(children.indexOf(child), 1);
          }
        } else if (one.what === 'acquire') {
          const family = one.v6 ? 'IPv6' : 'IPv4';
          const expected = lowest(child.prefixes[one.v6 ? 1 : 0], child.held);
          const answer = plant.ask(networkAt(one.partition, child.id), 'allocateIp', {
            project: 'x',
            name: '',
            description: '',
            type: 'ephemeral',
            tags: [],
            family,
          });
          if (expected === undefined) refused(answer, 'Exhausted', 'addresses held');
          else {
            assert.equal(granted(answer).address, expected);
            child.held.add(expected);
          }
        } else {
          const address = [...child.held][one.nth % Math.max(1, child.held.size)];
          if (address === undefined) continue;
          granted(plant.ask(networkAt(one.partition, child.id), 'freeIp', { address }));
          child.held.delete(address);
        }
        conserved(plant, models);
      }
      assert.equal(isRefusal(plant.ask(networkAt('p', 'super-p'), 'get', {})), false);
    }),
    { numRuns: 40, includeErrorInReport: true },
  );
});
