import { alreadyExists, invalid, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import { byId, type Entity } from './entity.ts';
import {
  firstMeta,
  isEmptyQuotas,
  isQuotaReached,
  nextMeta,
  refuseMeta,
  refuseQuotas,
  type AskedMeta,
  type Meta,
  type Quotas,
  type Tenant,
} from './tenant.ts';

export interface Project extends Entity {
  meta: Meta;
  tenant: string;
  quotas: Quotas;
}

export interface AskedProject {
  /** Never empty at creation: whoever asks without one is given a fresh uuid before. */
  id: string;
  name: string;
  description: string;
  tenant: string;
  meta: AskedMeta | undefined;
  quotas: Quotas;
}

/** `tenant`: the one asked for, if it exists; `tenantProjects`: how many projects it has already (networks.md §6.2). */
export const createProject = (
  asked: AskedProject,
  known: { tenant: Tenant | undefined; tenantProjects: number; exists: boolean },
  nowMs: number,
): Project | Refusal => {
  const { tenant } = known;
  if (asked.tenant === '') return invalid('no tenant given');
  if (!tenant) {
    return notFound(`rpc error: code = NotFound desc = unable to find tenant:${asked.tenant} for project`);
  }
  const problem = refuseMeta(asked.meta, 'Project') ?? refuseQuotas(asked.quotas);
  if (problem) return problem;
  // Before the quota: whoever repeats a create, as metalctl's apply does, has to learn that the project is there.
  if (known.exists) return alreadyExists();
  if (isQuotaReached(tenant.quotas.project, known.tenantProjects)) {
    return unprocessable(`project quota of tenant:${tenant.id} is reached: ${tenant.quotas.project} projects`);
  }
  return {
    id: asked.id,
    name: asked.name,
    description: asked.description,
    created: nowMs,
    changed: nowMs,
    meta: firstMeta(asked.meta, nowMs),
    tenant: tenant.id,
    quotas: isEmptyQuotas(asked.quotas) ? tenant.defaultQuotas : asked.quotas,
  };
};

/** Full replacement, but a project stays with its tenant. */
export const updateProject = (stored: Project | undefined, asked: AskedProject, nowMs: number): Project | Refusal => {
  if (!asked.meta) return invalid('project and project.meta must be specified');
  if (!stored) return notFound(`project with id:${asked.id} not found`);
  if (asked.tenant !== stored.tenant) return unprocessable(`update tenant of project:${stored.id} is not allowed`);
  const problem = refuseMeta(asked.meta, 'Project') ?? refuseQuotas(asked.quotas);
  if (problem) return problem;
  const meta = nextMeta(stored.meta, asked.meta, nowMs);
  if (isRefusal(meta)) return meta;
  const { name, description, quotas } = asked;
  return { ...stored, name, description, quotas, meta, changed: nowMs };
};

/** A project that has anything stays: Invalid, the first thing named. */
export interface ProjectUses {
  machines: number;
  networks: number;
  ips: number;
  sizeReservations: number;
}

export const refuseProjectDelete = (uses: ProjectUses): Refusal | undefined => {
  if (uses.machines > 0) return invalid('there are still machines allocated by this project');
  if (uses.networks > 0) return invalid('there are still networks allocated by this project');
  if (uses.ips > 0) return invalid('there are still ips allocated by this project');
  if (uses.sizeReservations > 0) return invalid('there are still size reservations made by this project');
  return undefined;
};

export interface ProjectQuery {
  id?: string | undefined;
  name?: string | undefined;
  description?: string | undefined;
  tenant?: string | undefined;
}

/** Ordered by id. */
export const findProjects = (projects: readonly Project[], query: ProjectQuery): Project[] =>
  projects
    .filter(
      (project) =>
        (query.id === undefined || project.id === query.id) &&
        (query.name === undefined || project.name === query.name) &&
        (query.description === undefined || project.description === query.description) &&
        (query.tenant === undefined || project.tenant === query.tenant),
    )
    .sort(byId);
