import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serverAccount, type Account } from './account.ts';
import { copyBinaries, hasLinks, installedBinaries, type Binaries } from './binaries.ts';
import { baseFolder, clusterFolder, readPassword, syncCluster, systemFolder } from './cluster.ts';
import { launch, retryAfter, startFailure } from './launch.ts';
import { portFor, portTaken } from './port.ts';
import { disownStalePid, isPostmasterOf, orphansOf, readPostmaster } from './postmaster.ts';
import { engineProblem, isEngineProblem } from './problem.ts';
import { untilReady, urlOf, type Place } from './ready.ts';

export interface EngineOptions {
  /** Where the database lies. As root it moves to a folder in /var/lib/hanse if `nobody`, who runs the server, can't reach this one. */
  readonly dataDir: string;
  /** On 127.0.0.1. Without it the port used last, or a free one, which the folder remembers. */
  readonly port?: number;
  /** Hears in one line each what was created, started, adopted or stopped, and where. */
  readonly log: (line: string) => void;
  /** Other binaries than the installed ones. */
  readonly binaries?: Binaries;
}

/** A running PostgreSQL server. It outlives this process unless `stop` is called; the next `startEngine` on the folder adopts it. */
export interface Engine {
  /** Connection URL of a database on this server, password included. */
  url(database: string): string;
  readonly pid: number;
  readonly port: number;
  /** Folder with `cluster`, `password`, `port` and `log`. */
  readonly folder: string;
  /** True if the server ran already. */
  readonly adopted: boolean;
  isRunning(): boolean;
  /** Ends all sessions, writes what is left and waits until the server is gone; does nothing when it is gone already. */
  stop(): Promise<void>;
}

const releasedWithinMs = 20_000;
const stoppedWithinMs = 30_000;

const stop = async (place: Place, pid: number, log: (line: string) => void): Promise<void> => {
  const { cluster } = place.folder;
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!isPostmasterOf(pid, cluster)) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw engineProblem(
        'stop',
        `may not stop the database server (pid ${pid}): another user started it; stop it as that user`,
        error,
      );
    }
    const end = performance.now() + stoppedWithinMs;
    while (performance.now() < end) {
      if (!isPostmasterOf(pid, cluster)) return log(`database server stopped (pid ${pid})`);
      await sleep(10);
    }
  }
  throw engineProblem(
    'stop',
    `the database server (pid ${pid}) did not stop within ${(2 * stoppedWithinMs) / 1000} s: look at ${join(place.folder.path, 'log')}`,
  );
};

const engineOf = (place: Place, pid: number, port: number, adopted: boolean, log: (line: string) => void): Engine => ({
  url: (database) => urlOf(place, port, database),
  pid,
  port,
  folder: place.folder.path,
  adopted,
  isRunning: () => isPostmasterOf(pid, place.folder.cluster),
  stop: () => stop(place, pid, log),
});

const adopt = async (
  place: Place,
  wantedPort: number | undefined,
  log: (line: string) => void,
): Promise<Engine | undefined> => {
  const { cluster } = place.folder;
  const end = performance.now() + 5000;
  let seen = readPostmaster(cluster);
  // A server that starts at this moment writes its port a little later than its pid.
  while (
    seen !== undefined &&
    seen.port === undefined &&
    isPostmasterOf(seen.pid, cluster) &&
    performance.now() < end
  ) {
    await sleep(20);
    seen = readPostmaster(cluster);
  }
  if (seen?.port === undefined || !isPostmasterOf(seen.pid, cluster)) return undefined;
  const { pid, port } = seen;
  if (wantedPort !== undefined && wantedPort !== port)
    throw engineProblem(
      'port',
      `the database in ${place.folder.path} already runs on port ${port} (pid ${pid}), not ${wantedPort}: leave the port out, or stop that server`,
    );
  const answer = await untilReady(place, port, () => isPostmasterOf(pid, cluster));
  if (answer === 'gone') return undefined;
  if (answer !== 'ready')
    throw engineProblem(
      'start',
      `the database server with pid ${pid} does not answer as the one of ${place.folder.path}: stop it (kill -INT ${pid}) and start again`,
    );
  log(`database server adopted: pid ${pid}, port ${port}, ${place.folder.path}`);
  return engineOf(place, pid, port, true, log);
};

const endOrphans = (cluster: string, signal: 'SIGQUIT' | 'SIGKILL'): void => {
  for (const orphan of orphansOf(cluster))
    try {
      process.kill(orphan, signal);
    } catch {
      // It ended by itself.
    }
};

const start = async (place: Place, wantedPort: number | undefined, log: (line: string) => void): Promise<Engine> => {
  const { cluster, path } = place.folder;
  const from = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    const running = await adopt(place, wantedPort, log);
    if (running !== undefined) return running;
    if (disownStalePid(cluster))
      log(`the pid in ${join(cluster, 'postmaster.pid')} belongs to another program: server taken as crashed`);
    const port = await portFor(path, wantedPort);
    const launched = launch(place, port);
    const pid = launched.child.pid;
    const answer = await untilReady(place, port, () => !launched.hasExited());
    if (answer === 'ready' && pid !== undefined) {
      log(`database server started: pid ${pid}, port ${port}, ${path}`);
      return engineOf(place, pid, port, false, log);
    }
    if (answer === 'late' || answer === 'stranger') {
      if (pid !== undefined) await stop(place, pid, log);
      throw startFailure(place, launched);
    }
    const reason = retryAfter(launched.said());
    const waitedMs = performance.now() - from;
    if (reason === 'port' && wantedPort !== undefined) throw portTaken(wantedPort);
    if (reason === undefined || waitedMs > releasedWithinMs) throw startFailure(place, launched);
    // Children of a killed server end by themselves at their next wait; one in the middle of a long statement has to be asked.
    if (reason === 'children of the last one' && waitedMs > 500)
      endOrphans(cluster, waitedMs > 5000 ? 'SIGKILL' : 'SIGQUIT');
    await sleep(Math.min(20 * 2 ** attempt, 250));
  }
};

/** As root the binaries are copied where `nobody` may execute them; else only if the package's links are missing. */
const usableBinaries = (installed: Binaries, base: string, account: Account | undefined): Binaries => {
  if (account === undefined) return hasLinks(installed.native) ? installed : copyBinaries(installed, base);
  try {
    return copyBinaries(installed, baseFolder(systemFolder, account));
  } catch (error) {
    if (!isEngineProblem(error) || error.kind !== 'folder') throw error;
    return copyBinaries(installed, base);
  }
};

/**
 * Starts the bundled PostgreSQL, or adopts the server that already runs on the folder. Creates the database on first use (about a second).
 * As root the server runs as `nobody`. Throws an `EngineProblem` whose message says what to do. Source: database.md §2.
 */
export const startEngine = async ({ dataDir, port, log, binaries }: EngineOptions): Promise<Engine> => {
  const account = serverAccount();
  const installed = binaries ?? (await installedBinaries());
  const base = baseFolder(dataDir, account);
  const usable = usableBinaries(installed, base, account);
  const { created, ...folder } = await clusterFolder(base, usable, account);
  if (created) log(`database created in ${folder.path}`);
  const place: Place = {
    folder: { ...folder, cluster: realpathSync(folder.cluster) },
    binaries: usable,
    account,
    password: readPassword(folder),
  };
  const [engine] = await Promise.all([
    start(place, port, log),
    created ? syncCluster(folder, usable, account) : undefined,
  ]);
  return engine;
};
