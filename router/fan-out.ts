// Lists: every site answers for itself, the receiving one merges (networks.md §10.2).
import type { Located } from './locate.ts';
import { endToEnd, collect, type HttpAnswer, type HttpRequest } from './message.ts';
import { isMergeable, mergeParts } from './merge.ts';
import { linkFailureOf, passOn } from './pass-on.ts';
import type { Member, PeerExchange } from './peers.ts';
import { namesOf, staleHeaders, type Absent } from './stale.ts';
import { unreachableAnswer } from './v1-error.ts';

/** A member that has not answered its part within this time counts as unreachable. */
export const PART_MS = 10_000;
/** A longer part counts as unreachable: it has to be held in memory until all are here. */
export const PART_LIMIT_BYTES = 256 * 1024 * 1024;

/**
 * This site's copy of what belongs to another site as a whole: its directory entries, its global networks. Of what its
 * partitions own there is none.
 */
export type ReadCopy = (
  site: string,
  request: HttpRequest,
) => Promise<{ readonly ageS: number; readonly answer: HttpAnswer } | undefined>;

export interface FanOutPorts {
  readonly peers: PeerExchange;
  /** Answers for this site only. */
  readonly own: (request: HttpRequest) => Promise<HttpAnswer>;
  /** This site and what it hosts, to be named when its own part fails. */
  readonly self: () => Absent['member'];
  /** Answers for a site that can't be reached. Default: nothing does, its part is missing. */
  readonly copyOf?: ReadCopy | undefined;
  readonly odd?: ((what: string, error?: unknown) => void) | undefined;
}

interface Part {
  readonly status: number;
  readonly headers: ReadonlyArray<readonly [string, string]>;
  readonly body: Uint8Array;
}
interface Outcome {
  readonly part?: Part;
  readonly absent: readonly Absent[];
}

// What is wrong with the request itself. Our own part says so; where ours is fine, another site that finds fault with the
// caller has a clock that is off, or other keys, and must not take everybody's list away.
const DECISIVE = new Set([400, 401, 403, 415]);

export async function bytesOf(body: HttpAnswer['body']): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  return body instanceof Uint8Array ? body : new Uint8Array(await new Response(body).arrayBuffer());
}

const partOf = async ({ status, headers, body }: HttpAnswer): Promise<Part> => ({
  status,
  headers,
  body: await bytesOf(body),
});

/** Parts are read here, so they must come as they are. */
const plainRequest = (request: HttpRequest): HttpRequest => ({
  ...request,
  headers: request.headers.filter(([name]) => !/^(?:accept-encoding|if-none-match|range)$/i.test(name)),
});

async function partFrom(ports: FanOutPorts, member: Member, request: HttpRequest, hops: number): Promise<Outcome> {
  const failed = async (): Promise<Outcome> => {
    const copy = await ports.copyOf?.(member.site, request);
    if (copy === undefined || copy.answer.status !== 200) return { absent: [{ member }] };
    const whole = { member: { site: member.site, partitions: [] }, ageS: copy.ageS };
    return { part: await partOf(copy.answer), absent: member.partitions.length === 0 ? [whole] : [{ member }, whole] };
  };
  if (!member.up) return failed();
  try {
    const passing = { site: member.site, hops, deadlineMs: PART_MS, as: 'part' as const, asker: request.asker };
    const { status, headers, body } = await passOn(ports.peers, request, passing);
    const bytes = await collect(body, PART_LIMIT_BYTES);
    if (bytes !== undefined) return { part: { status, headers, body: bytes }, absent: [] };
    ports.odd?.(`the part of site ${member.site} is longer than ${PART_LIMIT_BYTES} bytes`);
    return { absent: [{ member }] };
  } catch (error) {
    linkFailureOf(error);
    return failed();
  }
}

/** Asks the sites for their parts and merges them with ours. Who can't be reached is named in headers. */
export async function fanOut(
  ports: FanOutPorts,
  original: HttpRequest,
  { operation, merge = 'concatenate' }: Pick<Located, 'operation' | 'merge'>,
  sites: readonly Member[],
  hops: number,
): Promise<HttpAnswer> {
  const request = plainRequest(original);
  const [ownAnswer, ...outcomes] = await Promise.all([
    ports.own(request).then(partOf),
    ...sites.map((member) => partFrom(ports, member, request, hops)),
  ]);

  if (DECISIVE.has(ownAnswer.status)) return answerWith(ownAnswer);
  const absent: Absent[] = outcomes.flatMap((outcome) => outcome.absent);
  const good: Part[] = [];
  const answers: Array<{ part: Part; member: Absent['member'] }> = [
    { part: ownAnswer, member: ports.self() },
    ...outcomes.flatMap(({ part }, i) => (part === undefined ? [] : [{ part, member: sites[i]! }])),
  ];
  for (const { part, member } of answers) {
    if (part.status === 200 && isMergeable(merge, part.body)) good.push(part);
    // A project that one copy of the directory lacks is counted by the others.
    else if (!(merge === 'project' && part.status === 404)) {
      ports.odd?.(`site ${member.site} answered its part of ${operation} with ${part.status}`);
      absent.push({ member });
    }
  }

  if (good.length === 0) {
    // A 404 of ours says nothing of those that can't be reached; any other error of ours is the first one.
    if (ownAnswer.status !== 404 || absent.length === 0) return answerWith(ownAnswer);
    return unreachableAnswer(
      `it is not known here, and ${namesOf(absent.map(({ member }) => member))} can't be reached`,
    );
  }
  const body = mergeParts(
    merge,
    good.map((part) => part.body),
    original.body,
  );
  return answerWith({ ...good[0]!, headers: mergedHeaders(good, absent), body });
}

/** Those of the first part; what any part warns of is warned of. */
function mergedHeaders(good: readonly Part[], absent: readonly Absent[]): Part['headers'] {
  const isWarning = ([name]: readonly [string, string]): boolean => name.toLowerCase() === 'warning';
  const stale = staleHeaders(absent);
  const warnings = [...good.flatMap(({ headers }) => headers), ...stale].filter(isWarning).map(([, said]) => said);
  return [
    ...[...good[0]!.headers, ...stale].filter((header) => !isWarning(header)),
    ...(warnings.length === 0 ? [] : [['Warning', [...new Set(warnings)].join(', ')] as const]),
  ];
}

function answerWith(part: Part): HttpAnswer {
  const headers = endToEnd(part.headers).filter(([name]) => name.toLowerCase() !== 'content-length');
  return { status: part.status, headers, body: part.body };
}
