// Messages that their actor threw at, or their thread died of, again and again: set aside, so that both live on, until an
// operator has them tried again or drops them. In memory: a process that starts anew has forgotten them.
import type { Address } from '../address.ts';

/** As the shard of its actor knows it. */
export interface CrashedMessage {
  /** Operation id, as the caller was told it. */
  id: string;
  shard: number;
  to: Address;
  name: string;
  body: unknown;
  who: string;
  isDry: boolean;
  isReservation: boolean;
  /** What the actor threw last. */
  error: string;
  crashes: number;
  /** Wall clock. */
  atMs: number;
}

/** Equal ones are one. */
export interface QuarantinedMessage extends CrashedMessage {
  /** What the callers of equal ones were told: those that were under way when the first one was set aside. */
  also: string[];
  /** How often an equal one came, those that were not let in included. */
  count: number;
  /** When the last of them came. Wall clock. */
  lastMs: number;
  /** What was asked of the process, where this is only a part of that: it is not let in, and is what is tried again. */
  partOf: { to: Address; name: string; body: unknown } | null;
}

export interface Quarantine {
  add(message: QuarantinedMessage): void;
  /** The one that was seen longest ago first. */
  list(): QuarantinedMessage[];
  find(id: string): QuarantinedMessage | undefined;
  /** An equal one came. */
  seen(message: QuarantinedMessage, atMs: number): void;
  take(id: string): QuarantinedMessage | undefined;
  /** Messages that were pushed out by newer ones. */
  readonly lost: number;
}

/** So many different messages at a time: somebody may send them for ever. */
const MOST = 256;
/** So many under way at a time are told from another. */
const MOST_ALSO = 64;

/** Whether it was told under this id. */
export const isUnder = ({ id, also = [] }: { id: string; also?: string[] }, asked: string): boolean =>
  id === asked || also.includes(asked);

/** Another one that is equal was under way, and crashed as well. */
export function joinEqual(message: QuarantinedMessage, { id, crashes, error }: CrashedMessage): void {
  message.also = [...message.also, id].slice(-MOST_ALSO);
  message.crashes += crashes;
  message.error = error;
}

export function createQuarantine(pushedOut: (message: QuarantinedMessage) => void, most = MOST): Quarantine {
  const messages = new Map<string, QuarantinedMessage>();
  let lost = 0;
  const find = (id: string): QuarantinedMessage | undefined =>
    messages.get(id) ?? [...messages.values()].find((message) => isUnder(message, id));
  return {
    find,
    add(message) {
      messages.set(message.id, message);
      const [oldest] = messages.values();
      if (messages.size <= most || oldest === undefined) return;
      messages.delete(oldest.id);
      lost++;
      pushedOut(oldest);
    },
    list: () => [...messages.values()],
    seen(message, atMs) {
      message.count++;
      message.lastMs = atMs;
      messages.delete(message.id);
      messages.set(message.id, message);
    },
    take(id) {
      const found = find(id);
      if (found !== undefined) messages.delete(found.id);
      return found;
    },
    get lost() {
      return lost;
    },
  };
}
