// The log as a witness: no stream has a hole, and what its changes add up to is what the rows say.
import { isDeepStrictEqual } from 'node:util';
import type { Change } from '../../actors/records.ts';
import { tableNames } from '../../storage/entity/entities.ts';
import type { SiteRows, StoredEntry } from './audit-rows.ts';

const streamOf = (at: { scope: string; shard: number; epoch: number }): string =>
  `${at.scope} shard ${at.shard} epoch ${at.epoch}`;

/** Every stream is dense from 1 to its end; nothing was written to an epoch after it ended, nor to one nobody owned. */
export function auditStreams({ log, ended, ownership }: Pick<SiteRows, 'log' | 'ended' | 'ownership'>): string[] {
  const violations: string[] = [];
  const streams = new Map<string, StoredEntry[]>();
  for (const entry of log) {
    const name = streamOf(entry);
    const list = streams.get(name);
    if (list === undefined) streams.set(name, [entry]);
    else list.push(entry);
  }
  const ends = new Map(ended.map((end) => [streamOf(end), end.n]));
  const current = new Set(ownership.map(streamOf));
  for (const [name, entries] of streams) {
    const numbers = entries.map(({ n }) => n).sort((a, b) => a - b);
    const hole = numbers.findIndex((n, i) => n !== i + 1);
    if (hole >= 0) violations.push(`log hole: ${name} has no entry ${hole + 1}, next is ${numbers[hole]}`);
    const end = ends.get(name);
    const last = numbers[numbers.length - 1]!;
    if (end === undefined && !current.has(name))
      violations.push(`log end: ${name} is over, and nobody wrote how far it got`);
    if (end !== undefined && last > end) violations.push(`log end: ${name} ended at ${end}, and has entry ${last}`);
  }
  for (const [name, end] of ends) {
    const last = streams.get(name)?.length ?? 0;
    if (last < end) violations.push(`log end: ${name} ended at ${end}, and has only ${last} entries`);
    if (current.has(name)) violations.push(`log end: ${name} ended, and is the epoch of its owner`);
  }
  return violations;
}

type Witness = Change & { operation: string; what: string };

const nameOf = (row: { table: string; scope: string; key: string }): string => `${row.table} ${row.scope} ${row.key}`;

/** Every row is what its last change in the log says, and every change replaced exactly the one before it. */
export function auditFold({ rows, log }: Pick<SiteRows, 'rows' | 'log'>): string[] {
  const violations: string[] = [];
  const histories = new Map<string, Witness[]>();
  for (const { changes, operation, what } of log) {
    for (const change of changes) {
      const name = nameOf(change);
      const list = histories.get(name);
      const witness: Witness = { ...change, operation, what };
      if (list === undefined) histories.set(name, [witness]);
      else list.push(witness);
    }
  }
  for (const [name, history] of histories) {
    history.sort((a, b) => a.version - b.version);
    for (const [i, change] of history.entries()) {
      const before = history[i - 1];
      const wanted = before === undefined || before.value === null ? 0 : before.version;
      if (change.prev !== wanted) {
        violations.push(
          `log chain: ${name} version ${change.version} (${change.what} ${change.operation}) replaces ${change.prev}, but before it was ${wanted}`,
        );
      }
      if (before?.version === change.version) violations.push(`log chain: ${name} has version ${change.version} twice`);
    }
  }
  const there = new Set<string>();
  for (const table of tableNames) {
    for (const row of rows[table]) {
      const name = nameOf(row);
      there.add(name);
      const history = histories.get(name);
      const last = history?.[history.length - 1];
      if (last === undefined) violations.push(`fold: ${name} version ${row.version} is in no log entry`);
      else if (last.version !== row.version)
        violations.push(
          `fold: ${name} is at version ${row.version}, the log at ${last.version} (${last.what} ${last.operation})`,
        );
      else if (last.owner !== row.owner)
        violations.push(`fold: ${name} is owned by ${row.owner}, by the log ${last.owner}`);
      else if (!isDeepStrictEqual(last.value, row.value))
        violations.push(`fold: ${name} version ${row.version} differs from the log (${last.what} ${last.operation})`);
    }
  }
  for (const [name, history] of histories) {
    // Released rows are swept, live ones never.
    if (!there.has(name) && history[history.length - 1]!.value !== null)
      violations.push(`fold: ${name} is gone, the log has it at version ${history[history.length - 1]!.version}`);
  }
  return violations;
}
