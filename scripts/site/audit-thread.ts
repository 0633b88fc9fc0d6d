// Has a site's rows audited beside the main thread, which must not stand still for longer than its lease: a thread for
// each audit, so that its memory is given back with it. All that comes from there is a brief.
import { Worker } from 'node:worker_threads';
import { because, unavailable, type Refusal } from '../../actors/refusal.ts';
import type { RowsAudit } from '../../storage/audit/index.ts';

/** For the program of the thread. */
export interface AuditTask {
  url: string;
  /** Log entries that are folded, the newest ones. */
  entries: number;
}

export interface AuditThread {
  /** A refusal: there is not enough memory for it, or the process ends. Rejects when the database can't be read. */
  rows(entries: number): Promise<RowsAudit | Refusal>;
  /** Ends what is running. */
  stop(): Promise<void>;
}

export interface AuditThreadOptions {
  /** Built: `dist/audit.js`. */
  program: string | URL;
  url: string;
  /** Beyond it the thread dies, not the process. */
  heapMb: number;
}

export function createAuditThread({ program, url, heapMb }: AuditThreadOptions): AuditThread {
  const running = new Set<Worker>();
  let isStopping = false;
  const stopping = (): Refusal => because('stopping', unavailable('the audit was given up: this process ends'));

  return {
    rows(entries) {
      if (isStopping) return Promise.resolve(stopping());
      const thread = new Worker(program, {
        workerData: { url, entries } satisfies AuditTask,
        resourceLimits: { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 48 },
      });
      running.add(thread);
      return new Promise((resolve, reject) => {
        thread.once('message', resolve);
        thread.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') return reject(error);
          resolve(
            unavailable(
              `the audit of all rows and ${entries} log entries needs more than ${heapMb} MiB: give it more with HANSE_AUDIT_HEAP_MB; fewer entries save only what these take, all rows are read in any case`,
            ),
          );
        });
        // Only the first of the three counts.
        thread.once('exit', (code) => {
          running.delete(thread);
          if (isStopping) resolve(stopping());
          else reject(new Error(`the thread of the audit ended with ${code} and without a word`));
        });
      });
    },
    async stop() {
      isStopping = true;
      await Promise.all([...running].map((thread) => thread.terminate()));
    },
  };
}
