import { invalid, isRefusal, type Refusal } from '../refusal.ts';

// Go's path.Match (https://pkg.go.dev/path#Match): sizes stored by metal-api were written for exactly these rules.

type Token =
  { kind: 'literal'; char: string } | { kind: 'any' } | { kind: 'class'; negated: boolean; ranges: [string, string][] };

/** A run of stars (or none) and what must follow it. */
interface Chunk {
  star: boolean;
  tokens: Token[];
}

/** A well-formed pattern. */
export interface Glob {
  chunks: Chunk[];
}

/** `*`, `?`, `[...]` with ranges and `^`, `\` escapes; Invalid when not well-formed. */
export const parseGlob = (pattern: string): Glob | Refusal => {
  const malformed = (why: string) => invalid(`glob:"${pattern}" is malformed: ${why}`);
  const chars = Array.from(pattern);
  const chunks: Chunk[] = [];
  let current: Chunk = { star: false, tokens: [] };
  let at = 0;

  /** One end of a range in a class, or undefined where there can't be one. */
  const bound = (): string | undefined => {
    let char = chars[at++];
    if (char === '-' || char === ']') return undefined;
    if (char === '\\') char = chars[at++];
    return char;
  };

  while (at < chars.length) {
    const char = chars[at++]!;
    if (char === '*') {
      if (current.star && current.tokens.length === 0) continue;
      if (current.star || current.tokens.length > 0) chunks.push(current);
      current = { star: true, tokens: [] };
    } else if (char === '?') {
      current.tokens.push({ kind: 'any' });
    } else if (char === '\\') {
      const escaped = chars[at++];
      if (escaped === undefined) return malformed('nothing follows the last \\');
      current.tokens.push({ kind: 'literal', char: escaped });
    } else if (char === '[') {
      const negated = chars[at] === '^';
      if (negated) at++;
      const ranges: [string, string][] = [];
      while (chars[at] !== ']' || ranges.length === 0) {
        const low = bound();
        let high = low;
        if (chars[at] === '-') {
          at++;
          high = bound();
        }
        if (low === undefined || high === undefined) return malformed('[ without its characters and ]');
        ranges.push([low, high]);
      }
      at++;
      current.tokens.push({ kind: 'class', negated, ranges });
    } else {
      current.tokens.push({ kind: 'literal', char });
    }
  }
  chunks.push(current);
  return { chunks };
};

const matchesToken = (token: Token, char: string): boolean => {
  if (token.kind === 'literal') return token.char === char;
  if (token.kind === 'any') return char !== '/';
  const code = char.codePointAt(0)!;
  const inside = token.ranges.some(([low, high]) => low.codePointAt(0)! <= code && code <= high.codePointAt(0)!);
  return inside !== token.negated;
};

const matchesAt = (tokens: Token[], chars: string[], at: number): boolean =>
  at + tokens.length <= chars.length && tokens.every((token, i) => matchesToken(token, chars[at + i]!));

/** The whole text must match; `*` and `?` never match `/`. Linear in the text for each star. */
export const matchesGlob = (glob: Glob, text: string): boolean => {
  const chars = Array.from(text);
  let at = 0;
  for (const [i, chunk] of glob.chunks.entries()) {
    const isLast = i === glob.chunks.length - 1;
    const fits = (start: number) =>
      matchesAt(chunk.tokens, chars, start) && (!isLast || start + chunk.tokens.length === chars.length);
    while (!fits(at)) {
      if (!chunk.star || at >= chars.length || chars[at] === '/') return false;
      at++;
    }
    at += chunk.tokens.length;
  }
  return at === chars.length;
};

/** For patterns that were validated when they were stored; a malformed one matches nothing. */
export const matchesPattern = (pattern: string, text: string): boolean => {
  const glob = parseGlob(pattern);
  return !isRefusal(glob) && matchesGlob(glob, text);
};

/** A pattern that matches exactly this text. */
export const escapeGlob = (text: string): string => text.replace(/[\\*?[]/g, '\\$&');
