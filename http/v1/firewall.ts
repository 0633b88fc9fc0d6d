import { isRefusal, notFound } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { route } from '../route.ts';
import { listMachines, readAnswer } from './machine-answer.ts';
import { machineOf } from './machine-of.ts';
import { machineQuery } from './machine-query.ts';

/** Firewalls are machines with that role (machines.md §9); their allocation is in machine-allocate.ts. */
export function addFirewallRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: '/v1/firewall', role: 'view', operation: 'listFirewalls' }, async ({ site }) =>
    listMachines(site, { allocation_role: 'firewall' }),
  );

  route(
    edge,
    {
      method: 'post',
      path: '/v1/firewall/find',
      role: 'view',
      operation: 'findFirewalls',
      audited: false,
      body: machineQuery,
    },
    ({ site, body }) => listMachines(site, { ...body, allocation_role: 'firewall' }),
  );

  route(
    edge,
    { method: 'get', path: '/v1/firewall/:id', role: 'view', operation: 'findFirewall' },
    async ({ site, as, param }) => {
      const view = await machineOf(site, param('id'), as);
      if (isRefusal(view)) return view;
      return view.allocation?.role === 'firewall'
        ? readAnswer(site, view)
        : notFound(`machine "${view.machine.id}" is not a firewall`);
    },
  );
}
