/**
 * What a failed statement means for its writer (database.md §3.3):
 * - `retry`: nothing was written; the same transaction again, with jitter and within its deadline.
 * - `rule`: nothing was written; the rows break a rule, or a value can't be stored. Find the guilty operation.
 * - `unknown`: it may or may not have been written; resolve by writing.
 * - `unsent`: the server never saw it.
 * - `capacity`: disk or memory of the server is full; take no writes until a probe succeeds.
 * - `other`: a mistake of ours (syntax, unknown table, wrong password); nothing was written.
 */
export type FailureKind = 'retry' | 'rule' | 'unknown' | 'unsent' | 'capacity' | 'other';

/** The error with which every statement of a `Pool` fails. `code` is the SQLSTATE, the driver's or the system's code, or `DEADLINE`. */
export interface StatementFailure extends Error {
  readonly name: 'StatementFailure';
  readonly kind: FailureKind;
  readonly code: string;
  readonly constraint: string | undefined;
  readonly table: string | undefined;
}

interface CodedError {
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly message?: unknown;
  readonly constraint_name?: unknown;
  readonly table_name?: unknown;
}

const exactly: Readonly<Record<string, FailureKind>> = {
  '40001': 'retry',
  '40P01': 'retry',
  '55P03': 'retry',
  '57014': 'retry', // the server's statement timeout cancels the whole statement: nothing was written
  '25P03': 'retry',
  '25P04': 'retry',
  '40003': 'unknown',
  '57P01': 'unknown', // on a lone statement or COMMIT the row may be in
  '57P02': 'unknown',
  '57P05': 'unknown',
  CONNECTION_CLOSED: 'unknown',
  CONNECTION_DESTROYED: 'unknown',
  ECONNRESET: 'unknown',
  ECONNABORTED: 'unknown',
  EPIPE: 'unknown',
  ETIMEDOUT: 'unknown',
  DEADLINE: 'unknown',
  '57P03': 'unsent',
  '53300': 'unsent',
  CONNECT_TIMEOUT: 'unsent',
  CONNECTION_ENDED: 'unsent',
  ECONNREFUSED: 'unsent',
  ENOTFOUND: 'unsent',
  EAI_AGAIN: 'unsent',
  '58030': 'capacity',
};

const byClass: Readonly<Record<string, FailureKind>> = {
  '08': 'unknown',
  '22': 'rule', // also 22012, by which a group refuses itself (database.md §4.2)
  '23': 'rule',
  '40': 'retry',
  '53': 'capacity',
};

const isCoded = (error: unknown): error is CodedError => typeof error === 'object' && error !== null;

const textOr = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

export const isStatementFailure = (error: unknown): error is StatementFailure =>
  error instanceof Error && error.name === 'StatementFailure';

/** Sorts an error of the driver, the server or the system by what its writer has to do. */
export const classifyError = (error: unknown): FailureKind => {
  if (isStatementFailure(error)) return error.kind;
  if (!isCoded(error)) return 'other';
  const code = textOr(error.code);
  if (code === undefined) return 'other';
  // The network may report the same code for a connection that never was and for one that broke under a statement.
  if (error.syscall === 'connect' || error.syscall === 'getaddrinfo') return 'unsent';
  const known = exactly[code];
  if (known !== undefined) return known;
  if (/^E[A-Z]{3,}$/.test(code)) return 'unknown';
  return /^[0-9A-Z]{5}$/.test(code) ? (byClass[code.slice(0, 2)] ?? 'other') : 'other';
};

/** A failure that our side states, such as a missed deadline. */
export const statementFailure = (
  kind: FailureKind,
  code: string,
  message: string,
  cause?: unknown,
): StatementFailure => {
  const seen = isCoded(cause) ? cause : {};
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, {
    name: 'StatementFailure' as const,
    kind,
    code,
    constraint: textOr(seen.constraint_name),
    table: textOr(seen.table_name),
  });
};

/** Any error of a statement as a `StatementFailure`; one that is one already comes back as it is. */
export const toStatementFailure = (error: unknown): StatementFailure => {
  if (isStatementFailure(error)) return error;
  const seen = isCoded(error) ? error : {};
  const code = textOr(seen.code) ?? 'UNKNOWN';
  return statementFailure(classifyError(error), code, `${textOr(seen.message) ?? String(error)} (${code})`, error);
};
