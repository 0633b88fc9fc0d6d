// Backup of a site: its whole database as of one moment, and its keys, in one file.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { dumpDatabase } from '../../storage/backup/index.ts';
import { createArchive, type End, type Manifest } from './archive.ts';
import { version } from './build-info.ts';
import { Problem, type SitePlace } from './place.ts';

export interface BackupReport {
  manifest: Manifest;
  end: End;
  sizeBytes: number;
}

/** Files of the site's identity, below its folder. */
function identityFiles(folder: string): string[] {
  const identity = join(folder, 'identity');
  if (!existsSync(identity)) return [];
  return readdirSync(identity, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.new'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Before anything is read for it: can the file be made? Throws a `Problem`. */
export function requireRoom(path: string, replaces: boolean): void {
  const folder = dirname(path);
  if (!isFolder(folder)) throw new Problem(`there is no folder ${folder}: make it first, or name a file elsewhere`);
  if (isFolder(path))
    throw new Problem(`${path} is a folder, expected the name of a file, e.g. ${join(path, 'muc.hanse')}`);
  if (existsSync(path) && !replaces) throw new Problem(`${path} is there already: --force replaces it`);
}

/** Writes the backup; the file has its name only when it is whole. Rejects with a `Problem`. */
export async function backupSite(place: SitePlace, url: string, path: string): Promise<BackupReport> {
  const files = identityFiles(place.folder);
  if (files.length === 0)
    throw new Problem(
      `${join(place.folder, 'identity')} has no keys: is --data right, and was site ${place.site} ever started?`,
    );
  const archive = createArchive(path);
  let manifest: Manifest | undefined;
  try {
    await dumpDatabase(url, {
      async head({ atMs, server, migrations, standing }) {
        if (!standing.epochs.some(({ scope }) => scope === `site:${place.site}`))
          throw new Problem(
            `the database is not that of site ${place.site}: nobody ever owned site:${place.site} there`,
          );
        manifest = { hanse: 'backup', format: 1, site: place.site, atMs, version, server, migrations, standing };
        await archive.line(manifest);
      },
      table: ({ table, columns }) => archive.line({ table, columns }),
      async rows(rows) {
        for (const row of rows) await archive.line(row);
      },
    });
    for (const file of files) {
      const from = join(place.folder, file);
      const content = readFileSync(from).toString('base64');
      await archive.line({ file, mode: statSync(from).mode & 0o777, content });
    }
    const end = await archive.finish();
    return { manifest: manifest as Manifest, end, sizeBytes: statSync(path).size };
  } catch (error) {
    await archive.discard();
    throw unwritten(path, error) ?? error;
  }
}

/** Of an error that the file system gave for the file itself, e.g. "EACCES: permission denied, open '…'". */
function unwritten(path: string, error: unknown): Problem | undefined {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === undefined || (syscall !== 'open' && syscall !== 'write')) return undefined;
  return new Problem(`${path} can't be written: ${/: (.+?),/.exec(message)?.[1] ?? message}; name a file elsewhere`);
}
