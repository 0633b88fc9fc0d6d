// What a site does with a request before its own edge: find the place, and pass it on if it is not ours.
import { answerLocate, knowledgeOf } from './knowledge.ts';
import { fanOut, type FanOutPorts, type ReadCopy } from './fan-out.ts';
import { matchOperation, placeOf, type Located, type Match } from './locate.ts';
import { askName, createLocations, type Place } from './locations.ts';
import { cameFromStandby, hopsOf, isPart, MOST_HOPS, type HttpAnswer, type HttpRequest } from './message.ts';
import { answerOf, discard, failedAnswer, linkFailureOf, mayHaveActed, passOn } from './pass-on.ts';
import { refusePath } from './path.ts';
import { locateAskSchema, type LocateAsk, type LocateReply, type Member, type PeerExchange } from './peers.ts';
import type { PlaceIndex } from './place-index.ts';
import { resolve, type Target } from './resolve.ts';
import { actedOn, meantOf, partitionNamed, severalAddresses } from './several.ts';
import { nameOf, namesOf, staleHeaders } from './stale.ts';
import { busyAnswer, unreachableAnswer, v1Error } from './v1-error.ts';

export interface ForwarderOptions {
  /** This site. */
  readonly site: string;
  /** Base path of the API, with slashes at both ends. Default `/`. */
  readonly basePath?: string;
  readonly places: PlaceIndex;
  readonly peers: PeerExchange;
  /** This process's own edge, for our part of a list. */
  readonly own: (request: HttpRequest) => Promise<HttpAnswer>;
  /** Whether this process is the active one of its site. Default: always. */
  readonly isActive?: () => boolean;
  /** Copies of what others own, for reads while those can't be reached. Default: none. */
  readonly copyOf?: ReadCopy;
  readonly monotonicMs: () => number;
  /** For log lines: an answer of a peer that made no sense, a request at a wrong home. */
  readonly odd?: (what: string, error?: unknown) => void;
}

export interface Forwarder {
  /** The hook before the edge: undefined, at once where nothing has to be asked, means that the own edge answers. */
  readonly beforeApp: (request: HttpRequest) => HttpAnswer | undefined | Promise<HttpAnswer | undefined>;
  /** Serves the ask `LOCATE_ASK`. Throws a ZodError when the body makes no sense. */
  readonly answerLocate: (body: unknown) => LocateReply;
}

/** These say how this very process is. */
const OWN_PATHS = new Set(['healthz', 'readyz', 'metrics', 'v1/health']);

