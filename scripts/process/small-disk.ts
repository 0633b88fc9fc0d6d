// A disk of a few MiB that a test can fill, and free again.
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk {
  folder: string;
  /** Leaves nothing free. */
  fill(): void;
  free(): void;
  remove(): void;
}

const CHUNKS = [1 << 20, 1 << 16, 1 << 12];

/** Why this machine has no small disks for tests; false: it has. */
export function noSmallDisk(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root may mount a tmpfs';
  try {
    createSmallDisk(1).remove();
    return false;
  } catch (error) {
    return `a tmpfs can't be mounted here: ${(error as Error).message.split('\n')[0]}`;
  }
}

export function createSmallDisk(mib: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'hanse-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,mode=755`, 'hanse-test', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  }
  // The database server may run as another user.
  chmodSync(folder, 0o755);
  const ballast = join(folder, 'ballast');
  return {
    folder,
    fill() {
      const file = openSync(ballast, 'a');
      try {
        for (const size of CHUNKS) {
          const chunk = Buffer.alloc(size);
          try {
            for (let at = fstatSync(file).size; ; at += size) writeSync(file, chunk, 0, size, at);
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          }
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    remove() {
      execFileSync('umount', ['-l', folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
