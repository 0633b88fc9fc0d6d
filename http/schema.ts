// The declared form of a request body: what Go's decoder does to keys and nulls (machines.md §1.5), then zod's check.
import { z } from 'zod';
import { invalid, type Refusal } from '../actors/refusal.ts';
import { problemOf, problemsText } from './schema-problems.ts';

/** A compiled schema: the value in its declared form, or Invalid naming the field. */
export type Check<T> = (json: unknown) => T | Refusal;

type Tidy = (json: unknown) => unknown;

const isRecord = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const withoutNulls = (record: Record<string, unknown>): Record<string, unknown> => {
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(record)) {
    if (record[key] === null) continue;
    // `__proto__` as an ordinary key, not as the prototype of what we build.
    Object.defineProperty(kept, key, { value: record[key], enumerable: true, writable: true, configurable: true });
  }
  return kept;
};

/** Keys without case, the last of several wins; null means absent; unknown keys are dropped. */
function tidyObject(shape: Record<string, z.core.$ZodType>): Tidy {
  const declared = new Map(
    Object.entries(shape).map(([key, schema]) => [key.toLowerCase(), { key, tidy: tidyOf(schema) }]),
  );
  return (json) => {
    if (!isRecord(json)) return json;
    const tidied: Record<string, unknown> = {};
    for (const name of Object.keys(json)) {
      const field = declared.get(name) ?? declared.get(name.toLowerCase());
      const value = json[name];
      if (field !== undefined && value !== null)
        tidied[field.key] = field.tidy === undefined ? value : field.tidy(value);
    }
    return tidied;
  };
}

function tidyOf(schema: z.core.$ZodType): Tidy | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return tidyOf(schema.unwrap());
  }
  if (schema instanceof z.ZodObject) return tidyObject(schema.shape as Record<string, z.core.$ZodType>);
  if (schema instanceof z.ZodRecord) return (json) => (isRecord(json) ? withoutNulls(json) : json);
  if (schema instanceof z.ZodArray) {
    const tidy = tidyOf(schema.element);
    return tidy && ((json) => (Array.isArray(json) ? json.map(tidy) : json));
  }
  return undefined;
}

const WORDS = { error: problemOf };

/** Compiled once, when the route is declared. */
export function compile<T>(schema: z.ZodType<T>): Check<T> {
  const tidy = tidyOf(schema);
  return (json) => {
    const result = schema.safeParse(tidy === undefined ? json : tidy(json), WORDS);
    return result.success ? result.data : invalid(problemsText(result.error));
  };
}
