// A sparse array of 64-bit words in one typed array: an open-addressed hash table from a wide index to the bits of its word.
// A Map of bitmaps would pay for an object a word; here a word costs 16 to 48 bytes (index of 32 bits) or 21 to 64 (of 64 bits), whether one
// bit is set or all.
//
// A table that grows or shrinks takes its words along little by little, a bounded number at each operation: to copy a million of them at once
// takes a tenth of a second, in which nobody else has a turn. Meanwhile there are two tables: 64 bytes a word (index of 64 bits) while it grows,
// 110 while it shrinks.

/**
 * `width` is how many 32-bit words an index has. A slot is the two halves of the word, low half first, then the index, least significant part
 * first. A word without a set bit is not stored, so an empty slot is one whose word is zero.
 */
export interface WordTable {
  readonly width: number;
  slots: Uint32Array;
  /** The table has `2 ** capacityBits` slots. */
  capacityBits: number;
  /** Words in it, those that are still to be moved included. */
  count: number;
  /** What it was before it grew or shrank. A word is here or there, never in both: its home there says where, see {@link slotsFor}. */
  former: Former | undefined;
}

interface Former {
  readonly slots: Uint32Array;
  readonly capacityBits: number;
  /** An empty slot when the move began: no run of slots in use went on there from before. */
  readonly start: number;
  /** Words whose home is one of so many slots from there on, around the end, have been moved. */
  moved: number;
}

/** What setting or clearing a bit did; the last one says that the word became full, or was full before. */
export const UNCHANGED = 0;
export const CHANGED = 1;
export const CHANGED_AT_FULL = 2;
export type BitEffect = typeof UNCHANGED | typeof CHANGED | typeof CHANGED_AT_FULL;

const FULL = 0xffff_ffff;
const SMALLEST_CAPACITY_BITS = 2;
/**
 * An operation on a table that grew or shrank empties so many slots of what it was, and those up to the next gap: a microsecond or two. It grows or
 * shrinks again after an eighth as many operations as those slots at the earliest; by then nothing is left.
 */
const MOVED_AT_ONCE = 32;

export function createWordTable(width: number): WordTable {
  return {
    width,
    slots: new Uint32Array((width + 2) << SMALLEST_CAPACITY_BITS),
    capacityBits: SMALLEST_CAPACITY_BITS,
    count: 0,
    former: undefined,
  };
}

/** Bytes of the slots, both tables' while words are moved. */
export const bytesOf = ({ slots, former }: WordTable): number => slots.byteLength + (former?.slots.byteLength ?? 0);

/** Fibonacci hashing (Knuth, TAOCP 3, 6.4): neighbouring indices, the common case, land far apart. */
function homeOf(words: Uint32Array, at: number, width: number, capacityBits: number): number {
  let hash = words[at]!;
  for (let part = 1; part < width; part++) hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ words[at + part]!;
  return Math.imul(hash ^ (hash >>> 16), 0x9e3779b1) >>> (32 - capacityBits);
}

const isEmpty = (slots: Uint32Array, base: number): boolean => (slots[base]! | slots[base + 1]!) === 0;

/** The slot with that index, which begins at `at` in `words`, or the empty one where it would be put. */
function probe(slots: Uint32Array, width: number, capacityBits: number, words: Uint32Array, at: number): number {
  const stride = width + 2;
  let base = homeOf(words, at, width, capacityBits) * stride;
  while (!isEmpty(slots, base)) {
    let part = 0;
    while (part < width && slots[base + 2 + part] === words[at + part]) part++;
    if (part === width) return base;
    base += stride;
    if (base === slots.length) base = 0;
  }
  return base;
}

/**
 * The array that has the word of that index, or would get it. Homes are the upper bits of a hash, so the words of neighbouring homes come to lie
 * beside each other again: a move writes the new array from one end to the other. Were all new words put there at once, they would touch all of
 * it within a moment, and the kernel has to clear each of its pages first: ten milliseconds for a million words.
 */
