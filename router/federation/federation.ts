// The other sites, as this one sees them: links to every member, the directory spread among them, the word of all.
import { z } from 'zod';
import { withinOf, type Asker } from '../../actors/asker.ts';
import type { Cancel, World } from '../../actors/ports.ts';
import { withoutLost } from '../../actors/directory/conflict.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { together } from '../../actors/registry/claims.ts';
import type { Claim, Settled } from '../../actors/registry/messages.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { because, internal, isRefusal, unavailable, unreachable, type Refusal } from '../../actors/refusal.ts';
import { isLinkFailure, isFault, isLasting, isOverload, linkFailure, refuseAsk } from '../link/failure.ts';
import type { Link, Peer } from '../link/link.ts';
import type { Peering } from '../link/peering.ts';
import type { AskHandler } from '../link/serve.ts';
import type { Member, MembersReply, PeerExchange } from '../peers.ts';
import type { FilledCopy } from './directory-copy.ts';
import { claimSchema, createKeptClaims } from './kept-claims.ts';
import type { SiteLinks } from './site-links.ts';

/**
 * What the actors of this site do for the others; answers as the actors give them. `asker`: what has not begun when it waits
 * no more is not done. Whoever gives a promise back has none: it ends also when nobody waits for that.
 */
export interface HomeActors {
  applyDirectory(entries: DirectoryRecord[], asker?: Asker): Promise<Refusal | undefined>;
  promise(ask: { h: string; site: string; claims: Claim[] }, asker?: Asker): Promise<Refusal | undefined>;
  settlePromise(ask: Settled & { made: boolean }): Promise<Refusal | undefined>;
  /** All claims known here; refused unless this process is proven to own the site after it was asked. */
  claims(asker?: Asker): Promise<ClaimRecord[] | Refusal>;
}

export interface FederationOptions {
  site: string;
  /** Those of this process; they are there before it is active, and stay when it is no more. */
  links: SiteLinks;
  world: World;
  copy: FilledCopy;
  actors: HomeActors;
  /** Further asks that are served here, by kind. */
  asks: Record<string, AskHandler>;
  /** Whether this process may still speak for its site. */
  isActive(): boolean;
  /** The database was restored, and not compared with the other sites yet. Default: it was not. */
  isRestored?(): boolean;
  odd(what: string, error?: unknown): void;
}

/** As the edge needs it (http/site.ts). */
export interface Federation extends PeerExchange {
  readonly peering: Peering;
  others(): string[];
  askOthers(kind: string, body: unknown, withinMs: number, asker?: Asker): Promise<Map<string, unknown>>;
  askOther(member: string, kind: string, body: unknown, withinMs: number, asker?: Asker): Promise<unknown>;
  propose(h: string, claims: Claim[], asker?: Asker): Promise<Refusal | undefined>;
  /** `made` undefined: not known now; the members hear it as soon as the claims tell. */
  settle(h: string, made: boolean | undefined, asker?: Asker): Promise<void>;
  /** Claims of this site that ended. `undefined`: not known now; the members hear it as soon as the claims tell. */
  release(claims: readonly ClaimRecord[] | undefined, asker?: Asker): Promise<void>;
  spread(record: DirectoryRecord): Promise<void>;
  /** What this site just committed to its directory, own entries and copies. */
  committed(records: DirectoryRecord[]): void;
  /** Links for people: state, last heard, round trip. */
  status(): Array<{
    site: string;
    partitions: readonly string[];
    up: boolean;
    roundTripMs: number | null;
    driftMs: number | null;
    lastFailure: string | null;
  }>;
  /** Ends what it does of itself; the links stay. */
  close(): void;
}

/** How long a directory write waits for the reachable members (design.md §2). */
const SPREAD_MS = 250;
const ASK_MS = 5_000;
const RESYNC_MS = 1_000;
/** Members that have met are compared again after so long: whatever was missed by a race heals without a new link. */
const ROUND_MS = 10_000;
const ENTRIES_PER_ASK = 200;

