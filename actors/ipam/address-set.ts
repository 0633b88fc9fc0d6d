// The addresses that are held of one prefix or block. Memory follows what is held, not the size of the prefix; time does not grow with either.
import { formatAddress, readAddress } from './address.ts';
import type { Address } from './address.ts';
import { addBits, type Digest } from './digest.ts';
import { contains, hostBits, size } from './prefix.ts';
import type { Prefix } from './prefix.ts';
import {
  ascend,
  clearOffset,
  createLevels,
  descend,
  putWide,
  seekFree,
  setOffset,
  takeWide,
  wide,
} from './offset-levels.ts';
import { bytesOf, compareIndex, hasBit, markIndices, runsOfWord, slotsOf, sortedSlots } from './word-table.ts';

/** Slots of a table that are looked at before others may have their turn: at most 64 addresses each. */
const SLOTS_AT_ONCE = 64;

/** Which addresses nobody may acquire. A block of a prefix reserves only what is the prefix's own first or last address. */
export type Reserved = 'network-and-broadcast' | 'network' | 'broadcast' | 'none';

export interface AddressSet {
  readonly prefix: Prefix;
  /** Acquired addresses, without the reserved ones. */
  readonly heldCount: number;
  /** Addresses that nobody may acquire: 0, 1 or 2. `heldCount + freeCount + reservedCount` is the size of the prefix. */
  readonly reservedCount: number;
  readonly freeCount: bigint;
  /** Bytes of the tables, for inspection. */
  readonly sizeBytes: number;
  /** Words of 64 addresses of which at least one is held or reserved: what a walk over the set costs. */
  readonly words: number;
  /** How many free addresses lie one after the other at most. O(words · log words). */
  largestFreeRun(): bigint;
  /**
   * A lower bound of it: how many slices of the prefix without a held address lie one after the other at most. The run is shorter than two slices
   * more; there are sixteen as many slices as words, at most one a word, or {@link MOST_SLICES}. O(words).
   */
  roughFreeRun(): bigint;
  /** The lowest address that is neither held nor reserved; it is not acquired by asking. */
  lowestFree(): Address | undefined;
  /** The lowest one at or after that offset; nothing wraps around. Throws a RangeError if the offset is negative. */
  lowestFreeFrom(offset: bigint | number): Address | undefined;
  /**
   * The lowest address that is held and that `isPassedOver` does not say yes to; it must not change the set. O(words), besides asking for those
   * that lie below the lowest one found so far.
   */
  lowestHeld(isPassedOver?: (address: Address) => boolean): Address | undefined;
  /** False if it is held or reserved already, or lies outside of the prefix. */
  acquire(address: Address): boolean;
  /** False if nobody holds it. Reserved addresses are never released (networks.md N23). */
  release(address: Address): boolean;
  /** Whether somebody holds it; false for reserved addresses. */
  has(address: Address): boolean;
  isReserved(address: Address): boolean;
  /**
   * Acquires addresses that lie one after the other in network byte order, 4 or 16 bytes each; call it chunk by chunk. Returns how many of them
   * were neither held nor reserved before. Throws a RangeError at half an address, or at one outside of the prefix.
   */
  loadPacked(bytes: Uint8Array): number;
  /**
   * Adds the held addresses to the digest, and the reserved ones, which are the same as long as the set is there. Yields after
   * some thousand of them at most. Wrong if the set changes meanwhile. O(capacity), and a bit for each address.
   */
  addTo(digest: Digest): Generator<undefined, void>;
  /** Adds one address of the prefix as if it were held. */
  addAddressTo(digest: Digest, address: Address): void;
  /** The held addresses as of the call, ascending. */
  [Symbol.iterator](): IterableIterator<Address>;
}

/** As many as a /8 has words. */
const MOST_SLICES = 2 ** 18;

/** networks.md §3.2: IPv4 loses the first and the last address, IPv6 the first. */
export const defaultReserved = (prefix: Prefix): Reserved =>
  prefix.family === 'IPv4' ? 'network-and-broadcast' : 'network';

