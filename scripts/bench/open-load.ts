// An open load, made by a process of its own (open-process.ts): the rate is the plan's, not the server's.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { LoadPlan, LoadRequest } from './load.ts';

export interface OpenPlan extends Pick<LoadPlan, 'host' | 'port' | 'credentials' | 'wantedStatus'> {
  request: LoadRequest;
  /** Kept alive; each has at most one request under way. */
  connections: number;
  phases: Array<{ perSecond: number; seconds: number }>;
}

export const SLICE_MS = 100;

/** What happened in a tenth of a second. */
export interface Slice {
  /** Requests that were to begin. */
  due: number;
  /** Those for which a connection was free. */
  begun: number;
  refused: number;
  /** Times of the wanted answers that came. */
  goodMs: number[];
}

export interface OpenResult {
  slices: Slice[];
  broken: number;
  /** Of the generator. */
  cpuMs: number;
}

const LATE_MS = 60_000;

export function runOpenLoad(plan: OpenPlan): Promise<OpenResult> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'open-process.ts'), {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
    });
    const seconds = plan.phases.reduce((sum, phase) => sum + phase.seconds, 0);
    const late = setTimeout(() => child.kill('SIGKILL'), seconds * 1_000 + LATE_MS);
    child.once('message', (result) => resolve(result as OpenResult));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      reject(new Error(`the open load died: ${signal ?? `exit code ${code}`}`));
    });
    child.send(plan);
  });
}
