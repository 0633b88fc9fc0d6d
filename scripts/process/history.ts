// What clients asked and were told, for judging afterwards whether one thing, taken and given back one operation after the
// other, could have answered so (reliability.md §5.1).

export type Outcome =
  /** `holder`: the operation that holds the thing ('' nobody), as the answer says. */
  | { kind: 'done'; holder: string }
  /** Nothing was changed, and the answer says so. */
  | { kind: 'refused'; why: string }
  /** It may take effect at any later time, or never. */
  | { kind: 'unknown'; why: string };

/**
 * - `take`: done makes `id` the holder; refused says nothing about one thing.
 * - `takeThis`: the same for a named thing; refused says that somebody holds it.
 * - `give`: done frees it; `holder` of the outcome is who held it, or `UNSAID`, or `WITH_IT`. Refused: nobody held it.
 * - `read`: done says who holds it.
 */
export type Verb = 'take' | 'takeThis' | 'give' | 'read';

/** The answer does not say whose it was: the caller's, or nobody's since an earlier try got through. */
export const UNSAID = '?';

/**
 * It went with something else, if it was still that one's. Else it is left alone: an earlier try may have got through, and
 * since then it is somebody else's.
 */
export const WITH_IT = '~';

const isNobodyNamed = (holder: string): boolean => holder === '' || holder === UNSAID || holder === WITH_IT;

export interface Operation {
  /** Also what the product is told, so that the things themselves name who took them. */
  id: string;
  client: string;
  verb: Verb;
  /** The thing; '' for a `take` whose thing is not known. */
  key: string;
  /** Monotonic, from one clock for all clients. */
  callMs: number;
  /** Infinity: never answered. */
  returnMs: number;
  /** `give`: who the client believes to hold it. */
  expected: string;
  outcome: Outcome;
}

export interface Pending {
  readonly id: string;
  /** Writes the operation down for each thing; may be called again for other things with another outcome (a list). */
  end(outcome: Outcome, keys?: readonly string[]): void;
}

/** A machine was freed, and with it what of its addresses was still its own. */
export function endFree(pending: Pending, [machine, ...addresses]: readonly string[]): void {
  pending.end({ kind: 'done', holder: UNSAID }, machine === undefined ? [] : [machine]);
  pending.end({ kind: 'done', holder: WITH_IT }, addresses);
}

export interface History {
  readonly operations: readonly Operation[];
  begin(asked: { client: string; verb: Verb; key?: string; id?: string; expected?: string }): Pending;
  counts(): Record<string, number>;
}

export function createHistory(now: () => number = () => performance.now()): History {
  const operations: Operation[] = [];
  let last = 0;
  return {
    operations,
    begin({ client, verb, key = '', id = `${client}-${++last}`, expected = '' }) {
      const callMs = now();
      return {
        id,
        end(outcome, keys = [key]) {
          const returnMs = outcome.kind === 'unknown' ? Infinity : now();
          for (const each of keys) {
            operations.push({ id, client, verb, key: each, callMs, returnMs, expected, outcome });
          }
        },
      };
    },
    counts() {
      const counts: Record<string, number> = {};
      for (const { verb, outcome } of operations) {
        const name = `${verb} ${outcome.kind}`;
        counts[name] = (counts[name] ?? 0) + 1;
      }
      return counts;
    },
  };
}

/**
 * What has to be judged of a history that was judged up to `from`, where nobody had anything under way and everything was
 * read next: the operations from there on, who holds what they begin with, and whatever may still take effect.
 */
export function since(operations: readonly Operation[], from: number): Operation[] {
  const late = operations.slice(from);
  const holders = new Set(late.flatMap(({ outcome }) => (outcome.kind === 'done' ? [outcome.holder] : [])));
  const early = operations
    .slice(0, from)
    .filter(({ id, verb, outcome }) => outcome.kind === 'unknown' || (verb.startsWith('take') && holders.has(id)));
  const given = new Set(
    operations
      .slice(0, from)
      .flatMap(({ key, verb, outcome, expected }) =>
        verb === 'give' && outcome.kind === 'done'
          ? [`${key}\0${isNobodyNamed(outcome.holder) ? expected : outcome.holder}`]
          : [],
      ),
  );
  return [...early.filter(({ id, key }) => !given.has(`${key}\0${id}`)), ...late];
}

/**
 * The operations of each thing. A `take` that was never answered belongs to whatever names it as holder in a later
 * answer, or is given back as its; one that nothing ever names took nothing, provided the history ends with a read of
 * everything.
 */
export function splitByKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const named = new Map<string, Set<string>>();
  for (const { key, verb, outcome, expected } of operations) {
    if (key === '' || outcome.kind !== 'done') continue;
    const { holder } = outcome;
    // Where the answer to a give leaves it open, its client had been told whose it was, of a machine with its addresses.
    const name = verb === 'give' && (holder === UNSAID || holder === WITH_IT) ? expected : holder;
    if (!isNobodyNamed(name)) named.set(name, (named.get(name) ?? new Set()).add(key));
  }
  const byKey = new Map<string, Operation[]>();
  const put = (operation: Operation): void => {
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  };
  const known = new Set(operations.filter(({ key }) => key !== '').map(({ id, key }) => `${id}\0${key}`));
  for (const operation of operations) {
    if (operation.key !== '') put(operation);
    else if (operation.verb === 'take' && operation.outcome.kind === 'unknown')
      for (const key of named.get(operation.id) ?? [])
        if (!known.has(`${operation.id}\0${key}`)) put({ ...operation, key });
  }
  return byKey;
}

/** Operations that took more than one thing of a kind (the part of the key before the blank). */
export function takenTwice(operations: readonly Operation[]): string[] {
  const taken = new Map<string, Set<string>>();
  for (const { key, outcome } of operations) {
    if (key === '' || outcome.kind !== 'done' || isNobodyNamed(outcome.holder)) continue;
    const name = `${outcome.holder} ${key.slice(0, key.indexOf(' '))}`;
    taken.set(name, (taken.get(name) ?? new Set()).add(key));
  }
  return [...taken]
    .filter(([, keys]) => keys.size > 1)
    .map(([name, keys]) => `${name} took ${[...keys].join(' and ')}`);
}
