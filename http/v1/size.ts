import { suggest } from '../../actors/directory/size.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { sizeUsage, type Questions } from '../questions.ts';
import { ok, route } from '../route.ts';
import { createEntry, MEMBERS_WITHIN_MS, refuseUnreachable, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { machineOf } from './machine-of.ts';
import { constraintResponse, sizeBody, sizeCreate, sizeResponse, sizeUpdate, suggestBody } from './shape/size.ts';

/** Sizes (machines.md §15). The size reservations have to be declared before: their paths are literal. */
export function addSizeRoutes(edge: Edge): void {
  addEntryRoutes(edge, {
    kind: 'size',
    path: '/v1/size',
    roles: { read: 'auth', write: 'admin' },
    operations: {
      list: 'listSizes',
      find: 'findSize',
      create: 'createSize',
      update: 'updateSize',
      delete: 'deleteSize',
    },
    body: sizeBody,
    id: ({ id }) => id,
    shape: sizeResponse,
    create: (request) => createEntry(request, 'size', sizeCreate(request.body), {}),
    update: (request) => {
      const asked = sizeUpdate(request.body);
      return updateEntry(request, 'size', asked.id, asked, {});
    },
    uses: async ({ site, as }, { id }) => {
      const answers = await site.federation.askOthers('size-usage', { size: id }, MEMBERS_WITHIN_MS, as.asker);
      const silent = refuseUnreachable(answers, `it is not known whether machines have size "${id}"`);
      if (silent !== undefined) return silent;
      const elsewhere = [...answers.values()] as Array<Questions['size-usage']['reply']>;
      return {
        machines: elsewhere.reduce((sum, { machines }) => sum + machines, await sizeUsage(site, id)),
        reservations: site.directory.list('sizereservation').filter((reservation) => reservation.size === id).length,
      };
    },
  });

  route(
    edge,
    { method: 'post', path: '/v1/size/suggest', role: 'auth', operation: 'suggest', audited: false, body: suggestBody },
    async ({ site, as, body: { machineID = '' } }) => {
      if (machineID === '') return invalid('machineID should not be empty');
      const view = await machineOf(site, machineID, as);
      return isRefusal(view) ? view : ok(suggest(view.machine.hardware).map(constraintResponse));
    },
  );
}
