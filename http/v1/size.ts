import { suggest } from '../../actors/directory/size.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { sizeUsage, type Questions } from '../questions.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import {
  answerCreated,
  answerDeleted,
  answerUpdated,
  createEntry,
  deleteEntry,
  findEntry,
  MEMBERS_WITHIN_MS,
  refuseUnreachable,
  updateEntry,
} from './directory.ts';
import { machineOf } from './machine-of.ts';
import { constraintResponse, sizeBody, sizeCreate, sizeResponse, sizeUpdate, suggestBody } from './shape/size.ts';

/** Sizes (machines.md §15). The size reservations have to be declared before: their paths are literal. */
export function addSizeRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: '/v1/size', role: 'auth', operation: 'listSizes' }, ({ site }) =>
    ok(site.directory.list('size').map(sizeResponse)),
  );

  route(
    edge,
    { method: 'post', path: '/v1/size/suggest', role: 'auth', operation: 'suggest', audited: false, body: suggestBody },
    async ({ site, as, body: { machineID = '' } }) => {
      if (machineID === '') return invalid('machineID should not be empty');
      const view = await machineOf(site, machineID, as);
      return isRefusal(view) ? view : ok(suggest(view.machine.hardware).map(constraintResponse));
    },
  );

  route(edge, { method: 'get', path: '/v1/size/:id', role: 'auth', operation: 'findSize' }, async ({ site, param }) => {
    const size = await findEntry(site, 'size', param('id'));
    return isRefusal(size) ? size : ok(sizeResponse(size));
  });

  write(
    edge,
    {
      method: 'put',
      path: '/v1/size',
      role: 'admin',
      operation: 'createSize',
      body: sizeBody,
      placeless: 'everywhere',
    },
    (request) => createEntry(request, 'size', sizeCreate(request.body), {}),
    answerCreated('size', sizeResponse),
  );

  write(
    edge,
    { method: 'post', path: '/v1/size', role: 'admin', operation: 'updateSize', body: sizeBody },
    (request) => {
      const asked = sizeUpdate(request.body);
      return updateEntry(request, 'size', asked.id, asked, {});
    },
    answerUpdated('size', sizeResponse),
  );

  write(
    edge,
    { method: 'delete', path: '/v1/size/:id', role: 'admin', operation: 'deleteSize' },
    async (request) => {
      const { site, param } = request;
      const size = await findEntry(site, 'size', param('id'));
      if (isRefusal(size)) return size;
      const answers = await site.federation.askOthers('size-usage', { size: size.id }, MEMBERS_WITHIN_MS);
      const silent = refuseUnreachable(answers, `it is not known whether machines have size "${size.id}"`);
      if (silent !== undefined) return silent;
      const elsewhere = [...answers.values()] as Array<Questions['size-usage']['reply']>;
      return deleteEntry(request, 'size', size.id, {
        machines: elsewhere.reduce((sum, { machines }) => sum + machines, await sizeUsage(site, size.id)),
        reservations: site.directory.list('sizereservation').filter((reservation) => reservation.size === size.id)
          .length,
      });
    },
    answerDeleted('size', sizeResponse),
  );
}
