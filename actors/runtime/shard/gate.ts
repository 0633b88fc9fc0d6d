// The shard's door for asks from outside: how many wait, whether one more is let in, which of them nobody waits for any more.
import type { Kind } from '../../address.ts';
import { RANK_PARTS, rankOf } from '../../command-class.ts';
import type { World } from '../../ports.ts';
import { overloaded, type Refusal } from '../../refusal.ts';
import type { Mail } from '../cell.ts';
import { createLoad } from '../load.ts';
import type { ShardLimits } from './limits.ts';

const FEW = 64;

export interface Gate {
  /** Refused at once instead of waiting for longer than anybody does; undefined: let in. */
  refuses(deadlineMs: number, kind: Kind, command: string): Refusal | undefined;
  /** Counts an ask that was let in until it is answered. */
  admit(id: number, answer: (value: unknown) => void): (value: unknown) => void;
  /** The mail of an ask that was let in, so that it can be abandoned. */
  note(id: number, mail: Mail): void;
  /** Nobody waits for its answer any more: what has not begun does not begin. Answers its mail, if it is open. */
  abandon(id: number): Mail | undefined;
  /** Once a tick; `parked`: those that wait for something else than their turn. */
  tick(parked: number): void;
}

export function createGate(world: World, limits: ShardLimits): Gate {
  const pressure = createLoad(world);
  /** Asks of the main thread without an answer, by id. */
  const open = new Map<number, Mail>();

  return {
    refuses(deadlineMs, kind, command) {
      // A few are no crowd, however slow the first of them is (an actor that loads).
      if (pressure.waiting < FEW) return undefined;
      const waitMs = pressure.expectedWaitMs;
      const leftMs = deadlineMs - world.monotonicMs();
      const part = RANK_PARTS[rankOf(kind, command)];
      if (pressure.waiting < limits.waiting * part && waitMs <= Math.min(limits.waitMs * part, leftMs))
        return undefined;
      const seconds = Math.max(1, Math.ceil(waitMs / 1_000)) + Math.floor(world.random() * 3);
      return overloaded(
        `${pressure.waiting} requests wait here for about ${Math.round(waitMs)} ms; nothing was changed`,
        Math.min(seconds, 30),
      );
    },
    admit(id, answer) {
      pressure.accepted();
      return (value) => {
        pressure.answered();
        open.delete(id);
        answer(value);
      };
    },
    note: (id, mail) => void open.set(id, mail),
    abandon(id) {
      const mail = open.get(id);
      if (mail !== undefined) mail.deadlineMs = -Infinity;
      return mail;
    },
    tick: (parked) => pressure.tick(parked),
  };
}
