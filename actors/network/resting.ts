// Released addresses that are kept back, in the order in which their rest ends. Their rows stay, so the next holder's row
// replaces one at its version.
import type { Family } from '../ipam/address.ts';
import { restsUntilMs } from './quarantine.ts';

export interface Resting {
  /** Addresses that rest, or did and were not given out since. */
  readonly size: number;
  add(address: string, version: number, untilMs: number, sinceMs?: number): void;
  forget(address: string): void;
  /** Whoever was about to get the address, or to take its row away, does not: the next look sees it anew. */
  again(address: string): void;
  /** None rests for longer than that after its release. true: that is other than before, and the next look sees all anew. */
  limit(longestMs: number): boolean;
  /** Those whose rest ended since the last call. */
  over(nowMs: number): string[];
  /** Version of the row that an address whose rest is over still has. */
  version(address: string): number | undefined;
  untilMs(address: string): number | undefined;
  /** How many of the family still rest after the last look (`over`), and when the next one's rest ends; Infinity: none. */
  ahead(family: Family): { count: number; nextMs: number };
  [Symbol.iterator](): IterableIterator<[address: string, row: RestingRow]>;
}

export interface RestingRow {
  readonly version: number;
  readonly sinceMs: number;
  /** As the row says. */
  readonly storedUntilMs: number;
  /** As the row and the limit say. */
  untilMs: number;
  isOver: boolean;
}

interface Entry {
  readonly address: string;
  readonly row: RestingRow;
  readonly untilMs: number;
}

/** Rests of one family, ascending by time. An entry whose address was given out, or rests anew, is passed over. */
interface Queue {
  entries: Entry[];
  head: number;
  /** Of its addresses still rest. */
  count: number;
}

const familyOf = (address: string): Family => (address.includes(':') ? 'IPv6' : 'IPv4');

function placeFor({ entries, head }: Queue, untilMs: number): number {
  let [low, high] = [head, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle]!.untilMs <= untilMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function createResting(): Resting {
  const rows = new Map<string, RestingRow>();
  const queues: Record<Family, Queue> = {
    IPv4: { entries: [], head: 0, count: 0 },
    IPv6: { entries: [], head: 0, count: 0 },
  };
  let longest = Infinity;

  const isStale = ({ address, row, untilMs }: Entry): boolean =>
    rows.get(address) !== row || row.isOver || row.untilMs !== untilMs;

  function enqueue(address: string, row: RestingRow): void {
    const queue = queues[familyOf(address)];
    queue.count++;
    // Nearly always the end: the quarantine of a network seldom changes.
    queue.entries.splice(placeFor(queue, row.untilMs), 0, { address, row, untilMs: row.untilMs });
  }

  function forget(address: string): void {
    if (rows.get(address)?.isOver === false) queues[familyOf(address)].count--;
    rows.delete(address);
  }

  function passStale(queue: Queue): Entry | undefined {
    while (queue.head < queue.entries.length && isStale(queue.entries[queue.head]!)) queue.head++;
    return queue.entries[queue.head];
  }

  function overIn(queue: Queue, nowMs: number): string[] {
    const ended: string[] = [];
    for (let next = passStale(queue); next !== undefined && next.untilMs <= nowMs; next = passStale(queue)) {
      next.row.isOver = true;
      queue.count--;
      ended.push(next.address);
    }
    if (queue.head > 1_024 && queue.head * 2 > queue.entries.length) {
      queue.entries = queue.entries.slice(queue.head);
      queue.head = 0;
    }
    return ended;
  }

  return {
    get size() {
      return rows.size;
    },
    add(address, version, storedUntilMs, sinceMs = storedUntilMs) {
      forget(address);
      const untilMs = restsUntilMs({ sinceMs, untilMs: storedUntilMs }, longest);
      const row: RestingRow = { version, sinceMs, storedUntilMs, untilMs, isOver: false };
      rows.set(address, row);
      enqueue(address, row);
    },
    forget,
    again(address) {
      const row = rows.get(address);
      if (row?.isOver !== true) return;
      row.isOver = false;
      enqueue(address, row);
    },
    limit(longestMs) {
      if (longestMs === longest) return false;
      longest = longestMs;
      for (const queue of Object.values(queues)) Object.assign(queue, { entries: [], head: 0, count: 0 });
      for (const [address, row] of rows) {
        row.untilMs = restsUntilMs({ sinceMs: row.sinceMs, untilMs: row.storedUntilMs }, longest);
        row.isOver = false;
        const queue = queues[familyOf(address)];
        queue.count++;
        queue.entries.push({ address, row, untilMs: row.untilMs });
      }
      for (const { entries } of Object.values(queues)) entries.sort((a, b) => a.untilMs - b.untilMs);
      return true;
    },
    over: (nowMs) => Object.values(queues).flatMap((queue) => overIn(queue, nowMs)),
    version: (address) => rows.get(address)?.version,
    untilMs: (address) => rows.get(address)?.untilMs,
    ahead(family) {
      const queue = queues[family];
      return { count: queue.count, nextMs: passStale(queue)?.untilMs ?? Infinity };
    },
    [Symbol.iterator]: () => rows.entries(),
  };
}
