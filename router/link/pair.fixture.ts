import type { LinkWorld } from './heartbeat.ts';
import type { Duplex } from './multiplexer.ts';

/** A clock for tests: time moves only by `advance`, and timers and deliveries run in its order. */
export type TestWorld = LinkWorld & {
  advance(ms: number): void;
  /** The process stands still: time passes, and what became due runs late. */
  stall(ms: number): void;
  randomAs(next: () => number): void;
};

export function createTestWorld(): TestWorld {
  let nowMs = 1_000;
  let order = 0;
  let random = (): number => 0.5;
  const due: { atMs: number; order: number; run: () => void }[] = [];
  return {
    monotonicMs: () => nowMs,
    wallMs: () => 1_800_000_000_000 + nowMs,
    random: () => random(),
    randomAs(next) {
      random = next;
    },
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs, order: order++, run };
      due.push(timer);
      return () => {
        const at = due.indexOf(timer);
        if (at >= 0) due.splice(at, 1);
      };
    },
    stall(ms) {
      nowMs += ms;
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        due.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
        const next = due[0];
        if (next === undefined || next.atMs > untilMs) break;
        due.shift();
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
      }
      nowMs = untilMs;
    },
  };
}

/** What happens to each message of one direction: how often it arrives (0 = lost), and after how long. */
export type Fate = (bytes: Uint8Array) => { copies: number; delayMs: number };

export type DuplexPair = { left: Duplex; right: Duplex; leftToRight(fate: Fate): void; rightToLeft(fate: Fate): void };

/** Two ends of a carrier in memory. Order is kept, as on a TCP connection; loss and repetition are the test's. */
export function createDuplexPair(world: LinkWorld): DuplexPair {
  const prompt: Fate = () => ({ copies: 1, delayMs: 1 });
  const end = () => {
    const messages: ((bytes: Uint8Array) => void)[] = [];
    const closes: (() => void)[] = [];
    return { messages, closes, fate: prompt, nextMs: 0, closed: false };
  };
  const toLeft = end();
  const toRight = end();
  const closeEnd = (side: ReturnType<typeof end>): void => {
    if (side.closed) return;
    side.closed = true;
    side.closes.forEach((listener) => listener());
  };
  const duplex = (own: ReturnType<typeof end>, other: ReturnType<typeof end>): Duplex => {
    const deliver = (bytes: Uint8Array, run: () => void): void => {
      const { copies, delayMs } = other.fate(bytes);
      other.nextMs = Math.max(other.nextMs, world.monotonicMs() + delayMs);
      for (let i = 0; i < copies; i += 1) world.after(other.nextMs - world.monotonicMs(), run);
    };
    return {
      send(bytes) {
        if (own.closed) return;
        deliver(bytes, () => {
          if (!other.closed) other.messages.forEach((listener) => listener(bytes));
        });
      },
      // What was sent before still arrives, then the other side sees the end; unless the way there is cut.
      close() {
        if (own.closed) return;
        world.after(0, () => closeEnd(own));
        deliver(new Uint8Array(), () => closeEnd(other));
      },
      bufferedBytes: () => 0,
      onMessage: (listener) => void own.messages.push(listener),
      onClose: (listener) => void own.closes.push(listener),
      onDrain: () => {},
    };
  };
  return {
    left: duplex(toLeft, toRight),
    right: duplex(toRight, toLeft),
    leftToRight: (fate) => void (toRight.fate = fate),
    rightToLeft: (fate) => void (toLeft.fate = fate),
  };
}
