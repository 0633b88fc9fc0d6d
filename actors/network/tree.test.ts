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
import type { IpRequest } from './messages.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';

const PARTITIONS = ['p', 'q'] as const;
/** What a super network may be made of, at first or later; any of them in any order. */
const ROOTS = {
  p: { IPv4: ['10.0.0.0/25', '10.0.4.0/27', '10.0.2.0/26'], IPv6: ['2001:db8::/121', '2001:db8:0:4::/123'] },
  q: { IPv4: ['10.1.0.0/26', '10.1.1.0/27'], IPv6: ['2001:db8:1::/122', '2001:db8:1:1::/120'] },
};
const someOf = (roots: readonly string[]) => fc.shuffledSubarray([...roots], { minLength: 1 });
const rootsOf = ({ IPv4, IPv6 }: (typeof ROOTS)['p']) => fc.record({ IPv4: someOf(IPv4), IPv6: someOf(IPv6) });
const trees = fc.record({ p: rootsOf(ROOTS.p), q: rootsOf(ROOTS.q) });
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
    arbitrary: fc.record({
      what: fc.constant('named' as const),
      partition,
      at: fc.nat(15),
      v6: fc.boolean(),
      nth: fc.nat(16),
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...PARTITIONS)
      .chain((one) =>
        fc.record({ what: fc.constant('roots' as const), partition: fc.constant(one), to: rootsOf(ROOTS[one]) }),
      ),
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

const NO_ROOM = /no prefix found|must be greater/;
/** The first root that has room. */
const firstFit = (roots: readonly string[], taken: readonly Prefix[], length: number): string | undefined =>
  roots.map((root) => bestFit(parsePrefix(root)!, taken, length)).find((child) => child !== undefined);

const isIn = (root: string, cidr: string): boolean => overlaps(parsePrefix(root)!, parsePrefix(cidr)!);
const request: IpRequest = { project: 'x', name: '', description: '', type: 'ephemeral', tags: [] };

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
    fc.property(trees, fc.array(op, { maxLength: 40 }), (tree, operations) => {
      const plant = createPlant({ partitions: [...PARTITIONS] });
      const models: Record<string, Child[]> = { p: [], q: [] };
      /** Of the super networks, in the order in which they are tried. */
      const roots = { ...tree };
      for (const one of PARTITIONS) {
        const network = newNetwork(`super-${one}`, {
          partition: one,
          prefixes: [...roots[one].IPv4, ...roots[one].IPv6],
          privateSuper: true,
          defaultChildPrefixLength: { IPv4: 28, IPv6: 124 },
        });
        granted(plant.ask(registry, 'createNetwork', { network, h: network.id, partitions: [...PARTITIONS] }));
      }
      let ids = 0;
      for (const one of operations) {
        const children = models[one.partition]!;
        const child = 'at' in one && children.length > 0 ? children[one.at % children.length] : undefined;
        const parents = roots[one.partition];
        if (one.what === 'child' || one.what === 'given up') {
          const length = { IPv4: 32 - one.bits, IPv6: 128 - one.bits };
          const taken = children.flatMap(({ prefixes }) => prefixes).map((cidr) => parsePrefix(cidr)!);
          const expected = (['IPv4', 'IPv6'] as const).map((family) =>
            firstFit(parents[family], taken, length[family]),
          );
          const isPossible = !expected.includes(undefined);
          const id = `c${++ids}`;
          if (one.what === 'given up') {
            const ask = { child: id, lengths: length };
            const cut = reservation(networkAt(one.partition, `super-${one.partition}`), 'cutChildren', ask);
            const answer = plant.reserve([cut], false);
            refused(answer, isPossible ? 'Conflict' : 'Unprocessable', isPossible ? 'given up' : NO_ROOM);
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
          if (!isPossible) refused(answer, 'Unprocessable', NO_ROOM);
          else {
            assert.deepEqual(granted(answer).network.prefixes, expected);
            children.push({ id, prefixes: expected as [string, string], held: new Set() });
          }
        } else if (one.what === 'restart') plant.restart();
        else if (one.what === 'roots') {
          const wanted = [...one.to.IPv4, ...one.to.IPv6];
          const inUse = [...parents.IPv4, ...parents.IPv6].some(
            (root) =>
              !wanted.includes(root) && children.some(({ prefixes }) => prefixes.some((cidr) => isIn(root, cidr))),
          );
          const answer = plant.ask(networkAt(one.partition, `super-${one.partition}`), 'update', {
            prefixes: wanted,
            additionalAnnouncableCidrs: [],
            force: false,
            site: 's',
            h: `h${++ids}`,
          });
          if (inUse) refused(answer, 'Unprocessable', 'has childprefixes');
          else {
            granted(answer);
            roots[one.partition] = one.to;
          }
        } else if (child === undefined) continue;
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
          const answer = plant.ask(networkAt(one.partition, child.id), 'allocateIp', { ...request, family });
          if (expected === undefined) refused(answer, 'Exhausted', 'addresses held');
          else {
            assert.equal(granted(answer).address, expected);
            child.held.add(expected);
          }
        } else if (one.what === 'named') {
          const prefix = parsePrefix(child.prefixes[one.v6 ? 1 : 0])!;
          const value = BigInt(prefix.first) + BigInt(one.nth);
          const address = formatAddress(one.v6 ? { family: 'IPv6', value } : { family: 'IPv4', value: Number(value) });
          const answer = plant.ask(networkAt(one.partition, child.id), 'allocateIp', { ...request, address });
          const isReserved = one.nth === 0 || (!one.v6 && value === BigInt(prefix.last));
          if (value > BigInt(prefix.last)) refused(answer, 'Unprocessable', 'not contained in any');
          else if (isReserved || child.held.has(address)) refused(answer, 'Conflict', 'already allocated');
          else {
            assert.equal(granted(answer).address, address);
            child.held.add(address);
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
    { numRuns: 100, includeErrorInReport: true },
  );
});
