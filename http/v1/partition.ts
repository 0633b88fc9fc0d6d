import { partitionScope } from '../../actors/address.ts';
import { refusePartitionDelete, type PartitionUpdate, type PartitionUses } from '../../actors/directory/partition.ts';
import { isInUseHere } from '../../actors/network/standing.ts';
import { alreadyExists, conflict, invalid, isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { probeUrl } from '../probe.ts';
import { ok, route } from '../route.ts';
import type { Site } from '../site.ts';
import { capacityOf } from './capacity.ts';
import { answerCreated, createEntry, findEntry, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
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
async function probed(site: Site, boot: PartitionUpdate['bootConfig']): Promise<Refusal | undefined> {
  const problems = await Promise.all(
    Object.entries({ imageurl: boot?.imageUrl, kernelurl: boot?.kernelUrl }).map(async ([field, url]) => {
      if (!url) return undefined;
      const problem = await probeUrl(url, site.config.probeAllow);
      return problem === undefined ? undefined : invalid(`bootconfig.${field} "${url}" is not accessible: ${problem}`);
    }),
  );
  return problems.find((problem) => problem !== undefined);
}

async function usesOf(site: Site, partition: string): Promise<PartitionUses> {
  const filter = { scopes: [partitionScope(partition)] };
  const [machines, switches, networks, ips] = await Promise.all([
    site.rows.rows('machine', filter),
    site.rows.rows('switch', filter),
    site.rows.rows('network', filter),
    site.rows.rows('ip', filter),
  ]);
  return {
    machines: machines.length,
    switches: switches.length,
    networks: networks.length,
    ips: ips.filter(({ value }) => isInUseHere(value) || value.loan?.as === 'lent').length,
    reservations: site.directory.list('sizereservation').filter((one) => one.partitions.includes(partition)).length,
  };
}

/** Partitions (machines.md §14). A new one is hosted by the site that executes the request (design.md §11). */
export function addPartitionRoutes(edge: Edge): void {
  const answerMade = answerCreated('partition', partitionResponse);

  addEntryRoutes(edge, {
    kind: 'partition',
    path: PATH,
    roles: { read: 'auth', write: 'admin' },
    operations: {
      list: 'listPartitions',
      find: 'findPartition',
      create: 'createPartition',
      update: 'updatePartition',
      delete: 'deletePartition',
    },
    body: partitionBody,
    id: ({ id }) => id,
    shape: partitionResponse,
    create: async (request) => {
      const { site, as } = request;
      const asked = partitionCreate(request.body);
      if (asked.id === '') return invalid('id should not be empty');
      const known = site.directory.entry('partition', asked.id);
      if (known !== undefined && known.entity === null && known.home !== site.id) {
        // What it wrote lies in that site's database.
        return conflict(`partition ${asked.id} was deleted by site ${known.home}: only that one can host it again`);
      }
      if (known !== undefined && known.entity !== null) {
        // Made by an earlier try, which may have ended before it was hosted: whoever repeats it gets it hosted. That it is
        // written, and so known as one of ours, says nothing about its scope.
        if (known.home === site.id && !as.dry) await site.host(asked.id);
        return alreadyExists();
      }
      const unreachable = await probed(site, asked.bootConfig);
      if (unreachable !== undefined) return unreachable;
      return withWordOfAll(
        request,
        [{ what: 'partition', value: asked.id, holder: asked.id }],
        () => createEntry(request, 'partition', asked, {}),
        // The copy is behind what is being written: that it lacks the partition says nothing.
        async () => site.directory.get('partition', asked.id) !== undefined || undefined,
      );
    },
    created: async (record, request) => {
      const answer = await answerMade(record, request);
      const { site } = request;
      // Also when it was made by an earlier try, which may have ended before. What was deleted since is not.
      const now = site.directory.entry('partition', record.id);
      const isDeleted = now !== undefined && now.entity === null && now.revision > record.revision;
      if (record.home === site.id && !isDeleted) await site.host(record.id);
      return answer;
    },
    update: async (request) => {
      const { site, body } = request;
      const asked = partitionUpdate(body);
      const stored = await findEntry(site, 'partition', asked.id, request.as);
      if (isRefusal(stored)) return stored;
      const unreachable = await probed(site, asked.bootConfig);
      return unreachable ?? updateEntry(request, 'partition', asked.id, asked, {});
    },
    uses: async ({ site }, { id }) => {
      // Only its host can count what is in it.
      if (!site.places.hosted().includes(id)) return conflict(`partition ${id} is deleted by the site that hosts it`);
      const uses = await usesOf(site, id);
      // Refused before its blocks go home.
      return refusePartitionDelete(id, uses) ?? uses;
    },
    // Nobody could give its blocks back afterwards.
    ending: async ({ site, as }, { id }, end) => (as.dry ? end() : site.withoutBlocks(id, end)),
  });

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
}
