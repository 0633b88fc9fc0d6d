// `npm start` as a person starts it, without npm: in a folder and on ports of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '../endpoint.ts';
import { projectRoot } from '../root.ts';

export interface Launched {
  readonly output: () => string;
  readonly process: ChildProcess;
  /** Settles when the summary is there; rejects with the output when the launcher ends before. */
  ready(): Promise<void>;
  /** Ctrl-C, as the terminal sends it; answers the exit code. */
  interrupt(): Promise<number | null>;
  ended(): Promise<number | null>;
}

/** A router port whose neighbours are free, too. */
export async function freeRouterPort(): Promise<number> {
  const isFree = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
  for (let port = 21_000 + (process.pid % 200) * 40; ; port += 40) {
    const wanted = [-10, -9, 0, 2, 3, 10, 11, 20, 21].map((offset) => port + offset);
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return port;
  }
}

export const temporaryData = (): { folder: string; remove(): void } => {
  const folder = mkdtempSync(join(tmpdir(), 'hanse-start-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }) };
};

export const endpointIn = (folder: string): Endpoint =>
  JSON.parse(readFileSync(join(folder, 'endpoint.json'), 'utf8')) as Endpoint;

export function launch(args: string[]): Launched {
  const environment = { ...process.env, NO_COLOR: '1' };
  delete (environment as Record<string, string | undefined>)['DATABASE_URL'];
  const child = spawn(process.execPath, [join(projectRoot, 'dist', 'start.js'), ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const waiters = new Set<() => void>();
  const hear = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
    for (const waiter of waiters) waiter();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const over = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });

  return {
    output: () => text,
    process: child,
    ready: () =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!text.includes('Both plants are up')) return;
          waiters.delete(look);
          resolve();
        };
        waiters.add(look);
        look();
        void over.then((code) => reject(new Error(`the launcher ended with ${code}:\n${text}`)));
      }),
    async interrupt() {
      child.kill('SIGINT');
      return await over;
    },
    ended: () => over,
  };
}
