// In what an actor's memory differs from what loading its rows would give. Both are told as facts, one after the other, so that
// neither has to be there as a whole and others have their turn in between.
import type { Address } from '../address.ts';
import type { PackedAddresses } from '../ports.ts';
import type { Row } from '../records.ts';
import type { AnyBehaviour, Fact } from './behaviour.ts';
import { fold } from './folding.ts';

/** So many facts are told before others have their turn: tens of microseconds each, if that. */
const FACTS_AT_ONCE = 16;

/** Text of a value in which neither the order of an object's fields nor that of a list matters. */
export function canonical(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'undefined';
  if (value instanceof Map) return canonical([...(value as Map<unknown, unknown>)]);
  if (value instanceof Set) return canonical([...(value as Set<unknown>)]);
  if (Array.isArray(value)) return `[${value.map(canonical).sort().join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`);
  return `{${fields.sort().join(',')}}`;
}

/** What is shown of an actor, as facts: a list is as many as it has items. */
function* factsShown(shown: unknown): Generator<Fact> {
  if (typeof shown !== 'object' || shown === null || Array.isArray(shown)) return yield ['its content', shown];
  for (const [field, value] of Object.entries(shown)) {
    if (Array.isArray(value)) for (const item of value) yield [field, item];
    else if (value !== undefined) yield [field, value];
  }
}

const factsOf = (behaviour: AnyBehaviour, state: unknown): Iterable<Fact | undefined> =>
  behaviour.audited?.(state) ?? (behaviour.describe === undefined ? [] : factsShown(behaviour.describe(state)));

/** Counts facts by field and text: those of memory up, those of the rows down. */
function createTally() {
  const fields = new Map<string, Map<string, number>>();
  return {
    add([field, value]: Fact, count: 1 | -1): void {
      let facts = fields.get(field);
      if (facts === undefined) fields.set(field, (facts = new Map()));
      const text = canonical(value);
      const sum = (facts.get(text) ?? 0) + count;
      if (sum === 0) facts.delete(text);
      else facts.set(text, sum);
    },
    /** Fields of which not everything was counted up as often as down. */
    uneven: (): string[] => [...fields].flatMap(([field, facts]) => (facts.size === 0 ? [] : [field])),
  };
}

/**
 * Folds the rows and compares them with the memory, which must not change meanwhile; answers the fields that differ. Yields
 * where others may have their turn.
 */
export function* driftOf(
  { behaviour, address, state }: { behaviour: AnyBehaviour; address: Address; state: unknown },
  rows: readonly Row[],
  packed: readonly PackedAddresses[],
): Generator<undefined, string[]> {
  const fresh = behaviour.create(address.id, address.scope);
  yield* fold(behaviour, fresh, rows, packed);
  const tally = createTally();
  let told = 0;
  for (const [side, count] of [
    [state, 1],
    [fresh, -1],
  ] as const) {
    for (const fact of factsOf(behaviour, side)) {
      if (fact !== undefined) tally.add(fact, count);
      if (++told % FACTS_AT_ONCE === 0) yield;
    }
  }
  return tally.uneven();
}
