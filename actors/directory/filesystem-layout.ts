import { alreadyExists, invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import type { Hardware } from '../machine/hardware.ts';
import { byId, type Entity } from './entity.ts';
import { validateImageConstraints } from './size-image-constraint.ts';
import { accepts, parseConstraint, parseVersion, type Version } from './version.ts';

export const FILESYSTEM_FORMATS = ['vfat', 'ext3', 'ext4', 'swap', 'tmpfs', 'none'] as const;
export const GPT_TYPES = ['ef00', '8300', 'fd00', '8e00'] as const;
export const RAID_LEVELS = ['0', '1'] as const;
export const LVM_TYPES = ['linear', 'striped', 'raid1'] as const;

export interface Filesystem {
  /** Mount point; `''`: not mounted. */
  path: string;
  device: string;
  format: (typeof FILESYSTEM_FORMATS)[number];
  label: string;
  mountOptions: string[];
  createOptions: string[];
}

export interface DiskPartition {
  /** 1 … 255 */
  number: number;
  label: string;
  /** MiB; 0: the rest of the disk. */
  size: number;
  gptType: (typeof GPT_TYPES)[number] | '';
}

export interface Disk {
  device: string;
  partitions: DiskPartition[];
  wipeOnReinstall: boolean;
}

export interface Raid {
  arrayName: string;
  devices: string[];
  level: (typeof RAID_LEVELS)[number];
  createOptions: string[];
  spares: number;
}

export interface VolumeGroup {
  name: string;
  devices: string[];
  tags: string[];
}

export interface LogicalVolume {
  name: string;
  volumeGroup: string;
  /** MiB; 0: the rest of the volume group. */
  size: number;
  lvmType: (typeof LVM_TYPES)[number];
}

/** How the disks of a machine are divided (machines.md §18). */
export interface FilesystemLayout extends Entity {
  filesystems: Filesystem[];
  disks: Disk[];
  raid: Raid[];
  volumeGroups: VolumeGroup[];
  logicalVolumes: LogicalVolume[];
  /** Both empty: a layout under development, never chosen by itself. `images`: os → version constraint. */
  constraints: { sizes: string[]; images: Record<string, string> };
}

/** A layout as asked for: its words are not checked yet. */
export interface AskedFilesystemLayout {
  id: string;
  name: string;
  description: string;
  filesystems: (Omit<Filesystem, 'format'> & { format: string })[];
  disks: (Omit<Disk, 'partitions'> & { partitions: (Omit<DiskPartition, 'gptType'> & { gptType: string })[] })[];
  raid: (Omit<Raid, 'level'> & { level: string })[];
  volumeGroups: VolumeGroup[];
  logicalVolumes: (Omit<LogicalVolume, 'lvmType'> & { lvmType: string })[];
  constraints: { sizes: string[]; images: Record<string, string> };
}

type CheckedFilesystemLayout = AskedFilesystemLayout & Omit<FilesystemLayout, 'created' | 'changed'>;

const unknownWord = (what: string, word: string, known: readonly string[]): Refusal | undefined =>
  known.includes(word) ? undefined : unprocessable(`${what}:"${word}" is unknown, expected one of ${known.join(', ')}`);

/** Unknown format, GPT type, RAID level or LVM type: Unprocessable. */
const checkWords = (asked: AskedFilesystemLayout): CheckedFilesystemLayout | Refusal =>
  [
    ...asked.filesystems.map((filesystem) => unknownWord('filesystem format', filesystem.format, FILESYSTEM_FORMATS)),
    ...asked.disks.flatMap((disk) =>
      disk.partitions.map((partition) => unknownWord('gpttype', partition.gptType, [...GPT_TYPES, ''])),
    ),
    ...asked.raid.map((raid) => unknownWord('raid level', raid.level, RAID_LEVELS)),
    ...asked.logicalVolumes.map((volume) => unknownWord('lvmtype', volume.lvmType, LVM_TYPES)),
  ].find((problem) => problem !== undefined) ?? (asked as CheckedFilesystemLayout);

const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

const diskProblem = ({ device, partitions }: AskedFilesystemLayout['disks'][number]): string | undefined => {
  const numbers = partitions.map((partition) => partition.number);
  const bad = partitions.find(
    ({ number, size }) => !Number.isInteger(number) || number < 1 || number > 255 || !isSize(size),
  );
  if (bad) return `disk:${device} has a partition number:${bad.number} size:${bad.size}, expected 1 to 255 and MiB`;
  if (new Set(numbers).size < numbers.length) return `disk:${device} has a partition number twice`;
  const last = partitions.find((partition) => partition.number === Math.max(...numbers));
  if (partitions.some((partition) => partition.size === 0) && last?.size !== 0) {
    return `disk:${device} has a partition of size 0, only the one with the highest number may take the rest`;
  }
  return undefined;
};

const partitionDevice = (disk: string, number: number): string =>
  `${disk}${disk.startsWith('/dev/nvme') ? 'p' : ''}${number}`;

/** What is wrong with disks, RAID, volume groups and filesystems, or undefined. */
const structureProblem = (layout: AskedFilesystemLayout): string | undefined => {
  const provided = new Set<string>();
  for (const disk of layout.disks) {
    const problem = diskProblem(disk);
    if (problem) return problem;
    provided.add(disk.device);
    for (const partition of disk.partitions) provided.add(partitionDevice(disk.device, partition.number));
  }
  for (const raid of layout.raid) {
    const missing = raid.devices.find((device) => !provided.has(device));
    if (missing !== undefined) return `device:${missing} not provided by a disk for raid:${raid.arrayName}`;
    provided.add(raid.arrayName);
  }
  const groups = new Map(layout.volumeGroups.map((group) => [group.name, group]));
  for (const group of layout.volumeGroups) {
    const missing = group.devices.find((device) => !provided.has(device));
    if (missing !== undefined) return `device:${missing} not provided for volumegroup:${group.name}`;
  }
  for (const [i, volume] of layout.logicalVolumes.entries()) {
    const group = groups.get(volume.volumeGroup);
    if (!group) return `volumegroup:${volume.volumeGroup} of logicalvolume:${volume.name} is not configured`;
    if (volume.lvmType !== 'linear' && group.devices.length < 2) {
      return `volumegroup:${group.name} needs 2 devices or more for ${volume.lvmType} logicalvolume:${volume.name}`;
    }
    if (!isSize(volume.size)) return `logicalvolume:${volume.name} size:${volume.size} must be MiB, 0 or more`;
    if (volume.size === 0 && i < layout.logicalVolumes.length - 1) {
      return `logicalvolume:${volume.name} has size 0, only the last one may take the rest`;
    }
    provided.add(`/dev/${volume.volumeGroup}/${volume.name}`);
  }
  for (const { path, device, format, createOptions } of layout.filesystems) {
    const name = path || '(not mounted)';
    if (format !== 'tmpfs' && !provided.has(device)) return `device:${device} for filesystem:${name} is not configured`;
    const option = createOptions.find((text) => /\s/.test(text));
    if (option !== undefined) return `createoption:"${option}" of filesystem:${name} must be one option without blanks`;
  }
  return undefined;
};

const constraintProblem = ({ sizes, images }: FilesystemLayout['constraints']): Refusal | undefined => {
  const wild = sizes.find((size) => size.includes('*'));
  if (wild !== undefined) return invalid(`size constraint:"${wild}" must be the id of one size, without *`);
  if (new Set(sizes).size < sizes.length) return invalid('sizes of the constraints must not contain duplicates');
  return validateImageConstraints(images);
};

const boundOf = (constraint: string): Version | undefined => {
  const parsed = parseConstraint(constraint);
  return isRefusal(parsed) ? undefined : parsed.version;
};

/** Could one image meet both? Identical ones collide too (W44), else the order in the store would decide. */
const constraintsCollide = (a: string, b: string): boolean => {
  if (a === b || a === '*' || b === '*') return true;
  const boundA = boundOf(a);
  const boundB = boundOf(b);
  return boundA !== undefined && boundB !== undefined && accepts(a, boundB) && accepts(b, boundA);
};

/** Two layouts must not both serve one size and image: Invalid (machines.md §18.2). */
export const refuseCollision = (
  layout: Pick<FilesystemLayout, 'id' | 'constraints'>,
  layouts: readonly FilesystemLayout[],
): Refusal | undefined => {
  for (const other of layouts) {
    if (other.id === layout.id) continue;
    const size = layout.constraints.sizes.find((id) => other.constraints.sizes.includes(id));
    if (size === undefined) continue;
    for (const [os, constraint] of Object.entries(layout.constraints.images)) {
      const theirs = Object.hasOwn(other.constraints.images, os) ? other.constraints.images[os] : undefined;
      if (theirs !== undefined && constraintsCollide(constraint, theirs)) {
        return invalid(
          `these combinations already exist: size:${size} os:${os} constraint:${constraint} collides with ${theirs} of layout "${other.id}"`,
        );
      }
    }
  }
  return undefined;
};

const check = (
  asked: AskedFilesystemLayout,
  layouts: readonly FilesystemLayout[],
): CheckedFilesystemLayout | Refusal => {
  if (asked.id === '') return invalid('id should not be empty');
  const checked = checkWords(asked);
  if (isRefusal(checked)) return checked;
  const problem = structureProblem(asked);
  if (problem !== undefined) return invalid(problem);
  return constraintProblem(asked.constraints) ?? refuseCollision(asked, layouts) ?? checked;
};

/** `layouts`: all there are. */
export const createFilesystemLayout = (
  asked: AskedFilesystemLayout,
  layouts: readonly FilesystemLayout[],
  nowMs: number,
): FilesystemLayout | Refusal => {
  // metalctl's apply waits for the conflict, so a layout that exists must not collide with itself first.
  const checked = check(asked, layouts);
  if (isRefusal(checked)) return checked;
  if (layouts.some((layout) => layout.id === asked.id)) return alreadyExists();
  return { ...checked, created: nowMs, changed: nowMs };
};

/** Replaces everything, also with nothing. */
export const updateFilesystemLayout = (
  stored: FilesystemLayout,
  asked: AskedFilesystemLayout,
  layouts: readonly FilesystemLayout[],
  nowMs: number,
): FilesystemLayout | Refusal => {
  const checked = check({ ...asked, id: stored.id }, layouts);
  return isRefusal(checked) ? checked : { ...checked, created: stored.created, changed: nowMs };
};

const serves = (layout: FilesystemLayout, size: string, os: string, version: Version): boolean =>
  layout.constraints.sizes.includes(size) &&
  Object.hasOwn(layout.constraints.images, os) &&
  accepts(layout.constraints.images[os]!, version);

/** The layout for a size and an image with its full version, first by id; Unprocessable when there is none. */
export const selectFilesystemLayout = (
  layouts: readonly FilesystemLayout[],
  size: string,
  image: { id: string; os: string; version: string },
): FilesystemLayout | Refusal => {
  const version = parseVersion(image.version);
  if (isRefusal(version)) return unprocessable(version.message);
  const found = layouts.filter((layout) => serves(layout, size, image.os, version)).sort(byId)[0];
  return found ?? unprocessable(`could not find a matching filesystemLayout for size:${size} and image:${image.id}`);
};

const MIB = 1024 * 1024;
const devicePath = (name: string): string => (name.startsWith('/dev/') ? name : `/dev/${name}`);

/** Has the machine each disk of the layout, large enough? `undefined`: yes; else Unprocessable (machines.md §18.4). */
export const checkLayoutFits = (layout: FilesystemLayout, hardware: Hardware): Refusal | undefined => {
  const disks = new Map(hardware.disks.map((disk) => [devicePath(disk.name), disk]));
  for (const { device, partitions } of layout.disks) {
    const disk = disks.get(devicePath(device));
    if (!disk) return unprocessable(`device:${device} of layout "${layout.id}" does not exist on given hardware`);
    const neededMiB = partitions.reduce((sum, partition) => sum + partition.size, 0);
    const presentMiB = Math.floor(disk.size / MIB);
    if (presentMiB < neededMiB) {
      return unprocessable(
        `device:${device} is not big enough, layout "${layout.id}" needs ${neededMiB} MiB, it has ${presentMiB} MiB`,
      );
    }
  }
  return undefined;
};

/** Can a machine be reinstalled without losing data it was to keep: some disk may be wiped. */
export const isReinstallable = (layout: FilesystemLayout): boolean => layout.disks.some((disk) => disk.wipeOnReinstall);
