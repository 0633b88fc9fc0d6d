// Restore of a site from a backup: looks first, says what will be lost, then replaces all in one transaction.
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { createSiteStore } from '../../storage/index.ts';
import { createInspection } from '../../storage/inspection.ts';
import { loadDatabase, type LoadPart, type Restored } from '../../storage/backup/index.ts';
import { readMigrations } from '../../storage/migrate.ts';
import { writeSecret } from '../../router/federation/identity.ts';
import { readArchive, type End, type Line, type Manifest } from './archive.ts';
import { Problem, type SitePlace } from './place.ts';
import { readStandingFile, writeStandingFile } from './standing.ts';

export interface RestorePlan {
  manifest: Manifest;
  end: End;
  /** What is there now and will be gone, in sentences; empty: the database is empty. */
  losses: string[];
  /** Key files that differ from the backup's, or are missing. */
  keys: 'same' | 'missing' | 'differ';
}

const LEASE_MS = 30_000;
const PATIENCE_MS = 5_000;
const ROWS_PER_INSERT = 500;

type FileLine = Extract<Line, { kind: 'file' }>['file'];

/** Reads the archive to its end, which proves that it is whole. */
async function verify(path: string): Promise<{ manifest: Manifest; end: End; files: FileLine[] }> {
  const lines = readArchive(path);
  const files: FileLine[] = [];
  let manifest: Manifest | undefined;
  for (;;) {
    const next = await lines.next();
    if (next.done === true) {
      if (manifest === undefined) throw new Problem(`${path} is no backup: it has no manifest`);
      return { manifest, end: next.value, files };
    }
    if (next.value.kind === 'manifest') manifest = next.value.manifest;
    if (next.value.kind === 'file') files.push(next.value.file);
  }
}

function keysOf(place: SitePlace, files: readonly FileLine[]): RestorePlan['keys'] {
  const shared = files.filter(({ file }) => /^identity\/(ca\.key|ca\.pem|hmac\.json)$/.test(file));
  const paths = shared.map(({ file }) => join(place.folder, file));
  if (!paths.every((path) => existsSync(path))) return 'missing';
  return shared.every(({ content }, i) => readFileSync(paths[i] as string).toString('base64') === content)
    ? 'same'
    : 'differ';
}

const when = (atMs: number): string => new Date(atMs).toISOString().replace('T', ' ').slice(0, 19);

/** What would happen. Changes nothing but the schema, which it brings to this version. */
export async function planRestore(place: SitePlace, url: string, path: string): Promise<RestorePlan> {
  const { manifest, end, files } = await verify(path);
  if (manifest.site !== place.site)
    throw new Problem(
      `${path} is a backup of site ${manifest.site}, not of ${place.site}: sites have their own ids for ever`,
    );
  const known = new Set(readMigrations().map(({ name }) => name));
  const newer = manifest.migrations.filter((name) => !known.has(name));
  if (newer.length > 0)
    throw new Problem(
      `the backup was made by a newer version (${manifest.version}): it has ${newer.join(', ')}, which this one does not know`,
    );

  // It migrates, so that there are tables to look into.
  const store = await createSiteStore({ url, applicationName: 'hanse-restore' });
  const inspection = createInspection({ url, applicationName: 'hanse-restore' });
  try {
    const [counts, { streams }] = await Promise.all([inspection.counts(), inspection.log()]);
    const { log = 0, ...tables } = counts;
    const rows = Object.values(tables).reduce((sum, count) => sum + count, 0);
    const losses: string[] = [];
    if (rows + log > 0) losses.push(`${rows} rows and ${log} log entries that are there now are replaced`);
    const ends = new Map(
      manifest.standing.ends.map((stream) => [`${stream.shard}/${stream.epoch}/${stream.scope}`, stream.n]),
    );
    for (const { scope, shard, epoch, last, lastAtMs, ended } of streams) {
      const kept = ends.get(`${shard}/${epoch}/${scope}`) ?? 0;
      if (!ended && last > kept)
        losses.push(
          `${last - kept} operations of ${scope} after the backup are lost, the last of ${when(lastAtMs ?? manifest.atMs)}`,
        );
    }
    return { manifest, end, losses, keys: keysOf(place, files) };
  } finally {
    await inspection.close();
    await store.close();
  }
}

