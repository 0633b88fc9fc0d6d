import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { projectRoot } from './root.ts';

/** Programs that run built; each becomes `dist/<name>.js`. `shard` and `audit` are what worker threads load. */
export const entries = [
  'prepare',
  'start',
  'partition',
  'database',
  'shard',
  'audit',
  'router',
  'rack',
  'join',
  'env',
  'api',
  'simulation/main',
] as const;

const rooms = ['actors', 'http', 'router', 'storage', 'scripts'];

/** Identifies the state of the sources: a build is stale when it was made from another one. */
export interface Sources {
  readonly files: number;
  readonly newestMs: number;
}

export interface Build {
  readonly entries: readonly string[];
  readonly bytes: number;
  readonly tookMs: number;
}

const isTest = (name: string): boolean => name.endsWith('.test.ts') || name.endsWith('.long.ts');

const isSource = (name: string): boolean => /\.(ts|tsx|sql|proto)$/.test(name) && !isTest(name);

const foldersToSkip = new Set(['node_modules', 'dist', 'bin']);

/** Counts the sources of the rooms and finds the newest; a removed file changes the count, a renamed one its folder. */
export const sourcesOf = (root: string): Sources => {
  let files = 0;
  let newestMs = 0;
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!foldersToSkip.has(entry.name)) walk(path);
      } else if (isSource(entry.name)) {
        files += 1;
        newestMs = Math.max(newestMs, statSync(path).mtimeMs, statSync(folder).mtimeMs);
      }
    }
  };
  for (const room of rooms) if (existsSync(join(root, room))) walk(join(root, room));
  for (const name of ['package.json', 'package-lock.json'])
    newestMs = Math.max(newestMs, statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return { files, newestMs };
};

const stampOf = (root: string): string => join(root, 'dist', '.stamp.json');

const entriesIn = (root: string): string[] => entries.filter((name) => existsSync(join(root, 'scripts', `${name}.ts`)));

/** Whether `dist` was built from other sources than `sources`, or lacks a program. */
export const isStale = (root: string, sources: Sources): boolean => {
  try {
    const built = JSON.parse(readFileSync(stampOf(root), 'utf8')) as Sources;
    return (
      built.files !== sources.files ||
      built.newestMs !== sources.newestMs ||
      !entriesIn(root).every((name) => existsSync(join(root, 'dist', `${name}.js`)))
    );
  } catch {
    return true;
  }
};

const write = (path: string, contents: Uint8Array | string): void => {
  mkdirSync(dirname(path), { recursive: true });
  // A program that starts meanwhile reads either the old or the new file.
  writeFileSync(`${path}.${process.pid}`, contents);
  renameSync(`${path}.${process.pid}`, path);
};

const anHourMs = 3_600_000;

/** Chunks of earlier builds; programs that still run may load one late, so they stay for an hour. */
const removeOld = (dist: string, written: ReadonlySet<string>): void => {
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const path = join(dist, name);
    if (/\.js(\.map)?(\.\d+)?$/.test(name) && !written.has(path) && Date.now() - statSync(path).mtimeMs > anHourMs)
      rmSync(path);
  }
};

/** Bundles `scripts/<name>.ts` into `dist/<name>.js`; npm packages stay imports. Answers the written files and their sizes. */
export const bundle = async (root: string, names: readonly string[]): Promise<Map<string, number>> => {
  // Only here: loading esbuild takes longer than finding out that there is nothing to do.
  const esbuild = await import('esbuild');
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: names.map((name) => ({ in: join('scripts', `${name}.ts`), out: name })),
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    logLevel: 'warning',
  });
  for (const { path, contents } of outputFiles) write(path, contents);
  return new Map(outputFiles.map(({ path, contents }) => [path, contents.length]));
};

/** Bundles the programs into `dist` and remembers from which sources. */
export const build = async (root: string = projectRoot, sources: Sources = sourcesOf(root)): Promise<Build> => {
  const from = performance.now();
  const names = entriesIn(root);
  const dist = join(root, 'dist');
  let bytes = 0;
  if (names.length > 0) {
    const written = await bundle(root, names);
    for (const size of written.values()) bytes += size;
    removeOld(dist, new Set(written.keys()));
  }
  write(stampOf(root), `${JSON.stringify(sources)}\n`);
  return {
    entries: names.map((name) => relative(root, join(dist, `${name}.js`))),
    bytes,
    tookMs: performance.now() - from,
  };
};
