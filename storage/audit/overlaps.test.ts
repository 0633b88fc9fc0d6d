import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { formatAddress, parseAddress } from '../../actors/ipam/address.ts';
import { contains, firstAddress, lastAddress, overlaps, prefixOf, type Prefix } from '../../actors/ipam/prefix.ts';
import { test } from '../testing/register.ts';
import { coverOf, overlapping } from './overlaps.ts';

// Few bits, so that many of them meet.
const v4 = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 20, max: 32 }))
  .map(([value, length]) => prefixOf({ family: 'IPv4', value: 0x0a000000 + value * 16 }, length));
const v6 = fc
  .tuple(fc.bigInt({ min: 0n, max: 255n }), fc.integer({ min: 116, max: 128 }))
  .map(([value, length]) => prefixOf({ family: 'IPv6', value: (0x2001n << 112n) + value * 16n }, length));
const sets = fc.array(fc.oneof(v4, v6), { maxLength: 400, size: 'max' });

interface Item {
  name: number;
  prefix: Prefix;
}
const itemsOf = (prefixes: readonly Prefix[]): Item[] => prefixes.map((prefix, name) => ({ name, prefix }));

/** Who overlaps whom, each pair looked at. */
const pairsOf = (items: readonly Item[]): Array<[Item, Item]> =>
  items.flatMap((a, i) =>
    items.slice(i + 1).flatMap((b): Array<[Item, Item]> => (overlaps(a.prefix, b.prefix) ? [[a, b]] : [])),
  );
const named = (pairs: Iterable<readonly Item[]>): number[] =>
  [...new Set([...pairs].flatMap((pair) => pair.map(({ name }) => name)))].sort((a, b) => a - b);

test('reliability.md §5.4: the sweep over sorted prefixes finds what comparing all pairs finds, and says it of each once', () => {
  fc.assert(
    fc.property(sets, (prefixes) => {
      const items = itemsOf(prefixes);
      const found = [...overlapping(items)];
      assert.deepEqual(named(found), named(pairsOf(items)));
      for (const [inner, outer] of found) assert.ok(inner !== outer && overlaps(inner.prefix, outer.prefix));
      assert.equal(new Set(found.map(([inner]) => inner)).size, found.length);
    }),
    { numRuns: 200 },
  );
});

test('who may overlap is passed over, and does not hide who may not', () => {
  fc.assert(
    fc.property(sets, (prefixes) => {
      const items = itemsOf(prefixes);
      const may = (a: Item, b: Item): boolean => a.name % 3 === b.name % 3;
      const wanted = pairsOf(items).filter(([a, b]) => !may(a, b));
      const found = [...overlapping(items, may)];
      assert.ok(found.every(([a, b]) => !may(a, b) && overlaps(a.prefix, b.prefix)));
      // Of each forbidden pair the inner one is named, with this or another one.
      const inner = new Set(found.map(([{ name }]) => name));
      for (const [a, b] of wanted) assert.ok(inner.has(a.name) || inner.has(b.name));
    }),
    { numRuns: 200 },
  );
});

test('an address lies in a set of prefixes just when it lies in one of them', () => {
  fc.assert(
    fc.property(sets, sets, (prefixes, others) => {
      const isCovered = coverOf(prefixes);
      const ends = [...prefixes, ...others].flatMap((prefix) => [firstAddress(prefix), lastAddress(prefix)]);
      for (const address of [...ends, parseAddress('9.9.9.9')!, parseAddress('::1')!]) {
        const wanted = prefixes.some((prefix) => contains(prefix, address));
        assert.equal(isCovered(address), wanted, formatAddress(address));
      }
    }),
    { numRuns: 50 },
  );
});
