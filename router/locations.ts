// Places that only other sites know: asked of all of them at once, remembered while they hold.
import { isLinkFailure } from './link/failure.ts';
import { LOCATE_ASK, locateReplySchema, type LocateAsk, type Member, type PeerExchange } from './peers.ts';

/** Where something is: a site, and its partition; '' when it belongs to the site as a whole, or nobody said. */
export interface Place {
  readonly site: string;
  readonly partition: string;
  /** Of an address: nobody said that it is there, but by a loan it comes there, or goes away. */
  readonly isPassing?: true;
}

/** What asking gave. `unreachable`: nobody has it, but not everybody could say so. */
export type Found = { readonly places: readonly Place[] } | { readonly unreachable: readonly Member[] };

export interface Locations {
  /** A remembered place. */
  known(ask: LocateAsk): Place | undefined;
  /**
   * Asks all members at once; the same question is asked once at a time. No place: all answered that it is not there, to a
   * question that was asked after this.
   */
  find(ask: LocateAsk): Promise<Found>;
  /** It was not there. */
  forget(ask: LocateAsk): void;
}

export interface LocationsOptions {
  readonly peers: Pick<PeerExchange, 'members' | 'ask'>;
  readonly monotonicMs: () => number;
  /** Places that are remembered; the one that was used longest ago goes first. Default 100,000. */
  readonly capacity?: number;
  /** Hears of answers that made no sense. */
  readonly odd?: (what: string, error?: unknown) => void;
}

/** An answer comes within this time, or its site counts as unreachable (reliability.md F11: ≤ 2 s). */
export const LOCATE_MS = 1_500;
/** Remembered no longer: things move, seldom. */
export const REMEMBERED_MS = 300_000;

export const askName = (ask: LocateAsk): string =>
  ask.by === 'directory' ? `directory|${ask.kind}|${ask.id}` : `${ask.by}|${ask.id}`;

interface Told {
  place: Place;
  network: string | undefined;
  loan: true | undefined;
}

/** Nobody may have it while it moves; where it passes then knows most of it, after that its lender. */
interface Passing {
  passing: Place;
  isLent: boolean;
}

/**
 * Until the holder of a block has heard that a lent address came, both ends say that it is theirs: the one that has it by the
 * loan is right. Addresses of several networks stay several.
 */
function placesOf(told: readonly Told[]): Place[] {
  const loan = told.find((one) => one.loan === true);
  const isOne = loan !== undefined && told.every(({ network }) => network === loan.network);
  return (isOne ? [loan] : told).map(({ place }) => place);
}

export function createLocations({ peers, monotonicMs, capacity = 100_000, odd }: LocationsOptions): Locations {
  const remembered = new Map<string, { place: Place; untilMs: number }>();
  const asking = new Map<string, Promise<Found>>();

  const remember = (name: string, place: Place): void => {
    remembered.delete(name);
    remembered.set(name, { place, untilMs: monotonicMs() + REMEMBERED_MS });
    if (remembered.size > capacity) remembered.delete(remembered.keys().next().value!);
  };

  const askOne = async (member: Member, ask: LocateAsk): Promise<Told | Passing | 'elsewhere' | 'unreachable'> => {
    if (!member.up) return 'unreachable';
    try {
      const reply = locateReplySchema.parse(await peers.ask(member.site, LOCATE_ASK, ask, LOCATE_MS));
      if (!reply.here) {
        const { passing, isLent = false } = reply;
        if (passing === undefined) return 'elsewhere';
        return { passing: { site: member.site, partition: passing, isPassing: true }, isLent };
      }
      const { partition, network, loan } = reply;
      return { place: { site: member.site, partition }, network, loan };
    } catch (error) {
      if (!isLinkFailure(error)) odd?.(`site ${member.site} answered ${LOCATE_ASK} with something else`, error);
      return 'unreachable';
    }
  };

  const askAll = async (name: string, ask: LocateAsk): Promise<Found> => {
    const members = peers.members();
    const answers = await Promise.all(members.map((member) => askOne(member, ask)));
    const places = placesOf(answers.filter((answer) => typeof answer === 'object' && 'place' in answer));
    if (places.length === 1) remember(name, places[0]!);
    if (places.length > 0) return { places };
    const unreachable = members.filter((_, i) => answers[i] === 'unreachable');
    if (unreachable.length > 0) return { unreachable };
    const passing = answers.filter((answer) => typeof answer === 'object' && 'passing' in answer);
    const [first] = passing.sort((a, b) => Number(a.isLent) - Number(b.isLent));
    return { places: first === undefined ? [] : [first.passing] };
  };

  const begin = (name: string, ask: LocateAsk): Promise<Found> => {
    const found = askAll(name, ask).finally(() => asking.delete(name));
    asking.set(name, found);
    return found;
  };

  return {
    known(ask) {
      const name = askName(ask);
      const entry = remembered.get(name);
      if (entry === undefined) return undefined;
      remembered.delete(name);
      if (entry.untilMs <= monotonicMs()) return undefined;
      remembered.set(name, entry);
      return entry.place;
    },
    async find(ask) {
      const name = askName(ask);
      const pending = asking.get(name);
      if (pending !== undefined) {
        const found = await pending;
        // Nowhere was said before this was asked: it may have come somewhere since. A place shows whether it is right.
        if (!('places' in found) || found.places.length > 0) return found;
      }
      return await (asking.get(name) ?? begin(name, ask));
    },
    forget(ask) {
      remembered.delete(askName(ask));
    },
  };
}
