// A sparse array of 64-bit words in one typed array: an open-addressed hash table from a wide index to the bits of its word.
// A Map of bitmaps would pay for an object a word; here a word costs 16 to 43 bytes (index of 32 or 64 bits), whether one bit is set or all.

/**
 * `width` is how many 32-bit words an index has. A slot is the two halves of the word, low half first, then the index, least significant part
 * first. A word without a set bit is not stored, so an empty slot is one whose word is zero.
 */
export interface WordTable {
  readonly width: number;
  slots: Uint32Array;
  /** The table has `2 ** capacityBits` slots. */
  capacityBits: number;
  /** Slots in use. */
  count: number;
}

/** What setting or clearing a bit did; the last one says that the word became full, or was full before. */
export const UNCHANGED = 0;
export const CHANGED = 1;
export const CHANGED_AT_FULL = 2;
export type BitEffect = typeof UNCHANGED | typeof CHANGED | typeof CHANGED_AT_FULL;

const FULL = 0xffff_ffff;
const SMALLEST_CAPACITY_BITS = 2;

export function createWordTable(width: number): WordTable {
  return {
    width,
    slots: new Uint32Array((width + 2) << SMALLEST_CAPACITY_BITS),
    capacityBits: SMALLEST_CAPACITY_BITS,
    count: 0,
  };
}

/** Fibonacci hashing (Knuth, TAOCP 3, 6.4): neighbouring indices, the common case, land far apart. */
function homeOf(words: Uint32Array, at: number, width: number, capacityBits: number): number {
  let hash = words[at]!;
  for (let part = 1; part < width; part++) hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ words[at + part]!;
  return Math.imul(hash ^ (hash >>> 16), 0x9e3779b1) >>> (32 - capacityBits);
}

const isEmpty = (slots: Uint32Array, base: number): boolean => (slots[base]! | slots[base + 1]!) === 0;

/** Where the word of that index is, or the empty slot where it would be put. There is always one: the table is never full. */
function locate(table: WordTable, index: Uint32Array): number {
  const { slots, width, capacityBits } = table;
  const stride = width + 2;
  let base = homeOf(index, 0, width, capacityBits) * stride;
  while (!isEmpty(slots, base)) {
    let part = 0;
    while (part < width && slots[base + 2 + part] === index[part]) part++;
    if (part === width) return base;
    base += stride;
    if (base === slots.length) base = 0;
  }
  return base;
}

function resize(table: WordTable, capacityBits: number): void {
  const { slots: old, width } = table;
  const stride = width + 2;
  const slots = new Uint32Array(stride << capacityBits);
  for (let from = 0; from < old.length; from += stride) {
    if (isEmpty(old, from)) continue;
    let to = homeOf(old, from + 2, width, capacityBits) * stride;
    while (!isEmpty(slots, to)) {
      to += stride;
      if (to === slots.length) to = 0;
    }
    for (let part = 0; part < stride; part++) slots[to + part] = old[from + part]!;
  }
  table.slots = slots;
  table.capacityBits = capacityBits;
}

/** Closes the gap by moving later slots of the same run back, so that no tombstones slow down later look-ups (Knuth, algorithm R). */
function removeSlot(table: WordTable, base: number): void {
  const { slots, width, capacityBits } = table;
  const stride = width + 2;
  const mask = (1 << capacityBits) - 1;
  let gap = base / stride;
  for (let next = (gap + 1) & mask; !isEmpty(slots, next * stride); next = (next + 1) & mask) {
    const home = homeOf(slots, next * stride + 2, width, capacityBits);
    if (((next - home) & mask) < ((next - gap) & mask)) continue;
    for (let part = 0; part < stride; part++) slots[gap * stride + part] = slots[next * stride + part]!;
    gap = next;
  }
  for (let part = 0; part < stride; part++) slots[gap * stride + part] = 0;
  table.count--;
  if (capacityBits > SMALLEST_CAPACITY_BITS && table.count * 8 < 1 << capacityBits) resize(table, capacityBits - 1);
}

