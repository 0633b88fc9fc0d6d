import { setTimeout as sleep } from 'node:timers/promises';

/** How long things take. */
export interface Pace {
  /** About `ms` divided by the speed, half as much more or less; rejects when aborted. */
  take(ms: number, signal: AbortSignal): Promise<void>;
  /** Exactly `ms`, whatever the speed; rejects when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const createPace = (random: () => number, speed: number): Pace => ({
  take: (ms, signal) => sleep((ms * (0.5 + random())) / speed, undefined, { signal }),
  wait: (ms, signal) => sleep(ms, undefined, { signal }),
});

const AGAIN_AFTER_MS = 3_000;

/** Does something again and again, every `everyMs`, until aborted; what fails is told and tried again soon. */
export const every = async (
  everyMs: number,
  pace: Pace,
  signal: AbortSignal,
  failed: (error: unknown) => void,
  work: () => Promise<void>,
): Promise<void> => {
  while (!signal.aborted) {
    const restMs = await work().then(
      () => everyMs,
      (error: unknown) => {
        if (!signal.aborted) failed(error);
        return Math.min(everyMs, AGAIN_AFTER_MS);
      },
    );
    await pace.wait(restMs, signal).catch(() => undefined);
  }
};
