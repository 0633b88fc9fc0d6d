// Released addresses that are kept back, in the order in which their rest ends. Their rows stay until they are cleared away
// (clearing.ts), so whoever gets the address before replaces one at its version.
import type { Family } from '../ipam/address.ts';
import { push, takeAt, type Heap } from '../ipam/heap.ts';
import { restsUntilMs } from './quarantine.ts';

export interface Resting {
  /** Addresses that rest, or did and were not given out since. */
  readonly size: number;
  add(address: string, version: number, untilMs: number, sinceMs?: number): void;
  forget(address: string): void;
  /** Whoever was about to get the address, or to take its row away, does not: the next look sees it anew. */
  again(address: string): void;
  /** None rests for longer than that after its release. Those whose rest was over, which the next look sees anew. */
  limit(longestMs: number): string[];
  /** Those whose rest ended since the last call; of each family the first ones, up to `most`. */
  over(nowMs: number, most?: number): string[];
  /** The same for one address: true if its rest ended since. */
  isOver(address: string, nowMs: number): boolean;
  row(address: string): RestingRow | undefined;
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

/** Rests of one family, the soonest over first. An entry whose address was given out, or rests anew, is passed over. */
interface Queue extends Heap<Entry> {
  items: Entry[];
  /** Of its addresses still rest. */
  count: number;
}

const isBefore = (one: Entry, other: Entry): boolean => one.untilMs < other.untilMs;
const createQueue = (): Queue => ({ items: [], isBefore, count: 0 });

/** So many entries that say nothing any more are kept in any case. */
const STALE_KEPT = 1_024;

const familyOf = (address: string): Family => (address.includes(':') ? 'IPv6' : 'IPv4');

export function createResting(): Resting {
  const rows = new Map<string, RestingRow>();
  const queues: Record<Family, Queue> = { IPv4: createQueue(), IPv6: createQueue() };
  let longest = Infinity;

  const isStale = ({ address, row, untilMs }: Entry): boolean =>
    rows.get(address) !== row || row.isOver || row.untilMs !== untilMs;

  function enqueue(address: string, row: RestingRow): void {
    const queue = queues[familyOf(address)];
    queue.count++;
    push(queue, { address, row, untilMs: row.untilMs });
    if (queue.items.length <= 2 * queue.count + STALE_KEPT) return;
    // What is sorted is a heap, too.
    queue.items = queue.items.filter((entry) => !isStale(entry)).sort((a, b) => a.untilMs - b.untilMs);
  }

  function forget(address: string): void {
    if (rows.get(address)?.isOver === false) queues[familyOf(address)].count--;
    rows.delete(address);
  }

  function end(address: string, row: RestingRow): void {
    row.isOver = true;
    queues[familyOf(address)].count--;
  }

  function next(queue: Queue): Entry | undefined {
    while (queue.items.length > 0 && isStale(queue.items[0]!)) takeAt(queue, 0);
    return queue.items[0];
  }

  function overIn(queue: Queue, nowMs: number, most: number): string[] {
    const ended: string[] = [];
    while (ended.length < most) {
      const entry = next(queue);
      if (entry === undefined || entry.untilMs > nowMs) break;
      end(entry.address, entry.row);
      takeAt(queue, 0);
      ended.push(entry.address);
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
      if (longestMs === longest) return [];
      const were: string[] = [];
      longest = longestMs;
      for (const queue of Object.values(queues)) Object.assign(queue, { items: [], count: 0 });
      for (const [address, row] of rows) {
        row.untilMs = restsUntilMs({ sinceMs: row.sinceMs, untilMs: row.storedUntilMs }, longest);
        if (row.isOver) were.push(address);
        row.isOver = false;
        const queue = queues[familyOf(address)];
        queue.count++;
        queue.items.push({ address, row, untilMs: row.untilMs });
      }
      for (const { items } of Object.values(queues)) items.sort((a, b) => a.untilMs - b.untilMs);
      return were;
    },
    over: (nowMs, most = Infinity) => Object.values(queues).flatMap((queue) => overIn(queue, nowMs, most)),
    isOver(address, nowMs) {
      const row = rows.get(address);
      if (row === undefined || row.isOver || row.untilMs > nowMs) return false;
      end(address, row);
      return true;
    },
    row: (address) => rows.get(address),
    version: (address) => rows.get(address)?.version,
    untilMs: (address) => rows.get(address)?.untilMs,
    ahead(family) {
      const queue = queues[family];
      return { count: queue.count, nextMs: next(queue)?.untilMs ?? Infinity };
    },
    [Symbol.iterator]: () => rows.entries(),
  };
}
