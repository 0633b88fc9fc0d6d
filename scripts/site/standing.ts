// How far the site has come, in a file beside the database: a database that is behind it was restored from a backup
// (design.md §12), and must not give out what it gave out before under the same epochs.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isScope } from '../../actors/address.ts';
import type { LogEntry } from '../../actors/ports.ts';
import { behind, highest, liftEpochs, readStanding, type Standing } from '../../storage/backup/index.ts';
import { openForAudit } from '../../storage/audit/index.ts';
import { retrying } from '../../storage/retry.ts';

const scope = z.custom<LogEntry['scope']>((value) => typeof value === 'string' && isScope(value));
const shape = z.object({
  /** New whenever the database was found behind. */
  incarnation: z.number().int().min(1),
  atMs: z.number(),
  /** When the database was restored, or found so; until the site has compared itself with the others (reliability.md F24). */
  restoredMs: z.number().optional(),
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
  /** Set: it was restored, now or before, and the site was not compared with the others yet. */
  restoredMs?: number;
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
      const lost = file === undefined ? (found.epochs.length > 0 ? [NO_FILE] : []) : behind(found, file);
      if (lost.length === 0) {
        const restoredMs = file?.restoredMs;
        return { incarnation: file?.incarnation ?? 1, lost, ...(restoredMs === undefined ? {} : { restoredMs }) };
      }
      const known: Omit<StandingFile, 'atMs'> = file ?? { incarnation: 1, epochs: [], ends: [] };
      const restored = { incarnation: known.incarnation + 1, restoredMs: known.restoredMs ?? nowMs };
      // First of all: once the epochs are raised, nothing else tells.
      writeStandingFile(siteFolder, { ...known, ...restored, atMs: nowMs });
      await liftEpochs(tx, highest(found, known));
      return { ...restored, lost };
    });
  try {
    // An owner that lives and writes on may win against it, until the takeover that comes next.
    return await retrying(compare, { deadlineMs: COMPARE_MS, conflicts: Infinity, on: ['retry'] });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** For a process that stands by with a folder of its own: what another one writes at the moment was not restored. */
export async function noteStanding(databaseUrl: string, siteFolder: string, atMs: number): Promise<void> {
  if (existsSync(standingPath(siteFolder))) return;
  const sql = openForAudit(databaseUrl);
  try {
    const standing = await readStanding(sql);
    writeStandingFile(siteFolder, { incarnation: 1, atMs, ...standing });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export interface StandingKeeper {
  /** To be called with every committed entry. */
  committed(entry: LogEntry): void;
  /** The site was compared with the others: it is not restored any more, it is as it is. */
  compared(): void;
  stop(): void;
}

const WRITE_MS = 2_000;

/** Keeps the file up to date, some seconds behind the database: it never claims what is not committed. */
export function keepStanding(options: {
  siteFolder: string;
  incarnation: number;
  restoredMs?: number | undefined;
  epochs: Standing['epochs'];
  after(delayMs: number, run: () => void): () => void;
  wallMs(): number;
  odd(what: string, error: unknown): void;
}): StandingKeeper {
  const { siteFolder, incarnation } = options;
  const epochs = new Map(options.epochs.map(({ scope: of, epoch }) => [of, epoch]));
  const ends = new Map<string, Standing['ends'][number]>();
  let { restoredMs } = options;
  let isChanged = false;
  let cancel = (): void => {};

  function write(): void {
    try {
      const standing = { epochs: [...epochs].map(([of, epoch]) => ({ scope: of, epoch })), ends: [...ends.values()] };
      const restored = restoredMs === undefined ? {} : { restoredMs };
      writeStandingFile(siteFolder, { incarnation, atMs: options.wallMs(), ...restored, ...standing });
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
    compared() {
      restoredMs = undefined;
      write();
    },
    stop() {
      cancel();
      if (isChanged) write();
    },
  };
}
