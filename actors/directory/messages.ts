// The directory: one actor a site and kind. Holds the site's own entries and the copies of the others'.
import type { AskedFilesystemLayout } from './filesystem-layout.ts';
import type { ImageCreate, ImageUpdate } from './image.ts';
import type { PartitionCreate, PartitionUpdate, PartitionUses } from './partition.ts';
import type { AskedProject, ProjectUses } from './project.ts';
import type { DirectoryEntities, DirectoryKind, DirectoryRecord, MemberEntity } from './record.ts';
import type { SizeCreate, SizeUpdate } from './size.ts';
import type { SizeImageConstraintCreate, SizeImageConstraintUpdate } from './size-image-constraint.ts';
import type { SizeReservationCreate, SizeReservationUpdate } from './size-reservation.ts';
import type { AskedTenant, Tenant } from './tenant.ts';

type Nothing = Record<string, never>;

/**
 * What each kind is asked with, and the facts of other kinds that its rules need: the edge reads them from its copy of
 * the directory and from the rows. An empty `id` is generated for sizereservation, project and tenant.
 */
export interface DirectoryRequests {
  partition: { create: PartitionCreate; update: PartitionUpdate; facts: Nothing; uses: PartitionUses };
  size: { create: SizeCreate; update: SizeUpdate; facts: Nothing; uses: { machines: number; reservations: number } };
  image: { create: ImageCreate; update: ImageUpdate; facts: Nothing; uses: { machines: string[] } };
  sizeimageconstraint: {
    create: SizeImageConstraintCreate;
    update: SizeImageConstraintUpdate;
    facts: Nothing;
    uses: Nothing;
  };
  sizereservation: {
    create: SizeReservationCreate;
    update: SizeReservationUpdate;
    facts: { hasSize: boolean; hasProject: boolean; partitions: string[] };
    uses: Nothing;
  };
  filesystemlayout: { create: AskedFilesystemLayout; update: AskedFilesystemLayout; facts: Nothing; uses: Nothing };
  project: { create: AskedProject; update: AskedProject; facts: { tenant: Tenant | null }; uses: ProjectUses };
  tenant: {
    create: AskedTenant;
    update: AskedTenant;
    facts: { isProvider: boolean };
    uses: { projects: number; isProvider: boolean };
  };
  /** Written by the site itself: its own entry. */
  member: {
    create: Omit<MemberEntity, 'created' | 'changed'>;
    update: Omit<MemberEntity, 'created' | 'changed'>;
    facts: Nothing;
    uses: Nothing;
  };
}
/** Kinds that are asked for directly; global networks are published by their network's operations. */
export type AskedKind = keyof DirectoryRequests;

type Create = {
  [K in AskedKind]: { kind: K; request: DirectoryRequests[K]['create']; facts: DirectoryRequests[K]['facts'] };
};
type Update = {
  [K in AskedKind]: {
    kind: K;
    id: string;
    request: DirectoryRequests[K]['update'];
    facts: DirectoryRequests[K]['facts'];
  };
};
type Delete = { [K in AskedKind]: { kind: K; id: string; uses: DirectoryRequests[K]['uses'] } };
export type CreateEntry<K extends AskedKind = AskedKind> = Create[K];
export type UpdateEntry<K extends AskedKind = AskedKind> = Update[K];
export type DeleteEntry<K extends AskedKind = AskedKind> = Delete[K];

export interface DirectoryCommands {
  /** An existing id is `alreadyExists()`, before every other rule. */
  create: { ask: CreateEntry; reply: DirectoryRecord };
  /** Only at the entry's home. */
  update: { ask: UpdateEntry; reply: DirectoryRecord };
  /** Answers the entry as it was. */
  delete: { ask: DeleteEntry; reply: DirectoryRecord };
  /** Entries of other sites, as their homes have them; older revisions are ignored. */
  apply: { ask: { entries: DirectoryRecord[] }; reply: { applied: number } };
  /** Own entries that other sites have in later revisions: this site was restored from a backup (reliability.md F24). */
  restore: { ask: { entries: DirectoryRecord[] }; reply: { restored: string[] } };
  all: { ask: Nothing; reply: { entries: DirectoryRecord[] } };
}

export interface DirectoryReservations {
  /** Entries that another actor's operation publishes (global networks). null removes. */
  publish: {
    ask: { kind: DirectoryKind; id: string; entity: DirectoryEntities[DirectoryKind] | null };
    reply: Nothing;
  };
}
