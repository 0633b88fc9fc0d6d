import { alreadyExists, invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import { touched, type Entity, type EntityUpdate } from './entity.ts';
import { accepts, parseConstraint, parseVersion } from './version.ts';

/** Which images may run on machines of a size; its id is the size's id (machines.md §16). */
export interface SizeImageConstraint extends Entity {
  /** Operating system → version constraint. An os that is not named is not constrained. */
  images: Record<string, string>;
}

export interface SizeImageConstraintCreate {
  id: string;
  name: string;
  description: string;
  images: Record<string, string>;
}

export interface SizeImageConstraintUpdate extends EntityUpdate {
  /** Replaces the stored ones; absent: none. */
  images?: Record<string, string> | undefined;
}

/** An os key is a name, not `*`; each constraint as `parseConstraint` wants it. Invalid. */
export const validateImageConstraints = (images: Record<string, string>): Refusal | undefined => {
  for (const [os, constraint] of Object.entries(images)) {
    if (os === '' || os.includes('*')) {
      return invalid(`image os:"${os}" is not valid, expected the name of an operating system such as ubuntu`);
    }
    const parsed = parseConstraint(constraint);
    if (isRefusal(parsed)) return invalid(`image os:"${os}": ${parsed.message}`);
  }
  return undefined;
};

export const createSizeImageConstraint = (
  asked: SizeImageConstraintCreate,
  exists: boolean,
  nowMs: number,
): SizeImageConstraint | Refusal => {
  if (asked.id === '') return invalid('id should not be empty');
  const problem = validateImageConstraints(asked.images);
  if (problem) return problem;
  return exists ? alreadyExists() : { ...asked, created: nowMs, changed: nowMs };
};

export const updateSizeImageConstraint = (
  stored: SizeImageConstraint,
  asked: SizeImageConstraintUpdate,
  nowMs: number,
): SizeImageConstraint | Refusal => {
  const images = asked.images ?? {};
  return validateImageConstraints(images) ?? { ...touched(stored, asked, nowMs), images };
};

/** May the image, resolved to a full version, run on the size? `undefined`: yes; else Unprocessable. */
export const checkImageOnSize = (
  constraint: SizeImageConstraint | undefined,
  image: { id: string; os: string; version: string },
): Refusal | undefined => {
  if (!constraint || !Object.hasOwn(constraint.images, image.os)) return undefined;
  const wanted = constraint.images[image.os]!;
  const version = parseVersion(image.version);
  if (isRefusal(version) || version.patch === 0) {
    return unprocessable(`image "${image.id}" has no patch version, it cannot be compared with "${wanted}"`);
  }
  if (accepts(wanted, version)) return undefined;
  return unprocessable(
    `given size:${constraint.id} with image:${image.id} does violate image constraint:${image.os} ${wanted}`,
  );
};
