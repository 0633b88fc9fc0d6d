// The worker's side of a shard: opens the ports, runs the shard until it has drained.
import type { Fence, ShardStore, World } from '../ports.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { MAIN, type Envelope, type Pipe } from './envelope.ts';
import { createFrames, openFrame } from './frames.ts';
import { inHandIn } from './in-hand.ts';
import { createShard, type ShardLimits } from './shard.ts';
import type { Port } from './threads.ts';

/** What the host hands to a worker; the ports are transferred. */
export interface ShardTask {
  shard: number;
  shards: number;
  fences: Fence[];
  port: Port;
  peers: Array<{ shard: number; port: Port }>;
  limits: Partial<ShardLimits>;
  /** Of the thread, read by the host: `inHandIn`. */
  inHand: SharedArrayBuffer;
  /** For the composition root: how to reach the database. */
  config: unknown;
}

/** A port for a restarted neighbour, sent bare because ports can't travel inside a frame. */
export interface PeerPort {
  peer: number;
  port: Port;
}

export interface WorkerParts {
  behaviours: AnyBehaviour[];
  store: ShardStore;
  world: World;
  log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void;
  close(): Promise<void>;
}

const settled = Promise.resolve();

/** Runs a shard; settles when it has drained after `stop`, or when it was fenced. */
export function runShard(task: ShardTask, parts: WorkerParts): Promise<'drained' | 'fenced'> {
  const pipes = new Map<number, Pipe>();
  const ports: Port[] = [];
  return new Promise((resolve) => {
    const finish = (how: 'drained' | 'fenced'): void => {
      // The last frames leave with the microtasks of this turn; then the ports may go.
      parts.world.after(5, () => {
        for (const port of ports) port.close();
        void parts.close().finally(() => resolve(how));
      });
    };
    const shard = createShard({
      shard: task.shard,
      shards: task.shards,
      fences: task.fences,
      behaviours: parts.behaviours,
      world: parts.world,
      store: parts.store,
      pipe: (to) => pipes.get(to),
      log: (level, message, fields) => parts.log(level, message, fields),
      onFenced() {
        pipes.get(MAIN)?.send({ m: 'fenced' });
        finish('fenced');
      },
      limits: task.limits,
      inHand: inHandIn(task.inHand),
    });
    const open = (to: number, port: Port): void => {
      ports.push(port);
      pipes.set(
        to,
        createFrames(
          (frame) => port.postMessage(frame, [frame.buffer]),
          // As queueMicrotask, which makes an AsyncResource each time.
          (run) => void settled.then(run),
          parts.world,
        ),
      );
      port.on('message', (message: Uint8Array | PeerPort) => {
        if ('peer' in message) return open(message.peer, message.port);
        for (const envelope of openFrame(message)) receive(envelope);
      });
    };
    const receive = (envelope: Envelope): void => {
      if (envelope.m === 'ping') return pipes.get(MAIN)?.send({ m: 'pong' });
      if (envelope.m !== 'stop') return shard.deliver(envelope);
      shard.stop(() => {
        pipes.get(MAIN)?.send({ m: 'stopped' });
        finish('drained');
      });
    };
    open(MAIN, task.port);
    for (const peer of task.peers) open(peer.shard, peer.port);
    shard.start(() => {});
  });
}
