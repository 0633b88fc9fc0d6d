// The join tokens that this site issued, as a file of mode 0600 beside its keys. Secrets are not in it.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { TokenRecord } from '../link/token.ts';
import { writeSecret } from './identity.ts';

export interface Tokens {
  find(id: string): TokenRecord | undefined;
  add(record: TokenRecord): void;
  /** Durable when it answers true; false: the record is not any more as it was found. */
  storeClaim(before: TokenRecord, after: TokenRecord): boolean;
  /** Takes back the claim that the record carries, if it is still that one. */
  releaseClaim(record: TokenRecord): void;
}

/** Expired tokens are known so long, so that who comes late hears why. */
const KEEP_EXPIRED_MS = 24 * 3_600_000;

const recordSchema = z.object({
  id: z.string(),
  secretHash: z.string(),
  fingerprint: z.string(),
  expiresAtMs: z.number(),
  siteId: z.string().optional(),
  partitionIds: z.array(z.string()).optional(),
  claim: z.object({ siteId: z.string(), publicKeyHash: z.string() }).optional(),
});

const isSame = (a: TokenRecord, b: TokenRecord): boolean =>
  a.claim?.siteId === b.claim?.siteId && a.claim?.publicKeyHash === b.claim?.publicKeyHash;

/** Opens the tokens in a folder. Throws when the file is there and is not one of ours. */
export function openTokens(folder: string, wallMs: () => number): Tokens {
  const file = join(folder, 'tokens.json');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stored = existsSync(file) ? z.array(recordSchema).parse(JSON.parse(readFileSync(file, 'utf8'))) : [];
  const records = new Map<string, TokenRecord>(stored.map((record) => [record.id, record]));

  function put(record: TokenRecord): void {
    const before = wallMs() - KEEP_EXPIRED_MS;
    for (const [id, { expiresAtMs }] of records) if (expiresAtMs < before) records.delete(id);
    const known = records.get(record.id);
    records.set(record.id, record);
    try {
      writeSecret(file, JSON.stringify([...records.values()], null, 2));
    } catch (error) {
      // Memory must not promise what the disk does not hold.
      if (known === undefined) records.delete(record.id);
      else records.set(record.id, known);
      throw error;
    }
  }

  return {
    find: (id) => records.get(id),
    add: put,
    storeClaim(before, after) {
      const known = records.get(before.id);
      if (known === undefined || !isSame(known, before)) return false;
      put(after);
      return true;
    },
    releaseClaim(record) {
      const known = records.get(record.id);
      if (known === undefined || !isSame(known, record)) return;
      put({ ...known, claim: undefined });
    },
  };
}