async function* parts(path: string): AsyncGenerator<LoadPart> {
  let rows: Array<Array<string | null>> = [];
  for await (const line of readArchive(path)) {
    if (line.kind === 'row') {
      rows.push(line.row);
      if (rows.length < ROWS_PER_INSERT) continue;
    } else if (rows.length === 0) {
      if (line.kind === 'table') yield { shape: shapeOf(line) };
      continue;
    }
    yield { rows };
    rows = [];
    if (line.kind === 'table') yield { shape: shapeOf(line) };
  }
  if (rows.length > 0) yield { rows };
}

const shapeOf = ({ table: { table, columns } }: Extract<Line, { kind: 'table' }>) => ({ table, columns });

/** The backup's key files, where they are wanted; nothing outside of the site's folder is written. */
function writeKeys(place: SitePlace, files: readonly FileLine[]): void {
  for (const { file, mode, content } of files) {
    if (!normalize(file).startsWith('identity/') || file.includes('..'))
      throw new Problem(`the backup holds a file outside of identity/: ${file}`);
    const target = join(place.folder, file);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    writeSecret(target, Buffer.from(content, 'base64').toString('utf8'));
    chmodSync(target, mode & 0o700);
  }
}

export interface RestoreOptions {
  /** Take the backup's keys even if there are others. Default: only missing ones. */
  replaceKeys: boolean;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/**
 * Takes the site's lease: whoever holds it is the only one who may write, so nobody becomes active meanwhile. Rejects with a
 * `Problem` while a process has it. Answers how to give it back.
 */
async function holdLease(place: SitePlace, url: string): Promise<() => Promise<void>> {
  const store = await createSiteStore({ url, applicationName: 'hanse-restore', isAlive });
  const holder = {
    site: place.site,
    process: `restore ${hostname()}:${process.pid}`,
    host: hostname(),
    pid: process.pid,
  };
  const acquire = () => store.acquireLease(holder, LEASE_MS);
  try {
    const deadline = performance.now() + PATIENCE_MS;
    for (let answer = await acquire(); !answer.held; answer = await acquire()) {
      if (performance.now() > deadline)
        throw new Problem(
          `process ${answer.holder.process} is active for site ${place.site}: end it first, and those that stand by`,
        );
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } catch (error) {
    await store.close();
    throw error;
  }
  const renewal = setInterval(() => void acquire().catch(() => {}), LEASE_MS / 3);
  return async () => {
    clearInterval(renewal);
    await store.releaseLease(holder).catch(() => {});
    await store.close();
  };
}

/** Rejects with a `Problem` while a process is active for the site: what would be lost is not known before it has ended. */
export async function requireEnded(place: SitePlace, url: string): Promise<void> {
  const release = await holdLease(place, url);
  await release();
}

/** Replaces the site's content. Rejects with a `Problem`, having changed nothing, while a process is active for the site. */
export async function restoreSite(
  place: SitePlace,
  url: string,
  path: string,
  plan: RestorePlan,
  options: RestoreOptions,
): Promise<Restored> {
  const { files } = await verify(path);
  const release = await holdLease(place, url);
  try {
    const file = readStandingFile(place.folder);
    mkdirSync(place.folder, { recursive: true, mode: 0o700 });
    const nowMs = Date.now();
    const restored = await loadDatabase(url, parts(path), { seen: file === undefined ? [] : [file], nowMs });
    if (plan.keys === 'missing' || options.replaceKeys) writeKeys(place, files);
    const { incarnation, epochs, ends } = restored;
    writeStandingFile(place.folder, { incarnation, atMs: nowMs, epochs, ends });
    return restored;
  } finally {
    await release();
  }
}
