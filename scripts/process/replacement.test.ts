import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fence, LogEntry } from '../../actors/ports.ts';
import { createFrames, openFrame } from '../../actors/runtime/frames.ts';
import { createShardHost } from '../../actors/runtime/host.ts';
import type { Port, Threads } from '../../actors/runtime/threads.ts';
import { createVirtualWorld, type VirtualWorld } from '../../actors/runtime/virtual-world.ts';
import type { ShardTask } from '../../actors/runtime/worker.ts';
import { BACK_AFTER_DEATH_MS, BACK_AFTER_HANG_MS } from './back-within.ts';
import { scope } from './faulty.fixture.ts';

/** What of the time until a shard serves again is waiting: for a silent thread to be ended, and for the next one to be started. */
const HUNG_MS = 1_500;
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** So long a thread here takes until its shard serves, and a message between two threads. */
const BOOT_MS = 200;
const WIRE_MS = 1;

function channel(world: VirtualWorld): { port1: Port; port2: Port } {
  function end(other: () => ReturnType<typeof end>) {
    let hear: ((message: never) => void) | undefined;
    let hearEnd: (() => void) | undefined;
    let isClosed = false;
    const port: Port = {
      postMessage: (message) => void world.after(WIRE_MS, () => other().take(message)),
      on(event: 'message' | 'close', listener: (message: never) => void) {
        if (event === 'message') hear = listener;
        else hearEnd = listener as () => void;
      },
      close() {
        if (!isClosed) world.after(WIRE_MS, () => other().ended());
        isClosed = true;
      },
    };
    const ended = (): void => {
      isClosed = true;
      hearEnd?.();
    };
    return { port, ended, take: (message: unknown) => void (isClosed || hear?.(message as never)) };
  }
  const one: ReturnType<typeof end> = end(() => two);
  const two: ReturnType<typeof end> = end(() => one);
  return { port1: one.port, port2: two.port };
}

interface FakeThread {
  startedMs: number;
  fences: Fence[];
  /** When its host ended it. */
  destroyedMs?: number;
  /** It answers nothing any more, and never rests. */
  loops: boolean;
  /** Its shard starts over, and serves again after so long. */
  startOver(forMs: number): void;
  /** Its port is gone, and nobody has said yet that it died. */
  hangUp(): void;
  die(): void;
}

/** A host of one shard, in virtual time, on threads that do nothing but boot and answer. `serves`: the boot succeeds. */
function hosted(serves: () => boolean = () => true, missed: () => Promise<LogEntry[]> = async () => []) {
  const world = createVirtualWorld();
  const started: FakeThread[] = [];
  const threads: Threads = {
    channel: () => channel(world),
    run(task: ShardTask) {
      let die = (_error: Error): void => {};
      const ended = new Promise<unknown>((_resolve, reject) => (die = reject));
      const thread: FakeThread = {
        startedMs: world.monotonicMs(),
        fences: task.fences,
        loops: false,
        startOver(forMs) {
          pipe.send({ m: 'doubt' });
          world.after(forMs, () => pipe.send({ m: 'raised', fences: task.fences }));
        },
        hangUp: () => task.port.close(),
        die: () => die(new Error('died')),
      };
      started.push(thread);
      const pipe = createFrames(
        (frame) => task.port.postMessage(frame, [frame.buffer]),
        (run) => world.defer(run),
        world,
      );
      task.port.on('message', (frame: Uint8Array) => {
        for (const { m } of openFrame(frame)) if (m === 'ping' && !thread.loops) pipe.send({ m: 'pong' });
      });
      world.after(BOOT_MS, () => {
        if (!serves()) return thread.die();
        // The first thread has the epochs of the takeover; each later one raises its own.
        const raised = task.fences.map((fence) => ({ ...fence, epoch: fence.epoch + (started.length > 1 ? 1 : 0) }));
        pipe.send({ m: 'ready', fences: raised });
      });
      return {
        ended,
        destroy() {
          thread.destroyedMs ??= world.monotonicMs();
          thread.die();
        },
        utilization: () => (thread.loops ? 1 : 0.1),
      };
    },
  };
  const host = createShardHost({
    shards: 1,
    fences: [{ scope, shard: 0, epoch: 1 }],
    module: threads,
    config: null,
    world,
    onCommitted: () => {},
    missed,
    onFenced: (shard) => assert.fail(`shard ${shard} was fenced`),
    log: () => {},
  });
  /** Lets time pass, and whoever awaits something go on between two events. */
  async function pass(ms: number): Promise<void> {
    const untilMs = world.monotonicMs() + ms;
    const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    await settle();
    while (world.step(untilMs)) await settle();
    world.advance(untilMs);
  }
  return { world, host, started, pass, last: () => started[started.length - 1]! };
}

