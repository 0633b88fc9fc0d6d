// What must be unique over all sites is created with the word of every member (design.md §11, §12).
import { addressOf, siteScope } from '../../actors/address.ts';
import { claimKey } from '../../actors/registry/claims.ts';
import type { Claim } from '../../actors/registry/messages.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { AskOptions, Site } from '../site.ts';
import type { Writer } from './directory.ts';

const UNCERTAIN: ReadonlySet<Refusal['kind']> = new Set(['Unavailable', 'Internal']);

/**
 * Proposes the claims, makes the thing, and tells the others what became of it. `isMade` looks after an answer that says
 * nothing about the outcome; while that can't be found out either, the promises stay until it can: only certainty ends them.
 */
export async function withWordOfAll<T>(
  { site, as: { asker } }: Writer,
  claims: Claim[],
  make: (h: string) => Promise<T | Refusal>,
  isMade: (h: string) => Promise<boolean | undefined>,
): Promise<T | Refusal> {
  const h = site.uuid();
  if (site.federation.others().length === 0) return make(h);
  const refused = await site.federation.propose(h, claims, asker);
  if (refused !== undefined) {
    await site.federation.settle(h, false, asker);
    return refused;
  }
  const made = await make(h);
  const outcome = !isRefusal(made) || (UNCERTAIN.has(made.kind) ? await isMade(h) : false);
  await site.federation.settle(h, outcome, asker);
  return made;
}

/** Without an asker: what was done is looked after also when nobody waits for it. */
const ownClaims = async (site: Site, { asker }: Pick<AskOptions, 'asker'> = {}): Promise<ClaimRecord[] | undefined> => {
  const answer = await site.ask(
    addressOf(siteScope(site.id), 'registry', site.id),
    'claims',
    { own: true },
    { who: site.id, asker },
  );
  return isRefusal(answer) ? undefined : answer.claims;
};

/** Does the registry have own claims of the operation? `undefined`: it does not say. */
export const isClaimed = async (site: Site, h: string): Promise<boolean | undefined> =>
  (await ownClaims(site))?.some((claim) => claim.h === h);

/** Own claims of a network, or partition; `undefined`: the registry does not say. */
const claimsOf = async (
  site: Site,
  holder: string,
  as?: Pick<AskOptions, 'asker'>,
): Promise<ClaimRecord[] | undefined> => (await ownClaims(site, as))?.filter((claim) => claim.holder === holder);

/**
 * Does something that may end claims of a network, and frees the others of their promises to what it has no more, claim
 * by claim. What can't be told now stays promised until it can, which only keeps others from using it.
 */
export async function withWordGivenBack<T>(
  { site, as }: Writer,
  holder: string,
  act: () => Promise<T | Refusal>,
): Promise<T | Refusal> {
  if (site.federation.others().length === 0) return act();
  const before = await claimsOf(site, holder, as);
  const done = await act();
  if (isRefusal(done) && !UNCERTAIN.has(done.kind)) return done;
  const after = isRefusal(done) ? undefined : await claimsOf(site, holder);
  if (before === undefined || after === undefined) await site.federation.release(undefined, as.asker);
  else {
    const stay = new Set(after.map(claimKey));
    const gone = before.filter((claim) => !stay.has(claimKey(claim)));
    if (gone.length > 0) await site.federation.release(gone, as.asker);
  }
  return done;
}
