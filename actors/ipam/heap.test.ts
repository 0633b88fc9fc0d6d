import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ascending, push, takeAt, type Heap } from './heap.ts';

interface Counted extends Heap<number> {
  places: Map<number, number>;
  compared: number;
}

function counted(): Counted {
  const heap: Counted = {
    items: [],
    places: new Map(),
    compared: 0,
    isBefore: (one, other) => {
      heap.compared++;
      return one < other;
    },
    moved: (item, place) => void heap.places.set(item, place),
  };
  return heap;
}

const isPlaced = (heap: Counted): boolean => heap.items.every((item, place) => heap.places.get(item) === place);

test('property: the first is the least, any item is found at its place, and they come in order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(60)), { maxLength: 120 }), (steps) => {
      const heap = counted();
      const held = new Set<number>();
      for (const [adds, item] of steps) {
        if (adds && !held.has(item)) push(heap, item);
        else if (!adds && held.has(item)) assert.equal(takeAt(heap, heap.places.get(item)!), item);
        if (adds) held.add(item);
        else held.delete(item);
        assert.ok(isPlaced(heap));
        const sorted = [...held].sort((a, b) => a - b);
        assert.equal(heap.items[0], sorted[0]);
        assert.deepEqual([...ascending(heap)], sorted);
      }
      assert.equal(takeAt(heap, heap.items.length), undefined);
    }),
  );
});

test('a change compares as often as there are levels, and the first few are found without the others', () => {
  const LEVELS = 14;
  const heap = counted();
  const most = (run: () => void): number => {
    const before = heap.compared;
    run();
    return heap.compared - before;
  };
  const size = 2 ** LEVELS;
  // Descending, so that each one rises to the top.
  for (let n = size; n > 0; n--) assert.ok(most(() => push(heap, n)) <= LEVELS);
  const few = most(() => {
    const found: number[] = [];
    for (const item of ascending(heap)) if (found.push(item) === 32) break;
    assert.equal(found.at(-1), 32);
  });
  assert.ok(few <= 32 * 2 * 3 * 6, `${few} comparisons`);
  for (let n = 1; n <= size; n += 7) assert.ok(most(() => takeAt(heap, heap.places.get(n)!)) <= 2 * LEVELS + 1);
});
