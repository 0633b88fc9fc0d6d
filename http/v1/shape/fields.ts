// Pieces of request schemas that many resources share. Nulls are gone before a schema sees them (schema.ts).
import { z } from 'zod';
import { NEVER, rfc3339 } from '../../../actors/machine/rfc3339.ts';

export const text = z.string().optional();
export const texts = z.array(z.string()).optional();
export const flag = z.boolean().optional();
export const labels = z
  .record(z.string(), z.string())
  .meta({ examples: [{ zone: 'a' }] })
  .optional();
/** Rules say what they say of another one: an unknown family has its own refusal at each operation. */
export const addressFamily = z
  .string()
  .meta({ enum: ['IPv4', 'IPv6'], description: 'Upper and lower case are the same.' })
  .optional();
/** A whole number that Go keeps in an unsigned integer. */
export const count = z.int().min(0);

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** RFC 3339 → epoch milliseconds. */
export const time = z.string().transform((given, context) => {
  const ms = RFC3339.test(given) ? Date.parse(given) : NaN;
  if (!Number.isNaN(ms)) return ms;
  context.addIssue({ code: 'custom', message: `"${given}" is not a time, expected RFC 3339 such as ${NEVER}` });
  return z.NEVER;
});

/** Id, name and description, as creates have them; an absent id is refused by the rules as an empty one. */
export const described = { id: text, name: text, description: text };

/** The described fields with metal-api's empty forms. */
export const describedOf = (body: {
  id?: string | undefined;
  name?: string | undefined;
  description?: string | undefined;
}) => ({
  id: body.id ?? '',
  name: body.name ?? '',
  description: body.description ?? '',
});

export const timesOf = (entity: { created: number; changed: number }) => {
  const created = rfc3339(entity.created);
  return { created, changed: entity.changed === entity.created ? created : rfc3339(entity.changed) };
};

/** The list, or nothing: some lists are left out of an answer when empty. */
export const listed = <T extends readonly unknown[]>(list: T): T | undefined => (list.length > 0 ? list : undefined);
/** The list, or null: some lists are null when empty. */
export const orNull = <T>(list: readonly T[]): readonly T[] | null => (list.length > 0 ? list : null);

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined, for messages whose absent fields keep what is stored. */
export const given = <T extends object>(fields: T): Given<T> => {
  const kept: Partial<T> = {};
  for (const name of Object.keys(fields) as Array<keyof T>) {
    if (fields[name] !== undefined) kept[name] = fields[name];
  }
  return kept as Given<T>;
};
