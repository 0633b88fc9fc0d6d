// What the main thread is told of an entry of the log: all of it but what concerns nobody there.
import type { LogEntry } from '../../ports.ts';
import type { Change } from '../../records.ts';

/**
 * An address that is taken where no live row was, and was neither lent nor borrowed, is the bulk of what is written, and is
 * found through its network, not by itself (router/place-index.ts). What ends, or has to do with a loan, is told.
 */
const isTold = ({ table, prev, value }: Change): boolean =>
  table !== 'ip' || prev !== 0 || value === null || value.loan !== undefined;

/** The entry as the main thread hears it; each is told, since its number counts. */
export const toldOf = (entry: LogEntry): LogEntry =>
  entry.changes.every(isTold)
    ? entry
    : {
        scope: entry.scope,
        shard: entry.shard,
        epoch: entry.epoch,
        n: entry.n,
        operation: entry.operation,
        what: entry.what,
        who: entry.who,
        atMs: entry.atMs,
        changes: entry.changes.filter(isTold),
        messages: entry.messages,
      };
