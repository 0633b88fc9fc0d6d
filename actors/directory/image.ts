import { alreadyExists, invalid, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import { byText, touched, type Entity, type EntityUpdate } from './entity.ts';
import { compareVersions, formatVersion, parseVersion, satisfies, type Version } from './version.ts';

export const IMAGE_FEATURES = ['firewall', 'machine'] as const;
export type ImageFeature = (typeof IMAGE_FEATURES)[number];

/** Shown to users; decides nothing. */
export const CLASSIFICATIONS = ['preview', 'supported', 'deprecated'] as const;
export type Classification = (typeof CLASSIFICATIONS)[number];

export interface Image extends Entity {
  url: string;
  /** Sorted, without duplicates. */
  features: ImageFeature[];
  /** Of the id: everything before the last `-`. */
  os: string;
  /** Of the id, normalised: `20.4.20210101`. */
  version: string;
  /** Epoch milliseconds. */
  expirationDate: number;
  classification: Classification;
}

export interface ImageCreate {
  id: string;
  name: string;
  description: string;
  url: string;
  features: string[];
  /** `''`: preview. */
  classification: string;
  /** Epoch milliseconds; absent or Go's zero time: in 90 days. */
  expirationDate?: number | undefined;
}

export interface ImageUpdate extends EntityUpdate {
  url?: string | undefined;
  features?: string[] | undefined;
  classification?: string | undefined;
  expirationDate?: number | undefined;
}

/** 0001-01-01T00:00:00Z, Go's way to say that a time was never set. */
export const ZERO_TIME_MS = -62_135_596_800_000;
const EXPIRES_AFTER_MS = 90 * 24 * 3_600_000;

/** `<os>-<major>[.<minor>[.<patch>]]`, split at the last `-`; Invalid otherwise. */
export const parseImageId = (id: string): { os: string; version: Version } | Refusal => {
  const dash = id.lastIndexOf('-');
  const version = parseVersion(id.slice(dash + 1));
  if (dash < 1 || isRefusal(version)) {
    return invalid(`image id:"${id}" is not valid, expected <os>-<major>.<minor>.<patch> such as ubuntu-24.4.20260101`);
  }
  return { os: id.slice(0, dash), version };
};

const isFeature = (text: string): text is ImageFeature => (IMAGE_FEATURES as readonly string[]).includes(text);
const isClassification = (text: string): text is Classification =>
  (CLASSIFICATIONS as readonly string[]).includes(text);

const parseFeatures = (features: readonly string[]): ImageFeature[] | Refusal => {
  const unknown = features.find((feature) => !isFeature(feature));
  if (unknown !== undefined) {
    return invalid(`image feature:"${unknown}" is unknown, expected one of ${IMAGE_FEATURES.join(', ')}`);
  }
  return [...new Set(features.filter(isFeature))].sort(byText);
};

const parseClassification = (text: string): Classification | Refusal =>
  isClassification(text)
    ? text
    : invalid(`image classification:"${text}" is unknown, expected one of ${CLASSIFICATIONS.join(', ')}`);

/** That the URL answers is the caller's to find out, before (machines.md §17.1). All Invalid but a known id. */
export const createImage = (asked: ImageCreate, exists: boolean, nowMs: number): Image | Refusal => {
  if (asked.id === '') return invalid('id should not be empty');
  if (asked.url === '') return invalid('url should not be empty');
  const features = parseFeatures(asked.features);
  if (isRefusal(features)) return features;
  const parsed = parseImageId(asked.id);
  if (isRefusal(parsed)) return parsed;
  const classification = parseClassification(asked.classification || 'preview');
  if (isRefusal(classification)) return classification;
  if (exists) return alreadyExists();
  const { id, name, description, url, expirationDate = ZERO_TIME_MS } = asked;
  return {
    id,
    name,
    description,
    created: nowMs,
    changed: nowMs,
    url,
    features,
    os: parsed.os,
    version: formatVersion(parsed.version),
    expirationDate: expirationDate === ZERO_TIME_MS ? nowMs + EXPIRES_AFTER_MS : expirationDate,
    classification,
  };
};

/** An empty list of features keeps the stored ones; any expiration date is taken, also a past one. */
export const updateImage = (stored: Image, asked: ImageUpdate, nowMs: number): Image | Refusal => {
  if (asked.url === '') return invalid('url should not be empty');
  const features = asked.features?.length ? parseFeatures(asked.features) : stored.features;
  if (isRefusal(features)) return features;
  const classification = parseClassification(asked.classification || stored.classification);
  if (isRefusal(classification)) return classification;
  return {
    ...touched(stored, asked, nowMs),
    url: asked.url ?? stored.url,
    features,
    classification,
    expirationDate: asked.expirationDate ?? stored.expirationDate,
  };
};

/** An image that a machine runs stays: Unprocessable. */
export const refuseImageDelete = (id: string, usedBy: readonly string[]): Refusal | undefined =>
  usedBy.length > 0
    ? unprocessable(`image "${id}" cannot be deleted, machines use it: ${usedBy.slice(0, 10).join(', ')}`)
    : undefined;

interface Candidate {
  image: Image;
  version: Version;
}

/** Newest first. */
const newestFirst = (images: readonly Image[]): Candidate[] =>
  images
    .map((image) => ({ image, version: parseVersion(image.version) }))
    .filter((candidate): candidate is Candidate => !isRefusal(candidate.version))
    .sort((a, b) => compareVersions(b.version, a.version) || byText(a.image.id, b.image.id));

/**
 * All images that a possibly short id means, newest first (machines.md §17.2): with a patch exactly that version, else
 * any patch of that minor. Expired and deprecated ones too. An id that can't be parsed is NotFound.
 */
export const queryImages = (id: string, images: readonly Image[]): Image[] | Refusal => {
  const asked = parseImageId(id);
  if (isRefusal(asked)) return notFound(asked.message);
  const operator = asked.version.patch > 0 ? '=' : '~';
  return newestFirst(images.filter((image) => image.os === asked.os))
    .filter(({ version }) => satisfies(version, { operator, version: asked.version, precision: 'patch' }))
    .map(({ image }) => image);
};

/** The newest image that a possibly short id means, NotFound when there is none. */
export const newestImage = (id: string, images: readonly Image[]): Image | Refusal => {
  const found = queryImages(id, images);
  return isRefusal(found) ? found : (found[0] ?? notFound(`no image for id:"${id}" found`));
};

/** What metal-api's `delete-orphan-images` removes: expired and unused, but never the newest image of an os. */
export const orphanImages = (images: readonly Image[], usedIds: ReadonlySet<string>, nowMs: number): Image[] => {
  const kept = new Set<string>();
  return newestFirst(images)
    .map(({ image }) => image)
    .filter((image) => {
      const isNewest = !kept.has(image.os);
      kept.add(image.os);
      return !isNewest && image.expirationDate < nowMs && !usedIds.has(image.id);
    });
};
