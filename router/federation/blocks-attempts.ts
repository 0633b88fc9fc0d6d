// Work that is tried until it is done, one at a time for each key. What is to be done stands in rows, so an attempt may
// end anywhere, and nothing is lost with the process.
import type { Cancel, World } from '../../actors/ports.ts';

/** First and longest pause between two attempts; each is drawn from half the bound to the whole. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/** `later`: not yet; tried again after a pause. An exception counts as `later`. */
export type Attempt = 'done' | 'later';

export interface Attempts {
  /** Tries now, or after `delayMs`. What runs already runs once more afterwards; what pauses does not pause any longer. */
  run(key: string, work: () => Promise<Attempt>, delayMs?: number): void;
  /** Nothing more is to be done for the key; what runs comes to its end. */
  drop(key: string): void;
  readonly open: number;
  close(): void;
}

interface Task {
  work: () => Promise<Attempt>;
  failures: number;
  running: boolean;
  again: boolean;
  cancel: Cancel;
}

export function createAttempts(world: World, odd: (what: string, error: unknown) => void): Attempts {
  const tasks = new Map<string, Task>();
  let closed = false;

  function schedule(key: string, task: Task, delayMs: number): void {
    task.cancel();
    task.cancel = world.after(delayMs, () => void attempt(key, task));
  }

  async function attempt(key: string, task: Task): Promise<void> {
    if (closed || task.running) return;
    task.running = true;
    task.again = false;
    let outcome: Attempt = 'later';
    try {
      outcome = await task.work();
    } catch (error) {
      odd(key, error);
    }
    task.running = false;
    if (closed || tasks.get(key) !== task) return;
    if (task.again) return schedule(key, task, 0);
    if (outcome === 'done') return void tasks.delete(key);
    const boundMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(task.failures++, 16));
    schedule(key, task, boundMs * (0.5 + world.random() / 2));
  }

  return {
    run(key, work, delayMs = 0) {
      if (closed) return;
      const known = tasks.get(key);
      if (known?.running) {
        known.work = work;
        known.again = true;
        return;
      }
      const task: Task = known ?? { work, failures: 0, running: false, again: false, cancel: () => {} };
      task.work = work;
      tasks.set(key, task);
      schedule(key, task, delayMs);
    },
    drop(key) {
      tasks.get(key)?.cancel();
      tasks.delete(key);
    },
    get open() {
      return tasks.size;
    },
    close() {
      closed = true;
      for (const task of tasks.values()) task.cancel();
      tasks.clear();
    },
  };
}
