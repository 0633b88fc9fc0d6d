// Whether there is an order of a thing's operations that a single holder-or-nobody could have answered so, each at some
// instant between its call and its return (linearizability; Wing and Gong's search with Lowe's memory, as Porcupine does it).
import { splitByKey, takenTwice, UNSAID, WITH_IT, type Operation } from './history.ts';

export type Verdict =
  | { ok: true }
  | { ok: false; why: string }
  /** The history was too long for the search: a failure of the test's size. */
  | { ok: false; undecided: true; why: string };

/** '' nobody. */
type Holder = string;

/** Who holds it after the operation, or undefined where it could not have been answered so. */
export function step(state: Holder, { id, verb, expected, outcome }: Operation): Holder | undefined {
  switch (verb) {
    case 'take':
    case 'takeThis':
      if (outcome.kind === 'refused') return verb === 'take' || state !== '' ? state : undefined;
      return state === '' ? id : undefined;
    case 'give':
      if (outcome.kind === 'refused') return state === '' ? state : undefined;
      if (outcome.kind === 'unknown') return '';
      if (outcome.holder === UNSAID) return state === expected || state === '' ? '' : undefined;
      if (outcome.holder === WITH_IT) return state === expected ? '' : state;
      return state === outcome.holder ? '' : undefined;
    default:
      if (outcome.kind !== 'done') return state;
      return state === outcome.holder ? state : undefined;
  }
}

const ANYBODY = '?';

/**
 * An unanswered take whose holder no answer ever names is as good as any other such: under one name they need not be told
 * apart, which keeps the search short where many requests were not answered.
 */
function withoutNames(operations: readonly Operation[]): Operation[] {
  const named = new Set(
    operations.flatMap(({ expected, outcome }) => [expected, outcome.kind === 'done' ? outcome.holder : '']),
  );
  return operations.map((operation) => {
    const isTake = operation.verb === 'take' || operation.verb === 'takeThis';
    const isNameless = isTake && operation.outcome.kind === 'unknown' && !named.has(operation.id);
    return isNameless ? { ...operation, id: ANYBODY } : operation;
  });
}

/** Unanswered operations that do the same: of these, the one that was asked first may always come first. */
const effectOf = ({ id, verb }: Operation): string => (verb === 'give' ? 'give' : `take ${id}`);

/** A read that was refused or not answered says nothing. */
const isTelling = ({ verb, outcome }: Operation): boolean => verb !== 'read' || outcome.kind === 'done';

const told = (operation: Operation): string => {
  const { id, client, verb, key, callMs, returnMs, expected, outcome } = operation;
  const answer =
    outcome.kind === 'done'
      ? `holder ${outcome.holder === '' ? 'nobody' : outcome.holder}`
      : `${outcome.kind}: ${outcome.why}`;
  const until = returnMs === Infinity ? 'never' : returnMs.toFixed(1);
  return `  ${callMs.toFixed(1)}–${until}  ${client} ${verb} ${key} (${id}${expected === '' ? '' : `, believes ${expected}`}) → ${answer}`;
};

/** Beyond the operations around the place where the search ended, a violation names so many that tell how it came to this. */
const MOST_CHANGES = 12;

const mayChange = ({ verb, outcome }: Operation): boolean =>
  verb === 'give' || (verb.startsWith('take') && outcome.kind !== 'refused');

interface Frame {
  state: Holder;
  candidates: number[];
  next: number;
  /** Undoes what led here. */
  chosen: number;
}

