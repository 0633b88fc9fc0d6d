// What must be unique over all sites: each site's registry against its networks, and against what the others keep for it.
import { parsePrefix } from '../../actors/ipam/prefix.ts';
import { claimKey } from '../../actors/registry/claims.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { overlapping } from './overlaps.ts';
import { live, type SiteRows } from './rows.ts';

const nameOf = ({ what, value, holder, site }: ClaimRecord): string => `${what} ${value} of ${holder} (site ${site})`;
const claimsOf = (site: SiteRows): ClaimRecord[] => live(site, 'claim').map(({ value }) => value);
/** What is promised to a network may overlap what it gives up for it. */
const isReplacing = ({ claim: a }: { claim: ClaimRecord }, { claim: b }: { claim: ClaimRecord }): boolean =>
  a.holder === b.holder && (a.state === 'promised' || b.state === 'promised');
const ownOf = (site: SiteRows): ClaimRecord[] => claimsOf(site).filter((claim) => claim.site === site.site);

/** Claimed prefixes are disjoint; a top-level network claims its id and its prefixes, and nothing else is claimed. */
export function* auditClaims(site: SiteRows): Generator<string> {
  const prefixes = claimsOf(site).flatMap((claim) => {
    const prefix = claim.what === 'prefix' ? parsePrefix(claim.value) : undefined;
    return prefix === undefined ? [] : [{ claim, prefix }];
  });
  for (const [{ claim }, other] of overlapping(prefixes, isReplacing))
    yield `claim twice: ${nameOf(claim)} overlaps ${nameOf(other.claim)}`;
  const had = new Set(
    live(site, 'network').flatMap(({ value: { id, prefixes: cidrs, parent } }) =>
      parent === null
        ? [`network|${id}|${id}`, ...cidrs.map((cidr) => `prefix|${parsePrefix(cidr)?.canonical ?? cidr}|${id}`)]
        : [],
    ),
  );
  const claimed = new Set<string>();
  for (const claim of ownOf(site)) {
    if (claim.what !== 'network' && claim.what !== 'prefix') continue;
    const name = `${claim.what}|${claim.value}|${claim.holder}`;
    claimed.add(name);
    if (!had.has(name)) yield `claim leak: ${nameOf(claim)} belongs to no network`;
  }
  for (const name of had) if (!claimed.has(name)) yield `claim owner: ${name} is not claimed`;
}

/** When all is quiet, each member keeps for another one what that one has, and nothing else. */
export function* auditKeptClaims(sites: readonly SiteRows[]): Generator<string> {
  for (const site of sites)
    for (const home of sites) if (site !== home && knows(site, home.site)) yield* auditKept(site, home);
}

const knows = (site: SiteRows, member: string): boolean =>
  live(site, 'directory').some(({ value }) => value.kind === 'member' && value.id === member && value.entity !== null);

function* auditKept(site: SiteRows, home: SiteRows): Generator<string> {
  const own = ownOf(home).filter(({ what }) => what === 'network' || what === 'prefix');
  const keys = new Set(own.map(claimKey));
  const partitions = new Set(
    live(home, 'directory').flatMap(({ value }) =>
      value.kind === 'partition' && value.home === home.site && value.entity !== null ? [value.id] : [],
    ),
  );
  const isHad = (claim: ClaimRecord): boolean => {
    if (claim.what === 'partition') return partitions.has(claim.value);
    return keys.has(claim.what === 'vrf' ? `network|${claim.holder}` : claimKey(claim));
  };
  const kept = claimsOf(site).filter((claim) => claim.site === home.site);
  for (const claim of kept) {
    const name = `${nameOf(claim)} is kept at site ${site.site}`;
    if (!isHad(claim)) yield `claim leak: ${name}, its home does not have it`;
    else if (claim.state === 'promised') yield `claim on its way: ${name} as a promise although all is quiet`;
  }
  const known = new Set(kept.map(claimKey));
  for (const claim of own)
    if (!known.has(claimKey(claim))) yield `claim unknown: ${nameOf(claim)} is not kept at site ${site.site}`;
}
