// Messages that actors throw at, or that threads die of, again and again: they are set aside and not let in any more, until
// an operator has them tried again or forgets them.
import { addressText } from '../../address.ts';
import type { World } from '../../ports.ts';
import { internal, isRefusal, type Refusal } from '../../refusal.ts';
import { createQuarantine, type QuarantinedMessage } from '../quarantine.ts';
import { createSuspects, type Suspect } from '../suspects.ts';
import { MOST_CRASHES } from '../turn/ending.ts';
import type { OpenAsk } from './slot.ts';

export interface SetAsideOptions {
  world: Pick<World, 'monotonicMs' | 'wallMs' | 'uuid'>;
  log(level: 'error', message: string, fields: Record<string, unknown>): void;
}

export interface SetAside {
  /** Why a message is not let in; undefined: it is. */
  refuses(message: Suspect): Refusal | undefined;
  /** Its actor threw at it again and again. */
  thrownAt(message: QuarantinedMessage): void;
  /** It was in hand when the thread of the shard died, for that reason. */
  killed(suspect: Suspect, shard: number, why: string): void;
  /** An ask was answered: its thread outlived it. */
  answered(ask: OpenAsk, value: unknown): void;
  /** Oldest first. */
  list(): QuarantinedMessage[];
  /** Takes one out, and lets it in again: to be tried (one more death, and it is back), or to be forgotten. */
  take(id: string, how: 'try again' | 'forget'): Taken | undefined;
}

export interface Taken {
  readonly message: QuarantinedMessage;
  /** It was not tried after all: it lies there as before. */
  putBack(): void;
}

const isUnavailable = (value: unknown): boolean => isRefusal(value) && value.kind === 'Unavailable';

export function createSetAside({ world, log }: SetAsideOptions): SetAside {
  const quarantine = createQuarantine();
  const suspects = createSuspects(() => world.monotonicMs());

  function add(message: QuarantinedMessage, why: string): void {
    log('error', `a message was set aside: ${why}`, {
      operation: message.id,
      actor: addressText(message.to),
      name: message.name,
      error: message.error,
    });
    quarantine.add(message);
  }

  return {
    refuses(message) {
      const id = suspects.banned(message);
      if (id === undefined) return undefined;
      const { to, name } = message;
      return internal(
        `${to.kind} ${to.id}: ${name} brought its thread down again and again, it was set aside as ${id}`,
      );
    },
    thrownAt: (message) => add(message, 'its actor threw at it again and again'),
    killed(suspect, shard, why) {
      const crashes = suspects.struck(suspect);
      if (crashes < MOST_CRASHES) return;
      // Put back meanwhile: that its thread ended is heard after its answer.
      const earlier = suspects.banned(suspect);
      if (earlier !== undefined) quarantine.take(earlier);
      const id = world.uuid();
      suspects.ban(suspect, id);
      const error = `its thread died of it: ${why}`;
      const { to, name, body, who } = suspect;
      const message = { id, shard, to, name, body, who, error, crashes, atMs: world.wallMs() };
      add(message, 'its thread died of it again and again');
    },
    answered({ suspect }, value) {
      // Of an operation over several shards another one's thread may have died of it: then its outcome is not there.
      if (suspect !== undefined && !isUnavailable(value)) suspects.cleared(suspect);
    },
    list: () => quarantine.list(),
    take(id, how) {
      const message = quarantine.take(id);
      if (message === undefined) {
        // One that was pushed out by others can't be tried; it can still be forgiven.
        if (how === 'forget') suspects.pardon(id, false);
        return undefined;
      }
      const isAsBefore = suspects.pardon(id, how === 'try again');
      return {
        message,
        putBack() {
          if (isAsBefore()) quarantine.add(message);
        },
      };
    },
  };
}
