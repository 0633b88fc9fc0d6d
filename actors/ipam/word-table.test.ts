import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CHANGED,
  CHANGED_AT_FULL,
  UNCHANGED,
  bytesOf,
  clearBit,
  createWordTable,
  hasBit,
  lowestClearBit,
  setBit,
  sortedSlots,
  type WordTable,
} from './word-table.ts';

const INVERSE = 0x144c_bc89; // of the factor that hashes an index of 32 bits

/** The `n`-th index of a kind. Those that are alike have their home in the last slots of any table: their runs go on at its beginning. */
const KINDS = {
  neighbours: (n: number): number => n,
  scattered: (n: number): number => Math.imul(n, 0x2c1b_3c6d) >>> 0,
  alike(n: number): number {
    const hash = Math.imul((0xffff_ffff - n) >>> 0, INVERSE) >>> 0;
    return (hash ^ (hash >>> 16)) >>> 0;
  },
};
type Kind = keyof typeof KINDS;

/** Kinds differ in the last part only, if there is more than one. */
const indexOf = (width: number, kind: Kind, n: number): Uint32Array => {
  const index = new Uint32Array(width);
  index[width - 1] = Object.keys(KINDS).indexOf(kind);
  index[0] = KINDS[kind](n);
  return index;
};

const keyOf = (index: Uint32Array): bigint => index.reduceRight((key, part) => (key << 32n) | BigInt(part), 0n);

/** Slots that are still to be emptied. */
const waitingIn = ({ former }: WordTable): number =>
  former === undefined ? 0 : (1 << former.capacityBits) - former.moved;

const isMoving = (table: WordTable): boolean => table.former !== undefined;

/** Numbers below `limit`, the same ones for a seed. */
function chanceOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const PHASE = fc.record({ settersInTen: fc.constantFrom(0, 4, 6, 10), changes: fc.integer({ min: 1, max: 3_000 }) });

