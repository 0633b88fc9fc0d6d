// The log as a witness: no stream has a hole, and what its changes add up to is what the rows say.
import { isDeepStrictEqual } from 'node:util';
import type { Change } from '../../actors/records.ts';
import { tableNames } from '../entity/entities.ts';
import { rowName, type SiteRows } from './rows.ts';

const streamOf = (at: { scope: string; shard: number; epoch: number }): string =>
  `${at.scope} shard ${at.shard} epoch ${at.epoch}`;

/** Every stream is dense up to its end; nothing was written to an epoch after it ended, nor to one nobody owned. */
export function* auditStreams({
  streams,
  ended,
  ownership,
}: Pick<SiteRows, 'streams' | 'ended' | 'ownership'>): Generator<string> {
  const spans = new Map(streams.map((span) => [streamOf(span), span]));
  const ends = new Map(ended.map((end) => [streamOf(end), end.n]));
  const current = new Set(ownership.map(streamOf));
  for (const [name, { entries, first, last }] of spans) {
    const missing = last - first + 1 - entries;
    if (missing !== 0) yield `log hole: ${name} lacks ${missing} of its entries ${first} to ${last}`;
    const end = ends.get(name);
    if (end === undefined && !current.has(name)) yield `log end: ${name} is over, and nobody wrote how far it got`;
    if (end !== undefined && last > end) yield `log end: ${name} ended at ${end}, and has entry ${last}`;
    if (end !== undefined && last < end) yield `log end: ${name} ended at ${end}, and has only ${last}`;
  }
  for (const name of ends.keys()) if (current.has(name)) yield `log end: ${name} ended, and is the epoch of its owner`;
}

type Witness = Change & { operation: string; what: string };

/**
 * Every row is what its last change in the log says, and every change replaced exactly the one before it. Of a log whose
 * beginning was swept, or not read, only what it can know for certain.
 */
export function* auditFold({
  rows,
  log,
  isWholeLog,
}: Pick<SiteRows, 'rows' | 'log' | 'isWholeLog'>): Generator<string> {
  const histories = new Map<string, Witness[]>();
  for (const { changes, operation, what } of log) {
    for (const change of changes) {
      const name = rowName(change);
      const list = histories.get(name);
      const witness: Witness = { ...change, operation, what };
      if (list === undefined) histories.set(name, [witness]);
      else list.push(witness);
    }
  }
  for (const [name, history] of histories) {
    history.sort((a, b) => a.version - b.version);
    if (!isWholeLog) continue;
    for (const [i, change] of history.entries()) {
      const before = history[i - 1];
      const wanted = before === undefined || before.value === null ? 0 : before.version;
      if (change.prev !== wanted) {
        yield `log chain: ${name} version ${change.version} (${change.what} ${change.operation}) replaces ${change.prev}, but before it was ${wanted}`;
      }
      if (before?.version === change.version) yield `log chain: ${name} has version ${change.version} twice`;
    }
  }
  const there = new Set<string>();
  for (const table of tableNames) {
    for (const row of rows[table]) {
      const name = rowName(row);
      const history = histories.get(name);
      const last = history?.[history.length - 1];
      if (last === undefined) {
        if (isWholeLog) yield `fold: ${name} version ${row.version} is in no log entry`;
        continue;
      }
      there.add(name);
      if (!isWholeLog && last.version < row.version) continue;
      if (last.version !== row.version)
        yield `fold: ${name} is at version ${row.version}, the log at ${last.version} (${last.what} ${last.operation})`;
      else if (last.owner !== row.owner) yield `fold: ${name} is owned by ${row.owner}, by the log ${last.owner}`;
      else if (!isDeepStrictEqual(last.value, row.value))
        yield `fold: ${name} version ${row.version} differs from the log (${last.what} ${last.operation})`;
    }
  }
  for (const [name, history] of isWholeLog ? histories : []) {
    // Released rows are swept, live ones never.
    if (!there.has(name) && history[history.length - 1]!.value !== null)
      yield `fold: ${name} is gone, the log has it at version ${history[history.length - 1]!.version}`;
  }
}
