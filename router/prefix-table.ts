// Which range contains an address: one map a prefix length, looked into from the longest to the shortest, so that a
// look costs as many steps as there are different lengths, however many ranges there are.
import { parseAddress, type Address } from '../actors/ipam/address.ts';
import { parsePrefix, type Prefix } from '../actors/ipam/prefix.ts';

export interface PrefixTable<V> {
  add(prefix: Prefix, value: V): void;
  /** Values are compared by identity. */
  remove(prefix: Prefix, value: V): void;
  /** Values of the longest prefix that contains the address; several when spaces overlap. */
  longest(address: Address): readonly V[];
}

interface Bucket<V> {
  readonly length: number;
  readonly values: Map<number | bigint, V[]>;
}

const NONE: readonly never[] = [];

/** First address of the prefix of a length that contains the address. */
function maskOf(address: Address, length: number): number | bigint {
  if (address.family === 'IPv4') {
    const size = 2 ** (32 - length);
    return address.value - (address.value % size);
  }
  const host = BigInt(128 - length);
  return (address.value >> host) << host;
}

export function createPrefixTable<V>(): PrefixTable<V> {
  /** Longest first. */
  const buckets: Record<Address['family'], Array<Bucket<V>>> = { IPv4: [], IPv6: [] };

  return {
    add({ family, length, first }, value) {
      const list = buckets[family];
      let bucket = list.find((candidate) => candidate.length === length);
      if (bucket === undefined) {
        bucket = { length, values: new Map() };
        list.push(bucket);
        list.sort((a, b) => b.length - a.length);
      }
      const there = bucket.values.get(first);
      if (there === undefined) bucket.values.set(first, [value]);
      else there.push(value);
    },
    remove({ family, length, first }, value) {
      const list = buckets[family];
      const bucket = list.find((candidate) => candidate.length === length);
      const there = bucket?.values.get(first);
      const index = there?.indexOf(value) ?? -1;
      if (bucket === undefined || there === undefined || index < 0) return;
      there.splice(index, 1);
      if (there.length === 0) bucket.values.delete(first);
      if (bucket.values.size === 0) list.splice(list.indexOf(bucket), 1);
    },
    longest(address) {
      for (const { length, values } of buckets[address.family]) {
        const found = values.get(maskOf(address, length));
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
