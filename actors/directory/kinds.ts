// Each kind's rules behind one shape, so that the actor knows none of them.
import { unprocessable, type Refusal } from '../refusal.ts';
import { touched } from './entity.ts';
import { createFilesystemLayout, updateFilesystemLayout } from './filesystem-layout.ts';
import { createImage, refuseImageDelete, updateImage } from './image.ts';
import type { AskedKind, DirectoryRequests } from './messages.ts';
import { createPartition, refusePartitionDelete, updatePartition } from './partition.ts';
import { createProject, refuseProjectDelete, updateProject } from './project.ts';
import type { DirectoryEntities } from './record.ts';
import { createSize, refuseSizeDelete, updateSize } from './size.ts';
import { createSizeImageConstraint, updateSizeImageConstraint } from './size-image-constraint.ts';
import { createSizeReservation, updateSizeReservation } from './size-reservation.ts';
import { createTenant, refuseTenantDelete, updateTenant } from './tenant.ts';

interface KindRules<K extends AskedKind> {
  /** `all`: the live entities of the kind; the id is known to be unused and not empty. */
  create(
    request: DirectoryRequests[K]['create'],
    facts: DirectoryRequests[K]['facts'],
    all: Array<DirectoryEntities[K]>,
    nowMs: number,
  ): DirectoryEntities[K] | Refusal;
  update(
    stored: DirectoryEntities[K],
    request: DirectoryRequests[K]['update'],
    facts: DirectoryRequests[K]['facts'],
    all: Array<DirectoryEntities[K]>,
    nowMs: number,
  ): DirectoryEntities[K] | Refusal;
  refuseDelete(id: string, uses: DirectoryRequests[K]['uses']): Refusal | undefined;
  /** An absent id is generated (metal-api); else it is the rules' error. */
  generatesId: boolean;
}

const free = (): undefined => undefined;

export const kindRules: { [K in AskedKind]: KindRules<K> } = {
  partition: {
    create: (request, _facts, _all, nowMs) => createPartition(request, false, nowMs),
    update: (stored, request, _facts, _all, nowMs) => updatePartition(stored, request, nowMs),
    refuseDelete: refusePartitionDelete,
    generatesId: false,
  },
  size: {
    create: (request, _facts, all, nowMs) => createSize(request, all, nowMs),
    update: (stored, request, _facts, all, nowMs) => updateSize(stored, request, all, nowMs),
    refuseDelete: refuseSizeDelete,
    generatesId: false,
  },
  image: {
    create: (request, _facts, _all, nowMs) => createImage(request, false, nowMs),
    update: (stored, request, _facts, _all, nowMs) => updateImage(stored, request, nowMs),
    refuseDelete: (id, { machines }) => refuseImageDelete(id, machines),
    generatesId: false,
  },
  sizeimageconstraint: {
    create: (request, _facts, _all, nowMs) => createSizeImageConstraint(request, false, nowMs),
    update: (stored, request, _facts, _all, nowMs) => updateSizeImageConstraint(stored, request, nowMs),
    refuseDelete: free,
    generatesId: false,
  },
  sizereservation: {
    create: (request, facts, _all, nowMs) =>
      createSizeReservation(
        request,
        {
          hasSize: () => facts.hasSize,
          hasProject: () => facts.hasProject,
          hasPartition: (id) => facts.partitions.includes(id),
          exists: false,
        },
        nowMs,
      ),
    update: (stored, request, facts, _all, nowMs) =>
      updateSizeReservation(stored, request, (id) => facts.partitions.includes(id), nowMs),
    refuseDelete: free,
    generatesId: true,
  },
  filesystemlayout: {
    create: (request, _facts, all, nowMs) => createFilesystemLayout(request, all, nowMs),
    update: (stored, request, _facts, all, nowMs) => updateFilesystemLayout(stored, request, all, nowMs),
    refuseDelete: free,
    generatesId: false,
  },
  project: {
    create: (request, { tenant }, all, nowMs) =>
      createProject(
        request,
        {
          tenant: tenant ?? undefined,
          tenantProjects: all.filter((project) => project.tenant === request.tenant).length,
          exists: false,
        },
        nowMs,
      ),
    update: (stored, request, _facts, _all, nowMs) => updateProject(stored, request, nowMs),
    refuseDelete: (_id, uses) => refuseProjectDelete(uses),
    generatesId: true,
  },
  tenant: {
    create: (request, { isProvider }, _all, nowMs) => createTenant(request, { exists: false, isProvider }, nowMs),
    update: (stored, request, { isProvider }, _all, nowMs) => updateTenant(stored, request, isProvider, nowMs),
    refuseDelete: (_id, uses) => refuseTenantDelete(uses),
    generatesId: true,
  },
  member: {
    create: (request, _facts, _all, nowMs) => ({ ...request, created: nowMs, changed: nowMs }),
    update: (stored, request, _facts, _all, nowMs) => ({
      ...touched(stored, request, nowMs),
      linkAddresses: request.linkAddresses,
      httpUrls: request.httpUrls,
    }),
    refuseDelete: () => unprocessable('a member leaves the federation, it is not deleted'),
    generatesId: false,
  },
};

/** The rules of one kind with its types taken away: request, facts and entity of a message belong together by its type. */
export const rulesOf = (kind: AskedKind): KindRules<AskedKind> => kindRules[kind] as KindRules<AskedKind>;
