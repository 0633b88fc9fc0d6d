/**
 * Who waits for an answer, as far as that can be seen. Plainer than an AbortSignal, which costs 10 to 20 µs a request with
 * its listener (measured): a tenth of it.
 */
export interface Asker {
  /** Nobody waits any more: what has not begun need not begin. */
  readonly isGone: boolean;
  /** Milliseconds that it waits at most from now on, zero or less: none; Infinity: it did not say. */
  readonly remainingMs: number;
  /** Calls back once, when nobody waits any more; answers how to stop listening. */
  whenGone(listener: () => void): () => void;
}

/** How long something may take that is given `withinMs`, and is asked for by somebody who may have less time. */
export const withinOf = (asker: Asker | undefined, withinMs: number): number =>
  asker === undefined ? withinMs : Math.min(withinMs, asker.remainingMs);

const notSaid = (): number => Infinity;

/** `leave` is called when nobody waits any more; again, it does nothing. `remainingMs`: as {@link Asker} says it. */
export function createAsker(remainingMs: () => number = notSaid): Asker & { leave(): void } {
  let isGone = false;
  let listeners: Set<() => void> | undefined;
  return {
    get isGone() {
      return isGone;
    },
    get remainingMs() {
      return remainingMs();
    },
    whenGone(listener) {
      if (isGone) {
        listener();
        return () => {};
      }
      listeners ??= new Set();
      listeners.add(listener);
      return () => void listeners?.delete(listener);
    },
    leave() {
      if (isGone) return;
      isGone = true;
      for (const listener of listeners ?? []) listener();
      listeners = undefined;
    },
  };
}
