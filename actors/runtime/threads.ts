// What a shard runs on: a thread of its own with ports to the others. Production: Piscina's worker threads; the simulation
// has its own, in one process.
import { MessageChannel } from 'node:worker_threads';
import type { EventLoopUtilization } from 'node:perf_hooks';
import { Piscina } from 'piscina';
import type { ShardTask } from './worker.ts';

/** One end of a channel, as a MessagePort is: keeps the order, loses what is on its way when a side ends. */
export interface Port {
  postMessage(message: unknown, transfer?: readonly (ArrayBuffer | Port)[]): void;
  on(event: 'message', listener: (message: never) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  close(): void;
}

export interface RunningThread {
  /** How the shard ended (`drained`, `fenced`); rejects when the thread died. */
  ended: Promise<unknown>;
  /** Ends what is left of it, also when it is caught in a loop: `ended` rejects then. It is never used again. */
  destroy(): void;
  /** Part of the time since the last call that its event loop was busy, 0 to 1; absent or undefined: not known. */
  utilization?(): number | undefined;
}

export interface Threads {
  channel(): { port1: Port; port2: Port };
  /** Runs a shard on a thread of its own; the task's ports go there. */
  run(task: ShardTask): RunningThread;
}

export interface PiscinaOptions {
  /** URL of the composition root of a worker, and the name of the function it exports. */
  module: { url: string; name: string };
  execArgv?: string[] | undefined;
  /** Heap of a thread; beyond it the thread dies, not the process. */
  heapMb?: number | undefined;
  /** Hears of failures of a pool itself. */
  failed(error: unknown): void;
}

const HEAP_MB = 1024;

export interface PiscinaThreads extends Threads {
  /** Starts threads that wait for their shard, so that a takeover need not wait for theirs. */
  prepare(count: number): void;
  /** Ends those that still wait. */
  close(): Promise<void>;
}

/** One pool a shard: it pins the shard to its thread and gives it its own death. */
export function piscinaThreads({ module, execArgv, heapMb = HEAP_MB, failed }: PiscinaOptions): PiscinaThreads {
  const spare: Piscina[] = [];

  function open(): Piscina {
    const pool = new Piscina({
      filename: module.url,
      name: module.name,
      minThreads: 1,
      maxThreads: 1,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
      closeTimeout: 5_000,
      resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 48 },
      ...(execArgv === undefined ? {} : { execArgv }),
    });
    pool.on('error', (error) => {
      // A pool whose worker failed may be dead for good (a module that throws at boot).
      const at = spare.indexOf(pool);
      if (at >= 0) spare.splice(at, 1);
      failed(error);
    });
    return pool;
  }

  return {
    channel: () => new MessageChannel() as unknown as { port1: Port; port2: Port },
    prepare(count) {
      while (spare.length < count) spare.push(open());
    },
    close: async () => void (await Promise.all(spare.splice(0).map((pool) => pool.destroy()))),
    run(task) {
      const pool = spare.shift() ?? open();
      let before: EventLoopUtilization | undefined;
      const transferList = [task.port, ...task.peers.map(({ port }) => port)];
      return {
        ended: pool.run(task, { transferList: transferList as never }),
        destroy: () => void pool.destroy(),
        utilization() {
          const thread = pool.threads[0];
          if (thread === undefined) return undefined;
          const now = thread.performance.eventLoopUtilization();
          const since = before === undefined ? undefined : thread.performance.eventLoopUtilization(now, before);
          before = now;
          return since?.utilization;
        },
      };
    },
  };
}
