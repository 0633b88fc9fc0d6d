// An actor's way from its first message to the end of a turn: load its state, fetch the rows that its mail needs, decide,
// wait for the commit.
import { addressText } from '../../address.ts';
import type { ShardStore, World } from '../../ports.ts';
import type { Row } from '../../records.ts';
import { isRefusal, unavailable } from '../../refusal.ts';
import { takeAgain, takeAll, takeInbox, takeWaiting, type Cell, type Mail } from '../cell.ts';
import { loadState } from '../loading.ts';
import type { Observation } from '../observation.ts';
import { decideBatch, neededRows, type TurnHost } from '../turn.ts';
import { inTime } from './deadlines.ts';
import type { Holdings } from './holdings.ts';

export interface TurnsOptions {
  world: World;
  store: ShardStore;
  holdings: Holdings;
  observation: Observation;
  batchLimit: number;
  /** What a turn needs of the shard besides this room. */
  host: Omit<TurnHost, 'settled'>;
  wake(cell: Cell): void;
}

export interface Turns {
  load(cell: Cell): void;
  /** Its memory may be wrong: loads it as soon as no turn of its is under way. */
  reload(cell: Cell): void;
  /** The turn of an actor that stood in the ready list. */
  run(cell: Cell): void;
  /** Its state changed from outside a turn: who waits for that is looked at again. */
  changed(cell: Cell): void;
}

export function createTurns(options: TurnsOptions): Turns {
  const { world, store, holdings, observation, wake } = options;
  const { cells } = holdings;
  const host: TurnHost = { ...options.host, settled };

  function load(cell: Cell): void {
    // The shard started over while it had work: its mail lies in a new cell, and nobody can reach this one.
    if (holdings.cellOf(cell.address) !== cell) return;
    const { address } = cell;
    const mine = holdings.life;
    cell.status = 'loading';
    cell.stale = false;
    if (cell.inbox.length > 0) holdings.behind.add(cell);
    const loading = {
      world,
      store,
      fence: holdings.fenceOf(address.scope),
      isWanted: () => mine === holdings.life,
      crashed: host.crashed,
    };
    loadState(loading, cell, (loaded) => {
      if (mine !== holdings.life) return;
      if (isRefusal(loaded)) {
        cell.status = 'cold';
        cells.delete(addressText(address));
        for (const mail of takeAll(cell)) mail.respond(loaded);
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

  function run(cell: Cell): void {
    if (cell.status !== 'ready') return;
    if (cell.stale) return load(cell);
    cell.touchedMs = world.monotonicMs();
    cell.turns++;
    const batch = inTime(takeInbox(cell, options.batchLimit), cell.touchedMs);
    if (cell.inbox.length > 0) holdings.behind.add(cell);
    observation.begin(cell, batch);
    const wanted = neededRows(cell, batch);
    if (wanted.length === 0) return decide(cell, batch, null);
    cell.status = 'fetching';
    // Confirmations that arrive while the rows are on their way are newer than what the fetch may see.
    cell.rows = new Map();
    const mine = holdings.life;
    store.fetch(cell.address.scope, wanted, [holdings.fenceOf(cell.address.scope)], (rows) => {
      if (mine !== holdings.life) {
        for (const mail of batch) mail.respond(unavailable('the shard was restarted; nothing was changed'));
        return;
      }
      if (isRefusal(rows)) {
        cell.rows = null;
        cell.status = 'idle';
        for (const mail of batch) mail.respond(rows);
        return wake(cell);
      }
      if (cell.stale) {
        cell.rows = null;
        requeue(cell, batch);
        return load(cell);
      }
      decide(cell, batch, rows, wanted);
    });
  }

  function decide(cell: Cell, batch: Mail[], rows: Row[] | null, wanted: Parameters<typeof decideBatch>[4] = []): void {
    const operations = decideBatch(host, cell, batch, rows, wanted);
    cell.rows = null;
    if (cell.waiting.length > 0) holdings.waiting.add(cell);
    if (operations > 0) {
      cell.status = 'committing';
      return;
    }
    settled(cell);
  }

  /** The batch is over: everything has its outcome. */
  function settled(cell: Cell): void {
    observation.end(cell);
    if (cell.stale) return load(cell);
    cell.status = 'idle';
    requeue(cell, takeAgain(cell));
    wake(cell);
  }

  function changed(cell: Cell): void {
    if (cell.waiting.length === 0) return;
    cell.inbox = [...takeWaiting(cell), ...cell.inbox];
    wake(cell);
  }

  return { load, reload, run, changed };
}
