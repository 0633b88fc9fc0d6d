// The router: one address for all sites. It finds the site of a request by the same rules as the sites do, and passes
// the bytes on. It keeps no state but what it remembers of places; it merges nothing.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Asker } from '../actors/asker.ts';
import { isUpload, matchOperation, placeOf, type Located, type Match } from './locate.ts';
import { askName, createLocations, type Place } from './locations.ts';
import { readPath, refusePath } from './path.ts';
import { answerOf, discard, failedAnswer, linkFailureOf, mayHaveActed, passOn } from './pass-on.ts';
import type { PeerAnswer } from './peers.ts';
import { ROUTER_NAME, type HttpAnswer } from './message.ts';
import { refusedHeaders } from './refused.ts';
import { originForm, refuseFraming, refuseHeaders } from './raw-request.ts';
import { askerOf, createBodyBudget, hasBody, readRequestBody, sendAnswer } from './socket-io.ts';
import { resolve, type Knowledge } from './resolve.ts';
import type { Sites } from './sites.ts';
import { nameOf } from './stale.ts';
import { bodyFailureAnswer, unreachableAnswer, v1Error } from './v1-error.ts';

export interface ProxyOptions {
  readonly sites: Sites;
  /** Base path of the API, with slashes at both ends. Default `/`. */
  readonly basePath?: string;
  readonly monotonicMs: () => number;
  /** Whether new requests are welcome; `/readyz` says so. Default: always. */
  readonly isReady?: () => boolean;
  readonly odd?: (what: string, error?: unknown) => void;
}

/** Bodies up to this size are read before they are sent on; a longer one is 413, but for uploads, which are streamed. */
const BODY_LIMIT_BYTES = 1 << 20;

interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly headers: Array<[string, string]>;
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  readonly asker: Asker;
}

/** Where a request goes, and what was remembered of that. */
interface Course {
  readonly site: string;
  readonly place?: Place;
  readonly forget?: () => void;
}

const VIA: [string, string] = ['via', `1.1 ${ROUTER_NAME}`];

const NO_SITE = 'no site of the federation can be reached';

