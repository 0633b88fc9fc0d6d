import { matchesReservation, reservationUsage } from '../../actors/directory/size-reservation.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { hostedScopes } from '../questions.ts';
import { ok, route } from '../route.ts';
import type { Site } from '../site.ts';
import { createEntry, findEntry, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import {
  reservationBody,
  reservationCreate,
  reservationFindBody,
  reservationQuery,
  reservationResponse,
  reservationUpdate,
  usageResponse,
} from './shape/size-reservation.ts';

const PATH = '/v1/size/reservations';

/** Facts of the other kinds that the rules of a reservation need. */
const factsOf = (site: Site, asked: { size: string; project: string }) => ({
  hasSize: site.directory.get('size', asked.size) !== undefined,
  hasProject: site.directory.get('project', asked.project) !== undefined,
  partitions: site.directory.list('partition').map(({ id }) => id),
});

/** Allocated machines hosted here, with what reservations ask of them. */
async function allocations(site: Site): Promise<Array<{ size: string; project: string; partition: string }>> {
  const scopes = hostedScopes(site);
  const [machines, allocated] = await Promise.all([
    site.rows.rows('machine', { scopes }),
    site.rows.rows('allocation', { scopes }),
  ]);
  const byId = new Map(machines.map(({ value }) => [value.id, value]));
  return allocated.flatMap(({ value }) => {
    const machine = byId.get(value.machine);
    return machine === undefined ? [] : [{ size: machine.size, project: value.project, partition: machine.partition }];
  });
}

/** Size reservations (machines.md §15.4). */
export function addSizeReservationRoutes(edge: Edge): void {
  addEntryRoutes(edge, {
    kind: 'sizereservation',
    path: PATH,
    roles: { read: 'auth', write: 'edit' },
    operations: {
      list: 'listSizeReservations',
      find: 'getSizeReservation',
      create: 'createSizeReservation',
      update: 'updateSizeReservation',
      delete: 'deleteSizeReservation',
    },
    body: reservationBody,
    id: ({ id }) => id,
    shape: reservationResponse,
    create: (request) => {
      const asked = reservationCreate(request.body);
      return createEntry(request, 'sizereservation', asked, factsOf(request.site, asked));
    },
    update: async (request) => {
      const { site, body } = request;
      const asked = reservationUpdate(body);
      const stored = await findEntry(site, 'sizereservation', asked.id, request.as);
      if (isRefusal(stored)) return stored;
      return updateEntry(request, 'sizereservation', asked.id, asked, factsOf(site, stored));
    },
    uses: () => ({}),
  });

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'auth',
      operation: 'findSizeReservations',
      audited: false,
      body: reservationFindBody,
    },
    ({ site, body }) => {
      const query = reservationQuery(body);
      const found = site.directory.list('sizereservation').filter((one) => matchesReservation(one, query));
      return ok(found.map(reservationResponse));
    },
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/usage`,
      role: 'auth',
      operation: 'sizeReservationsUsage',
      audited: false,
      body: reservationFindBody,
    },
    async ({ site, body }) => {
      const all = site.directory.list('sizereservation');
      const usage = reservationUsage(all, reservationQuery(body), await allocations(site));
      // Each site answers for the partitions that it hosts; the answers are put together.
      const hosted = new Set(site.places.hosted());
      const here = usage.filter(({ partition }) => hosted.has(partition));
      const asked = body.partitionid;
      return ok(here.filter(({ partition }) => asked === undefined || partition === asked).map(usageResponse));
    },
  );
}
