import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { repairedVersion, repairs, type Repair } from './repairs.ts';

type Text = {
  readonly text: string;
  readonly state: 'untouched' | 'repaired' | 'partly' | { readonly mismatch: Repair };
};

const sources = ['src', 'cjs/src'] as const;
const files = ['connection.js', 'index.js', 'query.js'] as const;

/** Folder of the driver that `import 'postgres'` loads in this project. */
export const driverFolder = (): string => dirname(dirname(dirname(createRequire(import.meta.url).resolve('postgres'))));

const count = (text: string, part: string): number => text.split(part).length - 1;

/** Applies all repairs that concern `file` to its text; what is repaired already stays as it is. */
export const repairText = (file: Repair['file'], before: string): Text => {
  let text = before;
  let applied = 0;
  const mine = repairs.filter((repair) => repair.file === file);
  for (const repair of mine) {
    if (count(text, repair.to) === 1) continue;
    if (count(text, repair.from) !== 1) return { text: before, state: { mismatch: repair } };
    text = text.replace(repair.from, () => repair.to);
    applied += 1;
  }
  return { text, state: applied === 0 ? 'repaired' : applied === mine.length ? 'untouched' : 'partly' };
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
};

const versionOf = (folder: string): string =>
  (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;

const copies = (folder: string): { file: Repair['file']; path: string; text: string }[] =>
  sources.flatMap((source) =>
    files.flatMap((file) => {
      const path = join(folder, source, file);
      const text = readIfThere(path);
      return text === undefined ? [] : [{ file, path, text }];
    }),
  );

/**
 * Repairs the installed postgres.js, both its ES modules and its CommonJS copy. Idempotent; all files or none.
 * Throws when the version or the text is not the one these repairs were written for. Source: database.md §3.1.
 */
export const repairDriver = (folder: string = driverFolder()): 'repaired now' | 'was repaired' => {
  const version = versionOf(folder);
  if (version !== repairedVersion)
    throw new Error(
      `postgres.js ${version} is installed, but its repairs (storage/driver/repairs.ts) are written for ${repairedVersion}: run npm ci, or adapt them`,
    );
  const changed = copies(folder).flatMap(({ file, path, text }) => {
    const result = repairText(file, text);
    if (typeof result.state === 'object')
      throw new Error(
        `postgres.js can't be repaired: ${path} is neither the original text nor the repaired one where "${result.state.mismatch.why}"; ` +
          `reinstall it (npm ci), or adapt storage/driver/repairs.ts`,
      );
    return result.state === 'repaired' ? [] : [{ path, text: result.text }];
  });
  for (const { path, text } of changed) {
    // A new file instead of an overwritten one: package stores share files between projects by hard links.
    writeFileSync(`${path}.${process.pid}`, text);
    renameSync(`${path}.${process.pid}`, path);
  }
  return changed.length === 0 ? 'was repaired' : 'repaired now';
};

/** Whether the driver that this process would load carries every repair. */
export const isRepaired = (folder: string = driverFolder()): boolean =>
  versionOf(folder) === repairedVersion &&
  copies(folder).every(({ file, text }) => repairText(file, text).state === 'repaired');

/** A process calls this before it opens a connection: an unrepaired driver ends the process when a server goes away at the wrong moment. */
export const assertRepaired = (folder: string = driverFolder()): void => {
  if (!isRepaired(folder))
    throw new Error(`the database driver in ${folder} is unrepaired; run npm start or npm run build, which repair it`);
};