/** An empty set. `reserved` defaults to the rule of the family; `/31`, `/32`, `/128` leave nothing, `/127` one address. */
export function createAddressSet(prefix: Prefix, options: { readonly reserved?: Reserved } = {}): AddressSet {
  const { reserved = defaultReserved(prefix) } = options;
  const levels = createLevels(hostBits(prefix));
  const { parts } = levels;
  const reservedFirst = reserved === 'network-and-broadcast' || reserved === 'network' ? prefix.first : undefined;
  const reservedLast = reserved === 'network-and-broadcast' || reserved === 'broadcast' ? prefix.last : undefined;
  let reservedCount = 0;
  let heldCount = 0;

  const putOffset =
    prefix.family === 'IPv4'
      ? (value: number | bigint): void => putWide((value as number) - prefix.first, parts)
      : (value: number | bigint): void => putWide((value as bigint) - prefix.first, parts);
  const takeAddress =
    prefix.family === 'IPv4'
      ? (): Address => ({ family: 'IPv4', value: prefix.first + wide[0]! })
      : (): Address => ({ family: 'IPv6', value: prefix.first + takeWide(parts) });

  // Reserved addresses are bits like any other, so that words at both ends fill up and the search never meets them.
  for (const value of [reservedFirst, reservedLast]) {
    if (value === undefined) continue;
    putOffset(value);
    if (setOffset(levels)) reservedCount++;
  }

  const isReserved = (address: Address): boolean =>
    address.family === prefix.family && (address.value === reservedFirst || address.value === reservedLast);

  const acquire = (address: Address): boolean => {
    if (!contains(prefix, address)) return false;
    putOffset(address.value);
    if (!setOffset(levels)) return false;
    heldCount++;
    return true;
  };

  const lowestFreeFrom = (offset: bigint | number): Address | undefined => {
    if (offset < 0) throw new RangeError(`an offset into ${prefix.canonical} is not negative: ${offset}`);
    if (offset >= size(prefix)) return undefined;
    putWide(prefix.family === 'IPv4' ? Number(offset) : BigInt(offset), parts);
    return seekFree(levels) ? takeAddress() : undefined;
  };

  const heldIn = function* (slots: Uint32Array): Generator<Address> {
    const stride = levels.width + 2;
    for (let base = 0; base < slots.length; base += stride) {
      for (let bit = 0; bit < 64; bit++) {
        if (((slots[base + (bit >>> 5)]! >>> (bit & 31)) & 1) === 0) continue;
        // The caller may use this or another set between two addresses.
        wide.fill(0);
        wide.set(slots.subarray(base + 2, base + stride));
        descend(parts, bit);
        const address = takeAddress();
        if (!isReserved(address)) yield address;
      }
    }
  };

  const lowestHeld = (isPassedOver: (address: Address) => boolean = () => false): Address | undefined => {
    const { width } = levels;
    const stride = width + 2;
    let lowest: { address: Address; slots: Uint32Array; base: number } | undefined;
    // The most significant part of an index is below 2 ** 31.
    let highestPart = 0x7fff_ffff;
    for (const slots of slotsOf(levels.tables[0]!)) {
      for (let base = 0; base < slots.length; base += stride) {
        const bits = slots[base]! | slots[base + 1]!;
        // Empty, or higher: as one condition, which nearly always holds. Two that hold now and then, as nobody foresees, take three times as long.
        if (((bits | -bits) & ~(highestPart - slots[base + stride - 1]!)) >>> 31 === 0) continue;
        if (lowest !== undefined && compareIndex(slots, base, lowest.slots, lowest.base, width) > 0) continue;
        for (const address of heldIn(slots.subarray(base, base + stride))) {
          if (isPassedOver(address)) continue;
          lowest = { address, slots, base };
          highestPart = slots[base + stride - 1]!;
          break;
        }
      }
    }
    return lowest?.address;
  };

  const largestFreeRun = (): bigint => {
    const slots = sortedSlots(levels.tables[0]!);
    const stride = levels.width + 2;
    let largest = 0n;
    /** Offset after the last address that is not free. */
    let next = 0n;
    const endOfRun = (offset: bigint): void => {
      if (offset - next > largest) largest = offset - next;
    };
    for (let base = 0; base < slots.length; base += stride) {
      let index = 0n;
      for (let part = levels.width - 1; part >= 0; part--) index = (index << 32n) | BigInt(slots[base + 2 + part]!);
      const first = index << 6n;
      const { lowest, highest, run } = runsOfWord(slots[base]!, slots[base + 1]!);
      endOfRun(first + BigInt(lowest));
      if (BigInt(run) > largest) largest = BigInt(run);
      next = first + BigInt(highest + 1);
    }
    endOfRun(size(prefix));
    return largest;
  };

  const roughFreeRun = (): bigint => {
    const table = levels.tables[0]!;
    const { hostBits: bits } = levels;
    const sliceBits = Math.min(Math.max(0, bits - 6), Math.log2(MOST_SLICES), 36 - Math.clz32(table.count));
    const shift = Math.max(0, bits - 6) - sliceBits;
    const isTaken = new Uint8Array(1 + (1 << sliceBits));
    markIndices(table, shift, isTaken);
    let [longest, run] = [0, 0];
    for (let slice = 1; slice < isTaken.length; slice++) {
      run = isTaken[slice] === 0 ? run + 1 : 0;
      if (run > longest) longest = run;
    }
    return BigInt(longest) << BigInt(bits - sliceBits);
  };

  return {
    prefix,
    get heldCount() {
      return heldCount;
    },
    reservedCount,
    get freeCount() {
      return size(prefix) - BigInt(reservedCount + heldCount);
    },
    get sizeBytes() {
      return levels.tables.reduce((sum, table) => sum + (table === undefined ? 0 : bytesOf(table)), 0);
    },
    get words() {
      return levels.tables[0]!.count;
    },
    largestFreeRun,
    roughFreeRun,
    lowestFree() {
      wide.fill(0);
      return seekFree(levels) ? takeAddress() : undefined;
    },
    lowestFreeFrom,
    lowestHeld,
    acquire,
    release(address) {
      if (!contains(prefix, address) || isReserved(address)) return false;
      putOffset(address.value);
      if (!clearOffset(levels)) return false;
      heldCount--;
      return true;
    },
    has(address) {
      if (!contains(prefix, address) || isReserved(address)) return false;
      putOffset(address.value);
      const bit = ascend(parts);
      return hasBit(levels.tables[0]!, wide, bit);
    },
    isReserved,
    loadPacked(bytes) {
      const step = prefix.family === 'IPv4' ? 4 : 16;
      if (bytes.byteLength % step !== 0) {
        throw new RangeError(
          `packed ${prefix.family} addresses come in ${step} bytes each, not ${bytes.byteLength} in all`,
        );
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const before = heldCount;
      for (let at = 0; at < bytes.byteLength; at += step) {
        const address = readAddress(view, at, prefix.family);
        if (!acquire(address) && !contains(prefix, address)) {
          throw new RangeError(`${formatAddress(address)} is outside of ${prefix.canonical}`);
        }
      }
      return heldCount - before;
    },
    *addTo(digest) {
      const { width } = levels;
      const stride = width + 2;
      for (const slots of slotsOf(levels.tables[0]!)) {
        for (let base = 0; base < slots.length; base += stride) {
          const low = slots[base]!;
          const high = slots[base + 1]!;
          if ((low | high) !== 0) addBits(digest, low, high, slots, base + 2, width);
          if (base % (SLOTS_AT_ONCE * stride) === 0 && base > 0) yield;
        }
      }
    },
    addAddressTo(digest, address) {
      putOffset(address.value);
      const bit = ascend(parts);
      const mask = 1 << (bit & 31);
      addBits(digest, bit < 32 ? mask : 0, bit < 32 ? 0 : mask, wide, 0, levels.width);
    },
    [Symbol.iterator]: () => heldIn(sortedSlots(levels.tables[0]!)),
  };
}
