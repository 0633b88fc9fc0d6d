// Writes the changes of all actors of a shard: one group in flight, the next group is what waited meanwhile. No timer
// decides its size, so throughput grows with load (design.md §4).
import type { Scope } from '../address.ts';
import type {
  BusMessage,
  CommitOutcome,
  Fence,
  Group,
  IdempotencyKey,
  KeyedOutcome,
  LogEntry,
  ShardStore,
  World,
} from '../ports.ts';
import { rowName, type Change } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';

/** How one operation ended. */
export type OperationOutcome =
  | 'committed'
  /** Nothing written, and this operation is the reason: its memory, or a rule of the database, says no. */
  | { refused: string }
  /** Nothing written, because an earlier one of the same entity was refused: decide it again. */
  | 'redo'
  | Refusal;

/** What one message (or coordination) wants written: all of it or nothing. */
export interface Operation {
  id: string;
  what: string;
  who: string;
  scope: Scope;
  changes: Change[];
  messages: BusMessage[];
  /** Epochs of other shards whose entities it writes; its own are added. */
  fences: Fence[];
  /** Read before each attempt: who asked may leave. */
  readonly deadlineMs: number;
  /** Of a request with an Idempotency-Key: stored in the same transaction. */
  outcome: (IdempotencyKey & { reply: unknown }) | null;
  done(outcome: OperationOutcome): void;
}

export interface CommitterOptions {
  world: World;
  store: ShardStore;
  shard: number;
  /** The shard's own fence in a scope. */
  fence(scope: Scope): Fence;
  onCommitted(entries: LogEntry[]): void;
  /** An own fence did not hold: somebody else owns the scope. The shard must stop. */
  onFenced(): void;
  /** The outcome of a group stayed unknown for too long: the shard must raise its epoch and reload. */
  onDoubt(): void;
  limits?: Partial<typeof LIMITS>;
}

const LIMITS = {
  operationsPerGroup: 512,
  changesPerGroup: 2048,
  /** After this long without an answer the doubt is ended by a raise (design.md §4). */
  doubtMs: 250,
  retryMs: 25,
  longestRetryMs: 500,
};

/** Upper ends of the sizes of groups, in operations. */
export const GROUP_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] as const;
/** Upper ends of the times of a group from its sending to the database's answer, in milliseconds. */
export const COMMIT_TIMES_MS = [1, 2, 5, 10, 25, 50, 100, 250, 1_000] as const;

export interface GroupFigures {
  sent: number;
  refused: number;
  unknown: number;
  operations: number;
  /** Groups by size, one more than GROUP_SIZES. */
  sizes: number[];
  /** Groups by time, one more than COMMIT_TIMES_MS. */
  timesMs: number[];
  /** Sum of these times. */
  totalMs: number;
}

/** Place of a value in buckets with these upper ends. */
/** Space is not made in a moment. */
const FULL_AGAIN_S = 5;

const bucketOf = (ends: readonly number[], value: number): number => {
  const at = ends.findIndex((end) => value <= end);
  return at < 0 ? ends.length : at;
};
const emptyBuckets = (ends: readonly number[]): number[] => [...ends.map(() => 0), 0];

export interface Committer {
  submit(operation: Operation): void;
  /** Operations without an outcome, in order; the committer is empty afterwards and answers of its past are ignored. */
  abandon(): Operation[];
  readonly depth: number;
  readonly groups: GroupFigures;
  idle(done: () => void): void;
}

