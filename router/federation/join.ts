// Becoming one federation: a site invites, another joins by the token, and starts again as a member (design.md §11).
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { Asker } from '../../actors/asker.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { isRefusal, unprocessable, type Refusal } from '../../actors/refusal.ts';
import type { Claim } from '../../actors/registry/messages.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { certificateFingerprint } from '../link/certificates.ts';
import { refuseAsk } from '../link/failure.ts';
import { joinFederation } from '../link/join-client.ts';
import { serveJoins, type JoinDecision, type JoinReason, type JoinRequest } from '../link/join-exchange.ts';
import type { AskHandler } from '../link/serve.ts';
import { createToken, isTokenRefusal, parseToken, type JoinToken, type TokenWishes } from '../link/token.ts';
import type { FilledCopy } from './directory-copy.ts';
import type { Federation } from './federation.ts';
import type { FederationSecrets, SiteIdentity } from './identity.ts';
import { compareInventories, inventoryOf, inventorySchema, type Inventory } from './inventory.ts';
import { openJoinFiles, rosterSchema, type Roster } from './join-roster.ts';
import { openTokens } from './tokens.ts';

export interface JoinHostOptions {
  site: string;
  /** Where the identity lies; tokens and what a join leaves until the next start lie beside it. */
  folder: string;
  identity: Pick<SiteIdentity, 'authority' | 'hmac' | 'providerTenant' | 'adopt'>;
  federation: Pick<Federation, 'others' | 'askOthers'>;
  copy: Pick<FilledCopy, 'entriesOf'>;
  /** All claims that this site's registry knows. */
  claims(asker?: Asker): Promise<ClaimRecord[] | Refusal>;
  /** The registry's `adopt`. */
  adoptClaims(ask: { site: string; claims: Claim[] }, asker?: Asker): Promise<Refusal | undefined>;
  /** `apply` of the directory actors. */
  applyDirectory(entries: DirectoryRecord[]): Promise<Refusal | undefined>;
  /** VRF numbers taken from the pools of the hosted partitions. */
  vrfs(): Promise<readonly number[]>;
  /** Those hosted here. */
  partitions(): readonly string[];
  /** `host:port` of the peer listeners that take joins. */
  addresses(): readonly string[];
  wallMs(): number;
  odd(what: string, error?: unknown): void;
}

export type JoinResult =
  /** Durable: the process is to be started again, and has the federation's identity then. */
  | { readonly outcome: 'joined'; readonly skewMs: number }
  | { readonly outcome: 'refused'; readonly reasons: readonly JoinReason[] }
  /** Nothing happened, or nobody knows; to be repeated with the same token. */
  | { readonly outcome: 'unreachable'; readonly reasons: readonly JoinReason[] };

/** `member`: it belongs to that federation. `asks`: who takes the join would be asked at these addresses. */
export type JoinProspect =
  | { readonly outcome: 'member' }
  | { readonly outcome: 'refused'; readonly reasons: readonly JoinReason[] }
  | { readonly outcome: 'asks'; readonly token: JoinToken };

export interface JoinHost {
  /** `POST /join/v1` of the peer listener. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** What members ask each other while somebody joins. */
  readonly asks: Record<string, AskHandler>;
  /** The addresses that a token of this site would name; Unprocessable when it has none. */
  invitation(): { addresses: readonly string[] } | Refusal;
  /** A token, good once, for 15 minutes. Throws a RangeError where `invitation` refuses. */
  invite(wishes?: Pick<TokenWishes, 'siteId' | 'partitionIds' | 'lifetimeMs'>): string;
  /** What `joinWith` would do, as far as can be known here: nobody is asked, for a token is good once. */
  prospect(token: string): JoinProspect;
  /** Joins the federation that issued the token. May be repeated, also after a crash, until it says how it ended. */
  joinWith(token: string): Promise<JoinResult>;
  /** After the start: brings the members that a join told of into the directory; without a join it does nothing. */
  takeRoster(): Promise<void>;
}

const ASK_MS = 10_000;
const UNREACHED = 'no address of this site is known under which others reach it';

const payloadSchema = z.object({
  secrets: z.object({
    authority: z.object({ cert: z.string(), key: z.string() }),
    hmac: z.object({ view: z.string().min(1), edit: z.string().min(1), admin: z.string().min(1) }),
    providerTenant: z.string().min(1),
  }),
  roster: rosterSchema,
});
const joinerSchema = z.object({ inventory: inventorySchema });
const checkReply = z.object({
  reasons: z.array(z.object({ kind: z.string(), message: z.string(), details: z.unknown().optional() })),
});

const reasonOf = (kind: string, message: string): JoinReason => ({ kind, message });

