// The free blocks of one length. Each change costs O(log n), and nothing stays behind of what was removed.
import { blockIndex, blockKey, type BlockIndex } from './block-index.ts';
import { ascending, push, takeAt, type Heap } from './heap.ts';

/** Of blocks by their number among those of that length. */
export interface FreeBlocks {
  readonly size: number;
  has(index: bigint): boolean;
  /** It must not be a member. */
  add(index: bigint): void;
  /** False if it is not a member. */
  remove(index: bigint): boolean;
  lowest(): bigint | undefined;
  /** Ascending; who takes a few walks over a few. No change meanwhile. */
  [Symbol.iterator](): Generator<bigint, void>;
}

export function createFreeBlocks(): FreeBlocks {
  const places = new Map<BlockIndex, number>();
  const heap: Heap<BlockIndex> = {
    items: [],
    isBefore: (one, other) => one < other,
    moved: (index, place) => void places.set(blockKey(index), place),
  };
  return {
    get size() {
      return heap.items.length;
    },
    has: (index) => places.has(blockKey(blockIndex(index))),
    add: (index) => push(heap, blockIndex(index)),
    remove(index) {
      const key = blockKey(blockIndex(index));
      const place = places.get(key);
      if (place === undefined) return false;
      takeAt(heap, place);
      places.delete(key);
      return true;
    },
    lowest() {
      const [first] = heap.items;
      return first === undefined ? undefined : BigInt(first);
    },
    *[Symbol.iterator]() {
      for (const index of ascending(heap)) yield BigInt(index);
    },
  };
}
