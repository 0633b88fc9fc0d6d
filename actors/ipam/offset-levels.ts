// A set of offsets of up to 128 bits, in which the next one that is missing is found without walking.
//
// Level 0 holds one bit an offset. A bit of level n + 1 says that a whole word (64 bits) of level n is full. Upper levels exist only where the
// level below has full words, so a scattered /64 has one level and a full /8 four; the lowest missing offset is at most two words a level away.
import { CHANGED_AT_FULL, UNCHANGED, clearBit, createWordTable, lowestClearBit, setBit } from './word-table.ts';
import type { WordTable } from './word-table.ts';

const WORD_BITS = 6;

// Offsets and indices are up to 128 bits wide and pass through here, least significant part first: shifting bigints would allocate at each level.
// One turn at a time uses it, and never across a call from outside.
export const wide = new Uint32Array(6);

// The same bytes as 64-bit integers: two stores in place of a bigint for each part.
const pairs = new BigUint64Array(wide.buffer);
const halvesSwapped = new Uint8Array(new Uint32Array([1]).buffer)[0] === 0;

function swapHalves(): void {
  for (let part = 0; part < wide.length; part += 2) {
    const low = wide[part + 1]!;
    wide[part + 1] = wide[part]!;
    wide[part] = low;
  }
}

/** Puts an offset below `2 ** (32 * parts)` into `wide`. */
export function putWide(value: number | bigint, parts: number): void {
  if (typeof value === 'number') {
    wide[0] = value;
    wide[1] = 0;
    return;
  }
  // A store keeps the lower 64 bits.
  pairs[0] = value;
  pairs[1] = parts > 2 ? value >> 64n : 0n;
  pairs[2] = 0n;
  if (halvesSwapped) swapHalves();
}

/** The offset in `wide`. */
export function takeWide(parts: number): bigint {
  if (halvesSwapped) swapHalves();
  return parts > 2 ? pairs[0]! | (pairs[1]! << 64n) : pairs[0]!;
}

/** From a position in a level to the word that holds it; returns its bit there. */
export function ascend(parts: number): number {
  const bit = wide[0]! & 63;
  for (let part = 0; part < parts - 1; part++) {
    wide[part] = (wide[part]! >>> WORD_BITS) | (wide[part + 1]! << (32 - WORD_BITS));
  }
  wide[parts - 1] = wide[parts - 1]! >>> WORD_BITS;
  return bit;
}

/** From a word to the position of its bit in the level. */
export function descend(parts: number, bit: number): void {
  for (let part = parts - 1; part > 0; part--) {
    wide[part] = (wide[part]! << WORD_BITS) | (wide[part - 1]! >>> (32 - WORD_BITS));
  }
  wide[0] = (wide[0]! << WORD_BITS) | bit;
}

function increment(parts: number): void {
  for (let part = 0; part < parts; part++) {
    wide[part] = wide[part]! + 1;
    if (wide[part] !== 0) return;
  }
}

/** The bits of a set of offsets and their summary. */
export interface Levels {
  readonly hostBits: number;
  /** Parts of an index as the tables keep it: one bit more than needed, so that the index after the last one is not the first. */
  readonly width: number;
  /** Parts of an offset in `wide`, the size of the prefix included. */
  readonly parts: number;
  readonly count: number;
  readonly tables: (WordTable | undefined)[];
}

/** An empty set of offsets below `2 ** bits`. */
export function createLevels(bits: number): Levels {
  const width = Math.max(1, Math.ceil((bits - WORD_BITS + 1) / 32));
  const parts = Math.max(width, Math.floor(bits / 32) + 1);
  return {
    hostBits: bits,
    width,
    parts,
    count: Math.max(1, Math.ceil(bits / WORD_BITS)),
    tables: [createWordTable(width)],
  };
}

/** Sets the bit of the offset in `wide`. False if it was set. */
export function setOffset(levels: Levels): boolean {
  for (let level = 0; level < levels.count; level++) {
    const table = (levels.tables[level] ??= createWordTable(levels.width));
    const effect = setBit(table, wide, ascend(levels.parts));
    if (effect === UNCHANGED) return false;
    if (effect !== CHANGED_AT_FULL) return true;
  }
  return true;
}

/** Clears the bit of the offset in `wide`. False if it was not set. */
export function clearOffset(levels: Levels): boolean {
  for (let level = 0; level < levels.count; level++) {
    const table = levels.tables[level];
    const effect = table === undefined ? UNCHANGED : clearBit(table, wide, ascend(levels.parts));
    if (effect === UNCHANGED) return false;
    if (table!.count === 0 && level > 0) levels.tables[level] = undefined;
    if (effect !== CHANGED_AT_FULL) return true;
  }
  return true;
}

/** Moves the offset in `wide` to the lowest one at or after it whose bit is not set. False if there is none. */
export function seekFree(levels: Levels): boolean {
  const { parts, count, tables } = levels;
  for (let level = 0; level < count; level++) {
    const from = ascend(parts);
    const table = tables[level];
    const bit = table === undefined ? from : lowestClearBit(table, wide, from);
    if (bit < 0) {
      increment(parts);
      continue;
    }
    descend(parts, bit);
    for (let below = level - 1; below >= 0; below--) {
      const lower = tables[below];
      descend(parts, lower === undefined ? 0 : lowestClearBit(lower, wide, 0));
    }
    // The words at the end of a level may reach beyond the prefix: then the offset found is exactly its size.
    return ((wide[levels.hostBits >>> 5]! >>> (levels.hostBits & 31)) & 1) === 0;
  }
  return false;
}
