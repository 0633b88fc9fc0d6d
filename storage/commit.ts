// What became of a group: the driver's failures in the words of the store port.
import type { CommitOutcome, Group, Resolution } from '../actors/ports.ts';
import type { StatementFailure } from './driver/failure.ts';
import type { Pool } from './driver/pool.ts';
import { retrying, type RetryBudget } from './retry.ts';
import { groupStatement, type GroupAnswer, type Statement } from './statement.ts';

/** The primary key of the outcomes, as servers name it when a key has an outcome already. */
const KEYED_TWICE = 'idempotency_pkey';

/** Told to callers, who need not know the server's own words. */
const BUSY = 'others change the same rows again and again';
const FULL = 'the database takes no writes: the space on its disk, or its memory, is used up';

/** The message of a failed statement as an outcome (database.md §3.3). */
export function outcomeOf(failure: StatementFailure): CommitOutcome {
  switch (failure.kind) {
    case 'rule':
      return failure.constraint === undefined
        ? { outcome: 'refused' }
        : { outcome: 'refused', constraint: failure.constraint === KEYED_TWICE ? 'idempotency' : failure.constraint };
    case 'unknown':
      return { outcome: 'unknown', message: failure.message };
    case 'capacity':
      return { outcome: 'full', message: FULL };
    case 'retry':
      return { outcome: 'unsent', message: BUSY };
    default:
      return { outcome: 'unsent', message: failure.message };
  }
}

/** Why a group must not even be sent: everything it writes has to stand behind a fence of its own. */
export function unfenced(group: Group): string | undefined {
  const scopes = new Set<string>(group.fences.map((fence) => fence.scope));
  const streams = new Set(group.fences.map((fence) => `${fence.shard}/${fence.epoch}/${fence.scope}`));
  for (const change of group.changes)
    if (!scopes.has(change.scope))
      return `fence: no fence for ${change.scope}, which ${change.table} ${change.key} belongs to`;
  for (const entry of group.entries)
    if (!streams.has(`${entry.shard}/${entry.epoch}/${entry.scope}`))
      return `fence: no fence for shard ${entry.shard} of ${entry.scope} at epoch ${entry.epoch}, which log entry ${entry.n} belongs to`;
  return group.fences.length === 0 ? 'fence: a group needs at least one' : undefined;
}

export async function commitGroup(
  pool: Pool,
  group: Group,
  deadlineMs: number,
  budget?: RetryBudget,
): Promise<CommitOutcome> {
  const missing = unfenced(group);
  if (missing !== undefined) return { outcome: 'refused', constraint: missing };
  let statement: Statement;
  try {
    statement = groupStatement(group);
  } catch (error) {
    return { outcome: 'refused', constraint: error instanceof Error ? error.message : String(error) };
  }
  try {
    const rows = await retrying(
      (leftMs) => pool.run<GroupAnswer>(statement.text, statement.parameters, { prepare: true, deadlineMs: leftMs }),
      // Never after `unknown`: the first one may be in.
      { deadlineMs, on: ['retry', 'unsent'], ...(budget && { budget }) },
    );
    return rows[0]?.held === 1 ? { outcome: 'committed' } : { outcome: 'fenced' };
  } catch (error) {
    return outcomeOf(error as StatementFailure);
  }
}

export const ABANDON = `insert into commit_group (id, outcome, at) values ($1::text, 'abandoned', clock_timestamp())
on conflict (id) do nothing returning outcome`;
export const OUTCOME = `select outcome from commit_group where id = $1::text`;

/**
 * Ends the doubt by writing: reading that the id is absent proves nothing, its statement may still be on its way. The
 * insert waits for one that is running. Asked again after any failure: our own row then reads as what it says.
 */
export async function resolveGroup(pool: Pool, id: string, deadlineMs: number): Promise<Resolution> {
  try {
    const outcome = await retrying(
      async (leftMs) => {
        const options = { deadlineMs: leftMs };
        const written = await pool.run<{ outcome: string }>(ABANDON, [id], options);
        return written[0]?.outcome ?? (await pool.run<{ outcome: string }>(OUTCOME, [id], options))[0]?.outcome;
      },
      { deadlineMs, on: ['retry', 'unsent', 'unknown', 'capacity'] },
    );
    return { outcome: outcome === 'abandoned' ? 'abandoned' : 'committed' };
  } catch (error) {
    return { outcome: 'unreachable', message: (error as StatementFailure).message };
  }
}
