export { createShardStore, type ShardStoreOptions } from './shard-store.ts';
export { createSiteStore, type SiteStoreOptions } from './site-store.ts';
export { migrate } from './migrate.ts';
export { allStatements } from './statements.ts';
