// Keeps the site's lease: time decides when a process may try, the epoch decides who may write (design.md §5).
import type { LeaseHolder, SiteStore, World } from '../../actors/ports.ts';
import type { Logger } from '../log.ts';

export interface LeaseKeeper {
  /** False once the lease is so near its end, by the monotonic clock, that reads may be stale. */
  isHeld(): boolean;
  stop(): Promise<void>;
}

export interface LeaseOptions {
  store: SiteStore;
  holder: LeaseHolder;
  leaseMs: number;
  world: World;
  log: Logger;
  /** Somebody else holds it now: this process must stop. */
  onLost(by: LeaseHolder): void;
}

/** Parts of the lease: renewed after 0.4 s of 1.5 s, reads answered until 0.3 s before its end, looked at each 0.25 s. */
const RENEW_PART = 0.27;
const MARGIN_PART = 0.2;
const LOOK_MS = 250;

/** Waits until the lease is ours. Says so once when somebody else holds it. */
export async function takeLease(options: LeaseOptions): Promise<LeaseKeeper> {
  const { store, holder, leaseMs, world, log } = options;
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void world.after(ms, resolve));
  let told = false;
  let sentMs = world.monotonicMs();
  for (;;) {
    sentMs = world.monotonicMs();
    const answer = await store.acquireLease(holder, leaseMs).catch((error: Error) => error);
    if (answer instanceof Error) {
      if (!told) log.warn({ error: answer.message }, 'the database does not answer: waiting for it');
      told = true;
    } else if (answer.held) break;
    else if (!told) {
      log.info(
        { holder: answer.holder.process, remainingMs: answer.remainingMs },
        'another process is active for this site: standing by',
      );
      told = true;
    }
    await pause(LOOK_MS);
  }

  let untilMs = sentMs + leaseMs;
  let stopped = false;
  let cancel = world.after(leaseMs * RENEW_PART, renew);

  function renew(): void {
    const sent = world.monotonicMs();
    void store
      .acquireLease(holder, leaseMs)
      .then((answer) => {
        if (stopped) return;
        // The time of sending counts: the answer may have been on its way for long.
        if (answer.held) untilMs = sent + leaseMs;
        else {
          stopped = true;
          options.onLost(answer.holder);
        }
      })
      .catch((error: Error) => log.warn({ error: error.message }, 'the lease could not be renewed'))
      .finally(() => {
        if (!stopped) cancel = world.after(leaseMs * RENEW_PART, renew);
      });
  }

  return {
    isHeld: () => !stopped && world.monotonicMs() < untilMs - leaseMs * MARGIN_PART,
    async stop() {
      stopped = true;
      cancel();
      await store
        .releaseLease(holder)
        .catch((error: Error) => log.warn({ error: error.message }, 'the lease could not be given back'));
    },
  };
}
