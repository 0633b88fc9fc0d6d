// The site's lease, from standing by to losing it: time decides when a process may try, the epoch decides who may write
// (design.md §5).
import type { LeaseAnswer, LeaseHolder, SiteStore, World } from '../../actors/ports.ts';
import type { Logger } from '../log.ts';

export interface Lease {
  /** Whose it was found to be, at the first look. */
  readonly first: Promise<'ours' | 'another'>;
  /** Resolves when it is ours. */
  readonly taken: Promise<void>;
  readonly wasTaken: boolean;
  /** False once it is so near its end, by the monotonic clock, that what memory says may be old. */
  isHeld(): boolean;
  /** Why it could not be renewed the last time; undefined: it could. */
  readonly problem: string | undefined;
  /** Who else holds it, as last seen. */
  readonly holder: LeaseHolder | undefined;
  /** Until it ends, whoever holds it, by what was seen last; negative: it ran out; undefined: not seen yet. */
  readonly endsInMs: number | undefined;
  /** Gives it back, so that a standby need not wait for its end. */
  stop(): Promise<void>;
}

export interface LeaseOptions {
  store: Pick<SiteStore, 'acquireLease' | 'renewLease' | 'releaseLease' | 'ping'>;
  holder: LeaseHolder;
  leaseMs: number;
  world: World;
  log: Pick<Logger, 'info' | 'warn'>;
  /** Somebody else holds it now, or did meanwhile: this process must stop. */
  onLost(why: string): void;
}

/** Parts of the lease: renewed after 0.4 s of 1.5 s, reads answered until 0.3 s before its end. */
const RENEW_PART = 0.27;
const MARGIN_PART = 0.2;
/** A look that took longer than this part says nothing of the holder, only that the database is slow. */
const FAST_PART = 0.17;
const LOOK_MS = 250;
/** So often in a row it must have answered fast before a lease that ran out is taken. */
const FAST_LOOKS = 2;
/** A lease over for so many of its lengths is taken from however slow a database: nobody could renew it. */
const PATIENCE_LEASES = 10;

/** Stands by until the lease is ours, then keeps it. */
export function keepLease(options: LeaseOptions): Lease {
  const { store, holder, leaseMs, world, log } = options;
  const lookMs = Math.min(LOOK_MS, leaseMs / 6);
  let untilMs = -Infinity;
  /** Wall clock minus monotonic clock when the lease was renewed: a machine that was asleep shows a jump (design.md §12). */
  let offsetMs = 0;
  let other: LeaseHolder | undefined;
  let stopped = false;
  let cancel = (): void => {};
  let resolveTaken = (): void => {};
  const taken = new Promise<void>((resolve) => {
    resolveTaken = resolve;
  });

  let resolveFirst = (_whose: 'ours' | 'another'): void => {};
  const first = new Promise<'ours' | 'another'>((resolve) => {
    resolveFirst = resolve;
  });

  const offset = (): number => world.wallMs() - world.monotonicMs();
  const later = (ms: number, run: () => Promise<void>): void => {
    if (!stopped) cancel = world.after(ms, () => void run());
  };

  // ---- standing by ------------------------------------------------------------------------------------------------

  /** Latest looks in a row that were answered fast. */
  let fast = 0;
  let endsMs = Infinity;
  let acquiring: Promise<LeaseAnswer> | undefined;
  let told = '';

  const tell = (what: string, fields: object): void => {
    if (told !== what) log.info(fields, what);
    told = what;
  };

  async function timed<T>(work: () => Promise<T>): Promise<T> {
    const sent = world.monotonicMs();
    const answer = await work();
    fast = world.monotonicMs() - sent <= leaseMs * FAST_PART ? fast + 1 : 0;
    return answer;
  }

  async function look(): Promise<void> {
    let pauseMs = lookMs;
    try {
      const isOverdue = world.monotonicMs() - endsMs > leaseMs * PATIENCE_LEASES;
      // Its holder may live and have been as slow as we were: what counts is measured first.
      for (let missing = FAST_LOOKS - fast; missing > 0 && !isOverdue; missing--) await timed(() => store.ping());
      if (fast >= FAST_LOOKS || isOverdue) {
        const sent = world.monotonicMs();
        acquiring = timed(() => store.acquireLease(holder, leaseMs));
        const answer = await acquiring;
        // `stop` gives back what was taken meanwhile.
        if (stopped) return;
        if (answer.held) return begin(sent);
        other = answer.holder;
        resolveFirst('another');
        endsMs = world.monotonicMs() + answer.remainingMs;
        // The end is met as it comes, not at the next look.
        pauseMs = Math.min(lookMs, Math.max(10, answer.remainingMs + 1));
        tell('another process is active for this site: standing by', { holder: other.process });
      } else tell('the database is slow: a lease that runs out now is not taken', {});
    } catch (error) {
      fast = 0;
      tell('the database does not answer: waiting for it', { error: (error as Error).message });
    }
    later(pauseMs, look);
  }

  // ---- active -----------------------------------------------------------------------------------------------------

  function begin(sentMs: number): void {
    other = undefined;
    renewed(sentMs);
    later(leaseMs * RENEW_PART, renew);
    log.info({ leaseMs }, 'the lease of the site is ours');
    resolveFirst('ours');
    resolveTaken();
  }

  /** The time of sending counts: the answer may have been on its way for long. */
  function renewed(sentMs: number): void {
    untilMs = sentMs + leaseMs;
    offsetMs = offset();
  }

  /** Since when it could not be renewed, and why. */
  let failing: { sinceMs: number; why: string } | undefined;

  async function renew(): Promise<void> {
    const sent = world.monotonicMs();
    try {
      const answer = await store.renewLease(holder, leaseMs);
      if (stopped) return;
      if (!answer.held) {
        stopped = true;
        other = answer.holder;
        return options.onLost(
          other === undefined
            ? 'the lease was given to another meanwhile'
            : `the lease is held by ${other.process} now`,
        );
      }
      renewed(sent);
      if (failing !== undefined)
        log.info({ forMs: Math.round(world.monotonicMs() - failing.sinceMs) }, 'the lease is renewed again');
      failing = undefined;
    } catch (error) {
      const why = (error as Error).message;
      if (failing === undefined) log.warn({ error: why }, 'the lease could not be renewed: trying on');
      failing = { sinceMs: failing?.sinceMs ?? sent, why };
    }
    later(leaseMs * RENEW_PART, renew);
  }

  void look();

  return {
    first,
    taken,
    get wasTaken() {
      return untilMs > -Infinity;
    },
    isHeld: () =>
      !stopped &&
      world.monotonicMs() < untilMs - leaseMs * MARGIN_PART &&
      Math.abs(offset() - offsetMs) < leaseMs * MARGIN_PART,
    get problem() {
      return failing?.why;
    },
    get holder() {
      return other;
    },
    get endsInMs() {
      const atMs = untilMs > -Infinity ? untilMs : endsMs;
      return atMs === Infinity ? undefined : atMs - world.monotonicMs();
    },
    async stop() {
      const wasOurs = untilMs > -Infinity && other === undefined;
      stopped = true;
      cancel();
      // Asked for while it stood by, and perhaps given just now: nobody would renew it, everybody would wait for its end.
      const last = wasOurs ? undefined : await acquiring?.catch(() => undefined);
      if (!wasOurs && last?.held !== true) return;
      await store
        .releaseLease(holder)
        .catch((error: Error) => log.warn({ error: error.message }, 'the lease could not be given back'));
    },
  };
}
