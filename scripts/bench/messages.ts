// What the actor runtime itself costs: messages inside a shard and across a thread, memory of an idle actor.
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { bundle } from '../build.ts';
import { projectRoot } from '../root.ts';
import { atLeast, atMost, number, type Bench, type Report } from './report.ts';

export interface MessagesPlan {
  quick: boolean;
}

/** Medians. Rates inside a shard are by CPU time of the process, its collector's threads included. */
export interface MessagesFigures {
  idleBytes: number;
  stateBytes: number;
  nactIdleBytes: number;
  /** One message waits for each actor when its turn comes; sixteen do. */
  tell1: number;
  tell16: number;
  nactTell: number;
  /** Each asker has one question under way; sixteen. */
  ask1: number;
  ask16: number;
  nactAsk: number;
  outerAsk: number;
  commit: number;
  /** By the clock: two threads share the work. */
  batched: number;
  askCpuUs: number;
  idleP50Us: number;
  echoP50Us: number;
}

const PROGRAMS = ['bench/messages-process', 'bench/counting-shard'];
const LATE_MS = 240_000;

function figuresOf(plan: MessagesPlan): Promise<MessagesFigures> {
  return new Promise((resolve, reject) => {
    const child = fork(join(projectRoot, 'dist', 'bench', 'messages-process.js'), {
      execArgv: ['--expose-gc', '--enable-source-maps'],
      serialization: 'advanced',
    });
    const late = setTimeout(() => child.kill('SIGKILL'), LATE_MS);
    let told: MessagesFigures | undefined;
    child.once('message', (figures) => (told = figures as MessagesFigures));
    child.once('error', reject);
    // Not before its end: until then what it used counts as others'.
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      if (told !== undefined) resolve(told);
      else reject(new Error(`the process that counts messages died: ${signal ?? `exit code ${code}`}`));
    });
    child.send(plan);
  });
}

const millions = (value: number): string => `${number(value / 1e6)} M/s`;

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  progress('building');
  await bundle(projectRoot, PROGRAMS);
  progress('counting');
  const figures = await figuresOf({ quick });
  const { idleBytes, stateBytes, nactIdleBytes, tell1, tell16, nactTell, ask1, ask16, nactAsk } = figures;
  const besides = idleBytes - stateBytes;
  return {
    name: 'messages',
    title: `messages between 1,000 actors of a shard, and to a shard on another thread, median of ${quick ? 1 : 5}`,
    columns: ['', 'hanse', 'nact bare', 'ratio'],
    rows: [
      ['tell, 1 message a turn', millions(tell1), millions(nactTell), `${number(tell1 / nactTell)} ×`],
      ['tell, 16 messages a turn', millions(tell16), '', `${number(tell16 / nactTell)} ×`],
      ['ask, 64 actors with 1 under way', millions(ask1), millions(nactAsk), `${number(ask1 / nactAsk)} ×`],
      ['ask, 64 actors with 16 under way', millions(ask16), '', `${number(ask16 / nactAsk)} ×`],
      ['asked by the edge, same thread', millions(figures.outerAsk), '', ''],
      ['the same, committed', millions(figures.commit), '', ''],
      ['idle actor besides its state', `${number(besides)} B`, `${number(nactIdleBytes)} B`, ''],
      ['ask across a thread, 1,024 under way', `${number(figures.batched)}/s`, '', ''],
      ['the same, 1 under way, p50', `${number(figures.idleP50Us)} µs`, '', ''],
      ['bare postMessage echo, p50', `${number(figures.echoP50Us)} µs`, '', ''],
    ],
    verdicts: [
      atLeast('tell inside a shard', Math.max(tell1, tell16), 3_000_000, '/s'),
      atLeast('ask inside a shard', Math.max(ask1, ask16), 1_000_000, '/s'),
      atMost('heap of an idle actor besides its state', besides, 256, ' B'),
      atLeast('asks across a thread and back', figures.batched, 100_000, '/s'),
      atMost('ask across a thread, idle p50 ÷ echo', figures.idleP50Us / figures.echoP50Us, 2, ' ×'),
    ],
    notes: [
      'Inside a shard: cells, ready list, turns and histories as in production, the actor answers from memory and writes nothing;',
      '"committed" goes through the committer to a store that accepts at once and keeps nothing. By CPU time, the collector’s threads included.',
      `The idle actor was asked once: ${number(idleBytes)} B in all; its state (an id of 36 characters and a number) has ${number(stateBytes)} B of them;`,
      `nact's is with a state of one number. An ask across the thread costs both threads ${number(figures.askCpuUs)} µs of CPU together.`,
    ],
    figures: { ...figures },
  };
}

export const messages: Bench = {
  name: 'messages',
  about: 'tell, ask and memory of actors, beside nact and postMessage',
  run,
};
