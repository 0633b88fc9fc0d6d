import { statementFailure, toStatementFailure } from './failure.ts';

/**
 * Settles with the query, or after `ms` with a `StatementFailure` of kind `unknown`: the statement may still be written.
 * The query itself runs on; the driver's own `cancel()` is no way out, its rejection has no one to catch it.
 */
export const withDeadline = <T>(query: PromiseLike<T>, ms: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(statementFailure('unknown', 'DEADLINE', `no answer came within ${Math.ceil(ms)} ms`)),
      ms,
    );
    query.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(toStatementFailure(error));
      },
    );
  });
