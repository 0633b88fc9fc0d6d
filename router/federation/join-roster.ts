// What a joiner keeps in its folder: the keys of a join under way, and the roster until it stands in its directory.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { createSealingKeys, type SealingKeys } from '../link/sealing.ts';
import { writeSecret } from './identity.ts';

/** Members of the federation, and what is taken there. */
export interface Roster {
  members: DirectoryRecord[];
  claims: ClaimRecord[];
}

const memberSchema = z.custom<DirectoryRecord>((value) => {
  const record = value as Partial<DirectoryRecord> | null;
  return record?.kind === 'member' && typeof record.id === 'string' && record.home === record.id;
}, 'a member entry at its own home is expected');
const claimSchema = z
  .object({
    what: z.enum(['prefix', 'network', 'partition']),
    value: z.string(),
    holder: z.string(),
    site: z.string(),
    state: z.literal('owned'),
    h: z.string(),
  })
  .strip();
export const rosterSchema = z.object({ members: z.array(memberSchema).max(1_024), claims: z.array(claimSchema) });

const storedRoster = rosterSchema.extend({ fingerprint: z.string() });
const storedKeys = z.object({ tokenId: z.string(), publicKey: z.string(), privateKey: z.string() });

const read = (file: string): unknown => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);

export interface JoinFiles {
  /** The keys of the join by this token: the same as often as it is repeated, also by another process. */
  keysFor(tokenId: string): SealingKeys;
  forgetKeys(): void;
  storeRoster(fingerprint: string, roster: Roster): void;
  /** The roster of the federation with this authority, if it is not applied yet. */
  roster(fingerprint: string): Roster | undefined;
  forgetRoster(): void;
}

export function openJoinFiles(folder: string): JoinFiles {
  const keysFile = join(folder, 'join.json');
  const rosterFile = join(folder, 'roster.json');
  return {
    keysFor(tokenId) {
      const stored = storedKeys.safeParse(read(keysFile));
      if (stored.success && stored.data.tokenId === tokenId) {
        const { publicKey, privateKey } = stored.data;
        return { publicKey: new Uint8Array(Buffer.from(publicKey, 'base64')), privateKey };
      }
      const made = createSealingKeys();
      const publicKey = Buffer.from(made.publicKey).toString('base64');
      writeSecret(keysFile, JSON.stringify({ tokenId, publicKey, privateKey: made.privateKey }));
      return made;
    },
    forgetKeys: () => rmSync(keysFile, { force: true }),
    storeRoster: (fingerprint, roster) => writeSecret(rosterFile, JSON.stringify({ fingerprint, ...roster })),
    roster(fingerprint) {
      const stored = read(rosterFile);
      if (stored === undefined) return undefined;
      const { fingerprint: of, ...roster } = storedRoster.parse(stored);
      // Stored before a join that did not come to its end.
      return of === fingerprint ? roster : undefined;
    },
    forgetRoster: () => rmSync(rosterFile, { force: true }),
  };
}
