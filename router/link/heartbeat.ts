import type { World } from '../../actors/ports.ts';

/** What a link needs of the outside: clocks, timers, and chance for its backoff. */
export type LinkWorld = Pick<World, 'monotonicMs' | 'wallMs' | 'random' | 'after'>;

/** Longest delay of a timer; Node fires longer ones at once. */
export const MAX_DELAY_MS = 2 ** 31 - 1;

/** A ping goes out this often. */
export const HEARTBEAT_MS = 500;
/** Without a sign of life for this long, a link is down for asks (reliability.md F12). */
export const SILENCE_MS = 1_500;

export interface Heartbeat {
  /** A frame of any kind arrived. */
  heard(): void;
  pong(n: number, peerWallMs: number): void;
  stop(): void;
  readonly alive: boolean;
  /** Monotonic time of the last frame. */
  readonly lastHeardMs: number;
  readonly roundTripMs: number | undefined;
  /** How far the peer's wall clock is ahead of ours. */
  readonly driftMs: number | undefined;
}

export type HeartbeatPorts = {
  readonly world: LinkWorld;
  readonly ping: (n: number) => void;
  readonly changed: (alive: boolean) => void;
};

/**
 * Alive means both directions work: something was heard, *and* a ping of ours was answered, within the silence limit.
 * With only the first, the side whose frames get lost would hear the other's pings and believe in a half-open link.
 */
export function createHeartbeat({ world, ping, changed }: HeartbeatPorts): Heartbeat {
  const sent = new Map<number, { monotonicMs: number; wallMs: number }>();
  const startMs = world.monotonicMs();
  let lastHeardMs = startMs;
  let lastEchoMs = startMs;
  let alive = true;
  let stopped = false;
  let n = 0;
  let roundTripMs: number | undefined;
  let driftMs: number | undefined;
  let cancelPing = (): void => {};
  let cancelWatch = (): void => {};

  const freshUntilMs = (): number => Math.min(lastHeardMs, lastEchoMs) + SILENCE_MS;

  const beat = (): void => {
    if (stopped) return;
    n += 1;
    sent.set(n, { monotonicMs: world.monotonicMs(), wallMs: world.wallMs() });
    sent.delete(n - 8);
    ping(n);
    cancelPing = world.after(HEARTBEAT_MS, beat);
  };

  const watch = (dueMs: number): void => {
    cancelWatch = world.after(Math.max(0, dueMs - world.monotonicMs()), () => {
      if (stopped || !alive) return;
      const nowMs = world.monotonicMs();
      if (freshUntilMs() > nowMs) return watch(freshUntilMs());
      // A timer that is late means that this process stood still: what arrived meanwhile lies unread in the socket.
      if (nowMs - dueMs > HEARTBEAT_MS / 2) return watch(nowMs + HEARTBEAT_MS);
      alive = false;
      changed(false);
    });
  };

  const revive = (): void => {
    if (alive || stopped || freshUntilMs() <= world.monotonicMs()) return;
    alive = true;
    watch(freshUntilMs());
    changed(true);
  };

  beat();
  watch(freshUntilMs());

  return {
    heard() {
      lastHeardMs = world.monotonicMs();
      revive();
    },
    pong(answered, peerWallMs) {
      const at = sent.get(answered);
      if (at === undefined) return;
      sent.delete(answered);
      const nowMs = world.monotonicMs();
      // An answer that took longer than the limit says how the link was, not how it is.
      if (nowMs - at.monotonicMs > SILENCE_MS) return;
      roundTripMs = nowMs - at.monotonicMs;
      driftMs = peerWallMs - (at.wallMs + roundTripMs / 2);
      lastEchoMs = nowMs;
      revive();
    },
    stop() {
      stopped = true;
      cancelPing();
      cancelWatch();
    },
    get alive() {
      return alive;
    },
    get lastHeardMs() {
      return lastHeardMs;
    },
    get roundTripMs() {
      return roundTripMs;
    },
    get driftMs() {
      return driftMs;
    },
  };
}
