import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { canReach, type Account } from './account.ts';
import { majorOf, type Binaries } from './binaries.ts';
import { isAlive } from './postmaster.ts';
import { engineProblem, external, inFolder, type EngineProblem } from './problem.ts';

/** Where root keeps databases that `nobody` could not reach elsewhere, and the copied binaries. */
export const systemFolder = '/var/lib/hanse';

/** The superuser of the bundled server. */
export const superuser = 'hanse';

/** Nothing of this process's environment (PGPORT, PGDATA, LC_MESSAGES …) may change what the server does or says. */
export const serverEnvironment = (): NodeJS.ProcessEnv => ({ PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' });

/** The folder of one server: `cluster` is PostgreSQL's, beside it lie the password, the port and the log. */
export interface ClusterFolder {
  readonly path: string;
  readonly cluster: string;
}

/** Step by step: Node's own recursive way never ends on a file system that lets nothing be made, such as /proc. */
const makeFolder = (path: string, isOpen: boolean): void => {
  if (existsSync(path)) return;
  makeFolder(dirname(path), isOpen);
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  // Whatever the umask: the server's account has to pass through.
  if (isOpen) chmodSync(path, 0o755);
};

/** The folder in which a server's folder is made: `dataDir`, or one in /var/lib/hanse if the server's account can't reach that. */
export const baseFolder = (dataDir: string, account: Account | undefined): string => {
  const wanted = resolve(dataDir);
  const base =
    account === undefined || canReach(account, wanted)
      ? wanted
      : join(systemFolder, `${basename(wanted)}-${createHash('sha256').update(wanted).digest('hex').slice(0, 8)}`);
  return inFolder(base, () => {
    makeFolder(base, account !== undefined);
    return realpathSync(base);
  });
};

/** The last 20 lines of a text, with a line break before them. */
export const lastLines = (text: string): string => {
  const lines = text.trimEnd().split('\n').slice(-20);
  return lines.join('') === '' ? '' : `\n${lines.map((line) => `  | ${line}`).join('\n')}`;
};

const own = (path: string, account: Account | undefined): void => {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
};

const runInitdb = (
  binaries: Binaries,
  folder: string,
  account: Account | undefined,
  options: readonly string[],
): Promise<void> =>
  new Promise((done, fail) => {
    execFile(
      join(binaries.native, 'bin', 'initdb'),
      ['-D', join(folder, 'cluster'), ...options],
      { cwd: folder, env: serverEnvironment(), ...account },
      (error, _stdout, stderr) => (error === null ? done() : fail(initProblem(folder, error, stderr))),
    );
  });

const initProblem = (folder: string, error: Error, stderr: string): EngineProblem => {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EPERM')
    return engineProblem(
      'account',
      `may not start PostgreSQL as another user: start as an ordinary user, or ${external}`,
      error,
    );
  if (/No space left/.test(stderr))
    return engineProblem(
      'folder',
      `can't create a database in ${folder}: the disk is full; choose another folder, or ${external}`,
      error,
    );
  return engineProblem(
    'init',
    `could not create the database in ${folder} (${error.message.split('\n')[0]})${lastLines(stderr)}`,
    error,
  );
};

const refuseOtherMajor = (base: string, major: number): void => {
  const others = readdirSync(base).flatMap((name) => /^postgres-(\d+)$/.exec(name)?.[1] ?? []);
  if (others.length === 0) return;
  throw engineProblem(
    'major',
    `${base} holds a database of PostgreSQL ${others.join(', ')}, which the bundled PostgreSQL ${major} can't open: with the previous release running, dump it ` +
      `(pg_dumpall --no-role-passwords), start this one on another folder, load the dump there, then remove postgres-${others[0]}`,
  );
};

/** What a process left that ended while it created a database. */
const removeInterrupted = (base: string): void => {
  for (const name of readdirSync(base)) {
    const creator = Number(/^postgres-\d+\.new-(\d+)-/.exec(name)?.[1]);
    if (creator > 0 && !isAlive(creator)) rmSync(join(base, name), { recursive: true, force: true });
  }
};

/**
 * The server's folder in `base`, created on first use. Creation happens beside it and ends with one rename, so that a start that was
 * interrupted, or two at once, leave either nothing or a whole database. `created` says that its files may not be on the disk yet (`syncCluster`).
 */
export const clusterFolder = async (
  base: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<ClusterFolder & { readonly created: boolean }> => {
  const major = majorOf(binaries.version);
  const path = join(base, `postgres-${major}`);
  const folder: ClusterFolder = { path, cluster: join(path, 'cluster') };
  if (existsSync(path)) return { ...folder, created: false };
  inFolder(base, () => refuseOtherMajor(base, major));
  const unfinished = `${path}.new-${process.pid}-${randomBytes(4).toString('hex')}`;
  inFolder(base, () => {
    removeInterrupted(base);
    mkdirSync(unfinished, { mode: 0o700 });
    writeFileSync(join(unfinished, 'password'), `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
    own(join(unfinished, 'password'), account);
    own(unfinished, account);
  });
  try {
    await runInitdb(binaries, unfinished, account, [
      `--username=${superuser}`,
      '--auth=scram-sha-256',
      `--pwfile=${join(unfinished, 'password')}`,
      '--locale=C',
      '--encoding=UTF8',
      '--no-sync',
    ]);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    // Another process created it in the meantime.
    if (existsSync(path)) return { ...folder, created: false };
    throw error;
  }
  return { ...folder, created: true };
};

/** Writes a new cluster's files through to the disk: what is acknowledged later must not lie on a catalogue that a power cut takes away. */
export const syncCluster = (folder: ClusterFolder, binaries: Binaries, account: Account | undefined): Promise<void> =>
  runInitdb(binaries, folder.path, account, ['--sync-only']);

export const readPassword = (folder: ClusterFolder): string =>
  inFolder(folder.path, () => readFileSync(join(folder.path, 'password'), 'utf8').trim());
