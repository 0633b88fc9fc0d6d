// A process of the product under test: started, killed and started again by the test, never by itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { NODE_FLAGS } from '../node-flags.ts';
import { projectRoot } from '../root.ts';
import { reaper } from './reaper.ts';

export interface Child {
  readonly name: string;
  /** Of the process that runs, or ran last. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** What it ended with: exit code or signal; undefined while it runs. */
  readonly ended: number | string | undefined;
  /** `more`: environment of this start only. */
  start(more?: Record<string, string>): void;
  /** Sends the signal and waits until it is gone; SIGKILL after `graceMs`. */
  end(signal: 'SIGKILL' | 'SIGTERM', graceMs?: number): Promise<void>;
  untilEnded(): Promise<void>;
  /** Everything it ever said. */
  log(): string;
  lastLines(count?: number): string;
}

export interface ChildOptions {
  name: string;
  /** Program in `dist/`, e.g. `partition.js`. */
  program: string;
  env: Record<string, string>;
  logFile: string;
}

export function createChild({ name, program, env, logFile }: ChildOptions): Child {
  let child: ChildProcess | undefined;
  let pid = 0;
  let ended: number | string | undefined = 'not started';
  let gone = Promise.resolve();
  const file = join(projectRoot, 'dist', program);
  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : '');

  return {
    name,
    get pid() {
      return pid;
    },
    get isRunning() {
      return child !== undefined;
    },
    get ended() {
      return ended;
    },
    start(more = {}) {
      if (child !== undefined) throw new Error(`${name} runs already`);
      if (!existsSync(file)) throw new Error(`${file} is not there: run \`npm run build\` first`);
      const out = openSync(logFile, 'a', 0o600);
      const started = spawn(process.execPath, [...NODE_FLAGS, file], {
        env: { ...process.env, ...env, ...more },
        stdio: ['ignore', out, out],
      });
      closeSync(out);
      child = started;
      ended = undefined;
      pid = started.pid ?? 0;
      if (pid !== 0) reaper().watch(pid);
      gone = new Promise((resolve) => {
        started.once('error', (error) => {
          appendFileSync(logFile, `${error.message}\n`);
          ended = error.message;
          child = undefined;
          resolve();
        });
        started.once('exit', (code, signal) => {
          reaper().forget(started.pid!);
          ended = signal ?? code ?? 0;
          child = undefined;
          resolve();
        });
      });
    },
    async end(signal, graceMs = 15_000) {
      const running = child;
      if (running === undefined) return;
      running.kill(signal);
      const late = setTimeout(() => running.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(late);
    },
    untilEnded: () => gone,
    log,
    lastLines: (count = 30) => log().trimEnd().split('\n').slice(-count).join('\n'),
  };
}

/** Looks again and again until it is so. Rejects, naming `what`, after `withinMs`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 60_000,
  everyMs = 20,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  let last: Error | undefined;
  for (;;) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error as Error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms: ${what}${last === undefined ? '' : ` (${last.message})`}`);
    }
    await wait(everyMs);
  }
}

const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 32_000;
let nextPort = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));

const isFree = (port: number, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host, () => probe.close(() => resolve(true)));
  });

/**
 * A free port below those that the system gives to outgoing connections, which could take it between a kill and the
 * next start.
 */
export async function freePort(host = '0.0.0.0'): Promise<number> {
  for (;;) {
    nextPort = nextPort >= HIGHEST_PORT ? LOWEST_PORT : nextPort + 1;
    if (await isFree(nextPort, host)) return nextPort;
  }
}
