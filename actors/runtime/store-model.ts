// A database in memory, with what the runtime relies on: fences, versions, unique keys, groups that are written whole or
// not at all, doubts that end by writing. Pure state: every call is one serializable transaction at one instant.
import type { Scope } from '../address.ts';
import type { CommitOutcome, Fence, Group, KeyedOutcome, LogCursor, LogEntry, RowsOf } from '../ports.ts';
import { rowName, type Change, type ChangeOf, type Row, type TableName } from '../records.ts';
import { conflict, unavailable, type Refusal } from '../refusal.ts';
import { jsonCopy } from './json-copy.ts';
import {
  claimsMeet,
  fenceName,
  isChild,
  isPrefixClaim,
  meet,
  streamName,
  unfenced,
  uniqueKeys,
} from './store-model/constraints.ts';

/** What the database enforces. A mutation check of the simulation switches one off; nothing else ever does. */
export interface StoreRules {
  /** A group, load or raise proves its epochs. */
  fences: boolean;
  /** `prev` must meet the row as it is. */
  versions: boolean;
  /** Unique keys behind the actors. */
  unique: boolean;
  /** An id that was resolved as abandoned can't come in any more. */
  abandoned: boolean;
  /** A client's key has one outcome. */
  keys: boolean;
}

export const ALL_RULES: StoreRules = { fences: true, versions: true, unique: true, abandoned: true, keys: true };

export interface Loaded {
  scope: Scope;
  fences: Fence[];
  rows: 'none' | { owners: RowsOf[] } | { keys: Array<{ table: TableName; key: string }> } | { tables: TableName[] };
}

export interface StoreModel {
  /** By `rowName`. Rows that are set directly count as written. */
  readonly rows: Map<string, Change>;
  readonly log: LogEntry[];
  /** `<scope>/<shard>` → epoch. */
  readonly epochs: Map<string, number>;
  /** How far the streams of ended epochs got. */
  readonly ends: LogCursor[];
  readonly groups: Map<string, { outcome: 'done' | 'abandoned'; atMs: number }>;
  readonly outcomes: Map<string, KeyedOutcome>;
  readonly releasedAtMs: Map<string, number>;
  commit(group: Group): CommitOutcome;
  resolve(id: string): 'committed' | 'abandoned';
  raise(held: readonly Fence[]): Fence[] | Refusal;
  takeOver(scopes: readonly Scope[], shards: number): Fence[];
  load(wanted: Loaded): Row[] | Refusal;
  /** Live rows, as they lie there: not to be changed. */
  live(table: TableName, scope?: Scope): Row[];
  /** Hears of each group in the moment it is written. */
  onWritten(listener: (group: Group) => void): void;
  snapshot(): unknown;
  /** Everything is as it was at the snapshot. */
  restore(snapshot: unknown): void;
  /** Ends all streams, and raises every epoch above those of `seen` (by `<scope>/<shard>`), as after a restore. */
  lift(seen: ReadonlyMap<string, number>): void;
}

const keyName = ({ identity, key }: { identity: string; key: string }): string => `${identity}\0${key}`;
const isLive = (change: Change | undefined): change is Change & Row => change !== undefined && change.value !== null;

