// Worker threads in one process: ports that deliver frames later and in order, and threads that can die in between.
import { encode } from '../../actors/runtime/codec.ts';
import type { Envelope } from '../../actors/runtime/envelope.ts';
import { openFrame } from '../../actors/runtime/frames.ts';
import type { Port, RunningThread, Threads } from '../../actors/runtime/threads.ts';
import type { ShardTask } from '../../actors/runtime/worker.ts';
import { between } from './draw.ts';
import type { Thread, Universe } from './universe.ts';

interface End extends Port {
  owner: Thread;
  other: End;
  receive(message: unknown): void;
  isClosed(): boolean;
  hangUp(): void;
}

export interface SimThreads extends Threads {
  /** Thread of a shard while it runs. */
  threadOf(shard: number): Thread | undefined;
  /** The thread dies as by an uncaught exception. */
  kill(shard: number): void;
  /** The same, if it is one of these threads. */
  killNamed(name: string): void;
  /** All but this one die, if it is one of these threads. */
  killOthers(name: string): void;
  /** All of them die with their process. */
  killAll(): void;
}

export interface SimThreadsOptions {
  universe: Universe;
  main: Thread;
  name: string;
  wallOffsetMs(): number;
  /** Whether a message arrives; undefined: all do. */
  arrives: ((envelope: Envelope) => boolean) | undefined;
  /** Runs the shard of a task on a thread. */
  start(task: ShardTask, thread: Thread): Promise<unknown>;
}

const isPeerPort = (message: unknown): message is { peer: number; port: End } =>
  typeof message === 'object' && message !== null && 'peer' in message;

export function createThreads(options: SimThreadsOptions): SimThreads {
  const { universe, main, name } = options;
  const random = universe.stream(`ports of ${name}`);
  const running = new Map<number, { thread: Thread; die: (error: Error) => void }>();
  const ends = new Set<End>();
  let lives = 0;

  /** What is left of a frame; ports travel bare. */
  function arriving(message: unknown): unknown {
    const { arrives } = options;
    if (arrives === undefined || !(message instanceof Uint8Array)) return message;
    return encode(openFrame(message).filter(arrives));
  }

  /** Runs on a thread as soon as it does not stand still. */
  const on = (thread: Thread, run: () => void): void => thread.world.defer(run);

  function end(): End {
    const listeners = { message: [] as Array<(message: never) => void>, close: [] as Array<() => void> };
    let waiting: unknown[] = [];
    let closed = false;
    let nextMs = 0;
    const self: End = {
      owner: main,
      other: undefined as never,
      isClosed: () => closed,
      receive(message) {
        if (closed || !self.owner.isAlive) return;
        if (listeners.message.length === 0) return void waiting.push(message);
        if (isPeerPort(message)) message.port.owner = self.owner;
        for (const listener of listeners.message) listener(message as never);
      },
      postMessage(posted) {
        if (closed) return;
        const message = arriving(posted);
        const { other } = self;
        // In order, as on one port: never before what was posted earlier.
        nextMs = Math.max(nextMs, universe.nowMs + between(random, 0.01, 0.2));
        universe.after(nextMs - universe.nowMs, () => on(other.owner, () => other.receive(message)));
      },
      on(event: 'message' | 'close', listener: (message: never) => void) {
        if (event === 'close') return void listeners.close.push(listener as () => void);
        listeners.message.push(listener);
        const early = waiting;
        waiting = [];
        for (const message of early) self.receive(message);
      },
      hangUp() {
        if (closed) return;
        closed = true;
        ends.delete(self);
        if (self.owner.isAlive) for (const listener of listeners.close) listener();
      },
      close() {
        if (closed) return;
        on(self.owner, () => self.hangUp());
        const { other } = self;
        universe.after(Math.max(nextMs - universe.nowMs, 0) + between(random, 0.05, 0.5), () =>
          on(other.owner, () => other.hangUp()),
        );
      },
    };
    ends.add(self);
    return self;
  }

  function died(thread: Thread): void {
    thread.kill();
    for (const one of ends) {
      if (one.owner !== thread) continue;
      ends.delete(one);
      const { other } = one;
      universe.after(between(random, 0.1, 2), () => on(other.owner, () => other.hangUp()));
    }
  }

  function kill(shard: number): void {
    const one = running.get(shard);
    if (one === undefined || !one.thread.isAlive) return;
    died(one.thread);
    one.die(new Error('the thread was killed'));
  }

  return {
    channel() {
      const [port1, port2] = [end(), end()];
      port1.other = port2;
      port2.other = port1;
      return { port1, port2 };
    },
    run(task): RunningThread {
      const thread = universe.thread(`${name}/shard${task.shard}#${++lives}`, options.wallOffsetMs);
      for (const port of [task.port, ...task.peers.map((peer) => peer.port)]) (port as End).owner = thread;
      const ended = new Promise<unknown>((resolve, reject) => {
        running.set(task.shard, {
          thread,
          die: (error) => universe.after(between(random, 0.5, 20), () => on(main, () => reject(error))),
        });
        on(thread, () => {
          options.start(task, thread).then(
            (how) => on(main, () => resolve(how)),
            (error: unknown) => on(main, () => reject(error as Error)),
          );
        });
      });
      return { ended, destroy: () => died(thread) };
    },
    threadOf: (shard) => running.get(shard)?.thread,
    kill,
    killNamed(name) {
      for (const [shard, { thread }] of running) if (thread.name === name) kill(shard);
    },
    killOthers(name) {
      const all = [...running];
      if (!all.some(([, { thread }]) => thread.name === name)) return;
      for (const [shard, { thread }] of all) if (thread.name !== name) kill(shard);
    },
    killAll() {
      for (const { thread } of running.values()) thread.kill();
    },
  };
}
