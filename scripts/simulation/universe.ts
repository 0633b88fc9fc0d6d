// One virtual time for everything, a rolling hash of all that happens, and threads that can stand still or die.
import type { Cancel, World } from '../../actors/ports.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { hashText, streamOf, type Random } from './draw.ts';
import type { Invariant } from './invariants.ts';
import type { Point } from './points.ts';

/** What must never happen, by the name of its invariant (reliability.md §4). */
export interface Violation {
  invariant: Invariant;
  what: string;
  atMs: number;
  /** Number of the event after which it was seen. */
  event: number;
}

/** A thread of a simulated process: its world stops with it. */
export interface Thread {
  readonly name: string;
  readonly world: World;
  readonly isAlive: boolean;
  readonly isStalled: boolean;
  /** How long it has stood still, all in all. */
  readonly stalledMs: number;
  /** Nothing of it runs any more. */
  kill(): void;
  /** What is due meanwhile runs when it wakes. */
  stall(ms: number): void;
}

export interface Universe {
  readonly seed: number;
  readonly nowMs: number;
  readonly events: number;
  readonly hash: string;
  readonly violation: Violation | undefined;
  readonly sometimes: ReadonlyMap<string, number>;
  stream(name: string): Random;
  /** Server side of things that no process owns: databases, wires. */
  after(delayMs: number, run: () => void): Cancel;
  thread(name: string, wallOffsetMs?: () => number): Thread;
  /** Goes into the hash, and into the trace. `detail` is only made when somebody reads it. */
  note(name: string, detail?: () => string): void;
  /** A case that a batch of runs has to have met; or one that is only counted. */
  met(point: Point | Counted): void;
  /** Only the first counts. */
  violate(invariant: Invariant, what: string): void;
  /** Runs until then, or until a violation; `stopAt` ends it before that event. */
  run(untilMs: number, stopAt?: number): Promise<void>;
}

/** What the database refused, and how a doubt ended. */
type Counted = `refused: ${string}` | `ambiguous commit resolved: ${string}`;

/** 2026-01-01. */
export const START_MS = 1_767_225_600_000;

/** Longest runs of events without moving time: something goes round in circles. */
const MOST_EVENTS_A_SECOND = 400_000;
/** The real loop gets its turn this seldom. */
const HOP_EVERY = 20_000;

const hop = setImmediate;
const { nextTick } = process;
const settled = Promise.resolve();

export interface UniverseOptions {
  seed: number;
  trace?: ((line: string) => void) | undefined;
}

export function createUniverse({ seed, trace }: UniverseOptions): Universe {
  const base = createVirtualWorld(seed, START_MS);
  const sometimes = new Map<string, number>();
  let [high, low] = [0x811c9dc5, 0x01000193];
  let events = 0;
  let violation: Violation | undefined;
  let threads = 0;

  function mix(number: number): void {
    low = Math.imul(low ^ number, 0x01000193);
    high = Math.imul(high ^ (low >>> 7) ^ number, 0x85ebca6b);
  }

  function note(name: string, detail?: () => string): void {
    mix(hashText(name));
    trace?.(
      `${base.monotonicMs().toFixed(3).padStart(12)} ${String(events).padStart(8)} ${name}${detail ? ` ${detail()}` : ''}`,
    );
  }

  function thread(name: string, wallOffsetMs: () => number = () => 0): Thread {
    const random = streamOf(seed, `world of ${name}`);
    const jitter = streamOf(seed, `jitter of ${name}`);
    const number = (++threads).toString(16).padStart(4, '0');
    let alive = true;
    let wakesMs = 0;
    let stalledMs = 0;
    let ids = 0;
    const guarded = (run: () => void): (() => void) => {
      const guard = (): void => {
        if (!alive) return;
        if (base.monotonicMs() < wakesMs) return void base.after(wakesMs - base.monotonicMs(), guard);
        run();
      };
      return guard;
    };
    return {
      name,
      get isAlive() {
        return alive;
      },
      get isStalled() {
        return alive && base.monotonicMs() < wakesMs;
      },
      get stalledMs() {
        return stalledMs;
      },
      kill() {
        alive = false;
      },
      stall(ms) {
        stalledMs += ms;
        wakesMs = Math.max(wakesMs, base.monotonicMs() + ms);
      },
      world: {
        monotonicMs: () => base.monotonicMs(),
        wallMs: () => base.wallMs() + wallOffsetMs(),
        random,
        uuid: () =>
          `${(++ids).toString(16).padStart(8, '0')}-${number}-7000-8000-${hashText(name).toString(16).padStart(12, '0')}`,
        defer(run) {
          if (alive) base.defer(guarded(run));
        },
        after(delayMs, run) {
          if (!alive) return () => {};
          // A timer is never exact, and which of two comes first is nobody's promise.
          return base.after(delayMs + jitter() * (0.05 + delayMs * 0.01), guarded(run));
        },
      },
    };
  }

  return {
    seed,
    get nowMs() {
      return base.monotonicMs();
    },
    get events() {
      return events;
    },
    get hash() {
      return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
    },
    get violation() {
      return violation;
    },
    sometimes,
    stream: (name) => streamOf(seed, name),
    after: (delayMs, run) => base.after(delayMs, run),
    thread,
    note,
    met: (point) => void sometimes.set(point, (sometimes.get(point) ?? 0) + 1),
    violate(invariant, what) {
      if (violation !== undefined) return;
      violation = { invariant, what, atMs: base.monotonicMs(), event: events };
      note('violation', () => `${invariant}: ${what}`);
    },
    run(untilMs, stopAt = Infinity) {
      let secondEnds = Math.floor(base.monotonicMs() / 1_000) * 1_000 + 1_000;
      let before = events;
      return new Promise((resolve, reject) => {
        /** One event; then all microtasks, however many follow from each other; then the next one. */
        function next(): void {
          try {
            if (violation !== undefined || events >= stopAt) return resolve();
            if (!base.step(untilMs)) {
              base.advance(untilMs);
              return resolve();
            }
          } catch (error) {
            return reject(error as Error);
          }
          events++;
          const nowMs = base.monotonicMs();
          mix(Math.round(nowMs * 1_000));
          if (nowMs >= secondEnds) {
            secondEnds = Math.floor(nowMs / 1_000) * 1_000 + 1_000;
            before = events;
          } else if (events - before > MOST_EVENTS_A_SECOND) {
            return reject(
              new Error(`livelock: more than ${MOST_EVENTS_A_SECOND} events in the second before ${secondEnds} ms`),
            );
          }
          if (events % HOP_EVERY === 0) hop(begin);
          else nextTick(begin);
        }
        // Node empties the queue of ticks before that of microtasks: only what is itself a microtask is sure to be
        // followed by all of them before the next tick.
        const begin = (): void => void settled.then(next);
        begin();
      });
    },
  };
}
