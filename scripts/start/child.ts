// Processes of the plant under the launcher: their output goes to files, who dies is started again.
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { EXIT_CONFIGURATION, EXIT_RESTART } from '../exit-codes.ts';
import { NODE_FLAGS } from '../node-flags.ts';

export interface ChildOptions {
  name: string;
  file: string;
  env: Record<string, string>;
  logFile: string;
  /** Hears that it died and is started again. */
  onRestart(name: string, how: string): void;
  /** Hears that it has a process now, or another one. */
  onProcess(): void;
}

export interface Child {
  readonly name: string;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** It says that its configuration is wrong, so it is not started again: its own words. */
  readonly refusal: string | undefined;
  /** Last lines it wrote, for messages about a start that failed. */
  lastLines(): string[];
  /** Asks it to end, waits, ends it after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** Who lived this long starts again without delay. */
const STABLE_MS = 10_000;
const KEPT_LINES = 20;

export function startChild(options: ChildOptions): Child {
  const lines: string[] = [];
  const log: WriteStream = createWriteStream(options.logFile, { flags: 'a', mode: 0o600 });
  let child: ChildProcess | undefined;
  let stopping = false;
  let backoffMs = FIRST_BACKOFF_MS;
  let restarts = 0;
  let refusal: string | undefined;
  // A full disk costs lines of the log, not the launcher.
  log.on('error', () => {});
  let timer: NodeJS.Timeout | undefined;
  let ended: () => void = () => {};

  const keepLine = (line: string): void => {
    if (line === '') return;
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  };

  /** Its output goes to the file as it comes, and line by line to those kept for a message. */
  const keep = (output: Readable | null): void => {
    if (output === null) return;
    output.on('data', (chunk: Buffer) => log.write(chunk));
    createInterface(output).on('line', keepLine);
  };

  function launch(): void {
    const startedMs = Date.now();
    child = spawn(process.execPath, [...NODE_FLAGS, options.file], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: the terminal's Ctrl-C reaches the launcher only, which ends everything in order.
      detached: true,
    });
    options.onProcess();
    keep(child.stdout);
    keep(child.stderr);
    child.on('error', (error) => {
      log.write(`${error.message}\n`);
      keepLine(error.message);
    });
    // Not at `exit`: what it wrote last, the reason of its end above all, may still be in the pipe then.
    child.on('close', (code, signal) => {
      child = undefined;
      if (stopping) return ended();
      if (code === EXIT_CONFIGURATION) {
        refusal = messageIn(lines) ?? 'its configuration is not right';
        return;
      }
      restarts++;
      if (Date.now() - startedMs > STABLE_MS) backoffMs = FIRST_BACKOFF_MS;
      const pauseMs = code === EXIT_RESTART ? 0 : backoffMs;
      if (code !== EXIT_RESTART) options.onRestart(options.name, signal ?? `exit code ${code}`);
      timer = setTimeout(launch, pauseMs);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    });
  }
  launch();

  return {
    name: options.name,
    get pid() {
      return child?.pid;
    },
    get restarts() {
      return restarts;
    },
    get refusal() {
      return refusal;
    },
    lastLines: () => [...lines],
    async stop(graceMs = 10_000) {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (running !== undefined) {
        await new Promise<void>((resolve) => {
          ended = resolve;
          const late = setTimeout(() => running.kill('SIGKILL'), graceMs);
          running.once('close', () => clearTimeout(late));
          running.kill('SIGTERM');
        });
      }
      await new Promise<void>((resolve) => log.end(resolve));
    },
  };
}

/** What the last lines say: the message of the fatal log line, behind which it only ends, or plain lines as they are. */
function messageIn(lines: readonly string[]): string | undefined {
  const entries = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { level?: string; msg?: string; error?: string });
  const fatal = entries.findLast(({ level }) => level === 'fatal');
  if (fatal === undefined) return lines.filter((line) => !line.startsWith('{')).join('\n') || undefined;
  return fatal.error === undefined ? fatal.msg : `${fatal.msg}: ${fatal.error}`;
}
