import { z } from 'zod';
import type {
  SizeImageConstraint,
  SizeImageConstraintCreate,
  SizeImageConstraintUpdate,
} from '../../../actors/directory/size-image-constraint.ts';
import { described, describedOf, labels, text } from './fields.ts';

export const constraintBody = z.object({ ...described, constraints: z.object({ images: labels }).optional() });
type ConstraintBody = z.infer<typeof constraintBody>;
export const tryBody = z.object({ size: text, image: text });

export const constraintCreate = (body: ConstraintBody): SizeImageConstraintCreate => ({
  ...describedOf(body),
  images: body.constraints?.images ?? {},
});

export const constraintUpdate = (body: ConstraintBody): SizeImageConstraintUpdate & { id: string } => ({
  id: body.id ?? '',
  name: body.name,
  description: body.description,
  images: body.constraints?.images,
});

export const constraintResponse = ({ id, name, description, images }: SizeImageConstraint) => ({
  id,
  name,
  description,
  constraints: { images },
});
