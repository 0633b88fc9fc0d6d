import { invalid, isRefusal, type Refusal } from '../refusal.ts';

/** A version, loosely written: missing parts were read as 0, leading zeros dropped (machines.md §16.1). */
export interface Version {
  major: number;
  minor: number;
  patch: number;
  /** Without the `-`; `''` for a release. */
  prerelease: string;
  /** Without the `+`; never compared. */
  metadata: string;
}

type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=' | '~' | '^';

export interface VersionConstraint {
  /** `*`: any release. */
  operator: Operator | '*';
  version: Version;
  /** How much of the version was written down; `20.4` means something else than `20.4.0`. */
  precision: 'major' | 'minor' | 'patch';
}

const IDENTIFIERS = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const VERSION = new RegExp(`^v?(\\d+)(?:\\.(\\d+))?(?:\\.(\\d+))?(?:-(${IDENTIFIERS}))?(?:\\+(${IDENTIFIERS}))?$`);

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['=', '='],
  ['!=', '!='],
  ['>', '>'],
  ['<', '<'],
  ['>=', '>='],
  ['=>', '>='],
  ['<=', '<='],
  ['=<', '<='],
  ['~', '~'],
  ['~>', '~'],
  ['^', '^'],
]);

const read = (text: string): { version: Version; precision: VersionConstraint['precision'] } | Refusal => {
  const match = VERSION.exec(text);
  if (!match) {
    return invalid(`version:"${text}" is not a version, expected <major>[.<minor>[.<patch>]] such as 20.4.20210101`);
  }
  const [, major = '0', minor, patch, prerelease = '', metadata = ''] = match;
  const version = { major: Number(major), minor: Number(minor ?? 0), patch: Number(patch ?? 0), prerelease, metadata };
  for (const part of [version.major, version.minor, version.patch]) {
    if (!Number.isSafeInteger(part)) return invalid(`version:"${text}" has a part above ${Number.MAX_SAFE_INTEGER}`);
  }
  if (prerelease.split('.').some((identifier) => /^0\d+$/.test(identifier))) {
    return invalid(`version:"${text}" has a pre-release number with a leading zero`);
  }
  return { version, precision: patch !== undefined ? 'patch' : minor !== undefined ? 'minor' : 'major' };
};

/** Optional `v`, major[.minor[.patch]][-prerelease][+metadata]; refused as Invalid otherwise. */
export const parseVersion = (text: string): Version | Refusal => {
  const result = read(text);
  return isRefusal(result) ? result : result.version;
};

/** The normalised form, always with three numbers: `20.04` becomes `20.4.0`. */
export const formatVersion = (version: Version): string =>
  `${version.major}.${version.minor}.${version.patch}` +
  (version.prerelease && `-${version.prerelease}`) +
  (version.metadata && `+${version.metadata}`);

// Semantic Versioning 2.0.0, item 11.
const comparePrerelease = (a: string, b: string): number => {
  if (a === b) return 0;
  if (a === '') return 1;
  if (b === '') return -1;
  const left = a.split('.');
  const right = b.split('.');
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const x = left[i]!;
    const y = right[i]!;
    if (x === y) continue;
    const xIsNumber = /^\d+$/.test(x);
    const yIsNumber = /^\d+$/.test(y);
    if (xIsNumber && yIsNumber) return x.length - y.length || (x < y ? -1 : 1);
    if (xIsNumber !== yIsNumber) return xIsNumber ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
};

/** Negative when `a` is older than `b`, 0 when equal; metadata does not count (Semantic Versioning 2.0.0, item 11). */
export const compareVersions = (a: Version, b: Version): number =>
  a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePrerelease(a.prerelease, b.prerelease);

/** `*`, a bare version, or `<op> <version>` with exactly one space; anything combined is Invalid (machines.md §16). */
export const parseConstraint = (text: string): VersionConstraint | Refusal => {
  if (text === '*') {
    return {
      operator: '*',
      version: { major: 0, minor: 0, patch: 0, prerelease: '', metadata: '' },
      precision: 'major',
    };
  }
  const parts = text.split(' ');
  const written = parts.length === 1 ? '=' : parts[0]!;
  const operator = OPERATORS.get(written);
  if (parts.length > 2 || operator === undefined) {
    return invalid(
      `version constraint:"${text}" is not valid, expected *, a version, or one of ${[...OPERATORS.keys()].join(' ')}, one space, and a version`,
    );
  }
  const result = read(parts.at(-1)!);
  return isRefusal(result)
    ? invalid(`version constraint:"${text}" is not valid: ${result.message}`)
    : { operator, ...result };
};

/** Does the version fulfil the constraint? Partial versions mean ranges (machines.md §16.1); npm ranges differ. */
export const satisfies = (version: Version, constraint: VersionConstraint): boolean => {
  const { operator, version: bound, precision } = constraint;
  if (version.prerelease !== '' && bound.prerelease === '') return false;
  if (operator === '*') return true;

  const order = compareVersions(version, bound);
  const sameMajor = version.major === bound.major;
  const sameMinor = sameMajor && version.minor === bound.minor;
  const withinTilde = order >= 0 && (precision === 'major' ? sameMajor : sameMinor);

  switch (operator) {
    case '=':
      return precision === 'patch' ? order === 0 : withinTilde;
    case '!=':
      return precision === 'patch' ? order !== 0 : precision === 'minor' ? !sameMinor : !sameMajor;
    case '>':
      if (precision === 'patch') return order > 0;
      if (precision === 'major') return version.major > bound.major;
      return version.major > bound.major || (sameMajor && version.minor > bound.minor);
    case '>=':
      return order >= 0;
    case '<':
      return order < 0;
    case '<=':
      if (precision === 'patch') return order <= 0;
      if (precision === 'major') return version.major <= bound.major;
      return version.major < bound.major || (sameMajor && version.minor <= bound.minor);
    case '~':
      return withinTilde;
    case '^':
      if (order < 0 || !sameMajor) return false;
      if (bound.major > 0 || precision === 'major') return true;
      if (!sameMinor) return false;
      return bound.minor > 0 || precision === 'minor' || version.patch === bound.patch;
  }
};

/** Does the text of a valid constraint accept the version? An invalid constraint accepts nothing. */
export const accepts = (constraint: string, version: Version): boolean => {
  const parsed = parseConstraint(constraint);
  return !isRefusal(parsed) && satisfies(version, parsed);
};
