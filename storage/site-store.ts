// What the main thread of a site's process needs of the database (actors/ports.ts).
import { siteScope, type Scope } from '../actors/address.ts';
import type { LeaseHolder, RowReader, SiteStore } from '../actors/ports.ts';
import { arrayLiteral } from './array.ts';
import { statementFailure } from './driver/failure.ts';
import { createPool } from './driver/pool.ts';
import { acquireLease, releaseLease, renewLease } from './lease.ts';
import { readBacklog, readEnded, saveCursors } from './log.ts';
import { migrate } from './migrate.ts';
import { takeOwnership } from './ownership.ts';
import { createOutcomeReader } from './outcome.ts';
import {
  countByOwner,
  countHeld,
  countRows,
  HOSTED,
  readKeys,
  readPortions,
  readRows,
  type ReadKey,
} from './reader.ts';
import { retrying } from './retry.ts';
import { sweepGroups, sweepLog, sweepOutcomes, sweepReleased } from './sweep.ts';

export interface SiteStoreOptions {
  url: string;
  /** Shown by the server in its list of sessions. */
  applicationName: string;
  /** Connections for lists, 4 by default. */
  readers?: number;
  /** Time of a lease or ownership statement; 1,000 by default, within a lease. */
  controlMs?: number;
  /** Time of a list; 30,000 by default. */
  readMs?: number;
  /** Whether a pid of this host lives; by default all do, and a lease is only taken when it ran out. */
  isAlive?: (pid: number) => boolean;
  /** Hears that connections were destroyed and made anew, and why. */
  onReplaced?: (reason: string) => void;
}

/** What still runs is cut after this. */
const CLOSING_MS = 1000;
/** As long as somebody who starts is waited for. */
const TAKE_OVER_MS = 5_000;

export interface OpenSiteStore extends SiteStore {
  /** The highest epoch that stands in each scope: for the log line of a process that was replaced. */
  epochs(scopes: readonly Scope[]): Promise<Map<Scope, number>>;
  /** As a reader of rows, but machines and switches come without what they say: 100,000 of them are soon read. */
  readonly bareRows: Pick<RowReader, 'rows'> & {
    /** Keys of all live rows of a table in a scope, in portions as they come: a plant has a hundred thousand machines. */
    keys(table: 'machine' | 'switch', scope: Scope, each: (keys: readonly ReadKey[]) => void): Promise<void>;
  };
  /** Machines of a partition whose stored liveliness is no more what their last event, before `beforeMs`, makes of it. */
  fallenSilent(scope: Scope, beforeMs: number): Promise<string[]>;
}

/** Told by the database, so that a plant whose machines are at rest stays at rest in memory. */
const FALLEN_SILENT = `select p.key as machine from provisioning p
left join allocation a on a.scope = p.scope and a.key = p.key and not a.released
where p.scope = $1::text and not p.released and (p.body->>'lastEventTime')::int8 < $2::int8
and p.body->>'liveliness' <> case when a.key is null then 'Dead' else 'Unknown' end`;

const EPOCHS = `select scope, max(epoch) as epoch from ownership where scope = any($1::text[]) group by scope`;

