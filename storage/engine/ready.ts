import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../driver/deadline.ts';
import { classifyError } from '../driver/failure.ts';
import { openPool } from '../driver/open.ts';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { superuser, type ClusterFolder } from './cluster.ts';

/** All that one server of ours is made of. */
export interface Place {
  readonly folder: ClusterFolder;
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly password: string;
}

const readyWithinMs = 120_000;

export const urlOf = (place: Place, port: number, database: string): string =>
  `postgres://${superuser}:${place.password}@127.0.0.1:${port}/${database}`;

/** `ready`, `not yet`, or `stranger` if what answers on the port serves another folder. */
const probe = async (place: Place, port: number): Promise<'ready' | 'not yet' | 'stranger'> => {
  const sql = openPool(urlOf(place, port, 'postgres'), {
    max: 1,
    isolation: 'read committed',
    applicationName: 'hanse probe',
    statementTimeoutMs: 2000,
  });
  try {
    const [row] = await withDeadline(
      sql<{ folder: string }[]>`select current_setting('data_directory') as folder`,
      2000,
    );
    return row?.folder === place.folder.cluster ? 'ready' : 'stranger';
  } catch (error) {
    const kind = classifyError(error);
    return kind === 'unsent' || kind === 'unknown' ? 'not yet' : 'stranger';
  } finally {
    await sql.end({ timeout: 0 });
  }
};

/** Asks until the server answers; crash recovery may take a while. */
export const untilReady = async (
  place: Place,
  port: number,
  isAlive: () => boolean,
): Promise<'ready' | 'gone' | 'stranger' | 'late'> => {
  const end = performance.now() + readyWithinMs;
  while (isAlive()) {
    const answer = await probe(place, port);
    if (answer !== 'not yet') return answer;
    if (performance.now() > end) return 'late';
    await sleep(20);
  }
  return 'gone';
};
