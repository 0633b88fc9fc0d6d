// CPU time and memory of processes with everything below them, as Linux tells it.
import { readdirSync, readFileSync } from 'node:fs';

interface Seen {
  pid: number;
  parent: number;
  /** User and system time, with that of its children that have ended. */
  cpuMs: number;
}

/** USER_HZ: what /proc counts in; 100 on every Linux that Node runs on. */
const TICK_MS = 10;

const sumOf = (fields: readonly string[]): number => fields.reduce((sum, field) => sum + Number(field), 0);

const seenAt = (pid: number): Seen | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command in brackets may hold anything; the numbers follow its last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(fields[1]), cpuMs: sumOf(fields.slice(11, 15)) * TICK_MS };
  } catch {
    return undefined;
  }
};

const everybody = (): Seen[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => seenAt(Number(name)))
    .filter((seen) => seen !== undefined);

/** The process and all below it that live now. */
export function processTree(root: number): Seen[] {
  const all = everybody();
  const tree = all.filter(({ pid }) => pid === root);
  for (const above of tree) tree.push(...all.filter(({ parent }) => parent === above.pid));
  return tree;
}

/** CPU time of a tree in ms: a process that ended meanwhile is counted with its parent. */
export const cpuOf = (root: number): number => processTree(root).reduce((sum, { cpuMs }) => sum + cpuMs, 0);

/** Proportional set size in bytes: shared pages count by their part. 0 for a process that is gone. */
export function pssOf(pid: number): number {
  try {
    const line = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return Number(line?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The command line as it was started, for telling processes apart. */
export const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
};

interface CpuShares {
  /** Of all cores together. */
  busyMs: number;
  /** Of this process and of all below it that has ended. */
  ownMs: number;
  atMs: number;
}

const cpuShares = (): CpuShares => {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
    .slice(0, 200)
    .split(/\s+/, 9)
    .map(Number);
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const own = sumOf(
    stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15),
  );
  return {
    busyMs: (user + nice + system + irq + softirq + steal) * TICK_MS,
    ownMs: own * TICK_MS,
    atMs: performance.now(),
  };
};

/** Starts to watch; the answer, once everything started meanwhile has ended, is how many cores others kept busy. */
export function watchOthers(): () => number {
  const begin = cpuShares();
  return () => {
    const end = cpuShares();
    const othersMs = end.busyMs - begin.busyMs - (end.ownMs - begin.ownMs);
    return Math.max(0, othersMs / (end.atMs - begin.atMs));
  };
}
