import type { World } from '../ports.ts';

export interface VirtualWorld extends World {
  /** Runs what is due, in order of time, until nothing is left or `untilMs` is reached. Answers the number of events. */
  run(untilMs?: number): number;
  /** Runs the next event, if one is due until then: time moves to it. */
  step(untilMs?: number): boolean;
  /** Time moves on, past nothing that is due. */
  advance(toMs: number): void;
  /** Events that are to come, cancelled ones included. */
  readonly waiting: number;
}

/** mulberry32: 32 bits of state, good enough to choose an order of events. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Event {
  atMs: number;
  order: number;
  run: () => void;
  cancelled: boolean;
}

/** Time that moves only by running events: one seed, one order. `startMs` is the wall clock at the beginning (2026-01-01). */
export function createVirtualWorld(seed = 1, startMs = 1_767_225_600_000): VirtualWorld {
  const heap: Event[] = [];
  const random = seededRandom(seed);
  let now = 0;
  let order = 0;
  let ids = 0;

  const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  function push(event: Event): void {
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (before(heap[parent] as Event, event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  function pop(): Event | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (before(last, heap[child] as Event)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  function at(delayMs: number, run: () => void): Event {
    const event = { atMs: now + Math.max(0, delayMs), order: order++, run, cancelled: false };
    push(event);
    return event;
  }

  function step(untilMs = Infinity): boolean {
    while (heap.length > 0 && (heap[0] as Event).atMs <= untilMs) {
      const event = pop() as Event;
      if (event.cancelled) continue;
      now = event.atMs;
      event.run();
      return true;
    }
    return false;
  }

  return {
    monotonicMs: () => now,
    wallMs: () => startMs + now,
    random,
    uuid: () => `00000000-0000-7000-8000-${(++ids).toString(16).padStart(12, '0')}`,
    defer: (run) => void at(0, run),
    after(delayMs, run) {
      const event = at(delayMs, run);
      return () => {
        event.cancelled = true;
      };
    },
    run(untilMs = Infinity) {
      let count = 0;
      while (step(untilMs)) count++;
      if (untilMs !== Infinity) now = Math.max(now, untilMs);
      return count;
    },
    step,
    advance(toMs) {
      now = Math.max(now, toMs);
    },
    get waiting() {
      return heap.length;
    },
  };
}
