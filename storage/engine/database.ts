import { withDeadline } from '../driver/deadline.ts';
import { openPool } from '../driver/open.ts';

/** `url` with another database name in it. */
export const databaseUrl = (url: string, name: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
};

const statement = async (url: string, text: string): Promise<void> => {
  const sql = openPool(url, {
    max: 1,
    isolation: 'read committed',
    applicationName: 'hanse ensure',
    statementTimeoutMs: 30_000,
  });
  try {
    await withDeadline(sql.unsafe(text), 30_000);
  } finally {
    await sql.end({ timeout: 1 });
  }
};

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

/**
 * Creates the database `name` on the server of `url` if it isn't there, and returns its URL. Connects to the database itself first, so that an
 * operator may create it and withhold the right to. Throws a `StatementFailure`.
 */
export const ensureDatabase = async (url: string, name: string): Promise<string> => {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name))
    throw new Error(`database name ${JSON.stringify(name)} must be 1–63 of a–z, 0–9 and _, and not start with a digit`);
  const wanted = databaseUrl(url, name);
  try {
    await statement(wanted, 'select 1');
    return wanted;
  } catch (error) {
    if (codeOf(error) !== '3D000') throw error;
  }
  try {
    await statement(databaseUrl(url, 'postgres'), `create database "${name}"`);
  } catch (error) {
    // 42P04 and 23505: another process created it in the meantime.
    if (codeOf(error) !== '42P04' && codeOf(error) !== '23505') throw error;
  }
  return wanted;
};