/** A site that holds the whole federation in one partition has nowhere to pass anything on to. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { site, basePath = '/', places, peers, odd, isActive = () => true } = options;
  const locations = createLocations({ peers, monotonicMs: options.monotonicMs, ...(odd === undefined ? {} : { odd }) });
  const knowing = { site, places, peers, locations };
  const fanOutPorts: FanOutPorts = {
    peers,
    own: options.own,
    self: () => ({ site, partitions: places.hosted() }),
    copyOf: options.copyOf,
    odd,
  };

  const memberOf = (place: Place): Member =>
    peers.members().find((member) => member.site === place.site) ?? {
      site: place.site,
      partitions: place.partition === '' ? [] : [place.partition],
      up: false,
    };

  /** The partition that is meant, in messages and headers; of the whole site all that it hosts. */
  const meant = (place: Place): Pick<Member, 'site' | 'partitions'> =>
    place.partition === '' ? memberOf(place) : { site: place.site, partitions: [place.partition] };

  const isOwnPath = (path: string): boolean =>
    path.startsWith(basePath) && OWN_PATHS.has(path.slice(basePath.length).replace(/\/?(?:\?.*)?$/, ''));

  const passToActive = async (request: HttpRequest): Promise<HttpAnswer> => {
    if (cameFromStandby(request)) return busyAnswer(`site "${site}" has no active process at the moment`, 'standby');
    const as = isPart(request) ? 'part of standby' : 'standby';
    try {
      return await answerOf(await passOn(peers, request, { site, hops: hopsOf(request), as, asker: request.asker }));
    } catch (error) {
      const failure = linkFailureOf(error);
      const access = matchOperation(request.method, request.path, basePath)?.operation.access;
      return failedAnswer(
        `the active process of site "${site}"`,
        failure,
        failure.kind === 'Deadline' && access === 'w',
      );
    }
  };

  const fromCopy = async (place: Place, request: HttpRequest): Promise<HttpAnswer | undefined> => {
    const copy = await options.copyOf?.(place.site, request);
    if (copy === undefined || copy.answer.status >= 300) return undefined;
    const member = { site: place.site, partitions: place.partition === '' ? [] : [place.partition] };
    const stale = staleHeaders([{ member, ageS: copy.ageS }]);
    return { ...copy.answer, headers: [...copy.answer.headers, ...stale] };
  };

  /** Undefined: it is not there after all, and nothing was done. */
  const exchange = async (
    request: HttpRequest,
    place: Place,
    access: Located['access'],
    hops: number,
  ): Promise<HttpAnswer | undefined> => {
    const wasUp = memberOf(place).up;
    try {
      const answer = await passOn(peers, request, { site: place.site, hops, asker: request.asker });
      if (answer.status !== 421) return await answerOf(answer);
      await discard(answer.body);
      return undefined;
    } catch (error) {
      const failure = linkFailureOf(error);
      const isUnsure = access === 'w' && mayHaveActed(failure, wasUp);
      const copied = access === 'r' ? await fromCopy(place, request) : undefined;
      return copied ?? failedAnswer(nameOf(meant(place)), failure, isUnsure);
    }
  };

  const misdirected = (request: HttpRequest, what: string): HttpAnswer => {
    odd?.(`${request.method} ${request.path} was passed on to here, but ${what}`);
    return v1Error(421, `this request was passed on to site "${site}", but ${what}; nothing was done`);
  };

  /** Where it is by what was heard just now; or the answer that nobody can tell. */
  const heardOf = (
    request: HttpRequest,
    located: Located,
    ask: LocateAsk,
    heard: readonly Place[],
  ): Place | 'nowhere' | HttpAnswer => {
    const [first] = heard;
    if (heard.length > 1 && ask.by === 'address') return severalAddresses(ask.id, heard);
    // A read, or what only comes by, may have either.
    const acted = heard.length > 1 ? actedOn(located) : undefined;
    if (acted !== undefined && askName(acted) === askName(ask)) return meantOf(request, ask, heard);
    // What passes us as well we say most of ourselves.
    return first === undefined || (first.isPassing && places.passing(ask.id) !== undefined) ? 'nowhere' : first;
  };

  /** Everything that can't be decided at once. */
  const pursue = async (request: HttpRequest, located: Located, first: Target): Promise<HttpAnswer | undefined> => {
    const hops = hopsOf(request);
    const asked = new Map<string, Place | 'nowhere'>();
    let target = first;
    let isSecondTry = false;
    // At most: its network is asked for, its holder, a wrong place, and that once more.
    for (let step = 0; step < 6; step += 1) {
      if (target.to === 'here') return undefined;
      if (target.to === 'refuse') return v1Error(400, target.message);
      if (target.to === 'sites') {
        const members = peers.members();
        const { sites } = target;
        const chosen = sites === 'all' ? members : members.filter((member) => sites.includes(member.site));
        return chosen.length === 0 ? undefined : await fanOut(fanOutPorts, request, located, chosen, hops + 1);
      }
      if (target.to === 'ask') {
        const found = await locations.find(target.ask);
        if ('unreachable' in found) {
          const names = namesOf(found.unreachable);
          const subject = `${target.ask.by === 'directory' ? target.ask.kind : target.ask.by} ${JSON.stringify(target.ask.id)}`;
          return unreachableAnswer(
            `${subject} is not known to any site that can be reached, and ${names} can't be reached`,
          );
        }
        const heard = heardOf(request, located, target.ask, found.places);
        if (typeof heard === 'object' && 'status' in heard) return heard;
        asked.set(askName(target.ask), heard);
      } else {
        if (hops >= MOST_HOPS) return misdirected(request, 'it is not at home there');
        const answer = await exchange(request, target.place, located.access, hops + 1);
        if (answer !== undefined) return answer;
        if (target.by === undefined || isSecondTry) break;
        isSecondTry = true;
        // Remembered, or a copy that is behind: everybody is asked again.
        locations.forget(target.by);
        const found = await locations.find(target.by);
        if ('unreachable' in found)
          return unreachableAnswer(
            `${nameOf(meant(target.place))} has it no more, and who may have it can't be reached; nothing was done`,
          );
        const heard = heardOf(request, located, target.by, found.places);
        if (typeof heard === 'object' && 'status' in heard) return heard;
        asked.set(askName(target.by), heard);
      }
      target = resolve(located, knowledgeOf(knowing, located.class, asked));
    }
    return busyAnswer('the place of this request is changing; nothing was done, try again', 'unavailable');
  };

  /** By-address operations with two hits are nobody's to decide. */
  const overlap = ({ at }: Located): HttpAnswer | undefined => {
    if (typeof at !== 'object' || at.by !== 'address' || at.network !== undefined) return undefined;
    const partitions = new Set(places.holders(at.id).map(({ partition }) => partition));
    return partitions.size < 2
      ? undefined
      : severalAddresses(
          at.id,
          [...partitions].map((partition) => ({ site, partition })),
        );
  };

  /**
   * Ours is acted on only if no other site has one of that id: a machine that was moved is known at both homes. Who can't be
   * reached can't say, and does not keep a partition from its own.
   */
  const unlessElsewhere = async (
    request: HttpRequest,
    located: Located,
    ask: LocateAsk,
    own: Place,
  ): Promise<HttpAnswer | undefined> => {
    const found = await locations.find(ask);
    const others = 'places' in found ? found.places : [];
    if (others.length === 0 && partitionNamed(request) === undefined) return undefined;
    const meant = meantOf(request, ask, [own, ...others]);
    if ('status' in meant) return meant;
    return meant.site === site ? undefined : await pursue(request, located, { to: 'site', place: meant });
  };

  const placed = (request: HttpRequest, match: Match): HttpAnswer | undefined | Promise<HttpAnswer | undefined> => {
    const located = placeOf(match, request.body);
    if (located.at === 'any' || located.at === 'here') return undefined;
    // Our part of a list that somebody else merges. Never a way around the home of a write.
    if (isPart(request) && located.access === 'r' && located.merge !== undefined) return undefined;
    const doubtful = overlap(located);
    if (doubtful !== undefined) return doubtful;
    const target = resolve(located, knowledgeOf(knowing, located.class, undefined));
    if (target.to !== 'here') return pursue(request, located, target);
    const acted = actedOn(located);
    const partition = acted && (acted.by === 'machine' ? places.machine(acted.id) : places.switch(acted.id));
    if (acted === undefined || partition === undefined) return undefined;
    const named = partitionNamed(request);
    if (named === partition || (named === undefined && peers.members().length === 0)) return undefined;
    return unlessElsewhere(request, located, acted, { site, partition });
  };

  return {
    beforeApp(request) {
      const refused = refusePath(request.path);
      if (refused !== undefined) return v1Error(400, refused);
      if (!isActive()) return isOwnPath(request.path) ? undefined : passToActive(request);
      const match = matchOperation(request.method, request.path, basePath);
      return match && placed(request, match);
    },
    answerLocate: (body) => answerLocate(locateAskSchema.parse(body), site, places),
  };
}
