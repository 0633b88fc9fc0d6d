// Which range contains an address: one map a prefix length, looked into from the longest to the shortest, so that a
// look costs as many steps as there are different lengths, however many ranges there are.
import { addressBits, parseAddress, type Address } from '../actors/ipam/address.ts';
import { blockIndex, blockKey, type BlockIndex } from '../actors/ipam/block-index.ts';
import { firstAddress, parsePrefix, type Prefix } from '../actors/ipam/prefix.ts';

export interface PrefixTable<V> {
  add(prefix: Prefix, value: V): void;
  /** Values are compared by identity. */
  remove(prefix: Prefix, value: V): void;
  /** Values of the longest prefix that contains the address; several when spaces overlap. */
  longest(address: Address): readonly V[];
}

interface Bucket<V> {
  readonly length: number;
  readonly values: Map<BlockIndex, V[]>;
}

const NONE: readonly never[] = [];

/** Of the prefix of a length that contains the address. */
function keyOf(address: Address, length: number): BlockIndex {
  // Every request looks here; the operator >> would make the upper half of the family negative.
  if (address.family === 'IPv4') return Math.floor(address.value / 2 ** (32 - length));
  return blockKey(blockIndex(address.value >> BigInt(addressBits(address.family) - length)));
}

export function createPrefixTable<V>(): PrefixTable<V> {
  /** Longest first. */
  const buckets: Record<Address['family'], Array<Bucket<V>>> = { IPv4: [], IPv6: [] };

  return {
    add(prefix, value) {
      const { family, length } = prefix;
      const list = buckets[family];
      let bucket = list.find((candidate) => candidate.length === length);
      if (bucket === undefined) {
        bucket = { length, values: new Map() };
        list.push(bucket);
        list.sort((a, b) => b.length - a.length);
      }
      const key = keyOf(firstAddress(prefix), length);
      const there = bucket.values.get(key);
      if (there === undefined) bucket.values.set(key, [value]);
      else there.push(value);
    },
    remove(prefix, value) {
      const { family, length } = prefix;
      const list = buckets[family];
      const bucket = list.find((candidate) => candidate.length === length);
      const key = keyOf(firstAddress(prefix), length);
      const there = bucket?.values.get(key);
      const index = there?.indexOf(value) ?? -1;
      if (bucket === undefined || there === undefined || index < 0) return;
      there.splice(index, 1);
      if (there.length === 0) bucket.values.delete(key);
      if (bucket.values.size === 0) list.splice(list.indexOf(bucket), 1);
    },
    longest(address) {
      for (const { length, values } of buckets[address.family]) {
        const found = values.get(keyOf(address, length));
        if (found !== undefined) return found;
      }
      return NONE;
    },
  };
}

/** A block as a prefix; undefined when the text is no address. */
export function blockPrefix(first: string, length: number): Prefix | undefined {
  return parseAddress(first) === undefined ? undefined : parsePrefix(`${first}/${length}`);
}
