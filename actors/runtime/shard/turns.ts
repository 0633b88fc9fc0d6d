// An actor's way from its first message to the end of a turn: load its state, fetch the rows that its mail needs, decide,
// wait for the commit.
import type { RowKey, ShardStore, World } from '../../ports.ts';
import type { Row } from '../../records.ts';
import { because, isRefusal, unavailable } from '../../refusal.ts';
import { reply, takeAgain, takeAll, takeInbox, takeWaiting, type Cell, type Mail } from '../cell.ts';
import { loadState } from '../loading.ts';
import type { Observation } from '../observation.ts';
import { decideBatch, type TurnHost } from '../turn.ts';
import { neededRows } from '../turn/rows.ts';
import { inTime } from './deadlines.ts';
import type { Holdings } from './holdings.ts';

export interface TurnsOptions {
  world: World;
  store: ShardStore;
  holdings: Holdings;
  observation: Observation;
  batchLimit: number;
  /** What a turn needs of the shard besides this room. */
  host: Omit<TurnHost, 'settled' | 'delayed' | 'followed'>;
  wake(cell: Cell): void;
}

export interface Turns {
  load(cell: Cell): void;
  /** Its memory may be wrong: loads it as soon as no turn of its is under way. */
  reload(cell: Cell): void;
  /** The turn of an actor that stood in the ready list, begun now; answers when it was over, by the same clock. */
  run(cell: Cell, nowMs: number): number;
  /** Its state changed from outside a turn: who waits for that is looked at again. */
  changed(cell: Cell): void;
}

export function createTurns(options: TurnsOptions): Turns {
  const { world, store, holdings, observation, wake } = options;
  const { cells } = holdings;
  const host: TurnHost = {
    ...options.host,
    settled,
    delayed: (cell) => void holdings.behind.add(cell),
    followed: holdings.followed,
  };

  function load(cell: Cell): void {
    // The shard started over while it had work: its mail lies in a new cell, and nobody can reach this one.
    if (cells.get(cell.address) !== cell) return;
    const { address } = cell;
    const mine = holdings.life;
    cell.status = 'loading';
    cell.stale = false;
    if (cell.inbox.length > 0) holdings.behind.add(cell);
    const loading = {
      world,
      store,
      fence: holdings.fenceOf(address.scope),
      isWanted: () => mine === holdings.life && cells.get(address) === cell,
      changed,
      crashed: host.crashed,
      inHand: host.inHand,
    };
    loadState(loading, cell, (loaded) => {
      if (mine !== holdings.life) return;
      if (isRefusal(loaded)) {
        cell.status = 'cold';
        // What is reserved here is not in the rows yet: whoever loads it next has to find it.
        if (cell.held.size === 0) cells.remove(address);
        for (const mail of takeAll(cell)) reply(mail, loaded);
        return;
      }
      if (cell.stale) return load(cell);
      cell.state = loaded.state;
      for (const [operation, held] of cell.held) cell.behaviour.hold(cell.state, operation, held.changes);
      cell.status = 'idle';
      // Also who waits: what it waits for may have come with the load, and what it had asked for may not be there.
      requeue(cell, [...takeAgain(cell), ...takeWaiting(cell)]);
      wake(cell);
    });
  }

  function reload(cell: Cell): void {
    if (cell.status === 'idle' || cell.status === 'ready') load(cell);
    else cell.stale = true;
  }

  function requeue(cell: Cell, mails: Mail[]): void {
    if (mails.length > 0) cell.inbox = [...mails, ...cell.inbox];
  }

  function run(cell: Cell, nowMs: number): number {
    if (cell.status !== 'ready') return nowMs;
    if (cell.stale) {
      load(cell);
      return nowMs;
    }
    cell.touchedMs = nowMs;
    cell.turns++;
    const batch = inTime(takeInbox(cell, options.batchLimit), nowMs);
    if (cell.inbox.length > 0) holdings.behind.add(cell);
    const wanted = neededRows(host.inHand, cell, batch);
    if (wanted.length > 0) fetch(cell, batch, wanted);
    const isOver = wanted.length === 0 && decide(cell, batch, null);
    const endMs = world.monotonicMs();
    observation.decided(cell, batch, endMs);
    if (isOver) settle(cell, endMs);
    return endMs;
  }

  function fetch(cell: Cell, batch: Mail[], wanted: RowKey[]): void {
    cell.status = 'fetching';
    const fetching = { batch };
    holdings.fetching.add(fetching);
    // Confirmations that arrive while the rows are on their way are newer than what the fetch may see.
    cell.rows = new Map();
    const mine = holdings.life;
    store.fetch(cell.address.scope, wanted, [holdings.fenceOf(cell.address.scope)], (rows) => {
      holdings.fetching.delete(fetching);
      const { batch: left } = fetching;
      if (mine !== holdings.life) {
        for (const mail of left) {
          reply(mail, because('starting', unavailable('the shard was restarted; nothing was changed')));
        }
        return;
      }
      if (isRefusal(rows)) {
        cell.rows = null;
        cell.status = 'idle';
        for (const mail of left) reply(mail, rows);
        return wake(cell);
      }
      if (cell.stale) {
        cell.rows = null;
        requeue(cell, left);
        return load(cell);
      }
      if (decide(cell, left, rows, wanted)) settled(cell);
    });
  }

  /** true: nothing is to be written, the turn is over. */
  function decide(cell: Cell, batch: Mail[], rows: Row[] | null, wanted?: RowKey[]): boolean {
    const operations = decideBatch(host, cell, batch, rows, wanted);
    cell.rows = null;
    if (cell.waiting.length > 0) holdings.waiting.add(cell);
    if (operations > 0) cell.status = 'committing';
    return operations === 0;
  }

  /** The batch is over: everything has its outcome. */
  function settle(cell: Cell, nowMs: number): void {
    observation.end(cell, nowMs);
    if (cell.stale) return load(cell);
    cell.status = 'idle';
    if (cell.again.length > 0) requeue(cell, takeAgain(cell));
    wake(cell);
  }

  function settled(cell: Cell): void {
    settle(cell, world.monotonicMs());
  }

  function changed(cell: Cell): void {
    if (cell.waiting.length === 0) return;
    cell.inbox = [...takeWaiting(cell), ...cell.inbox];
    wake(cell);
  }

  return { load, reload, run, changed };
}