/** Opens the store of a site, after it brought the database to the version of this code. */
export async function createSiteStore(options: SiteStoreOptions): Promise<OpenSiteStore> {
  const { url, applicationName, controlMs = 1000, readMs = 30_000, isAlive = () => true } = options;
  await migrate(url, { applicationName });
  const open = (role: string, max: number, isolation: 'serializable' | 'read committed', deadlineMs: number) =>
    createPool(url, {
      max,
      isolation,
      applicationName: `${applicationName}-${role}`,
      statementTimeoutMs: deadlineMs,
      deadlineMs,
      ...(options.onReplaced === undefined ? {} : { onReplaced: options.onReplaced }),
    });
  // The lease has a connection that nothing else can keep busy: a slow list must not cost the ownership.
  const control = open('control', 1, 'serializable', controlMs);
  const writes = open('upkeep', 1, 'serializable', 10_000);
  const reads = open('lists', options.readers ?? 4, 'read committed', readMs);
  // A slow list must not hold up a write that has a key.
  const keyed = open('keys', 1, 'read committed', 10_000);

  let lastHeld: LeaseHolder | undefined;

  return {
    acquireLease: async (holder, leaseMs) => {
      const answer = await retrying(() => acquireLease(control, holder, leaseMs, isAlive), {
        deadlineMs: controlMs,
        on: ['retry', 'unsent', 'unknown'],
      });
      lastHeld = answer.held ? holder : undefined;
      return answer;
    },

    renewLease: async (holder, leaseMs) => {
      const answer = await retrying(() => renewLease(control, holder, leaseMs), {
        deadlineMs: controlMs,
        on: ['retry', 'unsent', 'unknown'],
      });
      lastHeld = answer.held ? holder : undefined;
      return answer;
    },

    releaseLease: async (holder) => {
      lastHeld = undefined;
      await retrying(() => releaseLease(control, holder), {
        deadlineMs: controlMs,
        on: ['retry', 'unsent', 'unknown'],
      });
    },

    takeOver: async (scopes, shards) => {
      const holder = lastHeld;
      const fences = await retrying(() => takeOwnership(control, scopes, shards, holder), {
        deadlineMs: TAKE_OVER_MS,
        // Each group of an owner that lives and writes on may win against it; the first try that wins ends those.
        conflicts: Infinity,
        // Raising once more than needed does no harm.
        on: ['retry', 'unsent', 'unknown'],
      });
      if (fences.length === 0 && scopes.length > 0 && shards > 0)
        throw statementFailure(
          'retry',
          'LEASE_ENDED',
          `the lease of ${holder?.site ?? 'the site'} ended before the takeover: acquire it again`,
        );
      return fences;
    },

    bareRows: {
      rows: (table, filter) => readRows(reads, table, filter, { bare: table === 'machine' || table === 'switch' }),
      keys: (table, scope, each) => readKeys(reads, table, scope, each),
    },

    epochs: async (scopes) => {
      const rows = await control.run<{ scope: Scope; epoch: number }>(EPOCHS, [arrayLiteral([...scopes])]);
      return new Map(rows.map(({ scope, epoch }) => [scope, Number(epoch)]));
    },

    fallenSilent: async (scope, beforeMs) => {
      const rows = await reads.run<{ machine: string }>(FALLEN_SILENT, [scope, Math.floor(beforeMs)]);
      return rows.map(({ machine }) => machine);
    },

    hostedPartitions: async (site) => {
      const rows = await reads.run<{ id: string }>(HOSTED, [siteScope(site), site]);
      return rows.map((row) => row.id);
    },

    backlog: (consumer, { messagesOnly }, each) => readBacklog(reads, consumer, messagesOnly, each),

    saveCursors: (consumer, cursors) =>
      retrying(() => saveCursors(writes, consumer, cursors), {
        deadlineMs: 10_000,
        on: ['retry', 'unsent', 'unknown'],
      }),

    entriesAfter: (cursor, beforeEpoch) => readEnded(reads, cursor, beforeEpoch),

    findOutcome: createOutcomeReader(keyed),

    sweep: async ({ groupMs, logMs, releasedMs, outcomeMs }) => ({
      groups: await sweepGroups(writes, groupMs),
      entries: await sweepLog(writes, logMs),
      rows: await sweepReleased(writes, releasedMs),
      outcomes: await sweepOutcomes(writes, outcomeMs),
    }),

    rows: (table, filter) => readRows(reads, table, filter),
    portions: (table, filter, each) => readPortions(reads, table, filter, each),
    count: (table, filter) => countRows(reads, table, filter),
    countHeld: (scopes, networks) => countHeld(reads, scopes, networks),
    countByOwner: (table, scope) => countByOwner(reads, table, scope),

    ping: async () => {
      await control.run('select 1');
    },

    close: async () => {
      await Promise.all([control, writes, reads, keyed].map((pool) => pool.end(CLOSING_MS)));
    },
  };
}
