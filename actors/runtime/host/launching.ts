// Starts the thread of a shard and joins it to the others; when it dies, starts another one, after a while that grows.
import type { World } from '../../ports.ts';
import type { Envelope } from '../envelope.ts';
import { createArrivals, createFrames } from '../frames.ts';
import { inHandIn, inHandMemory } from '../in-hand.ts';
import type { Threads } from '../threads.ts';
import type { Watchdog } from '../watchdog.ts';
import type { PeerPort, ShardTask } from '../worker.ts';
import type { Asks } from './asks.ts';
import type { SetAside } from './set-aside.ts';
import type { Slot } from './slot.ts';

export interface LaunchingOptions {
  world: World;
  slots: readonly Slot[];
  threads: Threads;
  asks: Asks;
  setAside: SetAside;
  watchdog: Watchdog;
  /** Of every task. */
  common: Pick<ShardTask, 'limits' | 'config'>;
  receive(slot: Slot, envelope: Envelope): void;
  log(level: 'error', message: string, fields: Record<string, unknown>): void;
}

export interface Launching {
  launch(slot: Slot): void;
  /** From now on a thread that is silent for long while it is busy is ended. */
  watch(slot: Slot): void;
  /** No thread is started any more; resolves when those that are there have ended. */
  stop(): Promise<void>;
  readonly isStopping: boolean;
  readonly restarts: number;
}

const BOOT_MS = 10_000;
const LONGEST_BACKOFF_MS = 2_000;

const messageOf = (how: unknown): string => (how instanceof Error ? how.message : String(how));

export function createLaunching(options: LaunchingOptions): Launching {
  const { world, slots, threads, asks, watchdog, log } = options;
  const ended: Array<Promise<unknown>> = [];
  let isStopping = false;
  let restarts = 0;

  /** On the first start each pair is joined once, by the higher of the two. */
  function joined(slot: Slot): ShardTask['peers'] {
    const peers: ShardTask['peers'] = [];
    for (const other of slots) {
      if (other === slot || other.port === undefined) continue;
      const channel = threads.channel();
      const peerPort: PeerPort = { peer: slot.shard, port: channel.port1 };
      other.port.postMessage(peerPort, [channel.port1]);
      peers.push({ shard: other.shard, port: channel.port2 });
    }
    return peers;
  }

  function launch(slot: Slot): void {
    const { shard } = slot;
    const peers = joined(slot);
    const { port1, port2 } = threads.channel();
    slot.port = port1;
    slot.pipe = createFrames(
      (frame) => port1.postMessage(frame, [frame.buffer]),
      (run) => world.defer(run),
      world,
    );
    const arrivals = createArrivals((envelope) => options.receive(slot, envelope), world);
    port1.on('message', (frame: Uint8Array) => arrivals.take(frame));
    port1.on('close', () => {
      arrivals.rest();
      // The thread may be said to have ended only later. What it wrote last may not have been told, and a key may know of it.
      if (slot.port === port1) slot.presence.ended();
      asks.fail(slot, `shard ${shard} ended`);
    });
    const inHand = inHandMemory();
    slot.inHand = inHandIn(inHand);
    slot.killer = undefined;
    slot.verdict = '';
    const { fences } = slot;
    const thread = threads.run({ ...options.common, shard, shards: slots.length, fences, port: port2, peers, inHand });
    slot.thread = thread;
    slot.isHeard = false;
    slot.pipe.send({ m: 'ping' });
    // A thread that dies while it boots may leave its pool without an answer for ever.
    world.after(BOOT_MS, () => {
      if (slot.thread !== thread || slot.isHeard) return;
      log('error', 'shard does not start: its thread is ended', { shard });
      gone(new Error(`nothing was heard of it within ${BOOT_MS} ms`));
    });
    let gone = (_how: unknown): void => {};
    ended.push(
      new Promise<void>((resolve) => {
        gone = (how) => {
          if (slot.thread === thread) over(slot, how);
          resolve();
        };
      }),
    );
    void thread.ended.then((how: unknown) => gone(how === 'fenced' ? 'fenced' : 'drained'), gone);
  }

  function over(slot: Slot, how: unknown): void {
    const { shard } = slot;
    slot.presence.ended();
    watchdog.watch(shard, undefined);
    slot.port?.close();
    slot.port = undefined;
    slot.pipe = undefined;
    asks.fail(slot, `shard ${shard} ended`);
    slot.thread?.destroy();
    slot.thread = undefined;
    if (isStopping || how === 'drained' || how === 'fenced') return;
    log('error', 'shard died', { shard, error: how instanceof Error ? (how.stack ?? how.message) : String(how) });
    if (slot.killer !== undefined) options.setAside.killed(slot.killer, shard, slot.verdict || messageOf(how));
    slot.killer = undefined;
    world.after(slot.backoffMs, () => {
      if (isStopping) return;
      launch(slot);
      restarts++;
    });
    slot.backoffMs = Math.min(slot.backoffMs * 2, LONGEST_BACKOFF_MS);
  }

  return {
    launch,
    watch(slot) {
      const { shard, thread } = slot;
      watchdog.watch(shard, {
        ping: () => slot.pipe?.send({ m: 'ping' }),
        utilization: () => thread?.utilization?.(),
        hung(silentMs) {
          log('error', 'shard hangs: its thread is ended', { shard, silentMs: Math.round(silentMs) });
          slot.verdict = `it answered nothing for ${Math.round(silentMs)} ms and was ended`;
          thread?.destroy();
        },
      });
    },
    async stop() {
      isStopping = true;
      watchdog.stop();
      for (const slot of slots) slot.pipe?.send({ m: 'stop' });
      await Promise.allSettled(ended);
    },
    get isStopping() {
      return isStopping;
    },
    get restarts() {
      return restarts;
    },
  };
}
