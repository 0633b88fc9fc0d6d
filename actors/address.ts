declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** What one process owns at a time: everything of a partition, or what belongs to the site as a whole (design.md §2). */
export type Scope = `partition:${string}` | `site:${string}`;

export type SiteId = Branded<string, 'SiteId'>;
export type PartitionId = Branded<string, 'PartitionId'>;

export const partitionScope = (partition: string): Scope => `partition:${partition}`;
export const siteScope = (site: string): Scope => `site:${site}`;
export const isScope = (text: string): text is Scope => /^(partition|site):./.test(text);
/** The id after the colon: of the partition, or of the site. */
export const scopeId = (scope: Scope): string => scope.slice(scope.indexOf(':') + 1);
export const isPartitionScope = (scope: Scope): boolean => scope.startsWith('partition:');

export const KINDS = ['allocator', 'block', 'directory', 'machine', 'network', 'registry', 'switch'] as const;
export type Kind = (typeof KINDS)[number];

/** Where an actor lives. Scope, kind and id decide its shard for ever (as long as the number of shards stays). */
export interface Address<K extends Kind = Kind> {
  scope: Scope;
  kind: K;
  id: string;
}

export const addressOf = <K extends Kind>(scope: Scope, kind: K, id: string): Address<K> => ({ scope, kind, id });
export const addressText = (address: Address): string => `${address.scope}/${address.kind}/${address.id}`;

/** FNV-1a, 32 bits: stable over versions and processes, unlike any hash of the platform. */
export function shardOf(address: Address, shards: number): number {
  const text = `${address.kind}/${address.id}`;
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) % shards;
}