const half = (bit: number): number => bit >>> 5;
const maskIn = (bit: number): number => (1 << (bit & 31)) >>> 0;

/** Whether that bit (0 … 63) of the word is set. */
export function hasBit(table: WordTable, index: Uint32Array, bit: number): boolean {
  return (table.slots[locate(table, index) + half(bit)]! & maskIn(bit)) !== 0;
}

/** Sets the bit. O(1) amortised: a growing table copies itself. */
export function setBit(table: WordTable, index: Uint32Array, bit: number): BitEffect {
  let base = locate(table, index);
  if (isEmpty(table.slots, base)) {
    if ((table.count + 1) * 4 > 3 << table.capacityBits) {
      resize(table, table.capacityBits + 1);
      base = locate(table, index);
    }
    for (let part = 0; part < table.width; part++) table.slots[base + 2 + part] = index[part]!;
    table.count++;
  }
  const { slots } = table;
  const at = base + half(bit);
  const before = slots[at]!;
  const mask = maskIn(bit);
  if ((before & mask) !== 0) return UNCHANGED;
  slots[at] = before | mask;
  return slots[base] === FULL && slots[base + 1] === FULL ? CHANGED_AT_FULL : CHANGED;
}

/** Clears the bit. O(1) amortised: a table that got too large for what it holds shrinks. */
export function clearBit(table: WordTable, index: Uint32Array, bit: number): BitEffect {
  const { slots } = table;
  const base = locate(table, index);
  const at = base + half(bit);
  const before = slots[at]!;
  const mask = maskIn(bit);
  if ((before & mask) === 0) return UNCHANGED;
  const wasFull = slots[base] === FULL && slots[base + 1] === FULL;
  slots[at] = before & ~mask;
  if (isEmpty(slots, base)) removeSlot(table, base);
  return wasFull ? CHANGED_AT_FULL : CHANGED;
}

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** The lowest bit at or above `from` (0 … 63) that is not set, or −1. */
export function lowestClearBit(table: WordTable, index: Uint32Array, from: number): number {
  const { slots } = table;
  const base = locate(table, index);
  if (from < 32) {
    const low = ~slots[base]! & (-1 << from);
    if (low !== 0) return lowestBit(low);
  }
  const high = ~slots[base + 1]! & (from <= 32 ? -1 : -1 << (from - 32));
  return high === 0 ? -1 : 32 + lowestBit(high);
}

const FULL_WORD = { lowest: 0, highest: 63, run: 0 };

/** The lowest and highest set bit of a word that has one, and the longest run of clear bits between them. */
export function runsOfWord(low: number, high: number): { lowest: number; highest: number; run: number } {
  if (low === FULL && high === FULL) return FULL_WORD;
  let lowest = -1;
  let highest = -1;
  let run = 0;
  for (let bit = 0; bit < 64; bit++) {
    if ((((bit < 32 ? low : high) >>> (bit & 31)) & 1) === 0) continue;
    if (lowest < 0) lowest = bit;
    else if (bit - highest - 1 > run) run = bit - highest - 1;
    highest = bit;
  }
  return { lowest, highest, run };
}

/** The slots in use, one after the other in ascending order of their index: a copy that later changes don't touch. */
export function sortedSlots(table: WordTable): Uint32Array {
  const { slots, width, count } = table;
  const stride = width + 2;
  const bases = new Uint32Array(count);
  let found = 0;
  for (let base = 0; base < slots.length; base += stride) if (!isEmpty(slots, base)) bases[found++] = base;
  bases.sort((a, b) => {
    for (let part = stride - 1; part >= 2; part--) {
      if (slots[a + part] !== slots[b + part]) return slots[a + part]! - slots[b + part]!;
    }
    return 0;
  });
  const sorted = new Uint32Array(count * stride);
  bases.forEach((base, place) => sorted.set(slots.subarray(base, base + stride), place * stride));
  return sorted;
}
