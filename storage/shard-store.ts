// A shard's side of the database (actors/ports.ts). Callbacks outside, promises inside; each call answers exactly once.
import type { Excerpt, ExcerptedTable } from '../actors/excerpt.ts';
import type { Fence, PackedAddresses, ShardStore } from '../actors/ports.ts';
import type { Row, TableName } from '../actors/records.ts';
import type { Scope } from '../actors/address.ts';
import { because, internal, isRefusal, unavailable, type Refusal } from '../actors/refusal.ts';
import { commitGroup, resolveGroup } from './commit.ts';
import { toStatementFailure } from './driver/failure.ts';
import { createPool, type Transaction } from './driver/pool.ts';
import { createExcerpts, provenStatement, scanText, type ScannedRow } from './excerpt.ts';
import { loadStatement, PACKED, type FoundBy, type LoadedAddresses, type LoadedRow } from './loading.ts';
import { raiseEpochs } from './ownership.ts';
import { createRetryBudget, retrying } from './retry.ts';
import type { Statement } from './statement.ts';

export interface ShardStoreOptions {
  url: string;
  /** Shown by the server in its list of sessions. */
  applicationName: string;
  /** Groups in flight at most, 2 by default; the committer sends a second one only when the database is far away. */
  groupsInFlight?: number;
  /** Loads, fetches and scans at the same time, 4 by default; more of them wait. */
  reads?: number;
  /** A group's time, all its retries included; 3,500 by default: a database whose commits take 2 s is slow, not away (F10). */
  commitMs?: number;
  /** Time to end the doubt about a group, or to raise an epoch; 5,000 by default. */
  resolveMs?: number;
  /** Time of a load or fetch; 10,000 by default. */
  loadMs?: number;
  /** Time of a scan; 120,000 by default. */
  scanMs?: number;
  /** Rows a portion, 500 by default: a few milliseconds of the event loop. */
  portion?: number;
  /** Hears that connections were destroyed and made anew, and why. */
  onReplaced?: (reason: string) => void;
}

/**
 * Excerpts a portion, four or five milliseconds. Each one is a question of its own, and what that costs is mostly that the server
 * is woken for it.
 */
const EXCERPTS = 2_000;

/** What still runs is cut after this; a statement that dials a server which is away would otherwise hold up the end. */
const CLOSING_MS = 1000;

const lost = (scope: Scope): Refusal =>
  because('lease', unavailable(`${scope} lost its ownership: another process or shard is its owner now`));

/** Rows of one table merged: an owner asked for twice is loaded once. */
function byTable(wanted: Iterable<readonly [TableName, string]>): Map<TableName, string[]> {
  const sets = new Map<TableName, Set<string>>();
  for (const [table, value] of wanted) {
    const set = sets.get(table);
    if (set === undefined) sets.set(table, new Set([value]));
    else set.add(value);
  }
  return new Map([...sets].map(([table, set]) => [table, [...set]]));
}

/**
 * Opens the store of one shard: connections are made when first needed, groups on their own, resolving and raising on
 * another, reading on others, so that none waits behind the other.
 */
