// The process in which messages are counted, built as production is (a loader's wrappers would be measured otherwise), alone
// with its heap. Run with --expose-gc.
import { Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { createShardHost } from '../../actors/runtime/host.ts';
import { realWorld } from '../world.ts';
import { counterAt, countingBehaviour, SCOPE } from './counting-actor.ts';
import { asks, cpuMs, nactAsks, nactBytes, nactTells, outerAsks, startCounters, tells } from './messages-inside.ts';
import type { MessagesFigures, MessagesPlan } from './messages.ts';
import { median } from './report.ts';

const ACTORS = 1_000;
const IDLE_ACTORS = 100_000;
const NACT_IDLE_ACTORS = 20_000;
const ASKERS = 64;

const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function heapOf(): number {
  for (let i = 0; i < 3; i++) global.gc!();
  return process.memoryUsage().heapUsed;
}

/** Of an actor that was asked once and is idle: all of it, and its state alone. */
async function bytesOfIdle(): Promise<{ all: number; state: number }> {
  const create = (n: number): unknown => countingBehaviour.create(counterAt(n).id, SCOPE);
  const before = heapOf();
  const states: unknown[] = Array.from({ length: IDLE_ACTORS }, (_, n) => create(n));
  // The list itself is nobody's state.
  const state = (heapOf() - before) / IDLE_ACTORS - 8;
  states.length = 0;
  const counters = startCounters();
  await counters.asked(counterAt(IDLE_ACTORS), 'look', null);
  const empty = heapOf();
  for (let n = 0; n < IDLE_ACTORS; n++) await counters.asked(counterAt(n), 'look', null);
  const all = (heapOf() - empty) / IDLE_ACTORS;
  if (counters.size !== IDLE_ACTORS + 1) throw new Error(`${counters.size} actors in memory`);
  return { all, state };
}

async function inside(rounds: number, scale: number): Promise<Record<string, number[]>> {
  const actors = Array.from({ length: ACTORS }, (_, n) => counterAt(n));
  const counters = startCounters();
  const figures: Record<string, number[]> = {};
  // One after the other in each round, so that a disturbance meets all of them.
  for (let round = 0; round <= rounds; round++) {
    const seen: Record<string, number> = {
      tell1: await tells(counters, actors, 1, 600_000 * scale),
      tell16: await tells(counters, actors, 16, 1_200_000 * scale),
      nactTell: await nactTells(ACTORS, 100_000 * scale),
      ask1: await asks(counters, actors, ASKERS, 1, 200_000 * scale),
      ask16: await asks(counters, actors, ASKERS, 16, 400_000 * scale),
      nactAsk: await nactAsks(ACTORS, ASKERS, 50_000 * scale),
      outerAsk: await outerAsks(counters, actors, 'look', ASKERS - 1, 200_000 * scale),
      commit: await outerAsks(counters, actors, 'count', ASKERS - 1, 30_000 * scale),
    };
    // The first round is the engine's, which learns what is hot.
    if (round > 0) for (const [name, value] of Object.entries(seen)) (figures[name] ??= []).push(value);
  }
  return figures;
}

async function across(rounds: number, scale: number): Promise<Record<string, number[]>> {
  const host = createShardHost({
    shards: 1,
    fences: [{ scope: SCOPE, shard: 0, epoch: 1 }],
    module: { url: fileURLToPath(new URL('./counting-shard.js', import.meta.url)), name: 'shard' },
    config: null,
    world: realWorld,
    onCommitted: () => {},
    missed: async () => [],
    onFenced: () => console.error('fenced'),
    log: (level, message, fields) => console.error(level, message, JSON.stringify(fields)),
  });
  await host.ready;
  const echo = new Worker(
    "const { parentPort } = require('worker_threads'); parentPort.on('message', (m) => parentPort.postMessage(m));",
    {
      eval: true,
    },
  );
  const body = {
    network: 'internet-muc',
    project: counterAt(1).id,
    name: 'bench',
    description: '',
    type: 'ephemeral',
    tags: [],
  };
  let next = 0;
  const ask = (): Promise<unknown> =>
    host.ask(counterAt(next++ % ACTORS), 'answer', body, {
      who: 'bench@example.org',
      deadlineMs: realWorld.monotonicMs() + 60_000,
    });
  const bare = (): Promise<unknown> =>
    new Promise((resolve) => {
      echo.once('message', resolve);
      echo.postMessage(body, []);
    });
  const many = async (count: number, inFlight: number): Promise<number> => {
    let sent = 0;
    const asker = async (): Promise<void> => {
      while (sent++ < count) await ask();
    };
    const [from, fromCpu] = [performance.now(), cpuMs()];
    await Promise.all(Array.from({ length: inFlight }, asker));
    const seconds = (performance.now() - from) / 1_000;
    (figures['askCpuUs'] ??= []).push((1_000 * (cpuMs() - fromCpu)) / count);
    return count / seconds;
  };
  const figures: Record<string, number[]> = {};
  await many(50_000 * scale, 1_024);
  figures['askCpuUs'] = [];
  for (let round = 0; round < rounds; round++) {
    (figures['batched'] ??= []).push(await many(150_000 * scale, 1_024));
    const times: Record<string, number[]> = { idle: [], echo: [] };
    for (let i = 0; i < 1_000 * scale; i++) {
      // Both threads sleep before each: what is measured is waking up, and the rest.
      for (const [name, call] of [
        ['idle', ask],
        ['echo', bare],
      ] as const) {
        await turnOfLoop();
        const from = performance.now();
        await call();
        times[name]!.push((performance.now() - from) * 1_000);
      }
    }
    for (const [name, list] of Object.entries(times)) (figures[`${name}P50Us`] ??= []).push(median(list));
  }
  await host.stop();
  await echo.terminate();
  return figures;
}

process.once('message', ({ quick }: MessagesPlan) => {
  const [rounds, scale] = quick ? [1, 0.3] : [5, 1];
  const measure = async (): Promise<MessagesFigures> => {
    const lists = { ...(await inside(rounds, scale)), ...(await across(rounds, scale)) };
    // Last: what it leaves on the heap would make everything else slower.
    const nactIdle = nactBytes(NACT_IDLE_ACTORS, heapOf);
    const idle = await bytesOfIdle();
    const medians = Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, median(list)]));
    return { idleBytes: idle.all, stateBytes: idle.state, nactIdleBytes: nactIdle, ...medians } as MessagesFigures;
  };
  measure().then(
    (figures) => process.send?.(figures, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