export function createCommitter(options: CommitterOptions): Committer {
  const { world, store, shard } = options;
  const limits = { ...LIMITS, ...options.limits };
  const groups: GroupFigures = {
    sent: 0,
    refused: 0,
    unknown: 0,
    operations: 0,
    sizes: emptyBuckets(GROUP_SIZES),
    timesMs: emptyBuckets(COMMIT_TIMES_MS),
    totalMs: 0,
  };
  const sequence = new Map<Scope, number>();
  let queue: Operation[] = [];
  let inFlight = false;
  /** Groups in a row that could not be sent. */
  let unsent = 0;
  let scheduled = false;
  /** Grows when the shard starts over: answers for an older life are ignored. */
  let life = 0;
  let idleWaiters: Array<() => void> = [];
  /**
   * Entities of operations that were not written although others were decided on them: of the group in flight, and what
   * waits behind it, since one turn's operations may lie in several groups.
   */
  const tainted = new Set<string>();
  /** Operations of the group in flight (and of its halves) that have no outcome yet. */
  const current = new Set<Operation>();

  function finish(operation: Operation, outcome: OperationOutcome): void {
    current.delete(operation);
    operation.done(outcome);
  }

  function schedule(): void {
    if (scheduled || inFlight || queue.length === 0) return;
    scheduled = true;
    world.defer(() => {
      scheduled = false;
      flush();
    });
  }

  function flush(): void {
    if (inFlight) return;
    if (queue.length === 0) {
      const waiters = idleWaiters;
      idleWaiters = [];
      for (const waiter of waiters) waiter();
      return;
    }
    tainted.clear();
    const operations = inTime(takeGroup(), 'the deadline passed before it was written; nothing was changed');
    if (operations.length === 0) return flush();
    for (const operation of operations) current.add(operation);
    inFlight = true;
    const mine = life;
    write(operations, mine, () => {
      if (mine !== life) return;
      inFlight = false;
      flush();
    });
  }

  function takeGroup(): Operation[] {
    let changes = 0;
    let count = 0;
    while (count < queue.length && count < limits.operationsPerGroup) {
      changes += (queue[count] as Operation).changes.length;
      if (count > 0 && changes > limits.changesPerGroup) break;
      count++;
    }
    return queue.splice(0, count);
  }

  function write(operations: Operation[], mine: number, finished: () => void): void {
    const group = buildGroup(operations);
    groups.sent++;
    groups.operations += operations.length;
    groups.sizes[bucketOf(GROUP_SIZES, operations.length)]!++;
    const sentMs = world.monotonicMs();
    store.commit(group, (outcome) => {
      const tookMs = world.monotonicMs() - sentMs;
      groups.timesMs[bucketOf(COMMIT_TIMES_MS, tookMs)]!++;
      groups.totalMs += tookMs;
      if (mine === life) settle(operations, group, outcome, mine, finished);
    });
  }

  function settle(
    operations: Operation[],
    group: Group,
    outcome: CommitOutcome,
    mine: number,
    finished: () => void,
  ): void {
    switch (outcome.outcome) {
      case 'committed':
        return committed(operations, group, finished);
      case 'refused':
        groups.refused++;
        return split(operations, outcome.constraint ?? 'version', mine, finished);
      case 'fenced':
        return fenced(operations, mine, finished);
      case 'unsent':
        return retryLater(operations, outcome.message, mine, finished);
      case 'full':
        for (const operation of operations)
          spoil(operation, unavailable(`${outcome.message}; nothing was changed`, FULL_AGAIN_S));
        queue = unspoiled(queue);
        return finished();
      case 'unknown':
        groups.unknown++;
        return resolve(operations, group, mine, world.monotonicMs(), finished);
    }
  }

  function committed(operations: Operation[], group: Group, finished: () => void): void {
    unsent = 0;
    for (const entry of group.entries) sequence.set(entry.scope, entry.n);
    options.onCommitted(group.entries);
    for (const operation of operations) finish(operation, 'committed');
    finished();
  }

  /** Halves in arrival order isolate what is wrong in log₂(n) steps; its neighbours succeed. */
  function split(operations: Operation[], constraint: string, mine: number, finished: () => void): void {
    const whole = (part: Operation[], why: string, next: () => void): void => {
      if (part.length === 1) {
        spoil(part[0] as Operation, { refused: why });
        queue = unspoiled(queue);
        return next();
      }
      const middle = part.length >> 1;
      half(part.slice(0, middle), () => half(part.slice(middle), next));
    };
    const half = (part: Operation[], next: () => void): void => {
      const clean = unspoiled(part);
      if (clean.length < part.length) queue = unspoiled(queue);
      if (clean.length === 0) return next();
      const group = buildGroup(clean);
      groups.sent++;
      store.commit(group, (outcome) => {
        if (mine !== life) return;
        if (outcome.outcome === 'refused') return whole(clean, outcome.constraint ?? 'version', next);
        settle(clean, group, outcome, mine, next);
      });
    };
    whole(operations, constraint, finished);
  }

  /** Ends an operation that is not written: what was decided behind it was decided on a state that never came to be. */
  function spoil(operation: Operation, outcome: OperationOutcome): void {
    for (const entity of entitiesOf(operation)) tainted.add(entity);
    finish(operation, outcome);
  }

  /** Without those that share an entity with a spoiled one, and so on transitively: they are decided again. */
  function unspoiled(operations: Operation[]): Operation[] {
    if (tainted.size === 0) return operations;
    return operations.filter((operation) => {
      if (!entitiesOf(operation).some((entity) => tainted.has(entity))) return true;
      spoil(operation, 'redo');
      return false;
    });
  }

  /** Either we are not the owner any more, or another shard of an operation has a new epoch. Only the store can tell. */
  function fenced(operations: Operation[], mine: number, finished: () => void): void {
    const scopes = [...new Set(operations.flatMap((operation) => [operation.scope, ...scopesOf(operation)]))];
    const own = scopes.map((scope) => options.fence(scope)).filter((fence) => fence.epoch > 0);
    const first = own[0];
    if (first === undefined) return options.onFenced();
    store.fetch(first.scope, [], own, (answer) => {
      if (mine !== life) return;
      if (!Array.isArray(answer)) return options.onFenced();
      const foreign = operations.filter((operation) => operation.fences.length > 0);
      const rest = operations.filter((operation) => operation.fences.length === 0);
      for (const operation of foreign) finish(operation, { refused: 'another shard of the operation was restarted' });
      if (rest.length === 0) return finished();
      if (foreign.length === 0) return options.onFenced();
      write(rest, mine, finished);
    });
  }

  /** Nothing was sent: the database is not there. Tries again until nobody waits for it any more. */
  function retryLater(operations: Operation[], message: string, mine: number, finished: () => void): void {
    const sound = inTime(operations, `the database can't be reached: ${message}`);
    // Those behind may have less time than those that are tried again and again.
    queue = stillWanted(queue, `the database can't be reached: ${message}`);
    if (sound.length === 0) return finished();
    // Longer each time, with full jitter: shards and sites that wait for one server don't come back together.
    const bound = Math.min(limits.longestRetryMs, limits.retryMs * 2 ** Math.min(unsent++, 10));
    world.after(bound * (0.5 + 0.5 * world.random()), () => {
      if (mine === life) write(sound, mine, finished);
    });
  }

  /** What is about to be written, without those that nobody waits for any more; what stands behind these is decided again. */
  function inTime(operations: Operation[], why: string): Operation[] {
    const left = stillWanted(operations, why);
    if (left.length < operations.length) queue = unspoiled(queue);
    return left;
  }

  /** Those that somebody still waits for; the others end with `why`, nothing of them is written. */
  function stillWanted(operations: Operation[], why: string): Operation[] {
    const now = world.monotonicMs();
    if (operations.every((operation) => operation.deadlineMs > now)) return operations;
    return operations.filter((operation) => {
      if (operation.deadlineMs <= now) {
        spoil(operation, unavailable(why));
        return false;
      }
      // Not after the late ones: only what stands behind one was decided on it.
      return unspoiled([operation]).length > 0;
    });
  }

  /** Ends the doubt by writing the group's id, never by reading that it is absent (reliability.md §7.3). */
  function resolve(operations: Operation[], group: Group, mine: number, sinceMs: number, finished: () => void): void {
    store.resolve(group.id, (resolution) => {
      if (mine !== life) return;
      if (resolution.outcome === 'committed') return committed(operations, group, finished);
      if (resolution.outcome === 'abandoned') return write(operations, mine, finished);
      if (world.monotonicMs() - sinceMs >= limits.doubtMs) {
        for (const operation of operations) {
          finish(operation, unavailable(`outcome unknown: the database did not answer; operation ${operation.id}`));
        }
        return options.onDoubt();
      }
      world.after(limits.retryMs, () => {
        if (mine === life) resolve(operations, group, mine, sinceMs, finished);
      });
    });
  }

  function buildGroup(operations: Operation[]): Group {
    const changes = new Map<string, Change>();
    const fences = new Map<string, Fence>();
    const next = new Map(sequence);
    const atMs = world.wallMs();
    const entries: LogEntry[] = [];
    const outcomes: KeyedOutcome[] = [];
    for (const operation of operations) {
      for (const change of operation.changes) merge(changes, change);
      for (const fence of operation.fences) fences.set(`${fence.scope}/${fence.shard}`, fence);
      for (const scope of [operation.scope, ...scopesOf(operation)]) {
        const own = options.fence(scope);
        fences.set(`${scope}/${shard}`, own);
      }
      if (operation.outcome !== null) outcomes.push({ ...operation.outcome, operation: operation.id, atMs });
      const n = (next.get(operation.scope) ?? 0) + 1;
      next.set(operation.scope, n);
      entries.push({
        scope: operation.scope,
        shard,
        epoch: options.fence(operation.scope).epoch,
        n,
        operation: operation.id,
        what: operation.what,
        who: operation.who,
        atMs,
        changes: operation.changes,
        messages: operation.messages,
      });
    }
    return { id: world.uuid(), fences: [...fences.values()], changes: [...changes.values()], entries, outcomes };
  }

  return {
    submit(operation) {
      queue.push(operation);
      schedule();
    },
    abandon() {
      life++;
      inFlight = false;
      sequence.clear();
      const rest = [...current, ...queue];
      current.clear();
      queue = [];
      return rest;
    },
    get depth() {
      return queue.length;
    },
    groups,
    idle(done) {
      if (!inFlight && queue.length === 0) return done();
      idleWaiters.push(done);
    },
  };
}

/** No row has this version. */
const IMPOSSIBLE = Number.MAX_SAFE_INTEGER;

/**
 * One row a key and group: the first `prev` and the last state of an entity's several changes. The database only sees
 * that, so a change that was not decided on the one before it is found here; the group is refused, and halved.
 */
function merge(changes: Map<string, Change>, change: Change): void {
  const name = rowName(change);
  const earlier = changes.get(name);
  if (earlier === undefined) return void changes.set(name, change);
  const follows = change.prev === (earlier.value === null ? 0 : earlier.version);
  changes.set(name, { ...change, prev: follows ? earlier.prev : IMPOSSIBLE } as Change);
}

const entitiesOf = (operation: Operation): string[] => [
  ...new Set(operation.changes.map((change) => `${change.scope}|${change.owner}`)),
];
const scopesOf = (operation: Operation): Scope[] => operation.changes.map((change) => change.scope);
