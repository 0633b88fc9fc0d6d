// What every site reads its own copy of: entries have one home, where they are changed, and spread from there.
import type { Entity } from './entity.ts';
import type { Partition } from './partition.ts';
import type { Size } from './size.ts';
import type { Image } from './image.ts';
import type { SizeImageConstraint } from './size-image-constraint.ts';
import type { SizeReservation } from './size-reservation.ts';
import type { FilesystemLayout } from './filesystem-layout.ts';
import type { Project } from './project.ts';
import type { Tenant } from './tenant.ts';
import type { NetworkRecord } from '../network/record.ts';

/** A site of the federation: how the others reach it. */
export interface MemberEntity extends Entity {
  /** `host:port` of its peer link listeners, one a process. */
  linkAddresses: string[];
  /** Base URLs of its edges, for people. */
  httpUrls: string[];
}

/** Kind of directory entry → its entity. */
export interface DirectoryEntities {
  partition: Partition;
  size: Size;
  image: Image;
  sizeimageconstraint: SizeImageConstraint;
  sizereservation: SizeReservation;
  filesystemlayout: FilesystemLayout;
  project: Project;
  tenant: Tenant;
  /** Global networks: their home's network actor publishes them, partitions make block actors of them. */
  globalnetwork: NetworkRecord;
  member: MemberEntity;
}
export type DirectoryKind = keyof DirectoryEntities;
const KINDS: Record<DirectoryKind, true> = {
  partition: true,
  size: true,
  image: true,
  sizeimageconstraint: true,
  sizereservation: true,
  filesystemlayout: true,
  project: true,
  tenant: true,
  globalnetwork: true,
  member: true,
};
export const DIRECTORY_KINDS = Object.keys(KINDS) as readonly DirectoryKind[];

/** Hybrid logical clock (Kulkarni et al. 2014): wall milliseconds, then a counter, then the site breaks ties. */
export interface HybridTime {
  wallMs: number;
  counter: number;
  site: string;
}

/** An entry that lost its id to the one that stands, as it was when both were seen here. */
export interface LostEntry<K extends DirectoryKind = DirectoryKind> {
  home: string;
  revision: number;
  created: HybridTime;
  /** When both were seen at this site, by its wall clock. */
  seenMs: number;
  entity: DirectoryEntities[K];
}

export type DirectoryRecord = {
  [K in DirectoryKind]: {
    kind: K;
    id: string;
    /** Site where it is changed. */
    home: string;
    /** Grows with each change at home; a copy applies only larger ones. */
    revision: number;
    created: HybridTime;
    /** Lives of this id at other homes that were over when it was created here: home → its last revision. */
    over?: Record<string, number>;
    /** Entries of other homes that lost this id to it: what this site saw of that, not told to others (conflict.ts). */
    lost?: Array<LostEntry<K>>;
    /** null: deleted; kept as a tombstone, so that an old copy can't bring it back. */
    entity: DirectoryEntities[K] | null;
  };
}[DirectoryKind];
export type DirectoryEntry<K extends DirectoryKind> = Extract<DirectoryRecord, { kind: K }>;
