// How reservations end: at each participant, in this shard or another one, with the commit that they were for or without.
import { shardOf, type Address } from '../../address.ts';
import type { World } from '../../ports.ts';
import type { Row } from '../../records.ts';
import { unhold, type Cell, type Held } from '../cell.ts';
import type { Grant } from '../behaviour.ts';
import type { Envelope } from '../envelope.ts';
import type { Neighbours } from '../neighbours.ts';
import type { Holdings } from './holdings.ts';

/** `reload`: the commit found the memory wrong. */
export type Ending = 'committed' | 'cancelled' | 'reload';

/** What an operation has reserved at these actors, of any shard. */
export interface Ended {
  operation: string;
  actors: Address[];
  how: Ending;
  /** Of whoever waits for the operation. */
  deadlineMs: number;
}

export interface ReservationsOptions {
  world: Pick<World, 'monotonicMs'>;
  holdings: Holdings;
  shards: number;
  neighbours: Neighbours;
  reload(cell: Cell): void;
  changed(cell: Cell): void;
  crashed(cell: Cell, error: unknown): void;
}

export interface Reservations {
  /** `done` once all have heard of it, or a shard among them says nothing in time: if it died, it loads what was committed. */
  endEverywhere(ended: Ended, done: () => void): void;
  /** A reply that came too late for its operation: nobody else would end what it grants. */
  giveBack(reply: unknown): void;
  /** At an actor of this shard. */
  endHere(operation: string, actor: Address, how: Ending): void;
  /** Another shard has a new epoch: what it had reserved here will never be committed, or was and must be read. */
  dropOf(from: number): void;
}

const isGrant = (value: unknown): value is Grant =>
  typeof value === 'object' && value !== null && 'operation' in value && 'from' in value && 'fence' in value;

export function createReservations(options: ReservationsOptions): Reservations {
  const { world, holdings, neighbours, reload, changed } = options;
  const { shard } = holdings;

  function endEverywhere({ operation, actors, how, deadlineMs }: Ended, done: () => void): void {
    const byShard = new Map<number, Address[]>();
    for (const actor of actors) {
      const target = shardOf(actor, options.shards);
      byShard.set(target, [...(byShard.get(target) ?? []), actor]);
    }
    let missing = byShard.size;
    const one = (): void => {
      if (--missing === 0) done();
    };
    if (missing === 0) return done();
    for (const [target, mine] of byShard) {
      if (target === shard) {
        for (const actor of mine) endHere(operation, actor, how);
        one();
        continue;
      }
      const envelope = (id: number): Envelope => ({ m: 'end', id, from: shard, operation, actors: mine, how });
      // Also who is late has to hear of it.
      const ask = { envelope, deadlineMs: Math.max(deadlineMs, world.monotonicMs()), mayChange: false, respond: one };
      // A shard that is being restarted loads what was committed; it has no reservation to end.
      if (!neighbours.ask(target, ask)) one();
    }
  }

  function giveBack(reply: unknown): void {
    if (!isGrant(reply)) return;
    const { operation, from } = reply;
    // What is beyond its deadline is committed no more, whatever else it has reserved there.
    endEverywhere({ operation, actors: [from], how: 'cancelled', deadlineMs: -Infinity }, () => {});
  }

  function endHere(operation: string, actor: Address, how: Ending): void {
    holdings.dryHolds.end(operation, actor);
    const cell = holdings.cells.get(actor);
    if (cell === undefined) return;
    const held = unhold(cell, operation);
    if (cell.status === 'loading' || cell.status === 'cold') {
      // The load may or may not see the commit: look again.
      if (how !== 'cancelled') cell.stale = true;
      return;
    }
    if (held === undefined) {
      // Dropped meanwhile, as one of its coordinator's earlier life: what was committed is only in the rows.
      if (how !== 'cancelled') reload(cell);
      return;
    }
    try {
      end(cell, operation, held, how);
    } catch (error) {
      // It is committed, whatever the actor makes of it: what it knows is read again.
      options.crashed(cell, error);
      reload(cell);
    }
    if (how === 'reload') reload(cell);
    changed(cell);
  }

  function end(cell: Cell, operation: string, held: Held, how: Ending): void {
    cell.behaviour.unhold(cell.state, operation, held.changes);
    if (how !== 'committed') return;
    for (const change of held.changes) {
      cell.behaviour.evolve(cell.state, change);
      if (cell.rows !== null)
        cell.rows.set(`${change.table}:${change.scope}:${change.key}`, change.value === null ? null : (change as Row));
    }
  }

  function dropOf(from: number): void {
    holdings.dryHolds.dropOf(from);
    for (const cell of holdings.cells.values()) {
      let dropped = false;
      for (const [operation, held] of cell.held) {
        if (held.from !== from) continue;
        unhold(cell, operation);
        if (cell.status !== 'loading' && cell.status !== 'cold')
          cell.behaviour.unhold(cell.state, operation, held.changes);
        dropped = true;
      }
      if (dropped) {
        reload(cell);
        changed(cell);
      }
    }
  }

  return { endEverywhere, giveBack, endHere, dropOf };
}
