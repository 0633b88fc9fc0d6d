// What the main thread asks its shards, each answered exactly once: by the shard, or because its thread died.
import type { Asker } from '../../asker.ts';
import { because, unavailable } from '../../refusal.ts';
import type { Envelope } from '../envelope.ts';
import type { Suspect } from '../suspects.ts';
import type { OpenAsk, Slot } from './slot.ts';

export interface Asks {
  /** `suspect`: the message, should the thread die of it. */
  call(slot: Slot, asker: Asker | undefined, envelope: (id: number) => Envelope, suspect?: Suspect): Promise<unknown>;
  /** It is answered now, and no longer open. */
  take(slot: Slot, id: number): OpenAsk | undefined;
  /** One that is open, of whichever shard. */
  find(id: number): OpenAsk | undefined;
  /** The thread of the shard is dead: remembers what it was working on, and answers all that is open. */
  fail(slot: Slot, why: string): void;
}

export function createAsks(slots: readonly Slot[]): Asks {
  let nextId = 1;
  const find = (id: number): OpenAsk | undefined => slots.flatMap(({ asks }) => asks.get(id) ?? [])[0];

  return {
    call: (slot, asker, envelope, suspect) =>
      new Promise((resolve) => {
        const { pipe } = slot;
        if (pipe === undefined)
          return resolve(
            because('starting', unavailable(`shard ${slot.shard} is being restarted; nothing was changed`)),
          );
        if (asker?.isGone === true)
          return resolve(because('deadline', unavailable('nobody waits for the answer any more; nothing was changed')));
        const id = nextId++;
        const stay = asker?.whenGone(() => pipe.send({ m: 'abandon', id }));
        const respond = (value: unknown): void => {
          stay?.();
          resolve(value);
        };
        slot.asks.set(id, { respond, suspect });
        pipe.send(envelope(id));
      }),
    take(slot, id) {
      const found = slot.asks.get(id);
      slot.asks.delete(id);
      return found;
    },
    find,
    fail(slot, why) {
      // Read before the asks are forgotten: it may be one of them, or one of another shard's that was asked on.
      const { ask } = slot.inHand;
      if (ask !== 0) slot.killer ??= find(ask)?.suspect;
      slot.inHand.ask = 0;
      const open = [...slot.asks.values()];
      slot.asks.clear();
      for (const { respond } of open)
        respond(because('outcome-unknown', unavailable(`${why}: the outcome is unknown`)));
    },
  };
}