/** `operations` of one thing, in any order. */
export function checkOne(all: readonly Operation[], withinMs = 10_000): Verdict {
  const operations = withoutNames(all.filter(isTelling).sort((a, b) => a.callMs - b.callMs));
  const isOpen = operations.map(({ outcome }) => outcome.kind === 'unknown');
  const open = operations.flatMap((_, i) => (isOpen[i] === true ? [i] : []));
  const done = operations.map(() => false);
  let left = operations.length - open.length;
  let low = 0;
  const seen = new Set<string>();
  const deadline = performance.now() + withinMs;
  let best = { left: left + 1, state: '', candidates: [] as number[] };

  const candidatesNow = (): number[] => {
    while (low < operations.length && (done[low] === true || isOpen[low] === true)) low++;
    let earliest = Infinity;
    const found: number[] = [];
    for (let i = low; i < operations.length; i++) {
      const { callMs, returnMs } = operations[i]!;
      if (callMs > earliest) break;
      if (done[i] === true || isOpen[i] === true) continue;
      found.push(i);
      earliest = Math.min(earliest, returnMs);
    }
    const first = found.filter((i) => operations[i]!.callMs <= earliest);
    first.sort((a, b) => operations[a]!.returnMs - operations[b]!.returnMs);
    const effects = new Set<string>();
    for (const i of open) {
      if (done[i] === true || operations[i]!.callMs > earliest) continue;
      const effect = effectOf(operations[i]!);
      if (!effects.has(effect)) first.push(i);
      effects.add(effect);
    }
    return first;
  };

  const memory = (state: Holder): string => {
    const beyond: number[] = [];
    for (let i = low; i < operations.length; i++) if (done[i] === true && isOpen[i] !== true) beyond.push(i - low);
    return `${low}|${beyond.join(',')}|${open.filter((i) => done[i]).join(',')}|${state}`;
  };

  const enter = (state: Holder, chosen: number): Frame | undefined => {
    const candidates = candidatesNow();
    const name = memory(state);
    if (seen.has(name)) return undefined;
    seen.add(name);
    if (left < best.left) best = { left, state, candidates };
    return { state, candidates, next: 0, chosen };
  };

  const undo = (chosen: number): void => {
    done[chosen] = false;
    if (isOpen[chosen] !== true) left++;
    low = Math.min(low, chosen);
  };

  const stack: Frame[] = [];
  const first = enter('', -1);
  if (first !== undefined) stack.push(first);
  for (let turns = 0; stack.length > 0; turns++) {
    if (left === 0) return { ok: true };
    if (turns % 1_024 === 0 && performance.now() > deadline) {
      return {
        ok: false,
        undecided: true,
        why: `undecided after ${withinMs} ms: ${operations.length} operations of ${operations[0]?.key}`,
      };
    }
    const frame = stack[stack.length - 1]!;
    const i = frame.candidates[frame.next++];
    if (i === undefined) {
      stack.pop();
      if (frame.chosen >= 0) undo(frame.chosen);
      continue;
    }
    const state = step(frame.state, operations[i]!);
    if (state === undefined) continue;
    done[i] = true;
    if (isOpen[i] !== true) left--;
    const deeper = enter(state, i);
    if (deeper === undefined) undo(i);
    else stack.push(deeper);
  }
  if (left === 0) return { ok: true };
  const at = best.candidates[0] ?? operations.length - 1;
  const near = operations.slice(Math.max(0, at - 6), at + 6);
  const changes = operations.slice(0, at).filter((operation) => mayChange(operation) && !near.includes(operation));
  return {
    ok: false,
    why: `${operations[0]?.key}: no order explains the answers; held by ${best.state === '' ? 'nobody' : best.state}, none of these can come next:\n${best.candidates
      .map((i) => told(operations[i]!))
      .join('\n')}\nthe last that changed its holder, or said that nobody holds it:\n${changes
      .slice(-MOST_CHANGES)
      .map(told)
      .join('\n')}\nits operations around:\n${near.map(told).join('\n')}`,
  };
}

/** Every violation of a whole history, thing by thing. Empty: what was answered can be explained. */
export function checkHistory(operations: readonly Operation[]): string[] {
  const violations = takenTwice(operations);
  for (const [, list] of splitByKey(operations)) {
    const verdict = checkOne(list);
    if (!verdict.ok) violations.push(verdict.why);
  }
  return violations;
}
