// Released addresses that are kept back, in the order in which their rest ends. Their rows stay, so the next holder's row
// replaces one at its version.

export interface Resting {
  /** Addresses that rest, or did and were not given out since. */
  readonly size: number;
  add(address: string, version: number, untilMs: number): void;
  forget(address: string): void;
  /** Those whose rest ended since the last call. */
  over(nowMs: number): string[];
  /** Version of the row that an address whose rest is over still has. */
  version(address: string): number | undefined;
  untilMs(address: string): number | undefined;
  /** How many still rest after the last look (`over`), and when the next one's rest ends; Infinity: none. */
  readonly ahead: { count: number; nextMs: number };
  [Symbol.iterator](): IterableIterator<[address: string, row: { version: number; untilMs: number }]>;
}

export function createResting(): Resting {
  const rows = new Map<string, { version: number; untilMs: number }>();
  /** Ascending by time. An entry whose address was given out, or rests anew, is passed over. */
  let queue: Array<{ address: string; untilMs: number }> = [];
  let head = 0;

  function placeFor(untilMs: number): number {
    let [low, high] = [head, queue.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (queue[middle]!.untilMs <= untilMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    get size() {
      return rows.size;
    },
    add(address, version, untilMs) {
      rows.set(address, { version, untilMs });
      // Nearly always the end: the quarantine of a network seldom changes.
      queue.splice(placeFor(untilMs), 0, { address, untilMs });
    },
    forget: (address) => void rows.delete(address),
    over(nowMs) {
      const ended: string[] = [];
      for (; head < queue.length && queue[head]!.untilMs <= nowMs; head++) {
        const { address, untilMs } = queue[head]!;
        if (rows.get(address)?.untilMs === untilMs) ended.push(address);
      }
      if (head > 1_024 && head * 2 > queue.length) {
        queue = queue.slice(head);
        head = 0;
      }
      return ended;
    },
    version: (address) => rows.get(address)?.version,
    untilMs: (address) => rows.get(address)?.untilMs,
    get ahead() {
      // One that was given another time meanwhile stands there twice, so this is a bound.
      return { count: Math.min(queue.length - head, rows.size), nextMs: queue[head]?.untilMs ?? Infinity };
    },
    [Symbol.iterator]: () => rows.entries(),
  };
}
