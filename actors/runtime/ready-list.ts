import type { World } from '../ports.ts';

export interface ReadyList<T> {
  add(item: T): void;
  readonly length: number;
}

/**
 * One list of what has work, one wake-up for all of it: an actor's message costs no timer and no promise.
 * Yields to the event loop when a slice has lasted `budgetMs`, so ports, sockets and timers get their turn.
 *
 * `run` is told by the monotonic clock when it begins and tells when it has ended: the clock costs a fifth of a short turn,
 * so it is read once a turn and not by everybody who wants to know.
 */
export function createReadyList<T>(world: World, run: (item: T, nowMs: number) => number, budgetMs = 4): ReadyList<T> {
  let ready: T[] = [];
  let scheduled = false;

  function drain(): void {
    scheduled = false;
    const list = ready;
    ready = [];
    const start = world.monotonicMs();
    let now = start;
    for (let i = 0; i < list.length; i++) {
      now = run(list[i] as T, now);
      if (i + 1 < list.length && now - start > budgetMs) {
        ready = list.slice(i + 1).concat(ready);
        break;
      }
    }
    schedule();
  }

  function schedule(): void {
    if (scheduled || ready.length === 0) return;
    scheduled = true;
    world.defer(drain);
  }

  return {
    add(item) {
      ready.push(item);
      schedule();
    },
    get length() {
      return ready.length;
    },
  };
}