const entriesSchema = z.object({
  entries: z.array(z.custom<DirectoryRecord>((value) => typeof value === 'object' && value !== null)).max(1_000),
});
const digestSchema = z.object({ home: z.string() });
const digestReply = z.object({ known: z.array(z.tuple([z.string(), z.string(), z.number()])) });
const promiseSchema = z.object({ h: z.string(), claims: z.array(claimSchema).max(1_000) });
const settleSchema = z.object({ h: z.string(), made: z.boolean() });

export function createFederation(options: FederationOptions): Federation {
  const { site, world, copy, actors } = options;
  const { peering, processes } = options.links;
  const { linksTo } = processes;
  const resyncs = new Map<string, { atMs: number; cancel: Cancel }>();
  /** Pushes of own entries under way, by kind, id and revision. */
  const pushes = new Map<string, Promise<void>>();
  /** Operations whose outcome this process will still tell. */
  const proposals = new Set<string>();
  let closed = false;

  // ---- links ------------------------------------------------------------------------------------------------------

  const dialled = new Set<string>();

  function dialMembers(): void {
    if (closed) return;
    const members = copy.list('member').filter(({ id }) => id !== site);
    for (const gone of dialled) if (!members.some(({ id }) => id === gone)) options.links.dial(gone, []);
    dialled.clear();
    for (const { id, linkAddresses } of members) {
      dialled.add(id);
      options.links.dial(id, linkAddresses);
    }
  }

  // A member is there (again), or another process of it is active: it gets what it lacks, and hears the end of what we
  // had asked it to promise.
  processes.onActive((link) => {
    const member = link.peer?.name;
    if (!closed && member !== undefined && member !== site) void synchronise(member, link);
  });

  async function synchronise(member: string, link: Link): Promise<void> {
    resyncs.get(member)?.cancel();
    resyncs.delete(member);
    try {
      const reply = digestReply.parse(await link.ask('directory.digest', { home: site }, ASK_MS));
      const known = new Map(reply.known.map(([kind, id, revision]) => [`${kind}|${id}`, revision]));
      const missing = copy
        .entriesOf(site)
        .filter((record) => (known.get(`${record.kind}|${record.id}`) ?? -1) < record.revision);
      for (let i = 0; i < missing.length; i += ENTRIES_PER_ASK) {
        await link.ask('directory.apply', { entries: missing.slice(i, i + ENTRIES_PER_ASK) }, ASK_MS);
      }
      if ((await kept.reconcile(link)) === 'again') resyncLater(member);
      else resyncLater(member, ROUND_MS);
    } catch (error) {
      if (!isLinkFailure(error)) options.odd(`the directory could not be brought to site ${member}`, error);
      resyncLater(member);
    }
  }

  /** In place of a later one. */
  function resyncLater(member: string, delayMs = RESYNC_MS): void {
    const atMs = world.monotonicMs() + delayMs;
    if (closed || (resyncs.get(member)?.atMs ?? Infinity) <= atMs) return;
    resyncs.get(member)?.cancel();
    const cancel = world.after(delayMs * (0.5 + world.random()), () => {
      resyncs.delete(member);
      const link = linksTo(member)[0];
      // Without a link nothing is lost: the next link-up synchronises.
      if (link !== undefined) void synchronise(member, link);
    });
    resyncs.set(member, { atMs, cancel });
  }

  // ---- directory --------------------------------------------------------------------------------------------------

  const nameOf = (record: DirectoryRecord): string => `${record.kind}|${record.id}|${record.revision}`;

  function push(record: DirectoryRecord): Promise<void> {
    const name = nameOf(record);
    const under = pushes.get(name);
    if (under !== undefined) return under;
    const told = withoutLost(record);
    const sent = Promise.all(
      others().map(async (member) => {
        const link = linksTo(member)[0];
        if (link === undefined) return;
        try {
          await link.ask('directory.apply', { entries: [told] }, ASK_MS);
        } catch {
          resyncLater(member);
        }
      }),
    ).then(() => void pushes.delete(name));
    pushes.set(name, sent);
    return sent;
  }

  const others = (): string[] =>
    copy
      .list('member')
      .map(({ id }) => id)
      .filter((id) => id !== site);
  const partitionsOf = (member: string): string[] =>
    copy
      .list('partition')
      .map(({ id }) => id)
      .filter((id) => copy.entry('partition', id)?.home === member);

  // ---- the word of all --------------------------------------------------------------------------------------------

  const withoutAnswer = (member: string, error?: unknown): Refusal => {
    const partitions = partitionsOf(member);
    const named = `site ${member}${partitions.length > 0 ? ` (partition ${partitions.join(', ')})` : ''}`;
    if (isOverload(error)) return because('overloaded', unavailable(`${named} has too much to do at the moment`));
    if (!isFault(error)) return unreachable(`${named} can't be reached`);
    const text = `${named} could not answer: ${error.message}`;
    return isLasting(error) ? internal(text) : unavailable(text);
  };

  /** No fault of the member's: it had less time than it is given. */
  const withoutTime = (member: string): Refusal =>
    because('deadline', unavailable(`site ${member} did not answer in the time that the request has`));

  async function askOther(
    member: string,
    kind: string,
    body: unknown,
    withinMs: number,
    asker?: Asker,
  ): Promise<unknown> {
    const link = linksTo(member)[0];
    if (link === undefined) return withoutAnswer(member);
    const limitMs = asker?.isGone === true ? 0 : withinOf(asker, withinMs);
    try {
      return await link.ask(kind, body, limitMs);
    } catch (error) {
      if (isLinkFailure(error) && error.refusal !== undefined && isRefusal(error.refusal.details)) {
        return error.refusal.details;
      }
      if (limitMs < withinMs && isLinkFailure(error) && error.kind === 'Deadline') return withoutTime(member);
      return withoutAnswer(member, error);
    }
  }

  async function askOthers(
    kind: string,
    body: unknown,
    withinMs: number,
    asker?: Asker,
  ): Promise<Map<string, unknown>> {
    const ask = async (member: string): Promise<[string, unknown]> => [
      member,
      await askOther(member, kind, body, withinMs, asker),
    ];
    return new Map(await Promise.all(others().map(ask)));
  }

  /** Waits for what is under way; it goes on when the time is over. */
  const waitFor = (work: Promise<void>, withinMs: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = world.after(withinMs, resolve);
      void work.then(() => {
        cancel();
        resolve();
      });
    });
  /** The members hear it also when nobody waits for that any more. */
  const told = (asker: Asker | undefined, work: Promise<void>): Promise<void> =>
    asker === undefined ? work : waitFor(work, Math.max(0, withinOf(asker, ASK_MS)));

  async function propose(h: string, claims: Claim[], asker?: Asker): Promise<Refusal | undefined> {
    proposals.add(h);
    const answers = await askOthers('promise', { h, claims }, ASK_MS, asker);
    const refused = [...answers].filter((answer): answer is [string, Refusal] => isRefusal(answer[1]));
    const first = refused[0]?.[1];
    if (first === undefined) return undefined;
    await told(asker, settle(h, false));
    // An answer that came too late may still become a promise, after our word that ended it.
    for (const [member, { kind }] of refused) if (kind === 'Unavailable' || kind === 'Internal') resyncLater(member);
    const missing = refused.find(([, refusal]) => refusal.kind === 'Unavailable')?.[1];
    return missing ?? together(refused.map(([, refusal]) => refusal));
  }

  async function settle(h: string, made: boolean | undefined): Promise<void> {
    if (made === undefined) {
      proposals.delete(h);
      for (const member of others()) resyncLater(member);
      return;
    }
    const answers = await askOthers('settle', { h, made }, ASK_MS);
    proposals.delete(h);
    // Who did not hear it hears it when it is back, or, over a link that stayed up, soon (`kept.reconcile`).
    for (const [member, answer] of answers) if (isRefusal(answer)) resyncLater(member);
  }

  async function release(claims: readonly ClaimRecord[] | undefined): Promise<void> {
    const answers = claims && (await askOthers('release', { claims }, ASK_MS));
    for (const member of others()) if (answers === undefined || isRefusal(answers.get(member))) resyncLater(member);
  }

  const kept = createKeptClaims({
    site,
    copy,
    actors,
    isUnderWay: (h) => proposals.has(h),
    isRestored: () => options.isRestored?.() === true,
    odd: (what, error) => options.odd(what, error),
  });

  // ---- what the others ask ----------------------------------------------------------------------------------------

  const orRefuse = (answer: Refusal | undefined): Record<string, never> => {
    if (answer !== undefined) throw refuseAsk(answer.kind, answer.message, answer);
    return {};
  };
  const fromSite = (peer: Peer): string => {
    if (peer.kind !== 'site') throw refuseAsk('Forbidden', `only sites may ask this, not a ${peer.kind}`);
    return peer.name;
  };

  const membersReply = (): MembersReply => ({
    site,
    active: options.isActive(),
    members: copy.list('member').map((member) => ({
      site: member.id,
      partitions: partitionsOf(member.id),
      links: member.linkAddresses.map((address) => `https://${address}`),
    })),
  });

  const asks: Record<string, AskHandler> = {
    'directory.digest': (body, peer) => {
      fromSite(peer);
      const { home } = digestSchema.parse(body);
      return { known: copy.entriesOf(home).map((record) => [record.kind, record.id, record.revision]) };
    },
    'directory.apply': async (body, peer, asker) => {
      const member = fromSite(peer);
      // A site speaks for its own entries only (reliability.md §9).
      const entries = entriesSchema.parse(body).entries.filter(({ home }) => home === member);
      const refused = await actors.applyDirectory(entries, asker);
      const gone = entries.filter(({ kind, entity }) => kind === 'partition' && entity === null).map(({ id }) => id);
      return orRefuse(refused ?? (await kept.partitionsDeleted(member, gone)));
    },
    promise: async (body, peer, asker) => {
      const { h, claims } = promiseSchema.parse(body);
      return orRefuse(await actors.promise({ h, site: fromSite(peer), claims: claims as Claim[] }, asker));
    },
    settle: async (body, peer) => {
      const member = fromSite(peer);
      const ask = settleSchema.parse(body);
      const claims = await actors.claims();
      if (isRefusal(claims)) throw refuseAsk(claims.kind, claims.message, claims);
      const foreign = claims.find((claim) => claim.h === ask.h && claim.site !== member);
      if (foreign !== undefined) {
        throw refuseAsk('Forbidden', `site ${member} can't settle what was promised to site ${foreign.site}`);
      }
      return orRefuse(await actors.settlePromise(ask));
    },
    ...kept.asks,
    ...options.asks,
  };
  for (const [kind, handler] of Object.entries(asks)) peering.onAsk(kind, handler);
  options.links.answerMembers(membersReply);
  dialMembers();

  const linkOf = (member: string): Link => {
    const link = member === site ? processes.activeOf(site) : linksTo(member)[0];
    if (link === undefined) throw linkFailure('LinkDown', unreachable(member).message);
    return link;
  };

  return {
    peering,
    members: (): Member[] =>
      others().map((member) => ({ site: member, partitions: partitionsOf(member), up: linksTo(member).length > 0 })),
    request: async (member, head, body, limits) => await linkOf(member).request(head, body, limits),
    ask: async (member, kind, body, deadlineMs) => await linkOf(member).ask(kind, body, deadlineMs),
    others,
    askOthers,
    askOther,
    propose,
    settle: (h, made, asker) => told(asker, settle(h, made)),
    release: (claims, asker) => told(asker, release(claims)),
    async spread(record) {
      if (others().length > 0) await waitFor(push(record), SPREAD_MS);
    },
    committed(records) {
      for (const record of records) if (record.home === site) void push(record);
      if (records.some(({ kind }) => kind === 'member')) dialMembers();
    },
    status: () =>
      others().map((member) => {
        const link = linksTo(member)[0] ?? options.links.dials().find((dial) => dial.peer?.name === member);
        return {
          site: member,
          partitions: partitionsOf(member),
          up: linksTo(member).length > 0,
          roundTripMs: link?.roundTripMs ?? null,
          driftMs: link?.driftMs ?? null,
          lastFailure: link?.lastFailure ?? null,
        };
      }),
    close() {
      closed = true;
      for (const { cancel } of resyncs.values()) cancel();
      resyncs.clear();
    },
  };
}
