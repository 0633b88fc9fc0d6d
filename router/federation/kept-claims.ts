// What the other members keep of this site's claims, brought to what this site has: a promise that ended unheard, a claim
// that went while somebody was away, one that a restored database has no longer. Claim by claim: an operation may keep
// one of its claims and give another one up.
import { z } from 'zod';
import type { Asker } from '../../actors/asker.ts';
import type { Claim } from '../../actors/registry/messages.ts';
import { claimKey, claimsOfNetwork } from '../../actors/registry/claims.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { isLinkFailure, refuseAsk } from '../link/failure.ts';
import type { Link, Peer } from '../link/link.ts';
import type { AskHandler } from '../link/serve.ts';
import type { FilledCopy } from './directory-copy.ts';
import type { HomeActors } from './federation.ts';

export interface KeptClaimsOptions {
  site: string;
  copy: Pick<FilledCopy, 'entry' | 'get'>;
  actors: Pick<HomeActors, 'settlePromise' | 'claims'>;
  /** The outcome of the operation will still be told. */
  isUnderWay(h: string): boolean;
  /** The database was restored, and lacks what the other sites are still to be asked for. */
  isRestored(): boolean;
  odd(what: string, error?: unknown): void;
}

export interface KeptClaims {
  asks: Record<'promises' | 'release', AskHandler>;
  /** Brings a member to what this site has. `again`: not all could be told, or it may have changed meanwhile. */
  reconcile(link: Link): Promise<'done' | 'again'>;
  /** Ends what is kept here for partitions that their home has deleted. */
  partitionsDeleted(home: string, ids: readonly string[]): Promise<Refusal | undefined>;
}

const ASK_MS = 5_000;
const CLAIMS_PER_PAGE = 1_000;

export const claimSchema = z.object({
  what: z.enum(['prefix', 'network', 'partition', 'super', 'underlay', 'vrf']),
  value: z.string().max(1_024),
  holder: z.string().max(1_024),
  shared: z.boolean().optional(),
  replaces: z.array(z.string().max(1_024)).max(1_000).optional(),
});
const keptSchema = claimSchema.extend({ h: z.string(), state: z.enum(['owned', 'promised']) });
export type KeptClaim = Claim & Pick<ClaimRecord, 'h' | 'state'>;

/** `after`: key of the last one of the page before. */
const promisesSchema = z.object({ after: z.string().optional() });
const promisesReply = z.object({
  /** Operations whose promises are open. */
  open: z.array(z.string()),
  /** In the order of their keys; a member of the version before tells the open operations only. */
  kept: z.array(keptSchema).optional(),
  isLast: z.boolean().optional(),
});
const releaseSchema = z.object({ claims: z.array(claimSchema.extend({ h: z.string() })).max(CLAIMS_PER_PAGE) });

interface Told {
  open: string[];
  kept: KeptClaim[] | undefined;
}

/** What a member is to be told of this site's claims. */
export interface Differences {
  /** It keeps what this site does not have. */
  gone: KeptClaim[];
  /** Operations of promises that were kept. */
  made: string[];
  /** It does not know that this site has these. */
  missing: ClaimRecord[];
}

export interface Owned {
  /**
   * This site's claims, read after the member had told what it keeps, with the proof that nobody took the site over before
   * the reading: what the member keeps and is not among them was never made, or is gone.
   */
  claims: readonly ClaimRecord[];
  isUnderWay(h: string): boolean;
  /** Whether this site has the partition; `undefined`: it never heard of it. Partitions are claimed in the directory. */
  partition(id: string): boolean | undefined;
}

/** The registry's own claims that other sites are told of; partitions' super and underlay network are not. */
const isTold = ({ what, state }: ClaimRecord): boolean =>
  state === 'owned' && (what === 'prefix' || what === 'network');

export function compareClaims(kept: readonly KeptClaim[], owned: Owned): Differences {
  const own = owned.claims.filter(isTold);
  const keys = new Set(own.map(claimKey));
  const networks = new Set(own.filter(({ what }) => what === 'network').map(({ value }) => value));
  /** The number of a VRF is kept as long as the network is. */
  const isOwned = (claim: KeptClaim): boolean => {
    if (claim.what === 'vrf') return networks.has(claim.holder);
    if (claim.what !== 'partition') return keys.has(claimKey(claim));
    return owned.partition(claim.value) ?? claim.state === 'owned';
  };
  const over = kept.filter(({ h }) => !owned.isUnderWay(h));
  const promised = over.filter((claim) => claim.state === 'promised' && isOwned(claim));
  const known = new Set(kept.map(claimKey));
  return {
    gone: over.filter((claim) => !isOwned(claim)),
    made: [...new Set(promised.map(({ h }) => h))],
    missing: own.filter((claim) => !known.has(claimKey(claim)) && !owned.isUnderWay(claim.h)),
  };
}

const byOperation = <T extends { h: string }>(claims: readonly T[]): Map<string, T[]> => {
  const groups = new Map<string, T[]>();
  for (const claim of claims) groups.set(claim.h, [...(groups.get(claim.h) ?? []), claim]);
  return groups;
};

const orThrow = <T>(answer: T | Refusal): T => {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
};

