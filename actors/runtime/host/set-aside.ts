// Messages that actors throw at, or that threads die of, again and again: they are set aside and equal ones are not let in any
// more, until an operator has them tried again or forgets them, or newer ones push them out.
//
// A message that is only a part of what was asked lies there itself, for it is what its actor threw at; what is not let in
// any more is what was asked, if that failed with it. What actors remind themselves of was asked by nobody, and goes on.
import { addressText } from '../../address.ts';
import type { World } from '../../ports.ts';
import { internal, isRefusal, type Refusal } from '../../refusal.ts';
import { createQuarantine, joinEqual, type CrashedMessage, type QuarantinedMessage } from '../quarantine.ts';
import { createSuspects, type Suspect } from '../suspects.ts';
import { MOST_CRASHES } from '../turn/ending.ts';
import type { OpenAsk } from './slot.ts';

export interface SetAsideOptions {
  world: Pick<World, 'monotonicMs' | 'wallMs' | 'uuid'>;
  log(level: 'error', message: string, fields: Record<string, unknown>): void;
  /** So many different ones at a time; default 256. */
  most?: number;
}

export interface SetAside {
  /** Why a message is not let in; undefined: it is. */
  refuses(message: Suspect): Refusal | undefined;
  /** Its actor threw at it again and again. `asked`: what it is, or is a part of; undefined: nobody waits for it any more. */
  thrownAt(message: CrashedMessage, asked?: OpenAsk, isPart?: boolean): void;
  /** It was in hand when the thread of the shard died, for that reason. */
  killed(suspect: Suspect, shard: number, why: string): void;
  /** An ask was answered: its thread outlived it. */
  answered(id: number, asked: OpenAsk, value: unknown): void;
  /** One that was answered a moment ago, that something broke: what broke is told by another thread, which may be later. */
  failed(id: number): OpenAsk | undefined;
  /** The one that was seen longest ago first. */
  list(): QuarantinedMessage[];
  /** Messages that were pushed out by newer ones, and are let in again since. */
  readonly lost: number;
  /** Takes one out, and lets it in again: to be tried (one more death, and it is back), or to be forgotten. */
  take(id: string, how: 'try again' | 'forget'): Taken | undefined;
}

export interface Taken {
  readonly message: QuarantinedMessage;
  /** What is to be tried; undefined: it makes no sense by itself. */
  readonly whole: Suspect | undefined;
  /** It was not tried after all: it lies there as before. */
  putBack(): void;
}

/** So many asks that failed are remembered. */
const MOST_FAILED = 64;

const isUnavailable = (value: unknown): boolean => isRefusal(value) && value.kind === 'Unavailable';

const suspectOf = (
  { to, name, body, who, isDry, isReservation, atMs }: CrashedMessage,
  askedMs: number = atMs,
): Suspect => ({ to, name, body, who, askedMs, isDry, isReservation });

export function createSetAside({ world, log, most }: SetAsideOptions): SetAside {
  const quarantine = createQuarantine(pushedOut, most);
  const suspects = createSuspects(() => world.monotonicMs());
  const failed = new Map<number, OpenAsk>();
  /** What was asked, of what lies in quarantine. */
  const wholes = new WeakMap<QuarantinedMessage, Suspect>();

  function say(what: string, { id, to, name, error }: CrashedMessage): void {
    log('error', what, { operation: id, actor: addressText(to), name, error });
  }

  function pushedOut(message: QuarantinedMessage): void {
    suspects.lift(message.id);
    say('a message was pushed out of the quarantine by a newer one, and is let in again', message);
  }

  /** The one that lies there and is equal. */
  function equalOf(suspect: Suspect): QuarantinedMessage | undefined {
    const id = suspects.banned(suspect);
    return id === undefined ? undefined : quarantine.find(id);
  }

  function add(crashed: CrashedMessage, suspect: Suspect, earlier?: QuarantinedMessage): void {
    const message: QuarantinedMessage = {
      ...crashed,
      atMs: earlier?.atMs ?? crashed.atMs,
      also: earlier === undefined ? [] : [...earlier.also, earlier.id],
      count: (earlier?.count ?? 0) + 1,
      lastMs: crashed.atMs,
      partOf: null,
    };
    suspects.ban(suspect, message.id);
    wholes.set(message, suspect);
    quarantine.add(message);
  }

  /** What was asked failed with a part of it. */
  function banWhole({ suspect, setAside }: OpenAsk): void {
    const part = setAside === undefined ? undefined : quarantine.find(setAside);
    if (part === undefined || suspect === undefined) return;
    suspects.banWhole(suspect, part.id);
    if (part.partOf !== null) return;
    const { to, name, body } = suspect;
    part.partOf = { to, name, body };
    wholes.set(part, suspect);
  }

  return {
    refuses(suspect) {
      const message = equalOf(suspect);
      if (message === undefined) return undefined;
      quarantine.seen(message, world.wallMs());
      const { kind, id } = suspect.to;
      return internal(
        `${kind} ${id} failed at ${suspect.name} again and again, it lies in quarantine, operation ${message.id}: ${message.error}`,
      );
    },
    thrownAt(crashed, asked, isPart = false) {
      const suspect =
        isPart || asked?.suspect === undefined ? suspectOf(crashed, asked?.suspect?.askedMs) : asked.suspect;
      say('a message was set aside: its actor threw at it again and again', crashed);
      const equal = equalOf(suspect);
      if (equal === undefined) add(crashed, suspect);
      else {
        joinEqual(equal, crashed);
        quarantine.seen(equal, crashed.atMs);
      }
      if (!isPart || asked === undefined) return;
      asked.setAside = (equal ?? crashed).id;
      if (asked.isFailed === true) banWhole(asked);
    },
    killed(suspect, shard, why) {
      const crashes = suspects.struck(suspect);
      if (crashes < MOST_CRASHES) return;
      const { to, name, body, who, isDry } = suspect;
      // Put back meanwhile: that its thread ended is heard after its answer.
      const equal = equalOf(suspect);
      const earlier = equal?.isDry === isDry && equal.partOf === null ? quarantine.take(equal.id) : undefined;
      if (earlier !== undefined) suspects.lift(earlier.id);
      const message: CrashedMessage = {
        id: world.uuid(),
        shard,
        to,
        name,
        body,
        who,
        isDry,
        isReservation: false,
        error: `its thread died of it: ${why}`,
        crashes,
        atMs: world.wallMs(),
      };
      say('a message was set aside: its thread died of it again and again', message);
      add(message, suspect, earlier);
    },
    answered(id, asked, value) {
      const { suspect } = asked;
      if (suspect === undefined) return;
      // Of an operation over several shards another one's thread may have died of it: then its outcome is not there.
      if (!isUnavailable(value)) suspects.cleared(suspect);
      // Else it has gone another way: nothing speaks against it.
      if (!isRefusal(value) || value.kind !== 'Internal') return;
      asked.isFailed = true;
      if (asked.setAside !== undefined) return banWhole(asked);
      failed.set(id, asked);
      if (failed.size > MOST_FAILED) failed.delete(failed.keys().next().value as number);
    },
    failed: (id) => failed.get(id),
    list: () => quarantine.list(),
    get lost() {
      return quarantine.lost;
    },
    take(id, how) {
      const message = quarantine.take(id);
      if (message === undefined) return undefined;
      const isAsBefore = suspects.pardon(message.id, how === 'try again');
      const whole = wholes.get(message);
      return {
        message,
        whole: whole?.isReservation === true ? undefined : whole,
        putBack() {
          if (isAsBefore()) quarantine.add(message);
        },
      };
    },
  };
}