describe('how long the host waits before a thread is replaced (reliability.md F02, F03)', () => {
  it('one that died: no longer than 100 ms of the second, and with its fences', async () => {
    const { world, host, started, pass, last } = hosted();
    await pass(10_000);
    for (let death = 1; death <= 3; death++) {
      const diedMs = world.monotonicMs();
      last().die();
      await pass(PAUSE_MS);
      assert.equal(started.length, death + 1);
      assert.equal(host.restarts, death);
      assert.ok(last().startedMs - diedMs <= PAUSE_MS, `${last().startedMs - diedMs} ms`);
      assert.equal(host.isCurrent, false);
      await pass(BACK_AFTER_DEATH_MS);
      assert.equal(host.isCurrent, true);
      assert.deepEqual(last().fences, [{ scope, shard: 0, epoch: death }], 'each raises what the one before had');
    }
  });

  it('one whose port is gone: what it wrote last may not have been heard, long before it is said that it died', async () => {
    const { host, pass, last } = hosted();
    await pass(10_000);
    assert.equal(host.isCurrent, true);
    last().hangUp();
    await pass(2 * WIRE_MS);
    assert.equal(host.isCurrent, false);
    last().die();
    await pass(PAUSE_MS + BACK_AFTER_DEATH_MS);
    assert.equal(host.isCurrent, true);
  });

  it('a shard that starts over on its thread: no restart, but it is counted, and away meanwhile', async () => {
    const { host, pass, last } = hosted();
    await pass(10_000);
    last().startOver(300);
    await pass(200);
    assert.equal(host.isCurrent, false);
    assert.equal(host.presences()[0]?.isStartingOver, true);
    await pass(200);
    assert.equal(host.isCurrent, true);
    assert.deepEqual(host.presences(), [{ shard: 0, startOvers: 1, lately: 1, awayMs: null, isStartingOver: false }]);
    assert.equal(host.restarts, 0);
  });

  it('what it wrote before is still being read: it serves, but who asks what there is has to wait (I06)', async () => {
    const reading: Array<(entries: LogEntry[]) => void> = [];
    const { host, pass, last } = hosted(undefined, () => new Promise((resolve) => reading.push(resolve)));
    await pass(10_000);
    assert.equal(host.isBehind, false);
    last().startOver(300);
    await pass(200);
    assert.equal(host.isBehind, false, 'it acknowledges nothing meanwhile');
    await pass(60_000);
    assert.equal(host.isBehind, true);
    for (const read of reading) read([]);
    await pass(0);
    assert.equal(host.isBehind, false);
  });

  it('one that hangs: it is ended by the watchdog, and with the pause and the second of a death that is within 5 s', async () => {
    const { world, host, started, pass, last } = hosted();
    await pass(10_000);
    // Whatever the moment, between two looks of the watchdog.
    for (let hang = 1; hang <= 5; hang++) {
      await pass(61);
      const hungMs = world.monotonicMs();
      const thread = last();
      thread.loops = true;
      await pass(HUNG_MS + PAUSE_MS);
      assert.ok(thread.destroyedMs !== undefined, 'it was ended');
      assert.ok(thread.destroyedMs - hungMs <= HUNG_MS, `ended after ${thread.destroyedMs - hungMs} ms`);
      assert.equal(started.length, hang + 1);
      assert.ok(last().startedMs - thread.destroyedMs <= PAUSE_MS);
      await pass(BACK_AFTER_DEATH_MS);
      assert.equal(host.isCurrent, true);
      assert.equal(host.restarts, hang);
    }
    assert.ok(HUNG_MS + PAUSE_MS + BACK_AFTER_DEATH_MS <= BACK_AFTER_HANG_MS);
  });

  it('one that dies before it serves: the pauses grow to 2 s, and begin anew once one served', async () => {
    let isSound = false;
    const { started, host, pass, last } = hosted(() => isSound);
    await pass(60_000);
    const pauses = started.slice(1).map(({ startedMs }, i) => startedMs - started[i]!.startedMs - BOOT_MS);
    assert.deepEqual(pauses.slice(0, 6), [100, 200, 400, 800, 1_600, 2_000]);
    assert.ok(pauses.slice(6).every((pause) => pause === LONGEST_PAUSE_MS));
    isSound = true;
    await pass(LONGEST_PAUSE_MS + 2 * BOOT_MS);
    assert.equal(host.isCurrent, true);
    const before = started.length;
    last().die();
    await pass(PAUSE_MS);
    assert.equal(started.length, before + 1);
  });
});