/** Serves one request of the router's socket; answers it in any case, and never rejects. */
export function createProxy(
  options: ProxyOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { sites, basePath = '/', odd, isReady = () => true } = options;
  const budget = createBodyBudget();
  const locations = createLocations({
    peers: sites,
    monotonicMs: options.monotonicMs,
    ...(odd === undefined ? {} : { odd }),
  });

  const knowledgeOf = (asked: ReadonlyMap<string, Place | 'nowhere'>): Knowledge => ({
    site: '',
    // A router has no directory: any site knows the home of an entry.
    find: (ask) => (ask.by === 'directory' ? 'nowhere' : (asked.get(askName(ask)) ?? locations.known(ask))),
    partition: (id) => sites.members().find(({ partitions }) => partitions.includes(id))?.site,
    isMember: (id) => sites.members().some(({ site }) => site === id),
    globalHomes: () => [],
  });

  const isUp = (site: string): boolean => sites.members().some((member) => member.site === site && member.up);

  /** The site to send it to. What can't be placed, and whose site is out of our sight, goes to the first healthy one. */
  const courseOf = async (located: Located): Promise<Course | HttpAnswer> => {
    const asked = new Map<string, Place | 'nowhere'>();
    for (let step = 0; step < 4; step += 1) {
      const target = resolve(located, knowledgeOf(asked));
      if (target.to === 'refuse') return v1Error(400, target.message);
      if (target.to === 'ask') {
        const found = await locations.find(target.ask);
        const places = 'places' in found ? found.places : [];
        // Two places of one thing: a site says so, as it says that something does not exist; of a machine or a switch one
        // that has it, which answers a read as well.
        const isOne = places.length === 1 || target.ask.by === 'machine' || target.ask.by === 'switch';
        asked.set(askName(target.ask), (isOne ? places[0] : undefined) ?? 'nowhere');
        continue;
      }
      if (target.to !== 'site' || !isUp(target.place.site)) break;
      const { place, by } = target;
      return { site: place.site, place, ...(by === undefined ? {} : { forget: () => locations.forget(by) }) };
    }
    const site = sites.first();
    return site === undefined ? unreachableAnswer(NO_SITE) : { site };
  };

  const nameOfSite = ({ site, place }: Course): string =>
    nameOf({ site, partitions: place === undefined || place.partition === '' ? [] : [place.partition] });

  const send = async (incoming: Incoming, course: Course): Promise<PeerAnswer> =>
    await passOn(sites, incoming, { site: course.site, hops: 1, asker: incoming.asker });

  const exchange = async (incoming: Incoming, course: Course, access: 'r' | 'w'): Promise<HttpAnswer> => {
    const wasUp = isUp(course.site);
    try {
      const { headers, ...answer } = await answerOf(await send(incoming, course));
      return { ...answer, headers: [...headers, VIA] };
    } catch (error) {
      const failure = linkFailureOf(error);
      const other = sites.first(course.site);
      // A read may be asked again, of somebody who has a copy or a better link. A write never is.
      if (access === 'r' && other !== undefined && incoming.body instanceof Uint8Array && !incoming.asker.isGone) {
        return await exchange(incoming, { site: other }, 'w');
      }
      return failedAnswer(nameOfSite(course), failure, access === 'w' && mayHaveActed(failure, wasUp));
    }
  };

  const route = async (incoming: Incoming, match: Match | undefined): Promise<HttpAnswer> => {
    const body = incoming.body instanceof Uint8Array ? incoming.body : new Uint8Array(0);
    const located = match && placeOf(match, body);
    const first = sites.first();
    const course =
      located === undefined ? (first === undefined ? undefined : { site: first }) : await courseOf(located);
    if (course === undefined) return unreachableAnswer(NO_SITE);
    if ('status' in course) return course;
    const access = located?.access ?? (incoming.method === 'GET' || incoming.method === 'HEAD' ? 'r' : 'w');
    const answer = await exchange(incoming, course, access);
    if (answer.status !== 421 || located === undefined || !(incoming.body instanceof Uint8Array)) return answer;
    // It is not there any more, and nothing was done: ask again, once.
    if (answer.body instanceof ReadableStream) await discard(answer.body);
    course.forget?.();
    const second = await courseOf(located);
    return 'status' in second ? second : await exchange(incoming, second, access);
  };

  /** What the router says of itself. */
  const ownAnswer = (path: string): HttpAnswer | undefined => {
    const name = readPath(path, '/')?.segments.join('/');
    if (name !== 'healthz' && name !== 'readyz') return undefined;
    const plain = (status: number, text: string, more: Array<[string, string]> = []): HttpAnswer => ({
      status,
      headers: [['content-type', 'text/plain'], ...more],
      body: Buffer.from(text),
    });
    if (name === 'healthz') return plain(200, 'alive');
    if (!isReady()) return plain(503, 'not ready', refusedHeaders('stopping'));
    return sites.first() === undefined
      ? plain(503, 'not ready', refusedHeaders('partition-unreachable'))
      : plain(200, 'ready');
  };

  const refusalOf = (request: IncomingMessage, target: ReturnType<typeof originForm>): HttpAnswer | undefined => {
    const { httpVersion, rawHeaders } = request;
    const framing = refuseFraming(httpVersion, rawHeaders);
    // What follows on this connection could be read as another request.
    if (framing !== undefined) return v1Error(400, framing, [['connection', 'close']]);
    const headers = refuseHeaders(rawHeaders);
    if (headers !== undefined) return v1Error(431, headers);
    const refused = 'refused' in target ? target.refused : refusePath(target.path);
    return refused === undefined ? undefined : v1Error(400, refused);
  };

  return async (request, response) => {
    const asker = askerOf(response);
    try {
      const target = originForm(request.url ?? '/', request.headers.host);
      const refused = refusalOf(request, target);
      if (refused !== undefined || 'refused' in target) return await sendAnswer(response, refused!);
      const { path } = target;
      const own = ownAnswer(path);
      if (own !== undefined) return await sendAnswer(response, own);

      const method = request.method ?? 'GET';
      const match = matchOperation(method, path, basePath);
      // What trickles in waits here, where it has a time and a room of its own, not at a site.
      const body =
        isUpload(match) && hasBody(request) ? request : await readRequestBody(request, BODY_LIMIT_BYTES, { budget });
      if (typeof body === 'string') return await sendAnswer(response, bodyFailureAnswer(body, BODY_LIMIT_BYTES));
      const headers: Array<[string, string]> = [];
      const { rawHeaders } = request;
      for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([rawHeaders[i]!, rawHeaders[i + 1]!]);
      return await sendAnswer(response, await route({ method, path, headers, body, asker }, match));
    } catch (error) {
      odd?.(`${request.method} ${request.url} failed`, error);
      if (response.headersSent) response.destroy();
      else await sendAnswer(response, v1Error(500, 'Internal an unexpected error occurred in the router'));
    }
  };
}
