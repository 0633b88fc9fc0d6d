// Sites without actors: real links, real forwarding, an edge that says what it was asked.
import type { DirectoryKind } from '../actors/directory/record.ts';
import { createForwarder, type Forwarder, type ForwarderOptions } from './forward.ts';
import { dialPeer } from './link/dial.ts';
import { linkFailure } from './link/failure.ts';
import type { Link } from './link/link.ts';
import { listenForPeers } from './link/listen.ts';
import type { Peering } from './link/peering.ts';
import { processOf } from './link/tls.fixture.ts';
import { bytesOf } from './fan-out.ts';
import { collect, headerOf, type HttpAnswer, type HttpRequest } from './message.ts';
import { LOCATE_ASK, MEMBERS_ASK, type MembersReply, type PeerExchange } from './peers.ts';
import { createPlaceIndex, type PlacedRow, type PlaceIndex } from './place-index.ts';
import { v1Error } from './v1-error.ts';

export interface FakeSite {
  readonly site: string;
  readonly url: string;
  readonly peering: Peering;
  readonly places: PlaceIndex;
  readonly forwarder: Forwarder;
  /** What its edge was asked, oldest first. */
  readonly served: HttpRequest[];
  /** Answers instead of the edge. */
  edge: ((request: HttpRequest) => HttpAnswer | undefined) | undefined;
  /** As a client: through forwarding and, if that has nothing to say, the edge. */
  call(line: string, body?: unknown, headers?: Array<[string, string]>): Promise<Called>;
  /** Resolves when so many others can be reached. */
  sees(others: number): Promise<void>;
  close(): Promise<void>;
}

export interface Called {
  status: number;
  header: (name: string) => string | undefined;
  /** The JSON of a success, the message of an error in v1's encoding. */
  json: unknown;
  message: string;
}

interface Roster {
  members: MembersReply['members'];
}

let versions = 0;
export const row = (table: string, scope: string, key: string, value: unknown): PlacedRow =>
  ({ table, scope, key, owner: '', version: ++versions, value }) as PlacedRow;
export const entry = (kind: DirectoryKind, id: string, home: string): PlacedRow =>
  row('directory', `site:${home}`, `${kind}|${id}`, { kind, id, home, revision: 1, entity: {} });

export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i += 1) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within 5 s: ${what}`);
}

export const calledOf = async (answer: HttpAnswer): Promise<Called> => {
  const text = Buffer.from(await bytesOf(answer.body)).toString();
  const json: unknown = text === '' ? undefined : JSON.parse(text);
  const error = typeof json === 'string' ? (JSON.parse(json) as { statuscode: number; message: string }) : undefined;
  return {
    status: answer.status,
    header: (name) => headerOf(answer.headers, name),
    json,
    message: error?.message ?? '',
  };
};

/** Its edge answers with `{ site, method, path, body, via }`, in a list when the path names none. */
export async function fakeSite(
  site: string,
  partitions: string[],
  roster: Roster,
  changes: Partial<ForwarderOptions> & { port?: number } = {},
): Promise<FakeSite> {
  const peering = await processOf(site);
  const places = createPlaceIndex(site, partitions);
  const served: HttpRequest[] = [];
  const listener = await listenForPeers(peering, { host: '127.0.0.1', port: changes.port ?? 0 });
  const url = `https://127.0.0.1:${listener.port}`;
  const known = roster.members.find((member) => member.site === site);
  if (known === undefined) roster.members.push({ site, partitions, links: [url] });
  else known.links = [url];

  for (const member of roster.members) {
    if (member.site !== site)
      for (const link of member.links) dialPeer(peering, { url: link, expectedSite: member.site });
  }
  // As the federation does it: whoever dialled.
  const linkTo = (name: string): Link => {
    const link = peering.links().find(({ peer, state }) => peer?.site === name && state === 'up');
    if (link === undefined) throw linkFailure('LinkDown', `no process of site ${name} can be reached`);
    return link;
  };
  const peers: PeerExchange = {
    members: () =>
      roster.members
        .filter((member) => member.site !== site)
        .map((member) => ({
          ...member,
          up: peering.links().some(({ peer, state }) => peer?.site === member.site && state === 'up'),
        })),
    request: async (name, head, body, limits) => await linkTo(name).request(head, body, limits),
    ask: async (name, kind, body, deadlineMs) => await linkTo(name).ask(kind, body, deadlineMs),
  };
  const edge = async (request: HttpRequest): Promise<HttpAnswer> => {
    served.push(request);
    const { method, path, via } = request;
    const said = { site, method, path, body: Buffer.from(request.body).toString(), via };
    const isList =
      /^\/v1\/(?:machine|image|network)(?:\/find)?$/.test(path) && (method === 'GET' || path.endsWith('/find'));
    return (
      fake.edge?.(request) ?? {
        status: 200,
        headers: [['content-type', 'application/json']],
        body: Buffer.from(JSON.stringify(isList ? [said] : said)),
      }
    );
  };
  const forwarder = createForwarder({
    site,
    places,
    peers,
    own: edge,
    monotonicMs: () => performance.now(),
    ...changes,
  });
  const serve = async (request: HttpRequest): Promise<HttpAnswer> =>
    (await forwarder.beforeApp(request)) ?? (await edge(request));

  peering.onAsk(LOCATE_ASK, (body) => forwarder.answerLocate(body));
  peering.onAsk(MEMBERS_ASK, (): MembersReply => ({ site, active: true, members: roster.members }));
  peering.onRequest(async ({ method, path, headers, body }) => {
    const bytes = await collect(body, 1 << 20);
    const answer = await serve(
      bytes === undefined
        ? { method, path: '/too-large', headers, body: new Uint8Array(0), via: 'link' }
        : { method, path, headers, body: bytes, via: 'link' },
    ).catch((error: unknown) => v1Error(500, String(error)));
    return { status: answer.status, headers: answer.headers, body: answer.body ?? undefined };
  });

  const fake: FakeSite = {
    site,
    url,
    peering,
    places,
    forwarder,
    served,
    edge: undefined,
    async call(line, body, headers = []) {
      const [method, path] = line.split(' ') as [string, string];
      const bytes = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
      return calledOf(await serve({ method, path, headers, body: Buffer.from(bytes), via: 'http' }));
    },
    sees: (others) => until(() => peers.members().filter(({ up }) => up).length === others, `${others} up`),
    async close() {
      await listener.close();
      peering.close();
    },
  };
  return fake;
}
