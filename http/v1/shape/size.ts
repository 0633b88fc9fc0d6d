import { z } from 'zod';
import type { Size, SizeConstraint, SizeCreate, SizeUpdate } from '../../../actors/directory/size.ts';
import { count, described, describedOf, labels, text, timesOf } from './fields.ts';

const constraint = z.object({ type: text, min: count.optional(), max: count.optional(), identifier: text });
export const sizeBody = z.object({ ...described, labels, constraints: z.array(constraint).optional() });
type SizeBody = z.infer<typeof sizeBody>;
export const suggestBody = z.object({ machineID: text });

const askedConstraints = (body: SizeBody) =>
  body.constraints?.map(({ type = '', min = 0, max = 0, identifier = '' }) => ({ type, min, max, identifier }));

export const sizeCreate = (body: SizeBody): SizeCreate => ({
  ...describedOf(body),
  labels: body.labels ?? {},
  constraints: askedConstraints(body) ?? [],
});

export const sizeUpdate = (body: SizeBody): SizeUpdate & { id: string } => ({
  id: body.id ?? '',
  name: body.name,
  description: body.description,
  labels: body.labels,
  constraints: askedConstraints(body),
});

/** Zeros and empty identifiers are left out, as Go's omitempty does. */
export const constraintResponse = ({ type, min, max, identifier }: SizeConstraint) => ({
  type,
  min: min || undefined,
  max: max || undefined,
  identifier: identifier || undefined,
});

export const sizeResponse = (size: Size) => ({
  id: size.id,
  name: size.name,
  description: size.description,
  constraints: size.constraints.map(constraintResponse),
  labels: size.labels,
  ...timesOf(size),
});
