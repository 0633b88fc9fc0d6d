// An honest load: n clients, each with one keep-alive connection, each sending its next request when the answer to the last
// has come (a closed loop). Runs in a process of its own, so that it shares no event loop with what it measures.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import type { Credentials } from '../api-client.ts';

export interface LoadRequest {
  method: string;
  /** From the first slash on, query included. */
  path: string;
  body?: unknown;
}

export interface LoadPlan {
  host: string;
  port: number;
  credentials: Credentials;
  clients: number;
  /** Sent over and over (round robin), or each exactly once by whichever client comes first. */
  requests: LoadRequest[];
  each: 'again and again' | 'once';
  /** Of the measured window. With `once`, or with `most`, it may end earlier. */
  seconds: number;
  /** Before the window; what is answered then is not counted, but is kept. */
  warmUpSeconds: number;
  /** Ends after so many requests were sent. */
  most?: number;
  /** What of each answer of the wanted status comes back: the text field of that name, all of the body, or nothing. */
  keep: { field: string } | 'bodies' | 'nothing';
  /** Answers of another status are failures; texts of a few come back. */
  wantedStatus: number;
}

export interface LoadResult {
  clients: number;
  /** Real length of the window. */
  seconds: number;
  /** Answers of the wanted status in the window. */
  answers: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** All answers, also outside of the window. */
  statuses: Record<string, number>;
  /** Connections that broke or were refused. */
  broken: number;
  /** First few answers of another status than the wanted. */
  odd: string[];
  kept: string[];
  /** CPU of the generator, µs an answer. */
  generatorCpuUs: number;
}

export type LoadMessage = { is: 'begin' } | { is: 'end'; result: LoadResult } | { is: 'kept'; kept: string[] };

/** Reads something when the window begins and again when it ends. */
export interface Observation<T> {
  read(): T;
  window(begin: T, end: T): void;
}

const LATE_MS = 60_000;

/** Runs the load; rejects when its process dies or is a minute late. */
export function runLoad<T = undefined>(plan: LoadPlan, observation?: Observation<T>): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'load-process.ts'), {
      execArgv: ['--import', 'tsx'],
      serialization: 'advanced',
    });
    const late = setTimeout(
      () => fail(new Error('the load generator does not come to an end')),
      (plan.seconds + plan.warmUpSeconds) * 1_000 + LATE_MS,
    );
    const fail = (error: Error): void => {
      clearTimeout(late);
      child.kill('SIGKILL');
      reject(error);
    };
    let begin: T | undefined;
    const kept: string[] = [];
    child.on('message', (message: LoadMessage) => {
      if (message.is === 'begin') begin = observation?.read();
      else if (message.is === 'kept') for (const one of message.kept) kept.push(one);
      else {
        clearTimeout(late);
        if (observation !== undefined && begin !== undefined) observation.window(begin, observation.read());
        child.removeAllListeners('exit');
        child.disconnect();
        resolve({ ...message.result, kept });
      }
    });
    child.once('error', fail);
    child.once('exit', (code, signal) => fail(new Error(`the load generator died: ${signal ?? `exit code ${code}`}`)));
    child.send(plan);
  });
}

/** How often something came more than once, and one that did. */
export function doublesIn(values: readonly string[]): { count: number; one: string | undefined } {
  const seen = new Set<string>();
  let count = 0;
  let one: string | undefined;
  for (const value of values) {
    if (seen.has(value)) {
      count++;
      one ??= value;
    } else seen.add(value);
  }
  return { count, one };
}
