// How far the main thread has heard what a shard committed: nothing of it is missed, also across the shard's death, and
// nothing of a new epoch is told before the ends of the old ones.
import type { Scope } from '../../address.ts';
import type { Fence, LogCursor, LogEntry, World } from '../../ports.ts';

export interface HearingOptions {
  world: Pick<World, 'after'>;
  /** Entries of the ended epochs after the cursor, before that epoch; rejects when the database can't be asked. */
  missed(cursor: LogCursor, beforeEpoch: number): Promise<LogEntry[]>;
  onCommitted(entries: LogEntry[]): void;
  log(level: 'warn', message: string, fields: Record<string, unknown>): void;
  isStopping(): boolean;
}

export interface Hearing {
  /** The shard serves under these fences: what it wrote before and never told is read. */
  began(fences: readonly Fence[]): void;
  /** The shard serves scopes that were taken over just now: whoever reads their rows reads them after that. */
  adopted(fences: readonly Fence[]): void;
  /** The shard tells what it committed. */
  told(entries: LogEntry[]): void;
  /** What ended epochs wrote is being read. */
  readonly isBehind: boolean;
}

const RETRY_MS = 500;

export function createHearing({ world, missed, onCommitted, log, isStopping }: HearingOptions): Hearing {
  const heard = new Map<Scope, LogCursor>();
  /** What a new epoch says waits until the ends of the old ones are heard. */
  let early: LogEntry[] | undefined;
  let hasServed = false;
  /** Counts, so that an answer for an older restart is dropped. */
  let catchUps = 0;

  function hear(entries: LogEntry[]): void {
    if (entries.length === 0) return;
    for (const { scope, shard, epoch, n } of entries) heard.set(scope, { scope, shard, epoch, n });
    onCommitted(entries);
  }

  function adopted(fences: readonly Fence[]): void {
    for (const { scope, shard, epoch } of fences) heard.set(scope, { scope, shard, epoch, n: 0 });
  }

  function catchUp(fences: readonly Fence[]): void {
    // What waits of an epoch that ended as well is among what is read.
    early = [];
    const mine = ++catchUps;
    const attempt = (): void => {
      const asked = fences.flatMap((fence) => {
        const cursor = heard.get(fence.scope);
        return cursor === undefined ? [] : [missed(cursor, fence.epoch)];
      });
      Promise.all(asked).then(
        (answers) => {
          if (mine !== catchUps) return;
          const waited = early ?? [];
          early = undefined;
          for (const entries of answers) hear(entries);
          hear(waited);
        },
        (error: unknown) => {
          log('warn', 'what a shard wrote last could not be read: trying again', { error: String(error) });
          world.after(RETRY_MS, () => {
            if (mine === catchUps && !isStopping()) attempt();
          });
        },
      );
    };
    attempt();
  }

  return {
    began(fences) {
      if (hasServed) return catchUp(fences);
      // Of the first start nothing can be missing: whoever reads the rows reads them after the takeover.
      hasServed = true;
      adopted(fences);
    },
    adopted,
    told(entries) {
      if (early === undefined) hear(entries);
      else early.push(...entries);
    },
    get isBehind() {
      return early !== undefined;
    },
  };
}
