import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines, serverEnvironment } from './cluster.ts';
import { engineProblem, external } from './problem.ts';
import type { Place } from './ready.ts';

const flags = (cluster: string, port: number): string[] => [
  '-D',
  cluster,
  ...[
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'max_connections=60',
    'shared_buffers=64MB',
    'default_transaction_isolation=serializable',
    'wal_compression=on',
  ].flatMap((setting) => ['-c', setting]),
];

/** A server process of this attempt, which may not have come up yet. */
export interface Launch {
  readonly child: ChildProcess;
  readonly hasExited: () => boolean;
  readonly failed: () => Error | undefined;
  /** What the server said since this launch. */
  readonly said: () => string;
}

export const launch = (place: Place, port: number): Launch => {
  const path = join(place.folder.path, 'log');
  const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  // A file, not a pipe: the server must be able to write when this process is gone.
  const fd = openSync(path, before > 10_000_000 ? 'w' : 'a', 0o600);
  let failure: Error | undefined;
  let exited = false;
  const child = spawn(join(place.binaries.native, 'bin', 'postgres'), flags(place.folder.cluster, port), {
    // Its own process group: Ctrl-C reaches this process alone, which has to drain before the database ends.
    detached: true,
    cwd: place.folder.path,
    env: serverEnvironment(),
    stdio: ['ignore', fd, fd],
    ...place.account,
  });
  closeSync(fd);
  child.once('error', (error) => {
    failure = error;
    exited = true;
  });
  child.once('exit', () => (exited = true));
  child.unref();
  return {
    child,
    hasExited: () => exited,
    failed: () => failure,
    said: () =>
      readFileSync(path)
        .subarray(before > 10_000_000 ? 0 : before)
        .toString('utf8'),
  };
};

/** What a server's last words mean for the next attempt. */
export const retryAfter = (said: string): 'children of the last one' | 'another is starting' | 'port' | undefined =>
  /pre-existing shared memory block/.test(said)
    ? 'children of the last one'
    : /lock file "postmaster.pid" already exists/.test(said)
      ? 'another is starting'
      : /Address already in use/.test(said)
        ? 'port'
        : undefined;

export const startFailure = (place: Place, { failed, said }: Launch): Error => {
  const text = said();
  if (/No space left/.test(text))
    return engineProblem(
      'folder',
      `can't start the database in ${place.folder.path}: the disk is full; free some space${lastLines(text)}`,
    );
  return engineProblem(
    'start',
    `the database server did not start in ${place.folder.path}${failed() === undefined ? '' : ` (${failed()?.message})`}: its last words follow; or ${external}${lastLines(text)}`,
  );
};