test('property: while it grows, shrinks and is changed meanwhile, a table holds what a plain map does', () => {
  const seen = { grew: 0, shrank: 0, clearedMeanwhile: 0 };
  const widthAndPhases = [fc.constantFrom(1, 2, 4), fc.nat(), fc.array(PHASE, { minLength: 2, maxLength: 8 })] as const;
  fc.assert(
    fc.property(...widthAndPhases, (width, seed, phases) => {
      const table = createWordTable(width);
      /** Of each index the bits that are set, 0 and 63 at most. */
      const model = new Map<Uint32Array, bigint>();
      const chance = chanceOf(seed);
      const pool = (Object.keys(KINDS) as Kind[]).flatMap((kind) =>
        // Homes that are alike are looked through one by one.
        Array.from({ length: kind === 'alike' ? 40 : 2_000 }, (_, n) => indexOf(width, kind, n)),
      );
      const free = [...new Map(pool.map((index) => [keyOf(index), index])).values()];
      const taken: Uint32Array[] = [];
      for (const { settersInTen, changes } of phases) {
        for (let n = 0; n < changes; n++) {
          const isSet = chance(10) < settersInTen;
          const from = isSet ? (chance(4) === 0 ? taken : free) : chance(20) === 0 ? free : taken;
          const place = chance(from.length);
          const index = from[place];
          if (index === undefined) continue;
          const before = model.get(index) ?? 0n;
          const bit = chance(5) === 0 ? 63 : 0;
          const mask = 1n << BigInt(bit);
          assert.equal(hasBit(table, index, bit), (before & mask) !== 0n);
          assert.equal(lowestClearBit(table, index, 0), (before & 1n) === 0n ? 0 : 1);
          const { capacityBits } = table;
          if (!isSet && before === mask && isMoving(table)) seen.clearedMeanwhile++;
          const after = isSet ? before | mask : before & ~mask;
          assert.equal((isSet ? setBit : clearBit)(table, index, bit), after === before ? UNCHANGED : CHANGED);
          if (table.capacityBits > capacityBits) seen.grew++;
          if (table.capacityBits < capacityBits) seen.shrank++;
          model.set(index, after);
          if ((before === 0n) === (after === 0n)) continue;
          from[place] = from.at(-1)!;
          from.pop();
          (after === 0n ? free : taken).push(index);
          assert.equal(table.count, taken.length);
        }
      }
      const words = taken.map((index): [bigint, bigint] => [keyOf(index), model.get(index)!]);
      assert.deepEqual(
        wordsOf(table),
        words.sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    }),
    { numRuns: 60, endOnFailure: true },
  );
  assert.ok(seen.grew > 100 && seen.shrank > 50 && seen.clearedMeanwhile > 20, JSON.stringify(seen));
});

function wordsOf(table: WordTable): Array<[bigint, bigint]> {
  const slots = sortedSlots(table);
  const stride = table.width + 2;
  return Array.from({ length: slots.length / stride }, (_, place) => {
    const slot = slots.subarray(place * stride, (place + 1) * stride);
    return [keyOf(slot.subarray(2)), keyOf(slot.subarray(0, 2))];
  });
}

test('a word that becomes full, or is full no more, says so while it waits to be moved', () => {
  const table = createWordTable(1);
  const first = Uint32Array.of(0);
  for (let bit = 0; bit < 63; bit++) assert.equal(setBit(table, first, bit), CHANGED);
  for (let n = 1; n < 1_000 && !isMoving(table); n++) setBit(table, Uint32Array.of(n), 0);
  assert.ok(isMoving(table));
  assert.equal(setBit(table, first, 63), CHANGED_AT_FULL);
  assert.equal(lowestClearBit(table, first, 0), -1);
  assert.equal(clearBit(table, first, 7), CHANGED_AT_FULL);
  assert.equal(lowestClearBit(table, first, 0), 7);
});

test('whatever was moved already, what stays behind is found', () => {
  const table = createWordTable(1);
  const index = (n: number): Uint32Array => Uint32Array.of(KINDS.scattered(n));
  for (let n = 0; n < 10_000; n++) {
    setBit(table, index(n), n & 63);
    if (table.former === undefined || n % 5 !== 0) continue;
    for (let before = 0; before <= n; before++)
      assert.ok(hasBit(table, index(before), before & 63), `${before} of ${n}`);
  }
});

test('no operation moves more than some hundred words, and the two tables of one that grows stay within 64 bytes a word', () => {
  const table = createWordTable(2);
  const index = (n: number): Uint32Array => Uint32Array.of(Math.imul(n, 0x2c1b_3c6d) >>> 0, n);
  let [mostMoved, mostBytes, moves] = [0, 0, 0];
  const watched = (change: () => void): void => {
    const slots = table.slots;
    const waiting = waitingIn(table);
    change();
    const isNew = table.slots !== slots;
    if (isNew) assert.equal(waiting, 0, 'the table before is still being emptied');
    if (isNew) moves++;
    mostMoved = Math.max(mostMoved, (isNew ? slots.length / 4 : waiting) - waitingIn(table));
  };
  const WORDS = 30_000;
  for (let n = 0; n < WORDS; n++) {
    watched(() => setBit(table, index(n), n & 63));
    if (n > 3) mostBytes = Math.max(mostBytes, bytesOf(table) / table.count);
  }
  assert.ok(mostBytes <= 64, `${mostBytes} bytes a word`);
  mostBytes = 0;
  for (let n = 0; n < WORDS; n++) {
    watched(() => clearBit(table, index(n), n & 63));
    if (table.count > 3) mostBytes = Math.max(mostBytes, bytesOf(table) / table.count);
  }
  assert.ok(mostBytes <= 128, `${mostBytes} bytes a word`);
  assert.ok(mostMoved <= 512, `${mostMoved} slots at once`);
  assert.deepEqual([moves > 20, table.count, bytesOf(table) <= 256], [true, 0, true]);
});