export function createKeptClaims(options: KeptClaimsOptions): KeptClaims {
  const { site, copy, actors } = options;

  // ---- as a member: what is kept for others -----------------------------------------------------------------------

  const keptFor = async (member: string, asker: Asker): Promise<ClaimRecord[]> =>
    orThrow(await actors.claims(asker)).filter((claim) => claim.site === member);

  async function release(member: string, claims: ReadonlyArray<Claim & { h: string }>): Promise<Refusal | undefined> {
    for (const [h, of] of byOperation(claims)) {
      const refused = await actors.settlePromise({ h, made: false, only: { site: member, claims: of } });
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  const fromSite = (peer: Peer): string => {
    if (peer.kind !== 'site') throw refuseAsk('Forbidden', `only sites may ask this, not a ${peer.kind}`);
    return peer.name;
  };

  const asks: KeptClaims['asks'] = {
    promises: async (body, peer, asker) => {
      const { after = '' } = promisesSchema.parse(body);
      const kept = await keptFor(fromSite(peer), asker);
      const open = kept.filter(({ state }) => state === 'promised').map(({ h }) => h);
      const rest = kept
        .map((claim) => ({ key: claimKey(claim), claim }))
        .filter(({ key }) => key > after)
        .sort((a, b) => (a.key < b.key ? -1 : 1));
      const page = rest.slice(0, CLAIMS_PER_PAGE).map(({ claim: { site: _site, ...claim } }) => claim);
      return { open: [...new Set(open)], kept: page, isLast: rest.length <= CLAIMS_PER_PAGE };
    },
    release: async (body, peer) => {
      orThrow(await release(fromSite(peer), releaseSchema.parse(body).claims as Array<Claim & { h: string }>));
      return {};
    },
  };

  // ---- as their home ----------------------------------------------------------------------------------------------

  async function keptAt(link: Link): Promise<Told> {
    const kept: KeptClaim[] = [];
    for (;;) {
      const last = kept.at(-1);
      const after = last && claimKey(last);
      const reply = promisesReply.parse(await link.ask('promises', { site, after }, ASK_MS));
      if (reply.kept === undefined) return { open: reply.open, kept: undefined };
      kept.push(...(reply.kept as KeptClaim[]));
      if (reply.isLast !== false || reply.kept.length === 0) return { open: reply.open, kept };
    }
  }

  const ownPartition = (id: string): boolean | undefined => {
    const entry = copy.entry('partition', id);
    return entry && entry.home === site && entry.entity !== null;
  };

  /** A claim that a member does not know, with the number of the VRF that goes with a global network. */
  function told(claims: readonly ClaimRecord[]): Claim[] {
    const ids = claims.filter(({ what }) => what === 'network').map(({ value }) => value);
    const vrfs = ids.flatMap((id) => {
      const network = copy.get('globalnetwork', id);
      return network === undefined ? [] : claimsOfNetwork(network).filter(({ what }) => what === 'vrf');
    });
    return [...claims.map(({ what, value, holder }) => ({ what, value, holder })), ...vrfs];
  }

  async function tellMissing(link: Link, missing: readonly ClaimRecord[]): Promise<boolean> {
    let isTaken = false;
    for (const [h, claims] of byOperation(missing)) {
      try {
        await link.ask('promise', { h, claims: told(claims) }, ASK_MS);
      } catch (error) {
        const refusal = isLinkFailure(error) ? error.refusal?.details : undefined;
        if (!isRefusal(refusal) || refusal.kind === 'Unavailable') throw error;
        // Both sites have it, and only an operator can tell whose it is.
        options.odd(`site ${link.peer?.name} does not take over what this site has: ${refusal.message}`);
        continue;
      }
      await link.ask('settle', { h, made: true }, ASK_MS);
      isTaken = true;
    }
    return isTaken;
  }

  return {
    asks,
    async reconcile(link) {
      const { open, kept } = await keptAt(link);
      if (options.isRestored()) return 'again';
      const claims = await actors.claims();
      if (isRefusal(claims)) return 'again';
      const own = claims.filter((claim) => claim.site === site);
      if (kept === undefined) {
        const made = new Set(own.filter(({ state }) => state === 'owned').map(({ h }) => h));
        for (const h of open.filter((one) => !options.isUnderWay(one))) {
          await link.ask('settle', { h, made: made.has(h) }, ASK_MS);
        }
        return 'done';
      }
      const owned = { claims: own, isUnderWay: (h: string) => options.isUnderWay(h), partition: ownPartition };
      const { gone, made, missing } = compareClaims(kept, owned);
      for (let i = 0; i < gone.length; i += CLAIMS_PER_PAGE) {
        await link.ask('release', { claims: gone.slice(i, i + CLAIMS_PER_PAGE) }, ASK_MS);
      }
      for (const h of made) await link.ask('settle', { h, made: true }, ASK_MS);
      // What was told may have gone while it was told, and its end came before it.
      return (await tellMissing(link, missing)) ? 'again' : 'done';
    },
    async partitionsDeleted(home, ids) {
      if (ids.length === 0) return undefined;
      const claims = await actors.claims();
      if (isRefusal(claims)) return claims;
      return release(
        home,
        claims.filter(
          ({ what, value, state, site: of }) =>
            what === 'partition' && of === home && state === 'owned' && ids.includes(value),
        ),
      );
    },
  };
}
