// One launcher a data folder: who is there is named, and what a dead one left is ended first.
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from './options.ts';

interface Holder {
  pid: number;
  /** Start time of the process in clock ticks: a pid comes back, the pair does not. */
  started: string;
  port: number;
  children: Array<{ pid: number; started: string }>;
}

export interface FolderLock {
  /** Notes the children, so that a later launcher finds what a killed one left. */
  note(pids: number[]): void;
  release(): void;
}

const GRACE_MS = 10_000;
const LOOK_MS = 50;

/** Field 22 of /proc/<pid>/stat; '' when the process is gone, or where there is no /proc. */
function startedAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

function isAlive({ pid, started }: { pid: number; started: string }): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return process.platform !== 'linux' || startedAt(pid) === started;
}

function read(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

/** Ends what a launcher that was killed could not end any more. */
async function endOrphans(orphans: Holder['children']): Promise<void> {
  const alive = orphans.filter(isAlive);
  for (const { pid } of alive) process.kill(pid, 'SIGTERM');
  const deadline = Date.now() + GRACE_MS;
  while (alive.some(isAlive) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  for (const orphan of alive.filter(isAlive)) process.kill(orphan.pid, 'SIGKILL');
}

/** Takes the folder for this launcher; a `Problem` that names the other one when it is taken. */
export async function lockFolder(data: string, port: number): Promise<FolderLock> {
  const path = join(data, 'launcher.json');
  const own: Holder = { pid: process.pid, started: startedAt(process.pid), port, children: [] };
  for (;;) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, JSON.stringify(own));
      closeSync(file);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = read(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new Problem(
          `a plant already runs in ${data} (pid ${holder.pid}, port ${holder.port}): end it with Ctrl-C there, or give another folder with --data FOLDER`,
        );
      }
      if (holder !== undefined) await endOrphans(holder.children);
      rmSync(path, { force: true });
    }
  }
  return {
    note(pids) {
      writeFileSync(path, JSON.stringify({ ...own, children: pids.map((pid) => ({ pid, started: startedAt(pid) })) }));
    },
    release: () => rmSync(path, { force: true }),
  };
}
