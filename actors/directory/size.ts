import { alreadyExists, invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import type { Hardware } from '../machine/hardware.ts';
import { byText, touched, type Entity, type EntityUpdate } from './entity.ts';
import { escapeGlob, matchesPattern, parseGlob } from './glob.ts';

export const SIZE_CONSTRAINT_TYPES = ['cores', 'memory', 'storage', 'gpu'] as const;
export type SizeConstraintType = (typeof SIZE_CONSTRAINT_TYPES)[number];

/** `min` and `max` count cores and GPUs, and bytes of memory and storage; both ends belong to the range. */
export interface SizeConstraint {
  type: SizeConstraintType;
  min: number;
  max: number;
  /** Glob on CPU model, disk name or GPU model; `''` matches everything. */
  identifier: string;
}

export interface Size extends Entity {
  constraints: SizeConstraint[];
  labels: Record<string, string>;
}

/** The size of hardware that no size, or more than one, matches. No size may have this id. */
export const UNKNOWN_SIZE = 'unknown';

/** A constraint as asked for: its type is not checked yet. */
export interface AskedSizeConstraint {
  type: string;
  min: number;
  max: number;
  identifier: string;
}

export interface SizeCreate {
  id: string;
  name: string;
  description: string;
  constraints: AskedSizeConstraint[];
  labels: Record<string, string>;
}

export interface SizeUpdate extends EntityUpdate {
  constraints?: AskedSizeConstraint[] | undefined;
  labels?: Record<string, string> | undefined;
}

const isConstraintType = (type: string): type is SizeConstraintType =>
  (SIZE_CONSTRAINT_TYPES as readonly string[]).includes(type);

const hasKnownType = (constraint: AskedSizeConstraint): constraint is SizeConstraint =>
  isConstraintType(constraint.type);

const problemsOf = ({ type, min, max, identifier }: AskedSizeConstraint): string[] => {
  const problems: string[] = [];
  if (!isConstraintType(type)) {
    problems.push(`constraint type:"${type}" is unknown, expected one of ${SIZE_CONSTRAINT_TYPES.join(', ')}`);
  }
  for (const [bound, value] of Object.entries({ min, max })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      problems.push(`${type} ${bound}:${value} must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
  }
  if (max < min) problems.push(`${type} max:${max} must not be smaller than min:${min}`);
  const glob = parseGlob(identifier);
  if (isRefusal(glob)) problems.push(`${type} identifier is not valid: ${glob.message}`);
  if (type === 'gpu' && identifier === '') problems.push('gpu needs an identifier: the model, or a glob of it');
  if (type === 'memory' && identifier !== '') problems.push(`memory must not have an identifier:"${identifier}"`);
  return problems;
};

/** All problems at once, Unprocessable (machines.md §15.1; unknown types too, W42). */
export const validateSizeConstraints = (asked: readonly AskedSizeConstraint[]): SizeConstraint[] | Refusal => {
  const problems = asked.flatMap(problemsOf);
  for (const type of ['cores', 'memory']) {
    if (asked.filter((constraint) => constraint.type === type).length > 1) {
      problems.push(`there must be at most one ${type} constraint`);
    }
  }
  return problems.length > 0 ? unprocessable(problems.join('; ')) : asked.filter(hasKnownType);
};

/** Could one machine fulfil both? Both have the same constraint types and every pair of one type overlaps. */
export const sizesOverlap = (
  a: { constraints: readonly SizeConstraint[] },
  b: { constraints: readonly SizeConstraint[] },
): boolean => {
  const types = new Set([...a.constraints, ...b.constraints].map((constraint) => constraint.type));
  if (a.constraints.length === 0 || b.constraints.length === 0) return false;
  return [...types].every((type) => {
    const ofA = a.constraints.filter((constraint) => constraint.type === type);
    const ofB = b.constraints.filter((constraint) => constraint.type === type);
    return (
      ofA.length > 0 &&
      ofB.length > 0 &&
      ofA.every((x) => ofB.every((y) => x.identifier === y.identifier && x.min <= y.max && y.min <= x.max))
    );
  });
};

const refuseOverlap = (size: Size, sizes: readonly Size[]): Refusal | undefined => {
  const other = sizes.find((candidate) => candidate.id !== size.id && sizesOverlap(size, candidate));
  return other && invalid(`the constraints of size "${size.id}" overlap with those of size "${other.id}"`);
};

/** `sizes`: all others; one of the same id is a Conflict, an overlap Invalid. */
export const createSize = (asked: SizeCreate, sizes: readonly Size[], nowMs: number): Size | Refusal => {
  if (asked.id === '') return invalid('id should not be empty');
  if (asked.id === UNKNOWN_SIZE) return invalid(`id cannot be "${UNKNOWN_SIZE}", machines without a size have it`);
  const constraints = validateSizeConstraints(asked.constraints);
  if (isRefusal(constraints)) return constraints;
  const size: Size = { ...asked, constraints, created: nowMs, changed: nowMs };
  const overlap = refuseOverlap(size, sizes);
  if (overlap) return overlap;
  return sizes.some((other) => other.id === asked.id) ? alreadyExists() : size;
};

export const updateSize = (stored: Size, asked: SizeUpdate, sizes: readonly Size[], nowMs: number): Size | Refusal => {
  const constraints = validateSizeConstraints(asked.constraints ?? stored.constraints);
  if (isRefusal(constraints)) return constraints;
  const size: Size = { ...touched(stored, asked, nowMs), constraints, labels: asked.labels ?? stored.labels };
  return refuseOverlap(size, sizes) ?? size;
};

/** A size that machines or reservations refer to stays (machines.md §15.1, W41): Unprocessable. */
export const refuseSizeDelete = (id: string, uses: { machines: number; reservations: number }): Refusal | undefined => {
  if (uses.reservations > 0) return unprocessable(`size "${id}" cannot be deleted, it has size reservations`);
  if (uses.machines > 0) return unprocessable(`size "${id}" cannot be deleted, ${uses.machines} machines have it`);
  return undefined;
};

/** Parts of the hardware that a constraint speaks of, each with its share of the capacity. */
const partsOf = (type: SizeConstraintType, hardware: Hardware): { name: string; amount: number }[] => {
  switch (type) {
    case 'cores':
      return hardware.cpus.map((cpu) => ({ name: cpu.model, amount: cpu.cores }));
    case 'memory':
      return [{ name: '', amount: hardware.memory }];
    case 'storage':
      return hardware.disks.map((disk) => ({ name: disk.name, amount: disk.size }));
    case 'gpu':
      return hardware.gpus.map((gpu) => ({ name: gpu.model, amount: 1 }));
  }
};

const matchesIdentifier = (identifier: string, name: string): boolean =>
  identifier === '' || matchesPattern(identifier, name);

const matches = (hardware: Hardware, size: Size): boolean =>
  size.constraints.length > 0 &&
  size.constraints.every(({ type, min, max, identifier }) => {
    const capacity = partsOf(type, hardware)
      .filter((part) => matchesIdentifier(identifier, part.name))
      .reduce((sum, part) => sum + part.amount, 0);
    return min <= capacity && capacity <= max;
  }) &&
  // Nothing in the machine may be left unsaid: each part needs a constraint that speaks of it.
  SIZE_CONSTRAINT_TYPES.every((type) =>
    partsOf(type, hardware).every((part) =>
      size.constraints.some(
        (constraint) => constraint.type === type && matchesIdentifier(constraint.identifier, part.name),
      ),
    ),
  );

/** The id of the only size that matches, else `unknown` (machines.md §15.2). */
export const matchSize = (hardware: Hardware, sizes: readonly Size[]): string => {
  const found = sizes.filter((size) => matches(hardware, size));
  return found.length === 1 ? found[0]!.id : UNKNOWN_SIZE;
};

/** A glob that matches all names: their common beginning, and `*` where some go on. */
const identifierOf = (names: readonly string[]): string => {
  const [first, ...rest] = names.map((name) => Array.from(name));
  if (first === undefined) return '';
  const differs = first.findIndex((char, i) => rest.some((name) => name[i] !== char));
  const common = differs < 0 ? first : first.slice(0, differs);
  const goesOn = [first, ...rest].some((name) => name.length > common.length);
  const identifier = escapeGlob(common.join('')) + (goesOn ? '*' : '');
  // `*` stops at a slash, so names such as sda and /dev/sdb have no common glob but the empty one.
  return names.every((name) => matchesPattern(identifier, name)) ? identifier : '';
};

const total = (hardware: Hardware, type: SizeConstraintType): number =>
  partsOf(type, hardware).reduce((sum, part) => sum + part.amount, 0);

/** Constraints of a size that would match exactly such hardware (machines.md §15.3; identifiers escaped, W43). */
export const suggest = (hardware: Hardware): SizeConstraint[] => {
  const exactly = (type: SizeConstraintType, amount: number, identifier: string): SizeConstraint => ({
    type,
    min: amount,
    max: amount,
    identifier,
  });
  const namesOf = (type: SizeConstraintType) => partsOf(type, hardware).map((part) => part.name);
  const models = [...new Set(namesOf('gpu'))].sort(byText);
  return [
    exactly('cores', total(hardware, 'cores'), identifierOf(namesOf('cores'))),
    exactly('memory', total(hardware, 'memory'), ''),
    exactly('storage', total(hardware, 'storage'), identifierOf(namesOf('storage'))),
    ...models.map((model) =>
      exactly('gpu', hardware.gpus.filter((gpu) => gpu.model === model).length, escapeGlob(model)),
    ),
  ];
};
