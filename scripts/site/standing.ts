// How far the site has come, in a file beside the database: a database that is behind it was restored from a backup
// (design.md §12), and must not give out what it gave out before under the same epochs. That it was restored stands in the
// database, for whichever process takes the site over next.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isScope } from '../../actors/address.ts';
import type { LogEntry } from '../../actors/ports.ts';
import {
  behind,
  clearMark,
  highest,
  liftEpochs,
  markRestored,
  readMark,
  readStanding,
  type RestoreMark,
  type Standing,
} from '../../storage/backup/index.ts';
import { openForAudit } from '../../storage/audit/index.ts';
import { retrying } from '../../storage/retry.ts';

const scope = z.custom<LogEntry['scope']>((value) => typeof value === 'string' && isScope(value));
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

export interface StandingCheck extends RestoreMark {
  /** What the database lacks; empty: it is as it was left, or further. */
  lost: string[];
}

const COMPARE_MS = 5_000;
const NO_FILE = 'the site has written before, and the file that says how far it had come is missing';

/**
 * Compares the database with the file; if it is behind, or has a past that the file does not know, raises its epochs above
 * all that were. The lease must be held.
 */
export async function checkStanding(
  databaseUrl: string,
  siteFolder: string,
  nowMs = Date.now(),
): Promise<StandingCheck> {
  const file = readStandingFile(siteFolder);
  const sql = openForAudit(databaseUrl);
  const compare = (): Promise<StandingCheck> =>
    sql.begin('isolation level serializable', async (tx) => {
      const found = await readStanding(tx);
      const mark = await readMark(tx);
      const lost = file === undefined ? (found.epochs.length > 0 ? [NO_FILE] : []) : behind(found, file);
      if (lost.length === 0) return { ...mark, lost };
      await liftEpochs(tx, file === undefined ? highest(found) : highest(found, file));
      // Together with the epochs: once they are raised, nothing else tells.
      return { ...(await markRestored(tx, file === undefined ? [mark] : [mark, file], nowMs)), lost };
    });
  try {
    // An owner that lives and writes on may win against it, until the takeover that comes next.
    return await retrying(compare, { deadlineMs: COMPARE_MS, conflicts: Infinity, on: ['retry'] });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * For a process that stands by, with a folder of its own: notes how far the site has come meanwhile. A database that is behind
 * the file is not followed: who takes it over is to notice.
 */
export async function followStanding(databaseUrl: string, siteFolder: string, atMs: number): Promise<void> {
  const sql = openForAudit(databaseUrl);
  try {
    const file = readStandingFile(siteFolder);
    const { found, incarnation } = await sql.begin('isolation level repeatable read read only', async (tx) => ({
      found: await readStanding(tx),
      incarnation: (await readMark(tx)).incarnation,
    }));
    if (file === undefined || behind(found, file).length === 0)
      writeStandingFile(siteFolder, { incarnation, atMs, ...found });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Rejects as long as the database can't be reached: the mark stays, and the site compares itself once more. */
export async function noteCompared(databaseUrl: string, incarnation: number): Promise<void> {
  const sql = openForAudit(databaseUrl);
  try {
    await retrying(() => clearMark(sql, incarnation), { deadlineMs: COMPARE_MS, on: ['retry', 'unsent', 'unknown'] });
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
