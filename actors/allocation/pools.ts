// A pool of numbers, of which only the taken ones have rows (networks.md §4).
import type { Live } from '../change.ts';
import type { PoolRecord } from '../network/record.ts';

/** VRF and ASN pools go from 1 to this. */
export const POOL_SIZE = 131_072;
/** An ASN is this plus its number in the pool. */
export const ASN_BASE = 4_210_000_000;

export interface Pool {
  /** Numbers with a row. */
  readonly held: number;
  /** Numbers that an operation under way will take or give back. */
  readonly reserved: number;
  readonly free: number;
  row(number: number): Live<PoolRecord> | undefined;
  isReserved(number: number): boolean;
  /** The row as committed; null: the number is free. */
  put(number: number, row: Live<PoolRecord> | null): void;
  reserve(number: number): void;
  unreserve(number: number): void;
  /** The lowest free number after the one taken last, around the end (N25); undefined: none is left. */
  next(): number | undefined;
}

const WORD = 32;

export const createPool = (): Pool => {
  const rows = new Map<number, Live<PoolRecord>>();
  const reserved = new Set<number>();
  /** A bit for each number that is held or reserved; number 0 and those beyond the end count as taken. */
  const taken = new Uint32Array(POOL_SIZE / WORD + 1).fill(0);
  taken[0] = 1;
  taken[taken.length - 1] = 0xffff_fffe;
  let takenCount = 0;
  /** Taken last; after a load the one with the newest row, so that a restart does not bring freed numbers back at once. */
  let cursor = 0;
  let cursorVersion = 0;

  const mark = (number: number): void => {
    const word = Math.floor(number / WORD);
    const bit = (1 << (number % WORD)) >>> 0;
    const isTaken = rows.has(number) || reserved.has(number);
    const wasTaken = (taken[word]! & bit) !== 0;
    if (isTaken === wasTaken) return;
    taken[word] = isTaken ? taken[word]! | bit : taken[word]! & ~bit;
    takenCount += isTaken ? 1 : -1;
  };

  const firstFreeFrom = (start: number): number | undefined => {
    for (let word = Math.floor(start / WORD); word < taken.length; word++) {
      const from = word === Math.floor(start / WORD) ? start % WORD : 0;
      const free = (~taken[word]! & (0xffff_ffff << from)) >>> 0;
      if (free !== 0) return word * WORD + (31 - Math.clz32((free & -free) >>> 0));
    }
    return undefined;
  };

  return {
    get held() {
      return rows.size;
    },
    get reserved() {
      return reserved.size;
    },
    get free() {
      return POOL_SIZE - takenCount;
    },
    row: (number) => rows.get(number),
    isReserved: (number) => reserved.has(number),
    put(number, row) {
      if (row) rows.set(number, row);
      else rows.delete(number);
      if (row && row.version > cursorVersion) {
        cursor = number;
        cursorVersion = row.version;
      }
      mark(number);
    },
    reserve(number) {
      if (!rows.has(number)) cursor = number;
      reserved.add(number);
      mark(number);
    },
    unreserve(number) {
      reserved.delete(number);
      mark(number);
    },
    next: () => firstFreeFrom(cursor + 1) ?? firstFreeFrom(1),
  };
};
