import { alreadyExists, invalid, isRefusal, notFound, precondition, unprocessable, type Refusal } from '../refusal.ts';
import { byId, type Entity } from './entity.ts';

/** What masterdata carries besides name and description (networks.md §6.1). */
export interface Meta {
  /** 0 at creation, one more with each update. */
  version: number;
  annotations: Record<string, string>;
  labels: string[];
  /** Epoch milliseconds. */
  createdTime: number;
  /** null: never updated. */
  updatedTime: number | null;
}

/** Most of each that may exist; null: unlimited. */
export interface Quotas {
  cluster: number | null;
  machine: number | null;
  ip: number | null;
  project: number | null;
}

export interface IamConfig {
  issuerConfig: { url: string; clientId: string } | null;
  idmConfig: { idmType: string; connectorConfig: Record<string, string> | null } | null;
  groupConfig: Record<string, string> | null;
}

export interface Tenant extends Entity {
  meta: Meta;
  /** For projects that are created without quotas. */
  defaultQuotas: Quotas;
  quotas: Quotas;
  iamConfig: IamConfig | null;
}

/** `kind` and `apiversion` may be absent, but not wrong. */
export interface AskedMeta {
  kind?: string | undefined;
  apiversion?: string | undefined;
  /** Absent: 0. */
  version?: number | undefined;
  annotations: Record<string, string>;
  labels: string[];
}

/** The part of `IamConfig` that REST knows. */
export interface AskedIamConfig {
  issuerConfig: { url: string; clientId: string } | null;
  idmConfig: { idmType: string } | null;
}

export interface AskedTenant {
  /** Never empty at creation: whoever asks without one is given a fresh uuid before. */
  id: string;
  name: string;
  description: string;
  meta: AskedMeta | undefined;
  defaultQuotas: Quotas;
  quotas: Quotas;
  iamConfig: AskedIamConfig | null;
}

export const unlimited = (): Quotas => ({ cluster: null, machine: null, ip: null, project: null });

/** No maximum in it: metalctl sends such objects where nothing was asked for (N48). */
export const isEmptyQuotas = (quotas: Quotas): boolean => Object.values(quotas).every((maximum) => maximum === null);

/** One more would be too many. */
export const isQuotaReached = (maximum: number | null, used: number): boolean => maximum !== null && used >= maximum;

/** `kind` and `apiversion` of the object, where given: Unprocessable. */
export const refuseMeta = (meta: AskedMeta | undefined, kind: 'Project' | 'Tenant'): Refusal | undefined => {
  if (meta?.kind && meta.kind !== kind) return unprocessable(`meta.kind:"${meta.kind}" is not valid, expected ${kind}`);
  if (meta?.apiversion && meta.apiversion !== 'v1') {
    return unprocessable(`meta.apiversion:"${meta.apiversion}" is not valid, expected v1`);
  }
  return undefined;
};

/** A quota is a whole number from 0: Invalid. */
export const refuseQuotas = (quotas: Quotas): Refusal | undefined => {
  const wrong = Object.entries(quotas).find(([, max]) => max !== null && (!Number.isSafeInteger(max) || max < 0));
  return wrong && invalid(`quotas.${wrong[0]}.quota:${wrong[1]} must be a whole number from 0`);
};

export const firstMeta = (meta: AskedMeta | undefined, nowMs: number): Meta => ({
  version: 0,
  annotations: meta?.annotations ?? {},
  labels: meta?.labels ?? [],
  createdTime: nowMs,
  updatedTime: null,
});

/** The next version, if the request was made for the stored one; else Precondition (412; N39: equality). */
export const nextMeta = (stored: Meta, asked: AskedMeta, nowMs: number): Meta | Refusal => {
  const version = asked.version ?? 0;
  if (version !== stored.version) {
    return precondition(`optimistic lock error: meta.version is ${stored.version}, the update was made for ${version}`);
  }
  return {
    version: stored.version + 1,
    annotations: asked.annotations,
    labels: asked.labels,
    createdTime: stored.createdTime,
    updatedTime: nowMs,
  };
};

