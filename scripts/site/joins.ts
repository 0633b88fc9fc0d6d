// Joining, tied to the actors of this site.
import type { Asker } from '../../actors/asker.ts';
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { Site } from '../../http/site.ts';
import type { FilledCopy } from '../../router/federation/directory-copy.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { SiteIdentity } from '../../router/federation/identity.ts';
import { createJoinHost, type JoinHost } from '../../router/federation/join.ts';

export interface JoinsOptions {
  site: Pick<Site, 'id' | 'ask' | 'rows' | 'places'>;
  folder: string;
  identity: SiteIdentity;
  federation: Federation;
  copy: FilledCopy;
  /** `host:port` of the peer listener. */
  addresses(): readonly string[];
  odd(what: string, error?: unknown): void;
}

const asJoin = { who: 'join' };
const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);

export function createJoins({ site, ...options }: JoinsOptions): JoinHost {
  const own = siteScope(site.id);
  const registry = addressOf(own, 'registry', site.id);
  return createJoinHost({
    ...options,
    site: site.id,
    async claims(asker) {
      const answer = await site.ask(registry, 'claims', { own: false }, { ...asJoin, asker });
      return isRefusal(answer) ? answer : answer.claims;
    },
    adoptClaims: async (ask, asker) => refusalOf(await site.ask(registry, 'adopt', ask, { ...asJoin, asker })),
    applyDirectory: (entries) => applyDirectory(site, entries),
    async vrfs() {
      const rows = await site.rows.rows('pool', { scopes: site.places.hosted().map(partitionScope) });
      return rows.filter(({ value }) => value.pool === 'vrf').map(({ value }) => value.number);
    },
    partitions: () => site.places.hosted(),
    wallMs: () => Date.now(),
  });
}

/** Brings entries of other sites to the actors of their kinds. */
export async function applyDirectory(
  site: Pick<Site, 'id' | 'ask'>,
  entries: DirectoryRecord[],
  asker?: Asker,
): Promise<Refusal | undefined> {
  for (const kind of new Set(entries.map((entry) => entry.kind))) {
    const ofKind = entries.filter((entry) => entry.kind === kind);
    const actor = addressOf(siteScope(site.id), 'directory', kind);
    const refused = refusalOf(await site.ask(actor, 'apply', { entries: ofKind }, { who: 'directory', asker }));
    if (refused !== undefined) return refused;
  }
  return undefined;
}
