// What must be conserved in a site's database, and over the databases of a federation (reliability.md §4, §5.4). Pure over
// the rows; every violation is a sentence that begins with the name of its rule.
import { tableNames } from '../entity/entities.ts';
import { auditAddresses, auditPrefixes } from './addresses.ts';
import { auditAllocations, auditPools } from './allocations.ts';
import { auditAcross, auditBlocks } from './blocks.ts';
import { auditClaims, auditKeptClaims } from './claims.ts';
import { auditFold, auditStreams } from './log.ts';
import { live, type SiteRows } from './rows.ts';

function* auditScopes(site: SiteRows): Generator<string> {
  const known = new Set(site.ownership.map(({ scope }) => scope));
  const strange = new Set<string>();
  for (const table of tableNames)
    for (const { scope } of site.rows[table]) if (!known.has(scope)) strange.add(`${table} of ${scope}`);
  for (const what of strange) yield `scope: there are rows in ${what}, which nobody ever owned`;
}

const OF_A_SITE = [
  auditScopes,
  auditAddresses,
  auditAllocations,
  auditPools,
  auditPrefixes,
  auditClaims,
  auditStreams,
  auditFold,
];

export interface AuditOptions {
  /** Nothing is under way any more: hand-overs must be over, too, and what sites promised each other. Default false. */
  isQuiet?: boolean;
}

/**
 * Violations one by one: a database that is in a bad way has more of them than anybody reads, or than there is room for.
 * All sites of a federation, or some: what only another one's database could tell is left out. None: all is conserved.
 */
export function* violations(
  sites: readonly SiteRows[],
  { isQuiet = false }: AuditOptions = {},
): Generator<string, void, undefined> {
  for (const site of sites)
    for (const rule of OF_A_SITE) for (const violation of rule(site)) yield `${violation} [site ${site.site}]`;
  yield* auditBlocks(sites, isQuiet);
  yield* auditAcross(sites);
  if (isQuiet) yield* auditKeptClaims(sites);
}

/** All of them. */
export const audit = (sites: readonly SiteRows[], options?: AuditOptions): string[] => [...violations(sites, options)];

/** What is taken at the moment, by kind; addresses of allocations included. */
export const countTaken = (sites: readonly SiteRows[]): { addresses: number; allocations: number; asns: number } => ({
  addresses: sites.reduce((sum, site) => sum + live(site, 'ip').length, 0),
  allocations: sites.reduce((sum, site) => sum + live(site, 'allocation').length, 0),
  asns: sites.reduce((sum, site) => sum + live(site, 'pool').filter(({ value }) => value.pool === 'asn').length, 0),
});
