// A shard's life: it raises its epoch and serves, starts over when a commit stays in doubt, ends when it is fenced or stopped.
import type { ShardStore, World } from '../../ports.ts';
import { because, isRefusal, unavailable, type Refusal } from '../../refusal.ts';
import { reply, takeAgain, takeAll, type Cell, type Mail } from '../cell.ts';
import type { Committer } from '../committer.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Observation } from '../observation.ts';
import type { Holdings } from './holdings.ts';
import type { MailRoom } from './mail.ts';

/** Between two tries to raise an epoch that the database did not answer. */
const RAISE_AGAIN_MS = 100;
const LOOK_AGAIN_MS = 10;

export interface LifeOptions {
  world: World;
  store: ShardStore;
  holdings: Holdings;
  committer: Committer;
  coordinator: Coordinator;
  observation: Observation;
  mail: MailRoom;
  log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void;
  /** Somebody else is the owner now; this shard has stopped. */
  onFenced(): void;
  /**
   * It has a new epoch and sends nothing of it yet. The other shards hear of it on the way that its questions take: from
   * anywhere else they might hear too late, refuse what only its earlier life held, or drop what this one has reserved.
   */
  onEpoch(): void;
  /** It started over and serves under a new epoch. */
  onRaised(): void;
  /** What was written last is not known until `onRaised`. */
  onDoubt(): void;
}

export interface Life {
  /** Raises the epoch (a predecessor's statement may still run) and begins to serve. */
  start(done: () => void): void;
  /** Ends a doubt that the database would not end: raise the own epoch, forget everything, load anew (design.md §4). */
  startOver(): void;
  /** Somebody else is the owner. */
  fenced(): void;
  /** Answers everything accepted so far. */
  stop(done: () => void): void;
}

export function createLife(options: LifeOptions): Life {
  const { world, store, holdings, committer, coordinator, observation, mail } = options;
  const { cells } = holdings;

  function fenced(): void {
    if (holdings.phase === 'stopped') return;
    holdings.phase = 'stopped';
    holdings.life++;
    options.log('error', 'fenced: another process owns these scopes now', {
      shard: holdings.shard,
      fences: holdings.fences(),
    });
    refuseEverything(because('lease', unavailable('this process lost its ownership; nothing was changed')));
    options.onFenced();
  }

  function refuseEverything(why: Refusal): void {
    coordinator.abandon();
    for (const operation of committer.abandon()) operation.done(why);
    for (const cell of cells.values()) for (const one of takeAll(cell)) reply(one, why);
    cells.clear();
    holdings.dryHolds.clear();
    observation.clear();
  }

  function startOver(): void {
    if (holdings.phase === 'stopped') return;
    options.log('warn', 'a commit stayed in doubt: raising the epoch and loading anew', { shard: holdings.shard });
    options.onDoubt();
    holdings.life++;
    holdings.phase = 'starting';
    coordinator.abandon();
    const unsent = committer.abandon();
    const mails = new Map<Cell, Mail[]>([...cells.values()].map((cell) => [cell, takeAll(cell)]));
    cells.clear();
    holdings.dryHolds.clear();
    observation.clear();
    // Their cells are gone from the map, so what comes back for them is only the mail to decide again.
    for (const operation of unsent) operation.done('redo');
    for (const [cell, its] of mails) for (const one of [...its, ...takeAgain(cell)]) mail.post(cell.address, one);
    raise(options.onRaised);
  }

  function raise(done: () => void): void {
    const mine = holdings.life;
    const attempt = (): void =>
      store.raise(holdings.fences(), (raised) => {
        if (mine !== holdings.life) return;
        if (isRefusal(raised)) {
          if (raised.kind !== 'Unavailable') return fenced();
          world.after(RAISE_AGAIN_MS, () => {
            if (mine === holdings.life) attempt();
          });
          return;
        }
        holdings.adopt(raised);
        options.onEpoch();
        // Who was told to stop while it started over still answers what it had accepted, and nothing else.
        holdings.phase = holdings.isStopping ? 'stopping' : 'serving';
        for (const cell of cells.values()) mail.wake(cell);
        done();
      });
    attempt();
  }

  function stop(done: () => void): void {
    holdings.isStopping = true;
    if (holdings.phase === 'serving') holdings.phase = 'stopping';
    const wait = (): void => {
      const busy = [...cells.values()].some((cell) => cell.status !== 'idle' && cell.status !== 'cold');
      if (busy || coordinator.running > 0 || !committer.isIdle) return void world.after(LOOK_AGAIN_MS, wait);
      holdings.phase = 'stopped';
      holdings.life++;
      refuseEverything(because('stopping', unavailable('this process is stopping; nothing was changed')));
      done();
    };
    wait();
  }

  return { start: raise, startOver, fenced, stop };
}
