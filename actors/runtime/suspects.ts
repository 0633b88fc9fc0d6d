// Which message brings its thread down, with a full heap, an endless loop or an exit: nobody can catch that where it happens.
// One that was in hand at three deaths is set aside, and is not let in again until an operator says so.
import { addressText, type Address } from '../address.ts';
import { MOST_CRASHES } from './turn/ending.ts';

/** A message that is the same when it comes again, whoever sends it. */
export interface Suspect {
  to: Address;
  name: string;
  body: unknown;
  who: string;
  /** Wall clock when it was asked. */
  askedMs: number;
}

export interface Suspects {
  /** It was in hand when its thread died; answers how often that was so, lately. */
  struck(suspect: Suspect): number;
  /** Under this id it lies in quarantine. */
  ban(suspect: Suspect, id: string): void;
  /** The id under which an equal message lies in quarantine. */
  banned(suspect: Suspect): string | undefined;
  /** Its thread outlived it. */
  cleared(suspect: Suspect): void;
  /**
   * An operator lets it in again: one more death, and it is set aside. Answers how to take that back; then false: an equal one
   * was set aside meanwhile.
   */
  pardon(id: string, isTriedAgain: boolean): () => boolean;
}

/** Deaths so long ago say nothing about the message that was in hand. */
const MEMORY_MS = 600_000;
/** A plant in which more messages kill threads has another problem. */
const MOST = 256;

const UUID_V7 = /\b([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b/g;
/** From drawing an id to asking with it. */
const DRAWN_MS = 1_000;

/**
 * The same request, sent again, has another fresh id of what it makes: ids as young as the request say nothing of it. The
 * time of a UUIDv7 are its first 48 bits, in milliseconds (RFC 9562 §5.7).
 */
function fingerprint({ to, name, body, askedMs }: Suspect): string {
  const text = `${addressText(to)} ${name} ${JSON.stringify(body)}`;
  return text.replace(UUID_V7, (id, high: string, low: string) =>
    Math.abs(askedMs - Number.parseInt(high + low, 16)) <= DRAWN_MS ? 'drawn' : id,
  );
}

export function createSuspects(monotonicMs: () => number): Suspects {
  const deaths = new Map<string, { count: number; lastMs: number }>();
  const bans = new Map<string, string>();
  const bounded = (map: Map<string, unknown>): void => {
    if (map.size > MOST) map.delete(map.keys().next().value as string);
  };

  return {
    struck(suspect) {
      const key = fingerprint(suspect);
      const now = monotonicMs();
      const before = deaths.get(key);
      const count = before === undefined || now - before.lastMs > MEMORY_MS ? 1 : before.count + 1;
      deaths.delete(key);
      deaths.set(key, { count, lastMs: now });
      bounded(deaths);
      return count;
    },
    ban(suspect, id) {
      bans.set(fingerprint(suspect), id);
      bounded(bans);
    },
    // The usual case, on the way of every ask: nobody is suspected, nothing is written out to be compared.
    banned: (suspect) => (bans.size === 0 ? undefined : bans.get(fingerprint(suspect))),
    cleared(suspect) {
      if (deaths.size > 0) deaths.delete(fingerprint(suspect));
    },
    pardon(id, isTriedAgain) {
      const lifted = [...bans].flatMap(([key, banned]) => (banned === id ? [key] : []));
      for (const key of lifted) {
        bans.delete(key);
        if (isTriedAgain) deaths.set(key, { count: MOST_CRASHES - 1, lastMs: monotonicMs() });
        else deaths.delete(key);
      }
      return () => {
        if (lifted.some((key) => bans.has(key))) return false;
        for (const key of lifted) bans.set(key, id);
        return true;
      };
    },
  };
}
