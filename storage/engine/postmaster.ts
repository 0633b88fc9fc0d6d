import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a server writes into `postmaster.pid` of its data folder. */
export interface Postmaster {
  readonly pid: number;
  /** Undefined in the first moments of a server, before it has opened its port. */
  readonly port: number | undefined;
}

/** Reads the text of a `postmaster.pid` (pid, folder, start, port, socket folder, address, shared memory, status; a line each). */
export const parsePostmaster = (text: string): Postmaster | undefined => {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const port = Number(lines[3]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return { pid, port: Number.isInteger(port) && port > 0 ? port : undefined };
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

export const readPostmaster = (cluster: string): Postmaster | undefined =>
  parsePostmaster(readIfThere(join(cluster, 'postmaster.pid')) ?? '');

const answersSignals = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** A process that has ended but that its parent has not asked for yet still answers signals. */
const isZombie = (pid: number): boolean => /\) Z /.test(readIfThere(`/proc/${pid}/stat`) ?? '');

const commandOf = (pid: number): string | undefined => {
  if (process.platform === 'linux') return readIfThere(`/proc/${pid}/cmdline`);
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return undefined;
  }
};

export const isAlive = (pid: number): boolean => answersSignals(pid) && !isZombie(pid);

/** Whether `pid` is alive and is the server of `cluster`: after a reboot the number may belong to anyone. */
export const isPostmasterOf = (pid: number, cluster: string): boolean => {
  if (!isAlive(pid)) return false;
  const command = commandOf(pid);
  return command === undefined || command.includes(cluster);
};

const noSuchPid = '2147483646';

/**
 * Lets a server start although the pid in `postmaster.pid` now belongs to a stranger or a zombie. The file stays, with another first line:
 * by its other lines the server finds out whether children of the dead one still use the shared memory.
 */
export const disownStalePid = (cluster: string): boolean => {
  const path = join(cluster, 'postmaster.pid');
  const text = readIfThere(path);
  const seen = parsePostmaster(text ?? '');
  if (text === undefined || seen === undefined) return false;
  if (!answersSignals(seen.pid) || isPostmasterOf(seen.pid, cluster)) return false;
  writeFileSync(path, text.replace(/^.*$/m, noSuchPid));
  return true;
};

/** Processes that a killed server left behind: they work in its folder and keep the next one from starting. Linux only. */
export const orphansOf = (cluster: string): number[] => {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return (
          readlinkSync(`/proc/${name}/cwd`) === cluster &&
          (readIfThere(`/proc/${name}/comm`) ?? '').startsWith('postgres')
        );
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter((pid) => !isZombie(pid));
};
