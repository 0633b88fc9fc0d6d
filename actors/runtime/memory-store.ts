// A store in memory with the contract of the real one: fences, versions, groups that are written whole or not, doubt.
// For tests of the runtime and of behaviours; storage/contract.ts runs the same suite over it.
import type { Scope } from '../address.ts';
import type { CommitOutcome, Fence, Group, LogEntry, RowKey, RowsOf, ShardStore, World } from '../ports.ts';
import { rowName, type Change, type Row, type TableName } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';

/** What may happen to the next commit; taken one per commit. */
export type CommitFault =
  | 'lost before' // the group never arrives; the caller does not know
  | 'lost after' // written; the caller does not know
  | 'unsent'
  | 'refused';

export interface MemoryStore extends ShardStore {
  readonly rows: Map<string, Change>;
  readonly log: LogEntry[];
  readonly epochs: Map<string, number>;
  /** Faults for the commits to come, first first. */
  readonly faults: CommitFault[];
  /** While true nothing answers but with `unsent` and `unreachable`. */
  down: boolean;
  takeOver(scopes: Scope[], shards: number): Fence[];
  live(table: TableName, scope?: Scope): Row[];
}

export function createMemoryStore(world: World, latencyMs = 1): MemoryStore {
  const rows = new Map<string, Change>();
  const log: LogEntry[] = [];
  const epochs = new Map<string, number>();
  const groups = new Map<string, 'done' | 'abandoned'>();
  const faults: CommitFault[] = [];
  const fenceName = (fence: { scope: Scope; shard: number }): string => `${fence.scope}/${fence.shard}`;
  const holds = (fence: Fence): boolean => epochs.get(fenceName(fence)) === fence.epoch;
  const later = (run: () => void): void => void world.after(latencyMs, run);
  const isLive = (change: Change): change is Change & Row => change.value !== null;

  const store: MemoryStore = {
    rows,
    log,
    epochs,
    faults,
    down: false,
    takeOver(scopes, shards) {
      const fences: Fence[] = [];
      for (const scope of scopes) {
        const highest = Math.max(
          0,
          ...[...epochs].filter(([name]) => name.startsWith(`${scope}/`)).map(([, epoch]) => epoch),
        );
        for (let shard = 0; shard < shards; shard++) {
          const fence = { scope, shard, epoch: highest + 1 };
          epochs.set(fenceName(fence), fence.epoch);
          fences.push(fence);
        }
      }
      return fences;
    },
    live: (table, scope) =>
      [...rows.values()].filter(
        (row): row is Change & Row =>
          row.table === table && (scope === undefined || row.scope === scope) && isLive(row),
      ),
    commit(group, done) {
      const fault = faults.shift();
      if (store.down || fault === 'unsent') return later(() => done({ outcome: 'unsent', message: 'down' }));
      if (fault === 'refused') return later(() => done({ outcome: 'refused' }));
      if (fault === 'lost before') return later(() => done({ outcome: 'unknown', message: 'connection lost' }));
      later(() => {
        const outcome = write(group);
        done(fault === 'lost after' ? { outcome: 'unknown', message: 'connection lost' } : outcome);
      });
    },
    resolve(groupId, done) {
      later(() => {
        if (store.down) return done({ outcome: 'unreachable', message: 'down' });
        const known = groups.get(groupId);
        if (known === undefined) groups.set(groupId, 'abandoned');
        done({ outcome: known === 'done' ? 'committed' : 'abandoned' });
      });
    },
    raise(held, done) {
      later(() => {
        if (store.down) return done(unavailable('down'));
        if (!held.every(holds)) return done({ ...unavailable('another process took over'), kind: 'Conflict' });
        done(
          held.map((fence) => {
            const highest = Math.max(
              ...[...epochs].filter(([name]) => name.startsWith(`${fence.scope}/`)).map(([, epoch]) => epoch),
            );
            const raised = { ...fence, epoch: highest + 1 };
            epochs.set(fenceName(raised), raised.epoch);
            return raised;
          }),
        );
      });
    },
    load: (scope, wanted: RowsOf[], fences, done) =>
      read(
        fences,
        done,
        (row) => row.scope === scope && wanted.some((one) => one.table === row.table && one.owner === row.owner),
      ),
    fetch: (scope, wanted: RowKey[], fences, done) =>
      read(
        fences,
        done,
        (row) => row.scope === scope && wanted.some((one) => one.table === row.table && one.key === row.key),
      ),
    scan(scope, tables, fences, each, done) {
      read(
        fences,
        (answer) => {
          if (!Array.isArray(answer)) return done(answer);
          each(answer);
          done(undefined);
        },
        (row) => row.scope === scope && tables.includes(row.table),
      );
    },
  };

  function read(fences: Fence[], done: (rows: Row[] | Refusal) => void, wanted: (row: Change) => boolean): void {
    later(() => {
      if (store.down) return done(unavailable('down'));
      if (!fences.every(holds)) return done(unavailable('lost its ownership'));
      done(structuredClone([...rows.values()].filter((row): row is Change & Row => isLive(row) && wanted(row))));
    });
  }

  function write(group: Group): CommitOutcome {
    if (groups.get(group.id) === 'abandoned') return { outcome: 'refused', constraint: 'commit_group' };
    if (!group.fences.every(holds)) return { outcome: 'fenced' };
    for (const change of group.changes) {
      const stored = rows.get(rowName(change));
      const fits =
        change.prev === 0
          ? stored === undefined || stored.value === null
          : stored?.version === change.prev && stored.value !== null;
      if (!fits) return { outcome: 'refused' };
    }
    groups.set(group.id, 'done');
    for (const change of structuredClone(group.changes)) rows.set(rowName(change), change);
    log.push(...structuredClone(group.entries));
    return { outcome: 'committed' };
  }

  return store;
}
