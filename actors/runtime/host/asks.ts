// What the main thread asks its shards, each answered exactly once: by the shard, or because its thread died.
import type { Asker } from '../../asker.ts';
import type { World } from '../../ports.ts';
import { because, unavailable } from '../../refusal.ts';
import type { Envelope } from '../envelope.ts';
import type { Suspect } from '../suspects.ts';
import type { OpenAsk, Slot } from './slot.ts';

export interface Asks {
  /** For an asker whose time is over earlier, the shard says then what can be said. */
  call(slot: Slot, envelope: (id: number) => Envelope, asked?: Asked): Promise<unknown>;
  /** It is answered now, and no longer open. */
  take(slot: Slot, id: number): OpenAsk | undefined;
  /** One that is open, of whichever shard. */
  find(id: number): OpenAsk | undefined;
  /** The thread of the shard is dead: remembers what it was working on, and answers all that is open. */
  fail(slot: Slot, why: string): void;
}

export interface Asked {
  /** By the monotonic clock. */
  deadlineMs: number;
  asker: Asker | undefined;
  /** The message, should the thread die of it. */
  suspect: Suspect;
}

const TOO_LATE = because('deadline', unavailable('nobody waits for the answer any more; nothing was changed'));

export function createAsks(slots: readonly Slot[], world: Pick<World, 'monotonicMs' | 'after'>): Asks {
  let nextId = 1;
  const find = (id: number): OpenAsk | undefined => slots.flatMap(({ asks }) => asks.get(id) ?? [])[0];

  return {
    call: (slot, envelope, { deadlineMs, asker, suspect }: Partial<Asked> = {}) =>
      new Promise((resolve) => {
        const { pipe } = slot;
        if (pipe === undefined)
          return resolve(
            because('starting', unavailable(`shard ${slot.shard} is being restarted; nothing was changed`)),
          );
        const leftMs = asker?.remainingMs ?? Infinity;
        if (asker?.isGone === true || leftMs <= 0) return resolve(TOO_LATE);
        const id = nextId++;
        const stay = asker?.whenGone(() => pipe.send({ m: 'abandon', id }));
        // Who has the usual time is told by the shard's own wheel: a timer for each would cost all of them.
        const cancel =
          leftMs === Infinity || deadlineMs === undefined
            ? undefined
            : world.after(Math.max(0, deadlineMs - world.monotonicMs()), () => pipe.send({ m: 'late', id }));
        const respond = (value: unknown): void => {
          stay?.();
          cancel?.();
          resolve(value);
        };
        slot.asks.open(id, { respond, suspect });
        pipe.send(envelope(id));
      }),
    take: (slot, id) => slot.asks.close(id),
    find,
    fail(slot, why) {
      // Read before the asks are forgotten: it may be one of them, or one of another shard's that was asked on.
      const { ask } = slot.inHand;
      if (ask !== 0) slot.killer ??= find(ask)?.suspect;
      slot.inHand.ask = 0;
      for (const { respond } of slot.asks.closeAll())
        respond(because('outcome-unknown', unavailable(`${why}: the outcome is unknown`)));
    },
  };
}
