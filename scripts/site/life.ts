// The end of a process: in order, once, with a reason.
import type { Logger } from '../log.ts';

/** Longest time for ending what was accepted; systemd and PM2 wait longer. */
const STOP_MS = 20_000;

export interface Life {
  /** What has to end with the process; what was said last ends first. */
  onEnd(what: string, run: () => void | Promise<void>): void;
  /** Ends everything, then exits. Only the first call counts. */
  end(code: number, why: string): void;
  readonly isEnding: boolean;
}

export function createLife(log: Logger): Life {
  const ends: Array<{ what: string; run: () => void | Promise<void> }> = [];
  let isEnding = false;

  async function endAll(code: number): Promise<void> {
    for (const { what, run } of [...ends].reverse()) {
      try {
        await run();
      } catch (error) {
        log.warn({ what, error: String(error) }, 'could not be ended in order');
      }
    }
    process.exit(code);
  }

  const life: Life = {
    onEnd: (what, run) => void ends.push({ what, run }),
    end(code, why) {
      if (isEnding) return;
      isEnding = true;
      log.info({ why, code }, 'ending');
      setTimeout(() => process.exit(code === 0 ? 1 : code), STOP_MS).unref();
      void endAll(code);
    },
    get isEnding() {
      return isEnding;
    },
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => life.end(0, signal));
  // Fail fast: the launcher, PM2 or systemd starts us again, and nothing of ours is only in memory.
  process.on('uncaughtException', (error) => {
    log.fatal({ error: error.stack }, 'uncaught exception');
    process.exit(1);
  });
  process.on('unhandledRejection', (error) => {
    log.fatal({ error: error instanceof Error ? error.stack : String(error) }, 'unhandled rejection');
    process.exit(1);
  });
  return life;
}