function slotsFor({ slots, width, former }: WordTable, index: Uint32Array): Uint32Array {
  if (former === undefined) return slots;
  const { capacityBits, start, moved } = former;
  const place = (homeOf(index, 0, width, capacityBits) - start) & ((1 << capacityBits) - 1);
  return place < moved ? slots : former.slots;
}

/** Where in that array the word of that index is, or the empty slot where it would be put. There is always one: none is ever full. */
function locate({ slots, width, capacityBits, former }: WordTable, its: Uint32Array, index: Uint32Array): number {
  return probe(its, width, its === slots ? capacityBits : former!.capacityBits, index, 0);
}

function copySlot(from: Uint32Array, fromBase: number, to: Uint32Array, toBase: number, stride: number): void {
  for (let part = 0; part < stride; part++) to[toBase + part] = from[fromBase + part]!;
}

function resize(table: WordTable, capacityBits: number): void {
  const { slots, width, capacityBits: formerBits } = table;
  let start = 0;
  while (!isEmpty(slots, start * (width + 2))) start++;
  table.former = { slots, capacityBits: formerBits, start, moved: 0 };
  table.slots = new Uint32Array((width + 2) << capacityBits);
  table.capacityBits = capacityBits;
  moveSome(table, table.former);
}

/** Moves whole runs of slots, so that the look-ups of those that stay behind never meet a gap that was not there before. */
function moveSome(table: WordTable, former: Former): void {
  const { slots, width, capacityBits } = table;
  const stride = width + 2;
  const capacity = 1 << former.capacityBits;
  const enough = former.moved + MOVED_AT_ONCE;
  for (; ; former.moved++) {
    const from = ((former.start + former.moved) & (capacity - 1)) * stride;
    if (isEmpty(former.slots, from)) {
      // Not before: since the move began, the last run may have grown beyond the slot where the first one starts.
      if (former.moved >= capacity) break;
      if (former.moved >= enough) return;
      continue;
    }
    const to = probe(slots, width, capacityBits, former.slots, from + 2);
    copySlot(former.slots, from, slots, to, stride);
    former.slots[from] = 0;
    former.slots[from + 1] = 0;
  }
  table.former = undefined;
}

/** Empties a slot: moves later ones of the same run back, so that no tombstones slow down later look-ups (Knuth, algorithm R). */
function closeGap(slots: Uint32Array, width: number, capacityBits: number, base: number): void {
  const stride = width + 2;
  const mask = (1 << capacityBits) - 1;
  let gap = base / stride;
  for (let next = (gap + 1) & mask; !isEmpty(slots, next * stride); next = (next + 1) & mask) {
    const home = homeOf(slots, next * stride + 2, width, capacityBits);
    if (((next - home) & mask) < ((next - gap) & mask)) continue;
    copySlot(slots, next * stride, slots, gap * stride, stride);
    gap = next;
  }
  for (let part = 0; part < stride; part++) slots[gap * stride + part] = 0;
}

function removeSlot(table: WordTable, slots: Uint32Array, base: number): void {
  const { width, former } = table;
  closeGap(slots, width, slots === table.slots ? table.capacityBits : former!.capacityBits, base);
  table.count--;
  const { count, capacityBits } = table;
  if (capacityBits > SMALLEST_CAPACITY_BITS && count * 4 < 1 << capacityBits) resize(table, capacityBits - 1);
}

const half = (bit: number): number => bit >>> 5;
const maskIn = (bit: number): number => (1 << (bit & 31)) >>> 0;

/** Whether that bit (0 … 63) of the word is set. */
export function hasBit(table: WordTable, index: Uint32Array, bit: number): boolean {
  const slots = slotsFor(table, index);
  return (slots[locate(table, slots, index) + half(bit)]! & maskIn(bit)) !== 0;
}

