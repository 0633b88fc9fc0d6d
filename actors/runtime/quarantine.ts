// Messages that their actor threw at again and again: set aside, so that the actor lives on, until an operator has them
// tried again or drops them.
import type { Address } from '../address.ts';

export interface QuarantinedMessage {
  /** Operation id, as the caller was told it. */
  id: string;
  shard: number;
  to: Address;
  name: string;
  body: unknown;
  who: string;
  /** What the actor threw last. */
  error: string;
  crashes: number;
  /** Wall clock. */
  atMs: number;
}

export interface Quarantine {
  add(message: QuarantinedMessage): void;
  /** Oldest first. */
  list(): QuarantinedMessage[];
  take(id: string): QuarantinedMessage | undefined;
  /** Messages that were pushed out by newer ones. */
  readonly lost: number;
}

/** One after another of the same kind says nothing new, and somebody may send them for ever. */
const MOST = 256;

export function createQuarantine(most = MOST): Quarantine {
  const messages = new Map<string, QuarantinedMessage>();
  let lost = 0;
  return {
    add(message) {
      messages.set(message.id, message);
      if (messages.size <= most) return;
      messages.delete(messages.keys().next().value as string);
      lost++;
    },
    list: () => [...messages.values()],
    take(id) {
      const found = messages.get(id);
      messages.delete(id);
      return found;
    },
    get lost() {
      return lost;
    },
  };
}
