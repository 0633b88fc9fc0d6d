// The other shards of the process: what was asked of them, and that nobody waits for one that died, or says nothing.
import { because, unavailable } from '../refusal.ts';
import type { Envelope, Pipe } from './envelope.ts';

export interface NeighbourAsk {
  envelope(id: number): Envelope;
  /**
   * By the monotonic clock, the same in all threads of the process. The other shard keeps it by itself; it is asked no
   * longer than {@link GRACE_MS} beyond it, since what it says at the last moment is more than can be said here.
   */
  deadlineMs: number;
  /** It may be done although nobody here hears of it. */
  mayChange: boolean;
  /** Called exactly once. */
  respond(value: unknown): void;
}

export interface Neighbours {
  /** Sends to another shard and waits for its reply. False: it is being restarted, nothing was sent. */
  ask(target: number, ask: NeighbourAsk): boolean;
  /** False: nobody waits for it any more. */
  replied(id: number, value: unknown): boolean;
  /**
   * What was on its way to a shard that died will never be answered. What went over the way that leads to it now was asked
   * of its new life already, or of one that only raised its epoch: it answers, and a reservation granted by it must be heard.
   */
  died(target: number): void;
  /**
   * Gives up what is beyond its time. Of a shard that died one hears when its next life has an epoch, and while the database
   * is away that may be never.
   */
  giveUp(nowMs: number): void;
}

/** A group that is under way at the deadline, and the wheel of the other shard, come to an end within this. */
export const GRACE_MS = 1_000;

export function createNeighbours(pipe: (to: number) => Pipe | undefined): Neighbours {
  const asks = new Map<number, { target: number; via: Pipe; ask: NeighbourAsk }>();
  let nextId = 1;

  function lost(id: number, reason: 'starting' | 'deadline', what: string): void {
    const ask = asks.get(id)?.ask;
    asks.delete(id);
    ask?.respond(
      ask.mayChange
        ? because('outcome-unknown', unavailable(`${what}: the outcome is unknown`))
        : because(reason, unavailable(`${what}; nothing was changed`)),
    );
  }

  return {
    ask(target, ask) {
      const to = pipe(target);
      if (to === undefined) return false;
      const id = nextId++;
      asks.set(id, { target, via: to, ask });
      to.send(ask.envelope(id));
      return true;
    },
    replied(id, value) {
      const asked = asks.get(id);
      asks.delete(id);
      asked?.ask.respond(value);
      return asked !== undefined;
    },
    died(target) {
      for (const [id, asked] of asks) {
        if (asked.target !== target || asked.via === pipe(target)) continue;
        lost(id, 'starting', `shard ${target} was restarted`);
      }
    },
    giveUp(nowMs) {
      for (const [id, { target, ask }] of asks) {
        if (ask.deadlineMs + GRACE_MS <= nowMs) lost(id, 'deadline', `shard ${target} did not answer in time`);
      }
    },
  };
}
