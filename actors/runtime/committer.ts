// Writes the changes of all actors of a shard: one group in flight, the next group is what waited meanwhile. No timer
// decides its size, so throughput grows with load (design.md §4).
import type { Scope } from '../address.ts';
import type { CommitOutcome, Fence, Group, LogEntry, ShardStore, World } from '../ports.ts';
import { because, unavailable } from '../refusal.ts';
import { countAnswered, countSent, createFigures, type GroupFigures } from './committer/figures.ts';
import { groupOf } from './committer/group.ts';
import { entitiesOf, outcomeUnknown, scopesOf, type Operation, type OperationOutcome } from './committer/operation.ts';

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

/** Space is not made in a moment. */
const FULL_AGAIN_S = 5;

const TOO_LATE = 'the deadline passed before it was written; nothing was changed';

export interface Committer {
  submit(operation: Operation): void;
  /** What is beyond its deadline waits no longer: it is not sent, or who asked hears that its outcome is unknown. */
  giveUp(): void;
  /** Operations without an outcome, in order; the committer is empty afterwards and answers of its past are ignored. */
  abandon(): Operation[];
  readonly depth: number;
  readonly groups: GroupFigures;
  /** Nothing waits, nothing is in flight. */
  readonly isIdle: boolean;
}

export function createCommitter(options: CommitterOptions): Committer {
  const { world, store, shard } = options;
  const limits = { ...LIMITS, ...options.limits };
  const figures = createFigures();
  const sequence = new Map<Scope, number>();
  let queue: Operation[] = [];
  let inFlight = false;
  /** Groups in a row that could not be sent. */
  let unsent = 0;
  let scheduled = false;
  /** Grows when the shard starts over: answers for an older life are ignored. */
  let life = 0;
  /**
   * Entities of operations that were not written although others were decided on them: of the group in flight, and what
   * waits behind it, since one turn's operations may lie in several groups.
   */
  const tainted = new Set<string>();
  /** Operations of the group in flight (and of its halves) that have no outcome yet. */
  const current = new Set<Operation>();
  /** Those of them that could not be sent, until they are tried again. */
  let resting: Operation[] = [];

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
    if (inFlight || queue.length === 0) return;
    tainted.clear();
    const operations = takeGroup();
    for (const operation of operations) current.add(operation);
    inFlight = true;
    const mine = life;
    send(operations, mine, () => {
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

  /** Writes those that somebody still waits for. */
  function send(operations: Operation[], mine: number, finished: () => void): void {
    const wanted = inTime(operations, TOO_LATE);
    if (wanted.length === 0) finished();
    else write(wanted, mine, finished);
  }

  function write(operations: Operation[], mine: number, finished: () => void): void {
    commit(operations, mine, (group, outcome) => settle(operations, group, outcome, mine, finished));
  }

  /** Every group goes this way, a half of a refused one, too: they are counted alike. */
  function commit(
    operations: Operation[],
    mine: number,
    answered: (group: Group, outcome: CommitOutcome) => void,
  ): void {
    const group = buildGroup(operations);
    countSent(figures, operations.length);
    const sentMs = world.monotonicMs();
    store.commit(group, (outcome) => {
      countAnswered(figures, world.monotonicMs() - sentMs);
      if (outcome.outcome === 'refused') figures.refused++;
      if (mine === life) answered(group, outcome);
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
        return split(operations, outcome.constraint ?? 'version', mine, finished);
      case 'fenced':
        return fenced(operations, mine, finished);
      case 'unsent':
        return retryLater(operations, outcome.message, mine, finished);
      case 'full':
        for (const operation of operations)
          spoil(operation, because('database', unavailable(`${outcome.message}; nothing was changed`, FULL_AGAIN_S)));
        queue = unspoiled(queue);
        return finished();
      case 'unknown':
        figures.unknown++;
        return resolve(operations, group, mine, finished);
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
      const wanted = inTime(clean, TOO_LATE);
      if (wanted.length === 0) return next();
      commit(wanted, mine, (group, outcome) => {
        if (outcome.outcome === 'refused') return whole(wanted, outcome.constraint ?? 'version', next);
        settle(wanted, group, outcome, mine, next);
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
      send(rest, mine, finished);
    });
  }

  /** Nothing was sent: the database is not there. Tries again until nobody waits for it any more. */
  function retryLater(operations: Operation[], message: string, mine: number, finished: () => void): void {
    const sound = inTime(operations, `the database did not take the write: ${message}; nothing was changed`);
    // Those behind may have less time than those that are tried again and again.
    queue = stillWanted(queue, `the database did not take the write: ${message}; nothing was changed`);
    if (sound.length === 0) return finished();
    // Longer each time, with full jitter: shards and sites that wait for one server don't come back together.
    const bound = Math.min(limits.longestRetryMs, limits.retryMs * 2 ** Math.min(unsent++, 10));
    resting = sound;
    world.after(bound * (0.5 + 0.5 * world.random()), () => {
      if (mine !== life) return;
      const again = resting;
      resting = [];
      send(again, mine, finished);
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
        spoil(operation, because('deadline', unavailable(why)));
        return false;
      }
      // Not after the late ones: only what stands behind one was decided on it.
      return unspoiled([operation]).length > 0;
    });
  }

  /**
   * Ends the doubt by writing the group's id, never by reading that it is absent (reliability.md §7.3). A database that
   * says nothing does not prolong it: the shard's next epoch ends it then (design.md §4).
   */
  function resolve(operations: Operation[], group: Group, mine: number, finished: () => void): void {
    const cancelDoubt = world.after(limits.doubtMs, () => {
      if (mine !== life) return;
      for (const operation of operations) {
        finish(operation, outcomeUnknown('the database did not answer', operation.id));
      }
      options.onDoubt();
    });
    const attempt = (): void =>
      store.resolve(group.id, (resolution) => {
        if (mine !== life) return;
        if (resolution.outcome === 'unreachable') {
          world.after(limits.retryMs, () => {
            if (mine === life) attempt();
          });
          return;
        }
        cancelDoubt();
        if (resolution.outcome === 'committed') committed(operations, group, finished);
        else send(operations, mine, finished);
      });
    attempt();
  }

  const buildGroup = (operations: readonly Operation[]): Group =>
    groupOf(operations, { id: world.uuid(), shard, fence: options.fence, sequence, atMs: world.wallMs() });

  return {
    submit(operation) {
      queue.push(operation);
      schedule();
    },
    giveUp() {
      const waiting = queue;
      // What is submitted while these are told stands behind those that are left.
      queue = [];
      queue = [...stillWanted(waiting, TOO_LATE), ...queue];
      resting = stillWanted(resting, TOO_LATE);
      const now = world.monotonicMs();
      for (const operation of current) if (operation.deadlineMs <= now) operation.overdue();
    },
    abandon() {
      life++;
      inFlight = false;
      resting = [];
      sequence.clear();
      const rest = [...current, ...queue];
      current.clear();
      queue = [];
      return rest;
    },
    get depth() {
      return queue.length;
    },
    groups: figures,
    get isIdle() {
      return !inFlight && queue.length === 0;
    },
  };
}
