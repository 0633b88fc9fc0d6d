// How far the site has come, in a file beside the database: a database that is behind it was restored from a backup
// (design.md §12), and must not give out what it gave out before under the same epochs.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { LogEntry } from '../../actors/ports.ts';
import { behind, highest, liftEpochs, readStanding, type Standing } from '../../storage/backup/index.ts';
import { openForAudit, type Reading } from '../../storage/audit/index.ts';

const scope = z.custom<LogEntry['scope']>((value) => typeof value === 'string' && /^(partition|site):/.test(value));
const shape = z.object({
  /** New whenever the database was found behind. */
  incarnation: z.number().int().min(1),
  atMs: z.number(),
  epochs: z.array(z.object({ scope, epoch: z.number() })),
  ends: z.array(z.object({ scope, shard: z.number(), epoch: z.number(), n: z.number() })),
});
export type StandingFile = z.infer<typeof shape>;

export const standingPath = (siteFolder: string): string => join(siteFolder, 'standing.json');

/** What was written last; undefined: nothing yet, or nothing that can be read. */
export function readStandingFile(siteFolder: string): StandingFile | undefined {
  const path = standingPath(siteFolder);
  if (!existsSync(path)) return undefined;
  try {
    return shape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Beside and renamed, not flushed: it is written often, and one that is lost is no worse than an older one. */
export function writeStandingFile(siteFolder: string, file: StandingFile): void {
  const path = standingPath(siteFolder);
  writeFileSync(`${path}.new`, `${JSON.stringify(file)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export interface StandingCheck {
  incarnation: number;
  /** What the database lacks; empty: it is as it was left, or further. */
  lost: string[];
}

/** Compares the database with the file; if it is behind, raises its epochs above all that were. The lease must be held. */
export async function checkStanding(databaseUrl: string, siteFolder: string): Promise<StandingCheck> {
  const file = readStandingFile(siteFolder);
  if (file === undefined) return { incarnation: 1, lost: [] };
  const sql = openForAudit(databaseUrl);
  try {
    const lost = (await sql.begin('isolation level serializable', async (transaction) => {
      const tx = transaction as unknown as Reading;
      const found = await readStanding(tx);
      const missing = behind(found, file);
      if (missing.length > 0) await liftEpochs(tx, highest(found, file));
      return missing;
    })) as string[];
    return { incarnation: file.incarnation + (lost.length > 0 ? 1 : 0), lost };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export interface StandingKeeper {
  /** To be called with every committed entry. */
  committed(entry: LogEntry): void;
  stop(): void;
}

const WRITE_MS = 2_000;

/** Keeps the file up to date, some seconds behind the database: it never claims what is not committed. */
export function keepStanding(options: {
  siteFolder: string;
  incarnation: number;
  epochs: Standing['epochs'];
  after(delayMs: number, run: () => void): () => void;
  wallMs(): number;
  odd(what: string, error: unknown): void;
}): StandingKeeper {
  const { siteFolder, incarnation } = options;
  const epochs = new Map(options.epochs.map(({ scope: of, epoch }) => [of, epoch]));
  const ends = new Map<string, Standing['ends'][number]>();
  let isChanged = false;
  let cancel = (): void => {};

  function write(): void {
    try {
      const standing = { epochs: [...epochs].map(([of, epoch]) => ({ scope: of, epoch })), ends: [...ends.values()] };
      writeStandingFile(siteFolder, { incarnation, atMs: options.wallMs(), ...standing });
      isChanged = false;
    } catch (error) {
      options.odd('the standing of the site could not be written', error);
    }
  }

  const again = (): void => {
    cancel = options.after(WRITE_MS, () => {
      if (isChanged) write();
      again();
    });
  };
  write();
  again();

  return {
    committed({ scope: of, shard, epoch, n }) {
      const name = `${shard}/${of}`;
      const known = ends.get(name);
      if (known !== undefined && (known.epoch > epoch || (known.epoch === epoch && known.n >= n))) return;
      ends.set(name, { scope: of, shard, epoch, n });
      epochs.set(of, Math.max(epochs.get(of) ?? 0, epoch));
      isChanged = true;
    },
    stop() {
      cancel();
      if (isChanged) write();
    },
  };
}