/** Sets the bit. O(1). */
export function setBit(table: WordTable, index: Uint32Array, bit: number): BitEffect {
  if (table.former !== undefined) moveSome(table, table.former);
  let slots = slotsFor(table, index);
  let base = locate(table, slots, index);
  if (isEmpty(slots, base)) {
    if ((table.count + 1) * 4 > 3 << table.capacityBits) {
      resize(table, table.capacityBits + 1);
      slots = slotsFor(table, index);
      base = locate(table, slots, index);
    }
    for (let part = 0; part < table.width; part++) slots[base + 2 + part] = index[part]!;
    table.count++;
  }
  const at = base + half(bit);
  const before = slots[at]!;
  const mask = maskIn(bit);
  if ((before & mask) !== 0) return UNCHANGED;
  slots[at] = before | mask;
  return slots[base] === FULL && slots[base + 1] === FULL ? CHANGED_AT_FULL : CHANGED;
}

/** Clears the bit. O(1): a table that got too large for what it holds shrinks. */
export function clearBit(table: WordTable, index: Uint32Array, bit: number): BitEffect {
  if (table.former !== undefined) moveSome(table, table.former);
  const slots = slotsFor(table, index);
  const base = locate(table, slots, index);
  const at = base + half(bit);
  const before = slots[at]!;
  const mask = maskIn(bit);
  if ((before & mask) === 0) return UNCHANGED;
  const wasFull = slots[base] === FULL && slots[base + 1] === FULL;
  slots[at] = before & ~mask;
  if (isEmpty(slots, base)) removeSlot(table, slots, base);
  return wasFull ? CHANGED_AT_FULL : CHANGED;
}

const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);

/** The lowest bit at or above `from` (0 … 63) that is not set, or −1. */
export function lowestClearBit(table: WordTable, index: Uint32Array, from: number): number {
  const slots = slotsFor(table, index);
  const base = locate(table, slots, index);
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

/** Where the words are: at most two arrays of slots, many of them empty. */
export const slotsOf = ({ slots, former }: WordTable): Uint32Array[] =>
  former === undefined ? [slots] : [slots, former.slots];

/** Negative if the index of the first slot is the lower one, 0 if they are equal. */
export function compareIndex(a: Uint32Array, aBase: number, b: Uint32Array, bBase: number, width: number): number {
  for (let part = width + 1; part >= 2; part--) {
    const difference = a[aBase + part]! - b[bBase + part]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** In `marks`, 1 at every index (without its lowest bits, so that what is left of it has 31 at most) and one place up; the first place is nothing. */
export function markIndices(table: WordTable, lowestBits: number, marks: Uint8Array): void {
  const { width } = table;
  const stride = width + 2;
  const part = 2 + (lowestBits >>> 5);
  const shift = lowestBits & 31;
  const aboveMask = shift === 0 || part + 1 >= stride ? 0 : -1;
  const mask = part < stride ? -1 : 0;
  // Always within the slot.
  const [low, high] = [Math.min(part, stride - 1), Math.min(part + 1, stride - 1)];
  for (const slots of slotsOf(table)) {
    for (let base = 0; base < slots.length; base += stride) {
      const word = slots[base]! | slots[base + 1]!;
      const index = ((slots[base + low]! & mask) >>> shift) | ((slots[base + high]! & aboveMask) << (32 - shift));
      // Empty slots mark the first place: which they are nobody foresees, so that a branch would take longer.
      marks[(index + 1) & ((word | -word) >> 31)] = 1;
    }
  }
}

/** The slots in use, one after the other in ascending order of their index: a copy that later changes don't touch. */
export function sortedSlots(table: WordTable): Uint32Array {
  const { width, count } = table;
  const stride = width + 2;
  const used = new Uint32Array(count * stride);
  const bases = new Uint32Array(count);
  let found = 0;
  for (const slots of slotsOf(table)) {
    for (let base = 0; base < slots.length; base += stride) {
      if (isEmpty(slots, base)) continue;
      bases[found] = found * stride;
      copySlot(slots, base, used, found++ * stride, stride);
    }
  }
  bases.sort((a, b) => compareIndex(used, a, used, b, width));
  const sorted = new Uint32Array(count * stride);
  bases.forEach((base, place) => copySlot(used, base, sorted, place * stride, stride));
  return sorted;
}
