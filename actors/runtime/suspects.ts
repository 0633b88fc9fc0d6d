// Which message is not let in, until an operator says so: one that its actor threw at thrice, or that was in hand at three
// deaths of its thread, by a full heap, an endless loop or an exit. Nobody can catch those where they happen.
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
  /** A dry run that fails says nothing of the real one; what is set aside has no dry run either. */
  isDry: boolean;
  /** Within an operation: it has a name in common with a command now and then, and nothing else. */
  isReservation?: boolean;
}

export interface Suspects {
  /** It was in hand when its thread died; answers how often that was so, lately. */
  struck(suspect: Suspect): number;
  /** Under this id it lies in quarantine. */
  ban(suspect: Suspect, id: string): void;
  /** Something that is a part of it lies there. */
  banWhole(suspect: Suspect, id: string): void;
  /** The id under which an equal message lies in quarantine. */
  banned(suspect: Suspect): string | undefined;
  /** Its thread outlived it. */
  cleared(suspect: Suspect): void;
  /**
   * An operator lets it in again: one more death, and it is set aside. Answers how to take that back; then false: an equal one
   * was set aside meanwhile.
   */
  pardon(id: string, isTriedAgain: boolean): () => boolean;
  /** It does not lie in quarantine any more; what is known of its deaths stays. */
  lift(id: string): void;
}

/** Deaths so long ago say nothing about the message that was in hand. */
const MEMORY_MS = 600_000;
/** A plant in which more messages kill threads has another problem. */
const MOST = 256;
/** Of one that lies in quarantine several may be banned: all that it is a part of. */
const MOST_WHOLES = 1_024;

const UUID_V7 = /\b([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b/g;
/** From drawing an id to asking with it. */
const DRAWN_MS = 1_000;

interface Ban {
  id: string;
  place: string;
  isWhole: boolean;
}

const placeOf = ({ to, name }: Pick<Suspect, 'to' | 'name'>): string => `${addressText(to)} ${name}`;

/**
 * The same request, sent again, has another fresh id of what it makes: ids as young as the request say nothing of it. The
 * time of a UUIDv7 are its first 48 bits, in milliseconds (RFC 9562 §5.7).
 */
function fingerprint({ to, name, body, askedMs, isDry, isReservation = false }: Suspect): string {
  const text = `${isDry ? 'dry ' : ''}${isReservation ? 'reserve ' : ''}${placeOf({ to, name })} ${JSON.stringify(body)}`;
  return text.replace(UUID_V7, (id, high: string, low: string) =>
    Math.abs(askedMs - Number.parseInt(high + low, 16)) <= DRAWN_MS ? 'drawn' : id,
  );
}

export function createSuspects(monotonicMs: () => number): Suspects {
  const deaths = new Map<string, { count: number; lastMs: number }>();
  const bans = new Map<string, Ban>();
  /** Of how many bans: what goes elsewhere is not written out to be compared. */
  const places = new Map<string, number>();

  function unban(key: string): void {
    const place = bans.get(key)?.place;
    if (place === undefined) return;
    bans.delete(key);
    const left = (places.get(place) ?? 1) - 1;
    if (left === 0) places.delete(place);
    else places.set(place, left);
  }

  function ban(key: string, banned: Ban): void {
    unban(key);
    bans.set(key, banned);
    places.set(banned.place, (places.get(banned.place) ?? 0) + 1);
    if (!banned.isWhole) return;
    const wholes = [...bans].filter(([, { isWhole }]) => isWhole);
    if (wholes.length > MOST_WHOLES) unban((wholes[0] as [string, Ban])[0]);
  }

  const bansOf = (id: string): Array<[key: string, ban: Ban]> => [...bans].filter(([, banned]) => banned.id === id);

  return {
    struck(suspect) {
      const key = fingerprint(suspect);
      const now = monotonicMs();
      const before = deaths.get(key);
      const count = before === undefined || now - before.lastMs > MEMORY_MS ? 1 : before.count + 1;
      deaths.delete(key);
      deaths.set(key, { count, lastMs: now });
      if (deaths.size > MOST) deaths.delete(deaths.keys().next().value as string);
      return count;
    },
    ban: (suspect, id) => ban(fingerprint(suspect), { id, place: placeOf(suspect), isWhole: false }),
    banWhole: (suspect, id) => ban(fingerprint(suspect), { id, place: placeOf(suspect), isWhole: true }),
    banned(suspect) {
      // The usual case, on the way of every ask: nobody is suspected.
      if (bans.size === 0 || !places.has(placeOf(suspect))) return undefined;
      const own = bans.get(fingerprint(suspect))?.id;
      return own !== undefined || !suspect.isDry ? own : bans.get(fingerprint({ ...suspect, isDry: false }))?.id;
    },
    cleared(suspect) {
      if (deaths.size > 0) deaths.delete(fingerprint(suspect));
    },
    pardon(id, isTriedAgain) {
      const lifted = bansOf(id);
      for (const [key] of lifted) {
        unban(key);
        if (!isTriedAgain) deaths.delete(key);
        // Of one that only its actor threw at no death is known.
        else if (deaths.has(key)) deaths.set(key, { count: MOST_CRASHES - 1, lastMs: monotonicMs() });
      }
      return () => {
        if (lifted.some(([key]) => bans.has(key))) return false;
        for (const [key, banned] of lifted) ban(key, banned);
        return true;
      };
    },
    lift(id) {
      for (const [key] of bansOf(id)) unban(key);
    },
  };
}
