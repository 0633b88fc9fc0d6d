// What is to be looked at again now and then, as long as nobody waits for it. In memory only: what the rows say is taken up
// again after a start.
import type { Cancel, World } from '../../actors/ports.ts';

/** First and longest pause; each is drawn from half the bound to the whole. */
const AGAIN_MS = 20_000;
const LONGEST_MS = 60_000;

export interface Pauses {
  /** Does the work after a pause, unless one is under way for the key; each of a key is longer than the one before. */
  later(key: string, work: () => void): void;
  /** Nothing is to be done for the key any more; its next pause is a first one. */
  end(key: string): void;
  close(): void;
}

export function createPauses(world: World): Pauses {
  const pauses = new Map<string, { count: number; cancel: Cancel | undefined }>();
  let closed = false;
  return {
    later(key, work) {
      if (closed) return;
      const pause = pauses.get(key) ?? { count: 0, cancel: undefined };
      pauses.set(key, pause);
      if (pause.cancel !== undefined) return;
      const boundMs = Math.min(LONGEST_MS, AGAIN_MS * 2 ** Math.min(pause.count++, 16));
      pause.cancel = world.after(boundMs * (0.5 + world.random() / 2), () => {
        pause.cancel = undefined;
        work();
      });
    },
    end(key) {
      pauses.get(key)?.cancel?.();
      pauses.delete(key);
    },
    close() {
      closed = true;
      for (const { cancel } of pauses.values()) cancel?.();
      pauses.clear();
    },
  };
}
