// Ways to hold the addresses of a prefix, for comparing: each as plain as it can be without being slow for no reason. The
// one that is in use is actors/ipam/address-set.ts.
import { createAddressSet } from '../../actors/ipam/address-set.ts';
import { addressAt } from '../../actors/ipam/address.ts';
import type { Prefix } from '../../actors/ipam/prefix.ts';
import { hostBits } from '../../actors/ipam/prefix.ts';

/** Into a prefix of up to 32 host bits a number, into larger ones a bigint. */
export type Offset = number | bigint;

/** Held offsets. */
export interface OffsetSet {
  /** False if it is held. */
  acquire(offset: Offset): boolean;
  /** False if it is not. */
  release(offset: Offset): boolean;
  /** The lowest one that is not held, or where `any` is said some other one; undefined: all are held. */
  free(): Offset | undefined;
}

export interface Candidate {
  name: string;
  /** What it is slow at or can't do, from how it is made. */
  weakness: string;
  /** undefined: not for prefixes as large as this one. */
  create(prefix: Prefix): OffsetSet | undefined;
}

const isSmall = (prefix: Prefix): boolean => hostBits(prefix) <= 32;
const one = (prefix: Prefix): Offset => (isSmall(prefix) ? 1 : 1n);
const sum = (a: Offset, b: Offset): Offset => (a as number) + (b as number);
const difference = (a: Offset, b: Offset): Offset => (a as number) - (b as number);
/** Without the bits below, as a key of a Map. */
const upper = (offset: Offset, bits: number): Offset =>
  typeof offset === 'number' ? offset >>> bits : offset >> BigInt(bits);
const lower = (offset: Offset, mask: number): number =>
  typeof offset === 'number' ? offset & mask : Number(offset & BigInt(mask));
const joined = (above: Offset, bits: number, below: number): Offset =>
  typeof above === 'number' ? above * 2 ** bits + below : (above << BigInt(bits)) | BigInt(below);

/** The first place whose value is not below the wanted one. */
function placeIn(length: number, at: (place: number) => Offset, wanted: Offset): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const inUse: Candidate = {
  name: 'bits in words of 64, hashed, with a level that says which words are full (in use)',
  weakness: '',
  create(prefix) {
    const set = createAddressSet(prefix, { reserved: 'none' });
    const base = prefix.first;
    return {
      acquire: (offset) => set.acquire(addressAt(prefix, offset)),
      release: (offset) => set.release(addressAt(prefix, offset)),
      free: () => {
        const found = set.lowestFree();
        return found === undefined ? undefined : difference(found.value, base);
      },
    };
  },
};

const hashSet: Candidate = {
  name: 'Set of numbers or bigints, and from where on to look',
  weakness: 'walks from the lowest released one over all that are held',
  create(prefix) {
    const held = new Set<Offset>();
    const step = one(prefix);
    let from: Offset = difference(step, step);
    return {
      acquire: (offset) => held.size < held.add(offset).size,
      release(offset) {
        if (offset < from) from = offset;
        return held.delete(offset);
      },
      free() {
        while (held.has(from)) from = sum(from, step);
        return from;
      },
    };
  },
};

const sortedArray: Candidate = {
  name: 'sorted typed array',
  weakness: 'moves half of it at each change',
  create(prefix) {
    const isNarrow = isSmall(prefix);
    const make = (length: number) => (isNarrow ? new Uint32Array(length) : new BigUint64Array(length));
    let values = make(16);
    let count = 0;
    const at = (place: number): Offset => values[place] as Offset;
    return {
      acquire(offset) {
        const place = placeIn(count, at, offset);
        if (place < count && at(place) === offset) return false;
        if (count === values.length) {
          const larger = make(Math.ceil(count * 1.5));
          (larger as Uint32Array).set(values as Uint32Array);
          values = larger;
        }
        values.copyWithin(place + 1, place, count++);
        (values as Uint32Array)[place] = offset as number;
        return true;
      },
      release(offset) {
        const place = placeIn(count, at, offset);
        if (place === count || at(place) !== offset) return false;
        values.copyWithin(place, place + 1, count--);
        return true;
      },
      // Up to the first gap each value is its place.
      free() {
        const place = placeIn(count, (middle) => (Number(at(middle)) === middle ? 0 : 1), 1);
        return isNarrow ? place : BigInt(place);
      },
    };
  },
};

