// The free blocks of one length: a set whose lowest member is found in O(log n). Removed members stay in the heap until they surface.

export interface FreeBlocks {
  readonly size: number;
  has(first: bigint): boolean;
  add(first: bigint): void;
  /** False if it is not a member. */
  remove(first: bigint): boolean;
  lowest(): bigint | undefined;
  [Symbol.iterator](): IterableIterator<bigint>;
}

function siftUp(heap: bigint[], from: number): void {
  const value = heap[from]!;
  let at = from;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = value;
}

function siftDown(heap: bigint[]): void {
  const value = heap[0]!;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= value) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
}

/** First addresses (as integers) of free blocks that all have the same length. */
export function createFreeBlocks(): FreeBlocks {
  const members = new Set<bigint>();
  let heap: bigint[] = [];
  return {
    get size() {
      return members.size;
    },
    has: (first) => members.has(first),
    add(first) {
      members.add(first);
      // A sorted array is a heap: this bounds the entries that have been removed or stand there twice.
      if (heap.length > 2 * members.size + 16) heap = [...members].sort((a, b) => (a < b ? -1 : 1));
      else siftUp(heap, heap.push(first) - 1);
    },
    remove: (first) => members.delete(first),
    lowest() {
      while (heap.length > 0 && !members.has(heap[0]!)) {
        const last = heap.pop()!;
        if (heap.length === 0) break;
        heap[0] = last;
        siftDown(heap);
      }
      return heap[0];
    },
    [Symbol.iterator]: () => members.values(),
  };
}
