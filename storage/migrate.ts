// Migrations: numbered SQL files, forward only, statement by statement, outside transactions (CockroachDB has no
// transactional DDL). Each statement may run twice, so a process that is killed in between, or another one that starts at
// the same moment, does no harm; a file is recorded after it ran.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toStatementFailure } from './driver/failure.ts';
import { createPool, type Pool } from './driver/pool.ts';

export interface Migration {
  version: number;
  name: string;
  statements: string[];
}

/** Built code lies elsewhere than its migrations, so they are found from wherever this code lies. */
const folder = (from: string = dirname(fileURLToPath(import.meta.url))): string => {
  const path = join(from, 'storage', 'migrations');
  if (existsSync(path)) return path;
  if (dirname(from) === from) throw new Error('storage/migrations does not lie above this program');
  return folder(dirname(from));
};

/** Statements of a migration: it has no functions and no semicolon within a text, so each ends with a line. */
export const splitStatements = (sql: string): string[] =>
  sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

/** All migrations in their order. Throws when two have one number or a name does not begin with one. */
export function readMigrations(path: string = folder()): Migration[] {
  const names = readdirSync(path)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const seen = new Map<number, string>();
  return names.map((name) => {
    const version = Number(/^(\d+)-/.exec(name)?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(version))
      throw new Error(`migration ${name}: its name must begin with a number, like 008-tags.sql`);
    const other = seen.get(version);
    if (other !== undefined) throw new Error(`migrations ${other} and ${name} have the same number`);
    seen.set(version, name);
    return { version, name, statements: splitStatements(readFileSync(join(path, name), 'utf8')) };
  });
}

export const MIGRATION_TABLE = `create table if not exists migration (
  version int4 not null primary key,
  name text not null,
  applied timestamptz not null
)`;
export const APPLIED = `select version from migration`;
export const RECORD = `insert into migration (version, name, applied) values ($1::int4, $2::text, clock_timestamp()) on conflict (version) do nothing`;

// What "if not exists" answers when another process creates the same thing at the same moment.
const CREATED_MEANWHILE = new Set(['23505', '42P07', '42710', '42701', 'XX000']);
const ATTEMPTS = 20;

async function runIdempotent(pool: Pool, statement: string, parameters: readonly unknown[] = []): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await pool.run(statement, parameters);
      return;
    } catch (error) {
      const failure = toStatementFailure(error);
      const again = CREATED_MEANWHILE.has(failure.code) || ['retry', 'unsent', 'unknown'].includes(failure.kind);
      if (!again || attempt === ATTEMPTS) throw failure;
      await wait(Math.random() * Math.min(500, 20 * attempt));
    }
  }
}

/**
 * Brings the database to the newest version that this code knows; a newer one stays (the previous release must still run
 * on it). Answers the names of the files that ran.
 */
export async function migrate(url: string, options: { applicationName: string; path?: string }): Promise<string[]> {
  const pool = createPool(url, {
    max: 1,
    isolation: 'read committed',
    applicationName: `${options.applicationName}-migrate`,
    statementTimeoutMs: 600_000,
    deadlineMs: 600_000,
  });
  try {
    await runIdempotent(pool, MIGRATION_TABLE);
    const applied = new Set((await pool.run<{ version: number }>(APPLIED)).map((row) => row.version));
    const missing = readMigrations(options.path).filter((migration) => !applied.has(migration.version));
    for (const { version, name, statements } of missing) {
      for (const statement of statements) {
        try {
          await runIdempotent(pool, statement);
        } catch (error) {
          throw new Error(`migration ${name}: ${(error as Error).message}`, { cause: error });
        }
      }
      await runIdempotent(pool, RECORD, [version, name]);
    }
    return missing.map((migration) => migration.name);
  } finally {
    await pool.end();
  }
}
