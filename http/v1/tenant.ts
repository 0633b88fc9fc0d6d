import { findTenants } from '../../actors/directory/tenant.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import type { Site } from '../site.ts';
import {
  answerCreated,
  answerDeleted,
  answerUpdated,
  createEntry,
  deleteEntry,
  findEntry,
  updateEntry,
} from './directory.ts';
import { orNull } from './shape/fields.ts';
import { askedTenant, tenantBody, tenantFindBody, tenantResponse } from './shape/masterdata.ts';

const PATH = '/v1/tenant';

const factsOf = (site: Site, tenant: string) => ({ isProvider: tenant === site.config.providerTenant });

/** Tenants (networks.md §6). */
export function addTenantRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'view', operation: 'listTenants' }, ({ site }) =>
    ok(orNull(site.directory.list('tenant').map(tenantResponse))),
  );

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

  route(edge, { method: 'get', path: `${PATH}/:id`, role: 'view', operation: 'getTenant' }, async ({ site, param }) => {
    const tenant = await findEntry(site, 'tenant', param('id'));
    return isRefusal(tenant) ? tenant : ok(tenantResponse(tenant));
  });

  write(
    edge,
    { method: 'put', path: PATH, role: 'admin', operation: 'createTenant', body: tenantBody, placeless: 'everywhere' },
    (request) => {
      const { site, body } = request;
      const asked = askedTenant(body, body.meta?.id ?? '');
      return createEntry(request, 'tenant', asked, factsOf(site, asked.id));
    },
    answerCreated('tenant', tenantResponse),
  );

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateTenant', body: tenantBody },
    (request) => {
      const { site, body } = request;
      if (body.meta === undefined) return invalid('tenant and tenant.meta must be specified');
      const asked = askedTenant(body, body.meta.id ?? '');
      return updateEntry(request, 'tenant', asked.id, asked, factsOf(site, asked.id));
    },
    answerUpdated('tenant', tenantResponse),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteTenant' },
    async (request) => {
      const { site, param } = request;
      const tenant = await findEntry(site, 'tenant', param('id'));
      if (isRefusal(tenant)) return tenant;
      const projects = site.directory.list('project').filter((project) => project.tenant === tenant.id).length;
      return deleteEntry(request, 'tenant', tenant.id, { projects, ...factsOf(site, tenant.id) });
    },
    answerDeleted('tenant', tenantResponse),
  );
}
