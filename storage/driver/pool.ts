import type { TransactionSql } from 'postgres';
import { withDeadline } from './deadline.ts';
import { isStatementFailure, statementFailure, toStatementFailure } from './failure.ts';
import { openPool, type OpenOptions, type Sql } from './open.ts';

export interface PoolOptions extends OpenOptions {
  /** Time a statement has, waiting for a connection included, unless it says otherwise. */
  readonly deadlineMs: number;
  /** Statements that may wait for a connection, 1,000 by default; the next one fails as `unsent`. */
  readonly maxWaiting?: number;
  /** Hears that the connections were destroyed and made anew, and why. */
  readonly onReplaced?: (reason: string) => void;
}

export interface RunOptions {
  /** For texts that live as long as the process: prepared once per connection. False by default. */
  readonly prepare?: boolean;
  readonly deadlineMs?: number;
}

export type Rows<Row> = readonly Row[] & { readonly count: number };

/** What a transaction's work gets. */
export type Transaction = TransactionSql<{ int8: number }>;

/** Connections to one database. Everything it rejects with is a `StatementFailure`, save what a transaction's own work throws. */
export interface Pool {
  /** One statement with `$1…` parameters. Arrays of objects go as `text[]` of JSON, cast `::jsonb` (database.md §3.2). */
  run<Row extends object = Record<string, unknown>>(
    text: string,
    parameters?: readonly unknown[],
    options?: RunOptions,
  ): Promise<Rows<Row>>;
  /** BEGIN, the work, COMMIT or ROLLBACK on one connection. Not retried here. */
  transaction<T>(
    work: (sql: Transaction) => Promise<T>,
    options?: { readonly deadlineMs?: number; readonly readOnly?: boolean },
  ): Promise<T>;
  /** How often the connections were destroyed because a statement stayed unanswered for twice its deadline. */
  replacements(): number;
  /** Lets statements in flight finish for `timeoutMs` (5,000), then cuts them; those that wait fail as `unsent`. */
  end(timeoutMs?: number): Promise<void>;
}

/** The connections in use until a statement hangs; what still runs on an older set no longer counts. */
interface Generation {
  readonly sql: Sql;
  running: number;
}

interface Waiter {
  readonly begin: (generation: Generation) => void;
  readonly refuse: (error: Error) => void;
}

const isOfDriver = (error: unknown): boolean =>
  isStatementFailure(error) ||
  (error instanceof Error &&
    (error.name === 'PostgresError' ||
      'query' in error ||
      ('code' in error && /^(CONNECT|E[A-Z]{3,}$)/.test(String(error.code)))));

const noop = (): void => {};

/**
 * Opens a pool. At most `max` statements are handed to the driver at a time: it would otherwise send one behind another on the same connection,
 * where a slow one delays, and a bad parameter fails, the wrong statement.
 */
export const createPool = (url: string, options: PoolOptions): Pool => {
  const maxWaiting = options.maxWaiting ?? 1000;
  const waiting = new Set<Waiter>();
  let current: Generation = { sql: openPool(url, options), running: 0 };
  let replaced = 0;
  let ended = false;

  const serve = (): void => {
    for (const waiter of waiting) {
      if (current.running >= options.max) return;
      waiting.delete(waiter);
      current.running += 1;
      waiter.begin(current);
    }
  };

  const release = (generation: Generation): void => {
    generation.running -= 1;
    if (generation === current) serve();
  };

  const replace = (generation: Generation, reason: string): void => {
    if (generation !== current || ended) return;
    current = { sql: openPool(url, options), running: 0 };
    replaced += 1;
    generation.sql.end({ timeout: 0 }).catch(noop);
    options.onReplaced?.(reason);
    serve();
  };

  const take = (deadlineMs: number): Promise<Generation> =>
    new Promise((begin, refuse) => {
      if (ended) return refuse(statementFailure('unsent', 'CONNECTION_ENDED', 'the pool has ended; nothing was sent'));
      if (waiting.size >= maxWaiting)
        return refuse(
          statementFailure('unsent', 'POOL_FULL', `${maxWaiting} statements wait for a connection already`),
        );
      const timer = setTimeout(() => {
        waiting.delete(waiter);
        refuse(
          statementFailure('unsent', 'POOL_BUSY', `no connection of ${options.max} was free within ${deadlineMs} ms`),
        );
      }, deadlineMs);
      const settled =
        <A>(go: (value: A) => void) =>
        (value: A): void => {
          clearTimeout(timer);
          go(value);
        };
      const waiter: Waiter = { begin: settled(begin), refuse: settled(refuse) };
      waiting.add(waiter);
      serve();
    });

  const within = async <T>(deadlineMs: number, start: (sql: Sql) => PromiseLike<T>): Promise<T> => {
    const asked = performance.now();
    const generation = await take(deadlineMs);
    const left = Math.max(1, deadlineMs - (performance.now() - asked));
    const stuck = setTimeout(
      () => replace(generation, `a statement stayed unanswered for twice its deadline of ${deadlineMs} ms`),
      left + deadlineMs,
    );
    const query = start(generation.sql);
    const over = (): void => {
      clearTimeout(stuck);
      release(generation);
    };
    query.then(over, over);
    return withDeadline(query, left);
  };

  return {
    run: async <Row extends object>(text: string, parameters: readonly unknown[] = [], run: RunOptions = {}) => {
      const result = await within(run.deadlineMs ?? options.deadlineMs, (sql) =>
        sql.unsafe<Row[]>(text, [...parameters] as never[], { prepare: run.prepare ?? false }),
      );
      return result as Rows<Row>;
    },

    transaction: async <T>(
      work: (sql: Transaction) => Promise<T>,
      { deadlineMs = options.deadlineMs, readOnly = false }: { deadlineMs?: number; readOnly?: boolean } = {},
    ) => {
      let own: { readonly thrown: unknown } | undefined;
      const guarded = async (sql: Transaction): Promise<T> => {
        try {
          return await work(sql);
        } catch (error) {
          if (!isOfDriver(error)) own = { thrown: error };
          throw error;
        }
      };
      try {
        return (await within(deadlineMs, (sql) => sql.begin(readOnly ? 'read only' : 'read write', guarded))) as T;
      } catch (error) {
        // What the work itself throws passes as it is, unless the connection broke as well.
        if (own !== undefined && isStatementFailure(error) && error.cause === own.thrown) throw own.thrown;
        throw toStatementFailure(error);
      }
    },

    replacements: () => replaced,

    end: async (timeoutMs = 5000) => {
      ended = true;
      for (const waiter of waiting)
        waiter.refuse(statementFailure('unsent', 'CONNECTION_ENDED', 'the pool has ended; nothing was sent'));
      waiting.clear();
      await current.sql.end({ timeout: timeoutMs / 1000 });
    },
  };
};