export function createStoreModel(nowMs: () => number, rules: StoreRules = ALL_RULES): StoreModel {
  const rows = new Map<string, Change>();
  const log: LogEntry[] = [];
  const epochs = new Map<string, number>();
  const ends: LogCursor[] = [];
  const groups: StoreModel['groups'] = new Map();
  const outcomes: StoreModel['outcomes'] = new Map();
  const releasedAtMs = new Map<string, number>();
  const tails = new Map<string, number>();
  const numbers = new Set<string>();
  const owned = new Map<string, Set<string>>();
  const unique = new Map<string, string>();
  const listeners: Array<(group: Group) => void> = [];

  // ---- indexes: rows may also be put into the map directly ----------------------------------------------------------

  const ownerName = (row: { table: TableName; scope: Scope; owner: string }): string =>
    `${row.table}:${row.scope}:${row.owner}`;
  const put = rows.set.bind(rows);
  const remove = rows.delete.bind(rows);
  function forget(name: string): void {
    const before = rows.get(name);
    if (!isLive(before)) return;
    owned.get(ownerName(before))?.delete(name);
    for (const key of uniqueKeys(before)) if (unique.get(key) === name) unique.delete(key);
  }
  rows.set = (name, row) => {
    forget(name);
    if (isLive(row)) {
      const owner = ownerName(row);
      const names = owned.get(owner);
      if (names === undefined) owned.set(owner, new Set([name]));
      else names.add(name);
      for (const key of uniqueKeys(row)) unique.set(key, name);
      releasedAtMs.delete(name);
    } else releasedAtMs.set(name, nowMs());
    return put(name, row);
  };
  rows.delete = (name) => {
    forget(name);
    releasedAtMs.delete(name);
    return remove(name);
  };

  // ---- ownership ----------------------------------------------------------------------------------------------------

  const holds = (fence: Fence): boolean => !rules.fences || epochs.get(fenceName(fence)) === fence.epoch;
  const highest = (scope: Scope): number => {
    let top = 0;
    for (const [name, epoch] of epochs) if (name.startsWith(`${scope}/`)) top = Math.max(top, epoch);
    return top;
  };
  const end = (scope: Scope, shard: number): void => {
    const epoch = epochs.get(fenceName({ scope, shard }));
    if (epoch !== undefined) ends.push({ scope, shard, epoch, n: tails.get(streamName({ scope, shard, epoch })) ?? 0 });
  };

  // ---- groups -------------------------------------------------------------------------------------------------------

  function misfit(group: Group): string | undefined {
    for (const change of group.changes) {
      const before = rows.get(rowName(change));
      const fits = change.prev === 0 ? !isLive(before) : isLive(before) && before.version === change.prev;
      if (!fits) return '';
    }
    return undefined;
  }

  function collision(group: Group): string | undefined {
    const touched = new Set(group.changes.map(rowName));
    const taken = new Set<string>();
    for (const change of group.changes) {
      for (const key of uniqueKeys(change)) {
        const by = unique.get(key);
        if ((by !== undefined && !touched.has(by)) || taken.has(key)) return key.slice(0, key.indexOf(':'));
        taken.add(key);
      }
    }
    return overlaps(group, touched) ? '' : undefined;
  }

  /** Whether a new child prefix meets another one of its root, or a new claim another one. */
  const overlaps = (group: Group, touched: ReadonlySet<string>): boolean =>
    meetsAny(
      group,
      touched,
      (change): change is ChangeOf<'prefix'> => change.table === 'prefix' && isChild(change),
      meet,
    ) ||
    meetsAny(
      group,
      touched,
      (change): change is ChangeOf<'claim'> => change.table === 'claim' && isPrefixClaim(change),
      claimsMeet,
    );

  function meetsAny<C extends Change>(
    group: Group,
    touched: ReadonlySet<string>,
    isRuled: (change: Change) => change is C,
    meets: (one: C, other: C) => boolean,
  ): boolean {
    const added = group.changes.filter(isRuled);
    return added.some((change, i) => {
      const stored = [...(owned.get(ownerName(change)) ?? [])].flatMap((name) => {
        const row = touched.has(name) ? undefined : rows.get(name);
        return row !== undefined && isRuled(row) ? [row] : [];
      });
      return [...added.slice(i + 1), ...stored].some((other) => meets(change, other));
    });
  }

  /** What refuses the group, by its constraint; '' for a version. */
  function refusalOf(group: Group): string | undefined {
    if (groups.has(group.id) && (rules.abandoned || groups.get(group.id)?.outcome === 'done'))
      return 'commit_group_pkey';
    if (group.entries.some((entry) => numbers.has(`${streamName(entry)}/${entry.n}`))) return 'log_pkey';
    if (rules.keys && group.outcomes.some((one) => outcomes.has(keyName(one)))) return 'idempotency';
    try {
      for (const change of group.changes) {
        uniqueKeys(change);
        if (change.table === 'ip' && JSON.stringify(change.value).includes('\\u0000')) return `${change.table}: a NUL`;
      }
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return (rules.versions ? misfit(group) : undefined) ?? (rules.unique ? collision(group) : undefined);
  }

  const model: StoreModel = {
    rows,
    log,
    epochs,
    ends,
    groups,
    outcomes,
    releasedAtMs,

    commit(group) {
      const missing = unfenced(group);
      if (missing !== undefined && rules.fences) return { outcome: 'refused', constraint: missing };
      if (!group.fences.every(holds)) return { outcome: 'fenced' };
      const constraint = refusalOf(group);
      if (constraint !== undefined)
        return constraint === '' ? { outcome: 'refused' } : { outcome: 'refused', constraint };
      groups.set(group.id, { outcome: 'done', atMs: nowMs() });
      // Releases first: what one row gives up, another one of the group may take.
      for (const change of group.changes) if (change.value === null) rows.set(rowName(change), jsonCopy(change));
      for (const change of group.changes) if (change.value !== null) rows.set(rowName(change), jsonCopy(change));
      for (const outcome of group.outcomes) outcomes.set(keyName(outcome), jsonCopy(outcome));
      for (const entry of group.entries) {
        log.push(jsonCopy(entry));
        numbers.add(`${streamName(entry)}/${entry.n}`);
        tails.set(streamName(entry), Math.max(tails.get(streamName(entry)) ?? 0, entry.n));
      }
      for (const listener of listeners) listener(group);
      return { outcome: 'committed' };
    },

    resolve(id) {
      const known = groups.get(id);
      if (known === undefined) groups.set(id, { outcome: 'abandoned', atMs: nowMs() });
      return known?.outcome === 'done' ? 'committed' : 'abandoned';
    },

    raise(held) {
      if (!held.every(holds)) {
        const scopes = [...new Set(held.map(({ scope }) => scope))].join(', ');
        return conflict(`the epoch can't be raised: another process is the owner of ${scopes} now`);
      }
      const next = new Map(held.map(({ scope }) => [scope, highest(scope) + 1]));
      return held.map((fence) => {
        end(fence.scope, fence.shard);
        const raised = { ...fence, epoch: next.get(fence.scope) as number };
        epochs.set(fenceName(raised), raised.epoch);
        return raised;
      });
    },

    takeOver(scopes, shards) {
      const fences: Fence[] = [];
      for (const scope of scopes) {
        const epoch = highest(scope) + 1;
        // Also the rows of shards that this process does not have.
        const known = [...epochs.keys()].filter((name) => name.startsWith(`${scope}/`));
        const all = new Set(known.map((name) => Number(name.slice(scope.length + 1))));
        for (let shard = 0; shard < shards; shard++) all.add(shard);
        for (const shard of all) {
          end(scope, shard);
          epochs.set(fenceName({ scope, shard }), epoch);
        }
        for (let shard = 0; shard < shards; shard++) fences.push({ scope, shard, epoch });
      }
      return fences;
    },

    load({ scope, fences, rows: wanted }) {
      if (!fences.some((fence) => fence.scope === scope))
        return unavailable(`${scope} can't be read without a fence of its own`);
      if (!fences.every(holds)) return unavailable(`${scope} lost its ownership`);
      if (wanted === 'none') return [];
      const names = new Set<string>();
      if ('owners' in wanted) {
        for (const one of wanted.owners)
          for (const name of owned.get(ownerName({ scope, ...one })) ?? []) names.add(name);
      } else if ('keys' in wanted) {
        for (const one of wanted.keys) names.add(rowName({ scope, ...one }));
      } else {
        for (const [name, row] of rows) if (row.scope === scope && wanted.tables.includes(row.table)) names.add(name);
      }
      const found: Row[] = [];
      for (const name of names) {
        const row = rows.get(name);
        if (!isLive(row)) continue;
        const { table, key, owner, version, value } = jsonCopy(row);
        found.push({ table, scope, key, owner, version, value } as Row);
      }
      return found;
    },

    live: (table, scope) =>
      [...rows.values()].filter(
        (row): row is Change & Row =>
          row.table === table && (scope === undefined || row.scope === scope) && isLive(row),
      ),

    onWritten: (listener) => void listeners.push(listener),

    lift(seen) {
      const top = new Map<string, number>();
      for (const [name, epoch] of [...seen, ...epochs]) {
        const scope = name.slice(0, name.lastIndexOf('/'));
        top.set(scope, Math.max(top.get(scope) ?? 0, epoch));
      }
      for (const name of epochs.keys()) {
        const split = name.lastIndexOf('/');
        const scope = name.slice(0, split) as Scope;
        end(scope, Number(name.slice(split + 1)));
        epochs.set(name, (top.get(scope) ?? 0) + 1);
      }
    },

    snapshot: () => ({
      rows: [...rows],
      log: [...log],
      epochs: [...epochs],
      ends: [...ends],
      groups: [...groups],
      outcomes: [...outcomes],
    }),

    restore(snapshot) {
      const was = snapshot as {
        rows: Array<[string, Change]>;
        log: LogEntry[];
        epochs: Array<[string, number]>;
        ends: LogCursor[];
        groups: Array<[string, { outcome: 'done' | 'abandoned'; atMs: number }]>;
        outcomes: Array<[string, KeyedOutcome]>;
      };
      for (const name of rows.keys()) rows.delete(name);
      for (const [name, row] of was.rows) rows.set(name, row);
      log.splice(0, log.length, ...was.log);
      ends.splice(0, ends.length, ...was.ends);
      numbers.clear();
      tails.clear();
      for (const entry of log) {
        numbers.add(`${streamName(entry)}/${entry.n}`);
        tails.set(streamName(entry), Math.max(tails.get(streamName(entry)) ?? 0, entry.n));
      }
      for (const [map, entries] of [
        [epochs, was.epochs],
        [groups, was.groups],
        [outcomes, was.outcomes],
      ] as Array<[Map<string, unknown>, Array<[string, unknown]>]>) {
        map.clear();
        for (const [name, value] of entries) map.set(name, value);
      }
    },
  };
  return model;
}
