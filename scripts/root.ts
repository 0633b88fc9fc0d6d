import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const isRoot = (folder: string): boolean => {
  const manifest = join(folder, 'package.json');
  return existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'hanse';
};

const above = (folder: string): string => {
  if (isRoot(folder)) return folder;
  if (dirname(folder) === folder)
    throw new Error('this program does not lie in a checkout of hanse: no package.json of that name above it');
  return above(dirname(folder));
};

/**
 * The checkout's folder, from its sources as well as from `dist/`. Files that the build does not carry along are found from here:
 * `join(projectRoot, 'storage/migrations')`.
 */
export const projectRoot: string = above(dirname(fileURLToPath(import.meta.url)));
