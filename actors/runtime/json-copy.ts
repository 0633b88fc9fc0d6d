// A value as a column of JSON gives it back, without the text in between: an in-memory store copies each row several times.

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

function copied(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      // −0 is written as 0.
      return Number.isFinite(value) ? value + 0 : null;
    case 'object':
      return value === null ? null : copiedObject(value);
    case 'bigint':
      throw new TypeError(`the integer ${value}n has no form in JSON: write it as text`);
    default:
      return undefined;
  }
}

function copiedObject(value: object): unknown {
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    for (let i = 0; i < value.length; i++) list.push(copied(value[i]) ?? null);
    return list;
  }
  // Dates, maps, bytes and whatever else has an opinion on its own form: rare.
  if (!isPlain(value) || 'toJSON' in value || Object.hasOwn(value, '__proto__'))
    return JSON.parse(JSON.stringify(value));
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const one = copied((value as Record<string, unknown>)[key]);
    if (one !== undefined) copy[key] = one;
  }
  return copy;
}

/** Nobody else's object, and equal to `JSON.parse(JSON.stringify(value))`. */
export const jsonCopy = <T>(value: T): T => copied(value) as T;
