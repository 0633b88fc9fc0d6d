import postgres from 'postgres';

export interface OpenOptions {
  /** Connections at most, opened when needed. */
  readonly max: number;
  readonly isolation: 'serializable' | 'read committed';
  /** Shown by the server in its list of sessions. */
  readonly applicationName: string;
  /** The server cancels a statement after this; it also ends what a client that went away has left running. */
  readonly statementTimeoutMs: number;
  /** The server closes a transaction that says nothing for this long, 500 by default, so that it holds nothing up. */
  readonly idleInTransactionMs?: number;
  /** Hears the server's notices; without it they are dropped (the driver would print them). */
  readonly onNotice?: (message: string) => void;
}

const parseInt8 = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`int8 ${text} is beyond 2^53 - 1: select it as text, or keep the column smaller`);
  return value;
};

const int8 = { to: 20, from: [20], parse: parseInt8, serialize: (value: number) => String(value) };

export type Sql = ReturnType<typeof openPool>;

/**
 * postgres.js with the options of database.md §3.2: dials for 2 s at most and again after 0.2 s, reads `int8` as a number
 * (RangeError beyond 2^53 - 1), and asks each connection for its isolation level, since a cluster's default may be another.
 * Statements go through `createPool`, which gives each its deadline; this is for what needs the driver itself.
 */
export const openPool = (url: string, options: OpenOptions) =>
  postgres(url, {
    max: options.max,
    connect_timeout: 2,
    // The driver grows its pause up to 20 s; a server that is back should be used at once.
    backoff: () => 0.2,
    // Without it array parameters are sent as text.
    fetch_types: true,
    types: { int8 },
    onnotice: (notice) => options.onNotice?.(notice['message'] ?? ''),
    connection: {
      application_name: options.applicationName,
      default_transaction_isolation: options.isolation,
      idle_in_transaction_session_timeout: options.idleInTransactionMs ?? 500,
      statement_timeout: options.statementTimeoutMs,
    },
  });
