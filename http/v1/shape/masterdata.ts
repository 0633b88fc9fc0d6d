// Projects and tenants. Like metal-stack's masterdata they leave out everything that is empty, also version 0
// (networks.md §6.1).
import { z } from 'zod';
import type { AskedProject, Project } from '../../../actors/directory/project.ts';
import {
  unlimited,
  type AskedMeta,
  type AskedTenant,
  type Meta,
  type Quotas,
  type Tenant,
} from '../../../actors/directory/tenant.ts';
import { rfc3339 } from '../../../actors/machine/rfc3339.ts';
import { labels, text, texts } from './fields.ts';

const meta = z
  .object({ id: text, kind: text, apiversion: text, version: z.int().optional(), annotations: labels, labels: texts })
  .optional();
const quota = z.object({ quota: z.int().optional() }).optional();
const quotas = z.object({ cluster: quota, machine: quota, ip: quota, project: quota }).optional();

export const projectBody = z.object({ meta, name: text, description: text, tenant_id: text, quotas });
export const projectFindBody = z.object({ id: text, name: text, description: text, tenant_id: text });
export const tenantBody = z.object({
  meta,
  name: text,
  description: text,
  default_quotas: quotas,
  quotas,
  iam_config: z
    .object({
      issuer_config: z.object({ url: text, client_id: text }).optional(),
      idm_config: z.object({ idm_type: text }).optional(),
    })
    .optional(),
});
export const tenantFindBody = z.object({
  id: text,
  name: text,
  annotations: labels,
  paging: z.object({ page: z.int().optional(), count: z.int().optional() }).optional(),
});

const askedMeta = (body: z.infer<typeof meta>): AskedMeta | undefined =>
  body && {
    kind: body.kind,
    apiversion: body.apiversion,
    version: body.version,
    annotations: body.annotations ?? {},
    labels: body.labels ?? [],
  };

const askedQuotas = (body: z.infer<typeof quotas>): Quotas => ({
  ...unlimited(),
  cluster: body?.cluster?.quota ?? null,
  machine: body?.machine?.quota ?? null,
  ip: body?.ip?.quota ?? null,
  project: body?.project?.quota ?? null,
});

export const askedProject = (body: z.infer<typeof projectBody>, id: string): AskedProject => ({
  id,
  name: body.name ?? '',
  description: body.description ?? '',
  tenant: body.tenant_id ?? '',
  meta: askedMeta(body.meta),
  quotas: askedQuotas(body.quotas),
});

export const askedTenant = (body: z.infer<typeof tenantBody>, id: string): AskedTenant => {
  const { issuer_config: issuer, idm_config: idm } = body.iam_config ?? {};
  return {
    id,
    name: body.name ?? '',
    description: body.description ?? '',
    meta: askedMeta(body.meta),
    defaultQuotas: askedQuotas(body.default_quotas),
    quotas: askedQuotas(body.quotas),
    iamConfig: body.iam_config
      ? {
          issuerConfig: issuer ? { url: issuer.url ?? '', clientId: issuer.client_id ?? '' } : null,
          idmConfig: idm ? { idmType: idm.idm_type ?? '' } : null,
        }
      : null,
  };
};

const metaResponse = (id: string, kind: 'Project' | 'Tenant', of: Meta) => ({
  id,
  kind,
  apiversion: 'v1',
  version: of.version || undefined,
  created_time: rfc3339(of.createdTime),
  updated_time: of.updatedTime === null ? undefined : rfc3339(of.updatedTime),
  annotations: Object.keys(of.annotations).length > 0 ? of.annotations : undefined,
  labels: of.labels.length > 0 ? of.labels : undefined,
});

/** How much is in use, where somebody counted. */
export interface Used {
  machine: number;
  ip: number;
}

const quotasResponse = (of: Quotas, used?: Used) => {
  const response = Object.fromEntries(
    (['cluster', 'machine', 'ip', 'project'] as const).flatMap((name) => {
      const inUse = used !== undefined && (name === 'machine' || name === 'ip') ? used[name] : undefined;
      const maximum = of[name];
      return maximum === null && inUse === undefined ? [] : [[name, { quota: maximum ?? undefined, used: inUse }]];
    }),
  );
  return Object.keys(response).length > 0 ? response : undefined;
};

export const projectResponse = (project: Project, used?: Used) => ({
  meta: metaResponse(project.id, 'Project', project.meta),
  name: project.name || undefined,
  description: project.description || undefined,
  tenant_id: project.tenant || undefined,
  quotas: quotasResponse(project.quotas, used),
});

export const tenantResponse = (tenant: Tenant) => {
  const issuer = tenant.iamConfig?.issuerConfig;
  const idm = tenant.iamConfig?.idmConfig;
  return {
    meta: metaResponse(tenant.id, 'Tenant', tenant.meta),
    name: tenant.name || undefined,
    description: tenant.description || undefined,
    default_quotas: quotasResponse(tenant.defaultQuotas),
    quotas: quotasResponse(tenant.quotas),
    iam_config: tenant.iamConfig
      ? {
          issuer_config: issuer ? { url: issuer.url || undefined, client_id: issuer.clientId || undefined } : undefined,
          idm_config: idm ? { idm_type: idm.idmType || undefined } : undefined,
        }
      : undefined,
  };
};