const freeList: Candidate = {
  name: 'list of the free ones',
  weakness: 'as large as the prefix; the last released one comes first; a named one has to be looked for',
  create(prefix) {
    if (hostBits(prefix) > 24) return undefined;
    const free = Uint32Array.from({ length: 2 ** hostBits(prefix) }, (_, n) => 2 ** hostBits(prefix) - 1 - n);
    let count = free.length;
    return {
      acquire(offset) {
        const place = free[count - 1] === offset ? count - 1 : free.subarray(0, count).lastIndexOf(offset as number);
        if (place < 0) return false;
        free.copyWithin(place, place + 1, count--);
        return true;
      },
      release(offset) {
        free[count++] = offset as number;
        return true;
      },
      free: () => (count === 0 ? undefined : free[count - 1]),
    };
  },
};

const ranges: Candidate = {
  name: 'sorted array of free ranges',
  weakness: 'moves half of it at each change that makes or closes a hole',
  create(prefix) {
    const step = one(prefix);
    const zero = difference(step, step);
    const firsts: Offset[] = [zero];
    const lasts: Offset[] = [
      difference(isSmall(prefix) ? 2 ** hostBits(prefix) : 1n << BigInt(hostBits(prefix)), step),
    ];
    const at = (place: number): Offset => lasts[place]!;
    return {
      acquire(offset) {
        const place = placeIn(lasts.length, at, offset);
        if (place === lasts.length || firsts[place]! > offset) return false;
        const [first, last] = [firsts[place]!, lasts[place]!];
        if (first === last) {
          firsts.splice(place, 1);
          lasts.splice(place, 1);
        } else if (first === offset) firsts[place] = sum(offset, step);
        else if (last === offset) lasts[place] = difference(offset, step);
        else {
          firsts.splice(place + 1, 0, sum(offset, step));
          lasts.splice(place, 0, difference(offset, step));
        }
        return true;
      },
      release(offset) {
        const place = placeIn(lasts.length, at, offset);
        if (place < lasts.length && firsts[place]! <= offset) return false;
        const joinsNext = place < lasts.length && firsts[place] === sum(offset, step);
        const joinsLast = place > 0 && sum(lasts[place - 1]!, step) === offset;
        if (joinsNext && joinsLast) {
          firsts.splice(place, 1);
          lasts.splice(place - 1, 1);
        } else if (joinsNext) firsts[place] = offset;
        else if (joinsLast) lasts[place - 1] = offset;
        else {
          firsts.splice(place, 0, offset);
          lasts.splice(place, 0, offset);
        }
        return true;
      },
      free: () => firsts[0],
    };
  },
};

const PAGE_BITS = 8;
const PAGE_WORDS = 2 ** PAGE_BITS / 32;

const pages: Candidate = {
  name: 'Map of bitmaps of 256, and from which on to look',
  weakness: 'an object for each bitmap; walks over the full ones after a release below them',
  create(prefix) {
    const held = new Map<Offset, Uint32Array>();
    const step = one(prefix);
    let from: Offset = difference(step, step);
    return {
      acquire(offset) {
        const key = upper(offset, PAGE_BITS);
        let page = held.get(key);
        if (page === undefined) held.set(key, (page = new Uint32Array(PAGE_WORDS)));
        const bit = lower(offset, 255);
        const mask = 1 << (bit & 31);
        if ((page[bit >>> 5]! & mask) !== 0) return false;
        page[bit >>> 5]! |= mask;
        return true;
      },
      release(offset) {
        const key = upper(offset, PAGE_BITS);
        const page = held.get(key);
        const bit = lower(offset, 255);
        const mask = 1 << (bit & 31);
        if (page === undefined || (page[bit >>> 5]! & mask) === 0) return false;
        page[bit >>> 5]! &= ~mask;
        if (page.every((word) => word === 0)) held.delete(key);
        if (key < from) from = key;
        return true;
      },
      free() {
        for (;;) {
          const page = held.get(from);
          const word = page === undefined ? 0 : page.findIndex((each) => each !== 0xffff_ffff);
          if (word >= 0) {
            const open = ~(page?.[word] ?? 0);
            return joined(from, PAGE_BITS, 32 * word + 31 - Math.clz32(open & -open));
          }
          from = sum(from, step);
        }
      },
    };
  },
};

