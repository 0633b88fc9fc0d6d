import { openPool } from '../driver/open.ts';
import type { SiteStore } from '../../actors/ports.ts';
import { createShardStore, type ShardStoreOptions } from '../shard-store.ts';
import { createSiteStore } from '../site-store.ts';
import { asked, type AskedStore } from './samples.ts';

/** One connection on which a test says its statements one by one. */
export interface Session {
  say<Row extends object = Record<string, unknown>>(text: string, parameters?: unknown[]): Promise<Row[]>;
  end(): Promise<void>;
}

export function openSession(url: string, statementTimeoutMs = 10_000): Session {
  const sql = openPool(url, {
    max: 1,
    isolation: 'serializable',
    applicationName: 'session',
    statementTimeoutMs,
    idleInTransactionMs: 10_000,
  });
  return {
    say: async <Row extends object>(text: string, parameters: unknown[] = []) => [
      ...(await sql.unsafe<Row[]>(text, parameters as never[])),
    ],
    end: () => sql.end({ timeout: 1 }),
  };
}

/** Opens stores on a server, hands them to `use`, and closes them whatever happens. */
export async function withStores(
  url: string,
  use: (stores: { store: AskedStore; site: SiteStore }) => Promise<void>,
  options: Partial<ShardStoreOptions> = {},
): Promise<void> {
  const site = await createSiteStore({ url, applicationName: 'test' });
  const shard = createShardStore({ url, applicationName: 'test', ...options });
  try {
    await use({ store: asked(shard), site });
  } finally {
    await Promise.all([shard.close(), site.close()]);
  }
}