export function createShardStore(options: ShardStoreOptions): ShardStore & { close(): Promise<void> } {
  const {
    url,
    applicationName,
    commitMs = 3_500,
    resolveMs = 5000,
    loadMs = 10_000,
    scanMs = 120_000,
    portion = 500,
  } = options;
  const open = (role: string, max: number, statementTimeoutMs: number, deadlineMs: number) =>
    createPool(url, {
      max,
      isolation: 'serializable',
      applicationName: `${applicationName}-${role}`,
      statementTimeoutMs,
      deadlineMs,
      ...(options.onReplaced === undefined ? {} : { onReplaced: options.onReplaced }),
    });
  // The server gives up first: its word that nothing was written is better than a doubt of ours.
  const groups = open('groups', options.groupsInFlight ?? 2, Math.ceil(commitMs * 0.8), commitMs);
  const doubts = open('doubts', 2, resolveMs, resolveMs);
  const reads = open('reads', options.reads ?? 4, scanMs, loadMs);

  // Beyond it the committer waits for longer, with all that came meanwhile in one group.
  const budget = createRetryBudget();

  /**
   * Streams the answer of a statement that proves the fences, in one serializable transaction; nothing reaches `take` after
   * it is over. `kind` '' is the proof. `more`: reads on in the same transaction, once the proof held.
   */
  async function stream(
    asked: { scope: Scope; fences: Fence[]; statement: Statement; portion: number; deadlineMs: number },
    take: (rows: LoadedRow[]) => void,
    more?: (sql: Transaction, stillWanted: () => void) => Promise<void>,
  ): Promise<Refusal | undefined> {
    const { scope, fences, statement, deadlineMs } = asked;
    if (!fences.some((fence) => fence.scope === scope))
      return unavailable(`${scope} can't be read without a fence of its own`);
    let isProven = false;
    let isOver = false;
    const stillWanted = (): void => {
      if (isOver) throw new Error('the deadline of this load has passed');
    };
    try {
      await reads.transaction(
        async (sql) => {
          const query = sql.unsafe<LoadedRow[]>(statement.text, statement.parameters as never[]);
          await query.cursor(asked.portion, (answered: LoadedRow[]) => {
            stillWanted();
            const rows = answered.filter(({ kind }) => kind !== '');
            if (rows.length < answered.length) isProven = true;
            if (rows.length > 0) take(rows);
          });
          if (isProven) await more?.(sql, stillWanted);
        },
        { deadlineMs, readOnly: true },
      );
      return isProven ? undefined : lost(scope);
    } finally {
      isOver = true;
    }
  }

  async function read(
    scope: Scope,
    wanted: ReadonlyMap<TableName, readonly string[]>,
    by: FoundBy,
    fences: Fence[],
    deadlineMs: number,
    each: (rows: Row[]) => void,
    /** Owners whose addresses are wanted packed, and who takes them. */
    packed?: { owners: readonly string[]; each: (addresses: PackedAddresses) => void },
  ): Promise<Refusal | undefined> {
    const statement = loadStatement(scope, wanted, by, fences, packed !== undefined);
    return await stream(
      { scope, fences, statement, portion, deadlineMs },
      (rows) =>
        each(
          rows.map(
            ({ kind, key, owner, version, body }) => ({ table: kind, scope, key, owner, version, value: body }) as Row,
          ),
        ),
      async (sql, stillWanted) => {
        for (const owner of packed?.owners ?? []) {
          const query = sql.unsafe<LoadedAddresses[]>(PACKED, [scope, owner]);
          // A part of a million takes two or three milliseconds: the loop is free between them.
          await query.cursor(1, (parts) => {
            stillWanted();
            for (const { narrow, bytes } of parts) packed?.each({ family: narrow ? 'IPv4' : 'IPv6', bytes });
          });
        }
      },
    );
  }

  const failed = (what: string, error: unknown): Refusal =>
    because('database', unavailable(`${what}: ${toStatementFailure(error).message}`));

  /** Collects; a conflict or a server that is away starts it again from nothing. */
  const collect = (
    scope: Scope,
    wanted: Map<TableName, string[]>,
    by: FoundBy,
    fences: Fence[],
    packedOwners: readonly string[] = [],
  ): Promise<{ rows: Row[]; packed: PackedAddresses[] } | Refusal> =>
    retrying(
      async (leftMs) => {
        const rows: Row[] = [];
        const packed: PackedAddresses[] = [];
        const take = (portion: Row[]): void => {
          for (const row of portion) rows.push(row);
        };
        const addresses = { owners: packedOwners, each: (one: PackedAddresses) => void packed.push(one) };
        const withAddresses = packedOwners.length === 0 ? undefined : addresses;
        const refusal = await read(scope, wanted, by, fences, leftMs, take, withAddresses);
        return refusal ?? { rows, packed };
      },
      { deadlineMs: loadMs, on: ['retry', 'unsent', 'unknown'] },
    ).catch((error: unknown) => failed(`rows of ${scope} can't be loaded`, error));

  const scan = async (
    scope: Scope,
    tables: ExcerptedTable[],
    fences: Fence[],
    each: (excerpts: Excerpt[]) => void,
  ): Promise<Refusal | undefined> => {
    const statement = provenStatement(fences);
    let isBegun = false;
    const refused = await retrying(
      async (deadlineMs) => {
        try {
          return await stream(
            { scope, fences, statement, portion, deadlineMs },
            () => {},
            async (sql, stillWanted) => {
              for (const table of tables) {
                const excerptsOf = createExcerpts(table);
                await sql.unsafe<ScannedRow[]>(scanText(table), [scope]).cursor(EXCERPTS, (rows) => {
                  stillWanted();
                  isBegun = true;
                  each(excerptsOf(rows));
                });
              }
            },
          );
        } catch (error) {
          // What was handed out can't be taken back: only a scan that has handed out nothing begins again by itself.
          if (isBegun) return failed(`the scan of ${scope} broke off, begin it again`, error);
          throw error;
        }
      },
      { deadlineMs: scanMs, on: ['retry', 'unsent', 'unknown'] },
    ).catch((error: unknown) => failed(`${scope} can't be scanned`, error));
    return isRefusal(refused) ? refused : undefined;
  };

  return {
    commit: (group, done) => void commitGroup(groups, group, commitMs, budget).then(done),

    resolve: (groupId, done) => void resolveGroup(doubts, groupId, resolveMs).then(done),

    raise: (held, done) =>
      void raiseEpochs(doubts, held, resolveMs)
        .catch((error: unknown) => failed(`the epochs can't be raised`, error))
        .then(done),

    load: (scope, wanted, fences, done) => {
      const owners = byTable(wanted.map(({ table, owner }) => [table, owner] as const));
      const packed = [...new Set(wanted.filter((one) => one.packed).map(({ owner }) => owner))];
      if (packed.length > 0 && packed.length < (owners.get('ip')?.length ?? 0))
        return done(internal('a load takes addresses packed of all its owners, or of none'), []);
      void collect(scope, owners, 'owner', fences, packed).then((loaded) =>
        isRefusal(loaded) ? done(loaded, []) : done(loaded.rows, loaded.packed),
      );
    },

    fetch: (scope, wanted, fences, done) =>
      void collect(scope, byTable(wanted.map(({ table, key }) => [table, key] as const)), 'key', fences).then(
        (loaded) => done(isRefusal(loaded) ? loaded : loaded.rows),
      ),

    scan: (scope, tables, fences, each, done) => void scan(scope, tables, fences, each).then(done),

    close: async () => {
      await Promise.all([groups, doubts, reads].map((pool) => pool.end(CLOSING_MS)));
    },
  };
}