const CHUNK_BITS = 16;
/** Beyond so many values a bitmap is smaller than an array (Chambi, Lemire, Kaser, Godin 2016). */
const MOST_IN_ARRAY = 4_096;

interface Chunk {
  count: number;
  /** Sorted; undefined: the bitmap is used. */
  values: Uint16Array | undefined;
  bits: Uint32Array | undefined;
}

const toBits = (chunk: Chunk): void => {
  const bits = new Uint32Array(2 ** CHUNK_BITS / 32);
  for (let n = 0; n < chunk.count; n++) bits[chunk.values![n]! >>> 5]! |= 1 << (chunk.values![n]! & 31);
  Object.assign(chunk, { bits, values: undefined });
};

/** Array and bitmap containers; without the run containers, which a prefix that fills up does not need. */
const roaring: Candidate = {
  name: 'chunks of 65,536 as sorted arrays or bitmaps (roaring), and from which on to look',
  weakness: 'an object and an array for each chunk; walks in a chunk, and over the full ones',
  create(prefix) {
    const chunks = new Map<Offset, Chunk>();
    const step = one(prefix);
    let from: Offset = difference(step, step);
    return {
      acquire(offset) {
        const key = upper(offset, CHUNK_BITS);
        const value = lower(offset, 0xffff);
        let chunk = chunks.get(key);
        if (chunk === undefined) chunks.set(key, (chunk = { count: 0, values: new Uint16Array(1), bits: undefined }));
        if (chunk.values !== undefined && chunk.count === MOST_IN_ARRAY) toBits(chunk);
        if (chunk.bits !== undefined) {
          const mask = 1 << (value & 31);
          if ((chunk.bits[value >>> 5]! & mask) !== 0) return false;
          chunk.bits[value >>> 5]! |= mask;
          chunk.count++;
          return true;
        }
        const values = chunk.values!;
        const place = placeIn(chunk.count, (n) => values[n]!, value);
        if (place < chunk.count && values[place] === value) return false;
        let room = values;
        if (chunk.count === values.length) {
          room = new Uint16Array(Math.min(MOST_IN_ARRAY, 2 * values.length));
          room.set(values);
          chunk.values = room;
        }
        room.copyWithin(place + 1, place, chunk.count++);
        room[place] = value;
        return true;
      },
      release(offset) {
        const key = upper(offset, CHUNK_BITS);
        const value = lower(offset, 0xffff);
        const chunk = chunks.get(key);
        if (chunk === undefined) return false;
        if (chunk.bits !== undefined) {
          const mask = 1 << (value & 31);
          if ((chunk.bits[value >>> 5]! & mask) === 0) return false;
          chunk.bits[value >>> 5]! &= ~mask;
        } else {
          const values = chunk.values!;
          const place = placeIn(chunk.count, (n) => values[n]!, value);
          if (place === chunk.count || values[place] !== value) return false;
          values.copyWithin(place, place + 1, chunk.count);
        }
        if (--chunk.count === 0) chunks.delete(key);
        if (key < from) from = key;
        return true;
      },
      free() {
        for (;;) {
          const chunk = chunks.get(from);
          if (chunk === undefined) return joined(from, CHUNK_BITS, 0);
          if (chunk.count < 2 ** CHUNK_BITS) {
            const { bits, values, count } = chunk;
            if (bits === undefined) {
              return joined(
                from,
                CHUNK_BITS,
                placeIn(count, (n) => (values![n] === n ? 0 : 1), 1),
              );
            }
            const word = bits.findIndex((each) => each !== 0xffff_ffff);
            const open = ~bits[word]!;
            return joined(from, CHUNK_BITS, 32 * word + 31 - Math.clz32(open & -open));
          }
          from = sum(from, step);
        }
      },
    };
  },
};

export const CANDIDATES: readonly Candidate[] = [inUse, hashSet, sortedArray, freeList, ranges, pages, roaring];
