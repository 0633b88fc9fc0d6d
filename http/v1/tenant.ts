import { findTenants } from '../../actors/directory/tenant.ts';
import { invalid } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import type { Site } from '../site.ts';
import { createEntry, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { orNull } from './shape/fields.ts';
import { askedTenant, tenantBody, tenantFindBody, tenantResponse } from './shape/masterdata.ts';

const PATH = '/v1/tenant';

const factsOf = (site: Site, tenant: string) => ({ isProvider: tenant === site.config.providerTenant });

/** Tenants (networks.md §6). */
export function addTenantRoutes(edge: Edge): void {
  addEntryRoutes(edge, {
    kind: 'tenant',
    path: PATH,
    roles: { read: 'view', write: 'admin' },
    operations: {
      list: 'listTenants',
      find: 'getTenant',
      create: 'createTenant',
      update: 'updateTenant',
      delete: 'deleteTenant',
    },
    body: tenantBody,
    id: ({ meta }) => meta?.id,
    shape: tenantResponse,
    list: ({ site }) => ok(orNull(site.directory.list('tenant').map(tenantResponse))),
    create: (request) => {
      const { site, body } = request;
      const asked = askedTenant(body, body.meta?.id ?? '');
      return createEntry(request, 'tenant', asked, factsOf(site, asked.id));
    },
    update: (request) => {
      const { site, body } = request;
      if (body.meta === undefined) return invalid('tenant and tenant.meta must be specified');
      const asked = askedTenant(body, body.meta.id ?? '');
      return updateEntry(request, 'tenant', asked.id, asked, factsOf(site, asked.id));
    },
    uses: ({ site }, { id }) => ({
      projects: site.directory.list('project').filter((project) => project.tenant === id).length,
      ...factsOf(site, id),
    }),
  });

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findTenants',
      audited: false,
      body: tenantFindBody,
    },
    ({ site, body }) => ok(orNull(findTenants(site.directory.list('tenant'), body).map(tenantResponse))),
  );
}
