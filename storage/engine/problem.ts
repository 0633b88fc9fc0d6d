/**
 * Why the bundled engine can't serve:
 * `platform` no binaries for this machine · `missing` binaries not installed · `account` nobody to run it as · `folder` can't be written or reached ·
 * `port` taken · `major` data of another major version · `init` · `start` · `stop`.
 */
export type EngineProblemKind =
  'platform' | 'missing' | 'account' | 'folder' | 'port' | 'major' | 'init' | 'start' | 'stop';

/** Its message is one sentence for the operator that says what to do; the server's last lines may follow. */
export interface EngineProblem extends Error {
  readonly name: 'EngineProblem';
  readonly kind: EngineProblemKind;
}

export const engineProblem = (kind: EngineProblemKind, message: string, cause?: unknown): EngineProblem =>
  Object.assign(new Error(message, cause === undefined ? undefined : { cause }), {
    name: 'EngineProblem' as const,
    kind,
  });

export const isEngineProblem = (error: unknown): error is EngineProblem =>
  error instanceof Error && error.name === 'EngineProblem';

export const external = 'set DATABASE_URL to a PostgreSQL or CockroachDB server instead';

/** Runs `work` on a folder; a refusal of the file system becomes a sentence that names the folder. */
export const inFolder = <T>(path: string, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (isEngineProblem(error) || code === undefined) throw error;
    const reason =
      code === 'ENOSPC'
        ? 'the disk is full'
        : code === 'EROFS'
          ? 'it is read-only'
          : code === 'EACCES' || code === 'EPERM'
            ? 'this user may not write there'
            : code;
    throw engineProblem(
      'folder',
      `can't keep the database in ${path}: ${reason}; choose another folder, or ${external}`,
      error,
    );
  }
};
