import { partitionScope } from '../../actors/address.ts';
import type { PartitionUses } from '../../actors/directory/partition.ts';
import { alreadyExists, conflict, invalid, isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { probeUrl } from '../probe.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import type { Site } from '../site.ts';
import { capacityOf } from './capacity.ts';
import {
  answerCreated,
  answerDeleted,
  answerUpdated,
  createEntry,
  deleteEntry,
  findEntry,
  updateEntry,
} from './directory.ts';
import {
  capacityBody,
  capacityResponse,
  partitionBody,
  partitionCreate,
  partitionResponse,
  partitionUpdate,
} from './shape/partition.ts';
import { withWordOfAll } from './word.ts';

const PATH = '/v1/partition';

/** Both boot files must answer; both are asked at once. */
async function probed(site: Site, urls: Record<string, string | undefined>): Promise<Refusal | undefined> {
  const problems = await Promise.all(
    Object.entries(urls).map(async ([field, url]) => {
      if (!url) return undefined;
      const problem = await probeUrl(url, site.config.probeAllow);
      return problem === undefined ? undefined : invalid(`${field} "${url}" is not accessible: ${problem}`);
    }),
  );
  return problems.find((problem) => problem !== undefined);
}

async function usesOf(site: Site, partition: string): Promise<PartitionUses> {
  const filter = { scopes: [partitionScope(partition)] };
  const [machines, switches, networks] = await Promise.all([
    site.rows.rows('machine', filter),
    site.rows.rows('switch', filter),
    site.rows.rows('network', filter),
  ]);
  return {
    machines: machines.length,
    switches: switches.length,
    networks: networks.length,
    reservations: site.directory.list('sizereservation').filter((one) => one.partitions.includes(partition)).length,
  };
}

/** Partitions (machines.md §14). A new one is hosted by the site that executes the request (design.md §11). */
export function addPartitionRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'auth', operation: 'listPartitions' }, ({ site }) =>
    ok(site.directory.list('partition').map(partitionResponse)),
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/capacity`,
      role: 'auth',
      operation: 'partitionCapacity',
      audited: false,
      body: capacityBody,
    },
    async ({ site, body }) => {
      const capacity = await capacityOf(site, { partition: body.id, size: body.sizeid, project: body.projectid });
      return isRefusal(capacity) ? capacity : ok(capacity.map(capacityResponse));
    },
  );

  route(
    edge,
    { method: 'get', path: `${PATH}/:id`, role: 'auth', operation: 'findPartition' },
    async ({ site, param }) => {
      const partition = await findEntry(site, 'partition', param('id'));
      return isRefusal(partition) ? partition : ok(partitionResponse(partition));
    },
  );

  const answerMade = answerCreated('partition', partitionResponse);
  write(
    edge,
    {
      method: 'put',
      path: PATH,
      role: 'admin',
      operation: 'createPartition',
      body: partitionBody,
      placeless: 'everywhere',
    },
    async (request) => {
      const { site } = request;
      const asked = partitionCreate(request.body);
      if (asked.id === '') return invalid('id should not be empty');
      const known = site.directory.entry('partition', asked.id);
      if (known !== undefined) {
        // Made by an earlier try whose answer got lost: whoever repeats it gets it hosted.
        if (known.home === site.id && !site.places.hosted().includes(asked.id)) await site.host(asked.id);
        return alreadyExists();
      }
      const { imageUrl, kernelUrl } = asked.bootConfig;
      const unreachable = await probed(site, {
        'bootconfig.imageurl': imageUrl,
        'bootconfig.kernelurl': kernelUrl,
      });
      if (unreachable !== undefined) return unreachable;
      return withWordOfAll(
        site,
        [{ what: 'partition', value: asked.id, holder: asked.id }],
        () => createEntry(request, 'partition', asked, {}),
        async () => site.directory.get('partition', asked.id) !== undefined,
      );
    },
    async (record, request) => {
      const answer = await answerMade(record, request);
      // Also when it was made by an earlier try, which may have ended before.
      if (record.home === request.site.id) await request.site.host(record.id);
      return answer;
    },
  );

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updatePartition', body: partitionBody },
    async (request) => {
      const { site, body } = request;
      const asked = partitionUpdate(body);
      const stored = await findEntry(site, 'partition', asked.id);
      if (isRefusal(stored)) return stored;
      const unreachable = await probed(site, {
        'bootconfig.imageurl': asked.bootConfig?.imageUrl,
        'bootconfig.kernelurl': asked.bootConfig?.kernelUrl,
      });
      if (unreachable !== undefined) return unreachable;
      return updateEntry(request, 'partition', asked.id, asked, {});
    },
    answerUpdated('partition', partitionResponse),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deletePartition' },
    async (request) => {
      const { site, param } = request;
      const stored = await findEntry(site, 'partition', param('id'));
      if (isRefusal(stored)) return stored;
      // Only its host can count what is in it.
      if (!site.places.hosted().includes(stored.id)) {
        return conflict(`partition ${stored.id} is deleted by the site that hosts it`);
      }
      return deleteEntry(request, 'partition', stored.id, await usesOf(site, stored.id));
    },
    answerDeleted('partition', partitionResponse),
  );
}
