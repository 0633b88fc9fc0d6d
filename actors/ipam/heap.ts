// A binary heap: the first item at hand, any other one taken out by its place, the first few in order without taking them out.

export interface Heap<T> {
  readonly items: T[];
  isBefore(one: T, other: T): boolean;
  /** Told of each item that came to another place. */
  moved?(item: T, place: number): void;
}

function put<T>(heap: Heap<T>, item: T, place: number): void {
  heap.items[place] = item;
  heap.moved?.(item, place);
}

const parentOf = (place: number): number => (place - 1) >> 1;

/** Puts the item there or above. */
function rise<T>(heap: Heap<T>, item: T, from: number): void {
  let place = from;
  while (place > 0 && heap.isBefore(item, heap.items[parentOf(place)]!)) {
    put(heap, heap.items[parentOf(place)]!, place);
    place = parentOf(place);
  }
  put(heap, item, place);
}

/** Puts the item there or below. */
function sink<T>(heap: Heap<T>, item: T, from: number): void {
  const { items } = heap;
  let place = from;
  for (;;) {
    let child = 2 * place + 1;
    if (child + 1 < items.length && heap.isBefore(items[child + 1]!, items[child]!)) child++;
    if (child >= items.length || !heap.isBefore(items[child]!, item)) break;
    put(heap, items[child]!, place);
    place = child;
  }
  put(heap, item, place);
}

/** O(log n). */
export const push = <T>(heap: Heap<T>, item: T): void => rise(heap, item, heap.items.length);

/** Takes out what is at that place; 0: the first of all. O(log n). */
export function takeAt<T>(heap: Heap<T>, place: number): T | undefined {
  const { items } = heap;
  const taken = items[place];
  if (taken === undefined) return undefined;
  const last = items.pop()!;
  if (place === items.length) return taken;
  if (place > 0 && heap.isBefore(last, items[parentOf(place)]!)) rise(heap, last, place);
  else sink(heap, last, place);
  return taken;
}

/** All items in order. The first k cost O(k log k), however many there are. The heap must not change meanwhile. */
export function* ascending<T>({ items, isBefore }: Heap<T>): Generator<T, void> {
  /** Places whose item may be next: those below the ones that were. */
  const next: Heap<number> = { items: [], isBefore: (one, other) => isBefore(items[one]!, items[other]!) };
  if (items.length > 0) push(next, 0);
  for (let place = takeAt(next, 0); place !== undefined; place = takeAt(next, 0)) {
    yield items[place]!;
    for (let child = 2 * place + 1; child <= 2 * place + 2 && child < items.length; child++) push(next, child);
  }
}
