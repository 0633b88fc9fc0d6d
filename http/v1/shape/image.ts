import { z } from 'zod';
import type { Image, ImageCreate, ImageUpdate } from '../../../actors/directory/image.ts';
import { rfc3339 } from '../../../actors/machine/rfc3339.ts';
import { described, describedOf, text, texts, time, timesOf } from './fields.ts';

export const imageBody = z.object({
  ...described,
  url: text,
  features: texts,
  classification: text,
  expirationDate: time.optional(),
});
type ImageBody = z.infer<typeof imageBody>;

export const imageFindBody = z.object({
  id: text,
  name: text,
  os: text,
  version: text,
  classification: text,
  features: texts,
});

export const imageCreate = (body: ImageBody): ImageCreate => ({
  ...describedOf(body),
  url: body.url ?? '',
  features: body.features ?? [],
  classification: body.classification ?? '',
  expirationDate: body.expirationDate,
});

export const imageUpdate = (body: ImageBody): ImageUpdate & { id: string } => ({
  id: body.id ?? '',
  name: body.name,
  description: body.description,
  url: body.url,
  features: body.features,
  classification: body.classification,
  expirationDate: body.expirationDate,
});

/** Every field asked for is equal, every feature asked for is there. */
export const matchesImage = (image: Image, query: z.infer<typeof imageFindBody>): boolean =>
  (['id', 'name', 'os', 'version', 'classification'] as const).every(
    (field) => query[field] === undefined || query[field] === image[field],
  ) && (query.features ?? []).every((feature) => (image.features as string[]).includes(feature));

/** `usedBy`: machines; null when nobody asked. */
export const imageResponse = (image: Image, usedBy: string[] | null = null) => ({
  id: image.id,
  name: image.name,
  description: image.description,
  url: image.url,
  features: image.features,
  expirationDate: rfc3339(image.expirationDate),
  classification: image.classification,
  usedby: usedBy !== null && usedBy.length > 0 ? usedBy : null,
  ...timesOf(image),
});
