// The other shards of the process: what was asked of them, and that nobody waits for one that died.
import { because, unavailable } from '../refusal.ts';
import type { Envelope, Pipe } from './envelope.ts';

export interface Neighbours {
  /** Sends to another shard and waits for its reply. False: it is being restarted, nothing was sent. */
  ask(target: number, envelope: (id: number) => Envelope, respond: (value: unknown) => void): boolean;
  replied(id: number, value: unknown): void;
  /**
   * What was on its way to a shard that died will never be answered. What went over the way that leads to it now was asked
   * of its new life already, or of one that only raised its epoch: it answers, and a reservation granted by it must be heard.
   */
  died(target: number): void;
}

export function createNeighbours(pipe: (to: number) => Pipe | undefined): Neighbours {
  const asks = new Map<number, { target: number; via: Pipe; respond: (value: unknown) => void }>();
  let nextId = 1;

  return {
    ask(target, envelope, respond) {
      const to = pipe(target);
      if (to === undefined) return false;
      const id = nextId++;
      asks.set(id, { target, via: to, respond });
      to.send(envelope(id));
      return true;
    },
    replied(id, value) {
      const ask = asks.get(id);
      asks.delete(id);
      ask?.respond(value);
    },
    died(target) {
      for (const [id, ask] of asks) {
        if (ask.target !== target || ask.via === pipe(target)) continue;
        asks.delete(id);
        ask.respond(because('starting', unavailable(`shard ${target} was restarted; nothing was changed`)));
      }
    },
  };
}