/** Without an issuer the tokens of the provider's users can't be checked, and nobody could log in any more (N42). */
const refuseIam = (asked: AskedTenant, isProvider: boolean): Refusal | undefined =>
  isProvider && asked.iamConfig && !asked.iamConfig.issuerConfig?.url
    ? invalid(`iam_config of the provider tenant "${asked.id}" needs an issuer_config with url and client_id`)
    : undefined;

/** REST does not know connector and group settings, so it must not drop them (N43). */
const mergeIam = (stored: IamConfig | null, asked: AskedIamConfig | null): IamConfig | null =>
  asked && {
    issuerConfig: asked.issuerConfig,
    idmConfig: asked.idmConfig && {
      idmType: asked.idmConfig.idmType,
      connectorConfig: stored?.idmConfig?.connectorConfig ?? null,
    },
    groupConfig: stored?.groupConfig ?? null,
  };

export const createTenant = (
  asked: AskedTenant,
  known: { exists: boolean; isProvider: boolean },
  nowMs: number,
): Tenant | Refusal => {
  const problem =
    refuseMeta(asked.meta, 'Tenant') ??
    refuseQuotas(asked.quotas) ??
    refuseQuotas(asked.defaultQuotas) ??
    refuseIam(asked, known.isProvider);
  if (problem) return problem;
  if (known.exists) return alreadyExists();
  const { id, name, description, quotas, defaultQuotas } = asked;
  return {
    id,
    name,
    description,
    created: nowMs,
    changed: nowMs,
    meta: firstMeta(asked.meta, nowMs),
    defaultQuotas,
    quotas,
    iamConfig: mergeIam(null, asked.iamConfig),
  };
};

/** Full replacement; an unknown tenant is NotFound (N51). */
export const updateTenant = (
  stored: Tenant | undefined,
  asked: AskedTenant,
  isProvider: boolean,
  nowMs: number,
): Tenant | Refusal => {
  if (!asked.meta) return invalid('tenant and tenant.meta must be specified');
  if (!stored) return notFound(`tenant with id:${asked.id} not found`);
  const problem =
    refuseMeta(asked.meta, 'Tenant') ??
    refuseQuotas(asked.quotas) ??
    refuseQuotas(asked.defaultQuotas) ??
    refuseIam(asked, isProvider);
  if (problem) return problem;
  const meta = nextMeta(stored.meta, asked.meta, nowMs);
  if (isRefusal(meta)) return meta;
  const { name, description, quotas, defaultQuotas } = asked;
  const iamConfig = mergeIam(stored.iamConfig, asked.iamConfig);
  return { ...stored, name, description, quotas, defaultQuotas, iamConfig, meta, changed: nowMs };
};

/** With projects, or as the provider, whose tokens it checks (N43): Unprocessable. */
export const refuseTenantDelete = (uses: { projects: number; isProvider: boolean }): Refusal | undefined => {
  if (uses.projects > 0) return unprocessable('there are still projects allocated by this tenant');
  if (uses.isProvider) return unprocessable('the provider tenant cannot be deleted');
  return undefined;
};

export interface TenantQuery {
  id?: string | undefined;
  name?: string | undefined;
  /** Each pair must be there. */
  annotations?: Record<string, string> | undefined;
  /** `page` counts from 0. */
  paging?: { page?: number | undefined; count?: number | undefined } | undefined;
}

/** Ordered by id; a page is `count` tenants (N41). */
export const findTenants = (tenants: readonly Tenant[], query: TenantQuery): Tenant[] => {
  const wanted = Object.entries(query.annotations ?? {});
  const found = tenants
    .filter(
      (tenant) =>
        (query.id === undefined || tenant.id === query.id) &&
        (query.name === undefined || tenant.name === query.name) &&
        wanted.every(
          ([key, value]) => Object.hasOwn(tenant.meta.annotations, key) && tenant.meta.annotations[key] === value,
        ),
    )
    .sort(byId);
  const count = query.paging?.count ?? 0;
  if (count <= 0) return found;
  const start = Math.max(0, query.paging?.page ?? 0) * count;
  return found.slice(start, start + count);
};
