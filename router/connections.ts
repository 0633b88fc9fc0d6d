// How many connections a listener of ours takes at a time. One that is refused is closed without a word: nothing can be
// answered before it is accepted.
import { readFileSync } from 'node:fs';
import type { Server } from 'node:net';

/** An idle one takes some 12 KiB (measured), so all of them 120 MiB; a plant's clients and a proxy need a tenth of them. */
const MOST = 10_000;
/** Of the files that a process may have open; the rest is for its database, links, agents and log, which clients must not take. */
const PART = 0.5;
/** Between two lines of the log. */
const SAID_MS = 60_000;

/** Files that this process may have open; Infinity where that can't be told. */
export function openFileLimit(limits = readLimits()): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? Infinity : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}

export const connectionLimit = (openFiles = openFileLimit()): number => Math.min(MOST, Math.floor(openFiles * PART));

/** Limits a listener. `odd` hears of those that were closed, at most once a minute. */
export function limitConnections(
  server: Server,
  odd: (what: string) => void,
  most = connectionLimit(),
  monotonicMs: () => number = () => performance.now(),
): void {
  let saidMs = -Infinity;
  server.maxConnections = most;
  server.on('drop', () => {
    const nowMs = monotonicMs();
    if (nowMs - saidMs < SAID_MS) return;
    saidMs = nowMs;
    odd(`more than ${most} connections are open at once: further ones are closed`);
  });
}