export function createJoinHost(options: JoinHostOptions): JoinHost {
  const { site, identity, federation, copy } = options;
  const tokens = openTokens(options.folder, () => options.wallMs());
  const files = openJoinFiles(options.folder);
  /** Authority of the federation that was joined, until this process ends. */
  let adopted: string | undefined;
  let joining: Promise<JoinResult> | undefined;

  /** What this site and the members it knows of have, but for one site. */
  async function ownInventory(homes: readonly string[], without: string, asker?: Asker): Promise<Inventory | Refusal> {
    const claims = await options.claims(asker);
    if (isRefusal(claims)) return claims;
    return inventoryOf({
      site,
      providerTenant: identity.providerTenant,
      partitions: options.partitions(),
      claims: claims.filter((claim) => claim.site !== without && homes.includes(claim.site)),
      entries: homes.filter((home) => home !== without).flatMap((home) => copy.entriesOf(home)),
      vrfs: await options.vrfs(),
    });
  }

  // ---- the inviting side ------------------------------------------------------------------------------------------

  async function check(joiner: Inventory, asker?: Asker): Promise<JoinReason[]> {
    const own = await ownInventory([site], joiner.site, asker);
    if (isRefusal(own)) return [reasonOf('Unavailable', `site ${site}: ${own.message}`)];
    const { collisions, differing } = compareInventories(own, joiner);
    return [...collisions, ...differing];
  }

  const claimsOf = (joiner: Inventory): { site: string; claims: Claim[] } => ({
    site: joiner.site,
    claims: joiner.claims.map(({ what, value, holder }) => ({ what, value, holder })),
  });

  /** The word of all members; each says what it has against it. */
  async function askMembers(kind: string, joiner: Inventory): Promise<JoinReason[]> {
    const answers = await federation.askOthers(kind, { inventory: joiner }, ASK_MS);
    return [...answers].flatMap(([member, answer]) => {
      if (isRefusal(answer)) {
        return [
          reasonOf(answer.kind === 'Unavailable' ? 'Unreachable' : 'Refused', `${answer.message} (asked: ${member})`),
        ];
      }
      const reply = checkReply.safeParse(answer);
      if (!reply.success) return [reasonOf('Refused', `the answer of site ${member} can't be read`)];
      return reply.data.reasons as JoinReason[];
    });
  }

  function wrongSite(request: JoinRequest, inventory: Inventory): JoinReason | undefined {
    const { siteId } = request;
    if (siteId === site || federation.others().includes(siteId)) {
      const message = `site ${siteId} belongs to this federation already: sites have different ids (HANSE_SITE)`;
      return reasonOf('Site', message);
    }
    // What only its directory names may be a leftover; what the token allows is bound to the partitions shown.
    const hidden = inventory.partitions.filter((id) => !request.partitionIds.includes(id));
    if (inventory.site === siteId && hidden.length === 0) return undefined;
    return reasonOf('Malformed', `inventory: it is of site ${inventory.site}, the request of site ${siteId}`);
  }

  async function onJoin(request: JoinRequest): Promise<JoinDecision> {
    const parsed = inventorySchema.safeParse(request.inventory);
    if (!parsed.success) {
      return {
        refuse: parsed.error.issues.map(({ path, message }) =>
          reasonOf('Malformed', `inventory.${path.join('.')}: ${message}`),
        ),
      };
    }
    const inventory = parsed.data;
    // It speaks for itself only.
    const joiner = { ...inventory, claims: inventory.claims.filter((claim) => claim.site === request.siteId) };
    const wrong = wrongSite(request, inventory);
    if (wrong !== undefined) return { refuse: [wrong] };
    const against = [...(await check(joiner)), ...(await askMembers('join.check', joiner))];
    if (against.length > 0) return { refuse: against };
    // From here on nobody else gets what is the joiner's, even before it is back as a member.
    const late = await options.adoptClaims(claimsOf(joiner));
    const refused = late === undefined ? await askMembers('join.adopt', joiner) : [reasonOf(late.kind, late.message)];
    if (refused.length > 0) return { refuse: refused };
    const claims = await options.claims();
    if (isRefusal(claims)) return { refuse: [reasonOf('Unavailable', claims.message)] };
    const secrets: FederationSecrets = {
      authority: { cert: identity.authority.cert, key: identity.authority.key },
      hmac: identity.hmac,
      providerTenant: identity.providerTenant,
    };
    const members = [site, ...federation.others()].flatMap((home) =>
      copy.entriesOf(home).filter(({ kind, entity }) => kind === 'member' && entity !== null),
    );
    const roster: Roster = {
      members,
      claims: claims.filter(
        ({ what, state, site: of }) =>
          state === 'owned' && of !== joiner.site && (what === 'prefix' || what === 'network' || what === 'partition'),
      ),
    };
    return { accept: { secrets, roster } };
  }

  const serve = serveJoins({
    fingerprint: () => identity.authority.fingerprint,
    findToken: async (id) => tokens.find(id),
    storeClaim: async (before, after) => tokens.storeClaim(before, after),
    releaseClaim: async (record) => tokens.releaseClaim(record),
    onJoin,
    wallMs: () => options.wallMs(),
    odd: (what, error) => options.odd(what, error),
  });

  // ---- the joining side -------------------------------------------------------------------------------------------

  function prospect(text: string): JoinProspect {
    const token = parseToken(text, options.wallMs());
    if (isTokenRefusal(token)) return { outcome: 'refused', reasons: [reasonOf(token.kind, token.message)] };
    if (tokens.find(token.id) !== undefined) {
      const message = `token: it was made by site ${site} itself; show it to the site that is to join`;
      return { outcome: 'refused', reasons: [reasonOf('Self', message)] };
    }
    const current = adopted ?? identity.authority.fingerprint;
    if (current === token.fingerprint) return { outcome: 'member' };
    const others = federation.others();
    if (adopted !== undefined || others.length > 0) {
      const whom = others.length > 0 ? `with ${others.join(', ')}` : 'by another token';
      const message = `site ${site} belongs to a federation already (${whom}); only a site that stands alone joins`;
      return { outcome: 'refused', reasons: [reasonOf('Member', message)] };
    }
    return { outcome: 'asks', token };
  }

  async function join(text: string): Promise<JoinResult> {
    const ahead = prospect(text);
    if (ahead.outcome === 'member') return { outcome: 'joined', skewMs: 0 };
    if (ahead.outcome === 'refused') return ahead;
    const { token } = ahead;
    const inventory = await ownInventory([site], '');
    if (isRefusal(inventory)) return { outcome: 'unreachable', reasons: [reasonOf('Unavailable', inventory.message)] };
    const keys = files.keysFor(token.id);
    const answer = await joinFederation({
      token,
      keys,
      siteId: site,
      partitionIds: options.partitions(),
      inventory,
      wallMs: () => options.wallMs(),
    });
    if (answer.outcome !== 'accepted') return { outcome: answer.outcome, reasons: answer.reasons };
    const payload = payloadSchema.safeParse(answer.payload);
    if (!payload.success || certificateFingerprint(payload.data.secrets.authority.cert) !== token.fingerprint) {
      const message = `${answer.address}: what the federation sent can't be read; are both of the same version?`;
      return { outcome: 'refused', reasons: [reasonOf('Malformed', message)] };
    }
    const { secrets, roster } = payload.data;
    // The roster first: it counts only with the authority it names, and is there when that one is adopted.
    files.storeRoster(token.fingerprint, roster);
    identity.adopt(secrets);
    adopted = token.fingerprint;
    files.forgetKeys();
    return { outcome: 'joined', skewMs: answer.skewMs };
  }

  const asSite = (kind: string): void => {
    if (kind !== 'site') throw refuseAsk('Forbidden', `only sites may ask this, not a ${kind}`);
  };

  return {
    serve,
    asks: {
      'join.check': async (body, peer, asker) => {
        asSite(peer.kind);
        return { reasons: await check(joinerSchema.parse(body).inventory, asker) };
      },
      'join.adopt': async (body, peer, asker) => {
        asSite(peer.kind);
        const { inventory } = joinerSchema.parse(body);
        // Members speak for themselves; this is about somebody who is none yet.
        if (inventory.site === site || federation.others().includes(inventory.site)) {
          throw refuseAsk('Forbidden', `site ${inventory.site} is a member already`);
        }
        const refused = await options.adoptClaims(claimsOf(inventory), asker);
        return { reasons: refused === undefined ? [] : [reasonOf(refused.kind, refused.message)] };
      },
    },
    invitation() {
      const addresses = options.addresses();
      return addresses.length === 0 ? unprocessable(UNREACHED) : { addresses };
    },
    prospect,
    invite(wishes = {}) {
      const addresses = options.addresses();
      if (addresses.length === 0) throw new RangeError(UNREACHED);
      const { text, record } = createToken({
        ...wishes,
        fingerprint: identity.authority.fingerprint,
        addresses,
        nowMs: options.wallMs(),
      });
      tokens.add(record);
      return text;
    },
    joinWith(text) {
      // Two at once would draw keys for one token twice.
      const after = (joining ?? Promise.resolve()).then(
        () => join(text),
        () => join(text),
      );
      joining = after;
      return after;
    },
    async takeRoster() {
      const roster = files.roster(identity.authority.fingerprint);
      if (roster === undefined) return;
      const members = roster.members.filter(({ id }) => id !== site);
      const refused = await options.applyDirectory(members);
      if (refused !== undefined) return options.odd(`the roster of the join could not be applied: ${refused.message}`);
      for (const member of new Set(roster.claims.map((claim) => claim.site))) {
        if (member === site) continue;
        const claims = roster.claims.filter((claim) => claim.site === member);
        const taken = await options.adoptClaims({ site: member, claims });
        // The members are asked before anything that must be unique is made, so this costs no promise.
        if (taken !== undefined) options.odd(`claims of site ${member}: ${taken.message}`);
      }
      files.forgetRoster();
    },
  };
}
