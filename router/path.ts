// One reading of a request's path, before routing and before authorisation, so that no two rooms see two places in it.

/** A path below the base path: its segments as sent (not decoded), and the query without `?`. */
export interface ReadPath {
  readonly segments: readonly string[];
  readonly query: string;
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN_CHARACTER = /[\u0000-\u0020\u007f\\]|%(?:[01][0-9a-f]|7f|5c)/i;
const DOT_SEGMENT = /^(?:\.|%2e){1,2}$/i;
/** Resources whose ids may contain a slash. */
const FREE_IDS: ReadonlySet<string> = new Set(['firmware', 'inspect']);
const SEPARATOR = /%2f|;/i;

/**
 * Why a request target is refused; undefined: it is read alike by everybody. Below `/v1` and `/v2` an encoded slash is a part of an
 * id only in firmware revisions (metal-api: such as `1/2`); elsewhere nothing has one.
 */
export function refusePath(target: string): string | undefined {
  if (target.includes('#')) return 'the request target contains a fragment ("#")';
  const end = target.indexOf('?');
  const path = end < 0 ? target : target.slice(0, end);
  // What no database keeps need not be asked for.
  if (end >= 0 && target.includes('%00', end)) {
    const parameter = target
      .slice(end + 1)
      .split('&')
      .find((one) => one.includes('%00'))!;
    return `the query parameter "${parameter.split('=', 1)[0]}" contains the character U+0000 ("%00")`;
  }
  if (!path.startsWith('/')) return `the path must start with "/", got ${JSON.stringify(path)}`;
  // What almost every path is made of needs no closer look.
  if (/^(?:\/[A-Za-z0-9_:~-]+(?:\.[A-Za-z0-9_:~-]+)*)+\/?$/.test(path)) return undefined;
  if (FORBIDDEN_CHARACTER.test(path)) return 'the path contains a control character, a blank or a backslash';
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'the path contains a "%" that is not followed by two hexadecimal digits';
  if (path.includes('//')) return 'the path contains an empty segment ("//")';
  const segments = path.split('/');
  if (segments.some((segment) => DOT_SEGMENT.test(segment))) return 'the path contains a "." or ".." segment';
  const version = segments.findIndex((segment) => segment === 'v1' || segment === 'v2');
  if (version > 0 && !FREE_IDS.has(segments[version + 1]!) && SEPARATOR.test(path)) {
    return 'the path contains an encoded slash or a ";" where no id has one';
  }
  return isText(path) ? undefined : 'the path contains percent-encoded bytes that are not UTF-8';
}

const isText = (path: string): boolean => {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
};

/** Segments below the base path (`/` at both ends); undefined when the path lies elsewhere. A trailing slash is free. */
export function readPath(target: string, basePath = '/'): ReadPath | undefined {
  if (!target.startsWith(basePath)) return undefined;
  const end = target.indexOf('?');
  const segments = target.slice(basePath.length, end < 0 ? undefined : end).split('/');
  if (segments.at(-1) === '') segments.pop();
  return { segments, query: end < 0 ? '' : target.slice(end + 1) };
}
