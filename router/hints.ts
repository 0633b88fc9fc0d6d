// What a request says about its place: parameters of the path, the query, keys of the body. Read exactly as the edge of
// the home reads them, else the two could find two places in one request.

/** Texts that a request gives; undefined: absent, or nothing that a place could be found by. */
export interface Hints {
  readonly path: (name: string) => string;
  readonly query: (name: string) => string | undefined;
  /** Whether the body is a JSON object at all. */
  readonly isObject: () => boolean;
  /** A key of the body; '' counts as absent. `meta.id` looks into an object. */
  readonly body: (key: string) => string | undefined;
  /** A key of the body of a find, where '' is a value to compare with. */
  readonly find: (key: string) => string | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The body as an object; undefined when it is none. The home's edge says what is wrong with it. */
export function readBodyObject(body: Uint8Array): Record<string, unknown> | undefined {
  if (body.byteLength === 0) return undefined;
  try {
    const json: unknown = JSON.parse(decoder.decode(body));
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** metal-api: keys are compared without case, the last of several wins, null means absent. */
export function keyOf(object: Record<string, unknown>, key: string): unknown {
  const wanted = key.toLowerCase();
  let found: unknown;
  for (const name of Object.keys(object)) {
    if (name.length !== wanted.length || name.toLowerCase() !== wanted) continue;
    const value = object[name];
    if (value !== null) found = value;
  }
  return found;
}

export function textOf(object: Record<string, unknown> | undefined, path: string): string | undefined {
  if (!path.includes('.')) {
    const value = object && keyOf(object, path);
    return typeof value === 'string' ? value : undefined;
  }
  let value: unknown = object;
  for (const key of path.split('.')) {
    if (!isObject(value)) return undefined;
    value = keyOf(value, key);
  }
  return typeof value === 'string' ? value : undefined;
}

/** The first value of a parameter, as Go's `Query().Get` gives it. */
export const queryOf = (query: string, name: string): string | undefined =>
  query === '' ? undefined : (new URLSearchParams(query).get(name) ?? undefined);

/** metal-api reads booleans of a query with Go's ParseBool. */
export const isTrue = (text: string | undefined): boolean =>
  text !== undefined && ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text);

/** No row has a NUL, and the edge refuses it: it says nothing of a place, and no database is asked for it. */
const placing = (text: string | undefined): string | undefined => (text?.includes('\0') === true ? undefined : text);

/** The body is parsed at most once, and only when a rule asks for a key of it. */
export function readHints(params: ReadonlyMap<string, string>, query: string, bytes: Uint8Array): Hints {
  let body: { object: Record<string, unknown> | undefined } | undefined;
  const read = (): Record<string, unknown> | undefined => (body ??= { object: readBodyObject(bytes) }).object;
  const find = (key: string): string | undefined => placing(textOf(read(), key));
  return {
    path: (name) => placing(params.get(name)) ?? '',
    query: (name) => queryOf(query, name),
    isObject: () => read() !== undefined,
    body: (key) => find(key) || undefined,
    find,
  };
}
