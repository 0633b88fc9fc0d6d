// The shard's side of a database in memory: the calls travel, may be lost on the way, and are answered later. For tests of
// the runtime and of behaviours, and for the simulation; storage/contract.ts runs the same suite over it.
import type { Scope } from '../address.ts';
import { excerptOf } from '../excerpt.ts';
import type { CommitOutcome, Fence, LogEntry, ShardStore, World } from '../ports.ts';
import type { Change, Row, TableName } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';
import { packRows } from './packed.ts';
import { createStoreModel, type StoreModel, type StoreRules } from './store-model.ts';

/** What may happen to the next commit; taken one per commit. */
export type CommitFault =
  | 'lost before' // the group never arrives; the caller does not know
  | 'lost after' // written; the caller does not know
  | 'unsent'
  | 'refused';

/** What becomes of one call. */
export interface Fate {
  /** Until it is executed at the server, and from there until the answer arrives. */
  thereMs: number;
  backMs: number;
  /**
   * `unsent`: nothing happens, and the caller knows. `lost before`, `lost after`: not executed, or executed, and the
   * caller doesn't know which. `late`: the caller gives up after `backMs`, and it is executed after `thereMs` all the same.
   */
  fault?: 'unsent' | 'lost before' | 'lost after' | 'late';
}

export type StoreCall = 'commit' | 'resolve' | 'raise' | 'load' | 'scan' | 'site';

/** The way between a client and the server: `at` runs there whatever becomes of the client, `back` at the client. */
export interface StoreWay {
  fate(call: StoreCall): Fate;
  at(delayMs: number, run: () => void): void;
  back(delayMs: number, run: () => void): void;
  /** Whether the server is away in the moment a call arrives. */
  isDown(): boolean;
}

const PORTION = 500;

/** A connection to a database in memory. */
export function connectShard(model: StoreModel, way: StoreWay): ShardStore {
  /** `lost` is what the caller hears when nobody knows; calls that read, or are tried again anyway, hear `unsent`. */
  function call<A>(what: StoreCall, execute: () => A, lost: A, unsent: A, done: (answer: A) => void): void {
    const { thereMs, backMs, fault } = way.fate(what);
    switch (fault) {
      case 'unsent':
        return way.back(thereMs + backMs, () => done(unsent));
      case 'lost before':
        return way.back(thereMs + backMs, () => done(lost));
      case 'late':
        way.at(thereMs, () => {
          if (!way.isDown()) execute();
        });
        return way.back(backMs, () => done(lost));
      case 'lost after':
        return way.at(thereMs, () => {
          if (!way.isDown()) execute();
          way.back(backMs, () => done(lost));
        });
      default:
        return way.at(thereMs, () => {
          const answer = way.isDown() ? unsent : execute();
          way.back(backMs, () => done(answer));
        });
    }
  }

  const away = unavailable('the database does not answer');
  const read = (what: 'load' | 'scan', execute: () => Row[] | Refusal, done: (rows: Row[] | Refusal) => void): void =>
    call<Row[] | Refusal>(what, execute, away, away, done);

  return {
    commit: (group, done) =>
      call<CommitOutcome>(
        'commit',
        () => model.commit(group),
        { outcome: 'unknown', message: 'connection lost' },
        { outcome: 'unsent', message: 'down' },
        done,
      ),
    resolve: (id, done) =>
      call(
        'resolve',
        () => ({ outcome: model.resolve(id) }),
        { outcome: 'unreachable', message: 'connection lost' },
        { outcome: 'unreachable', message: 'down' },
        done,
      ),
    raise: (held, done) => call<Fence[] | Refusal>('raise', () => model.raise(held), away, away, done),
    load: (scope, owners, fences, done) =>
      read(
        'load',
        () => model.load({ scope, fences, rows: { owners } }),
        (rows) => {
          if (!Array.isArray(rows)) return done(rows, []);
          const split = packRows(rows, owners);
          done(split.rows, split.packed);
        },
      ),
    fetch: (scope, keys, fences, done) => read('load', () => model.load({ scope, fences, rows: { keys } }), done),
    scan: (scope, tables, fences, each, done) =>
      read(
        'scan',
        () => model.load({ scope, fences, rows: { tables } }),
        (rows) => {
          if (!Array.isArray(rows)) return done(rows);
          for (let i = 0; i < rows.length; i += PORTION) {
            each(rows.slice(i, i + PORTION).flatMap((row) => excerptOf(row) ?? []));
          }
          done(undefined);
        },
      ),
  };
}

export interface MemoryStore extends ShardStore {
  readonly model: StoreModel;
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

/** A database of its own with one connection, whose calls take `latencyMs`. */
export function createMemoryStore(world: World, latencyMs = 1, rules?: StoreRules): MemoryStore {
  const model = createStoreModel(() => world.wallMs(), rules);
  const faults: CommitFault[] = [];
  let down = false;
  const way: StoreWay = {
    fate(call) {
      const fault = call === 'commit' ? faults.shift() : undefined;
      const fate = { thereMs: latencyMs, backMs: 0 };
      return fault === undefined || fault === 'refused' ? fate : { ...fate, fault };
    },
    at: (delayMs, run) => void world.after(delayMs, run),
    // The answer belongs to the same event: with one latency there is nothing to tell apart.
    back: (delayMs, run) => (delayMs === 0 ? run() : void world.after(delayMs, run)),
    isDown: () => down,
  };
  const connection = connectShard(model, way);
  return {
    ...connection,
    commit(group, done) {
      if (faults[0] !== 'refused' || down) return connection.commit(group, done);
      faults.shift();
      void world.after(latencyMs, () => done({ outcome: 'refused' }));
    },
    model,
    rows: model.rows,
    log: model.log,
    epochs: model.epochs,
    faults,
    get down() {
      return down;
    },
    set down(is) {
      down = is;
    },
    takeOver: (scopes, shards) => model.takeOver(scopes, shards),
    live: (table, scope) => model.live(table, scope),
  };
}
