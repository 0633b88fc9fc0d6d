import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import { alreadyExists, isRefusal, unreachable, type Refusal } from '../../actors/refusal.ts';
import { prefixClaims } from '../../actors/network/coordination.ts';
import type { BlocksIdle, NetworkView } from '../../actors/network/messages.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import {
  allocateFamily,
  checkAllocateIds,
  checkCidrs,
  checkLengthNumbers,
  checkNumbers,
  isGlobal,
  networkToCreate,
  noSuchNetwork,
  notAChild,
  parseChildLengths,
} from '../../actors/network/network-rules.ts';
import { checkQuarantine } from '../../actors/network/quarantine.ts';
import { updatedNetwork } from '../../actors/network/update-rules.ts';
import { claimsOfNetwork } from '../../actors/registry/claims.ts';
import { refuseId } from '../../router/naming.ts';
import type { Edge } from '../env.ts';
import { created, ok, route, type Answer, type RouteRequest } from '../route.ts';
import type { AskOptions, Site } from '../site.ts';
import { write } from '../write.ts';
import { withBlocksCalledBack } from './block.ts';
import { findEntry, type Writer } from './directory.ts';
import { listCopies, listNetworks } from './network-list.ts';
import { networkAt } from './network-places.ts';
import { copyView, withAllHeld } from './network-usage.ts';
import { orNull } from './shape/fields.ts';
import {
  foundNetworksAnswer,
  networkAllocateBody,
  networkAnswer,
  networkCreate,
  networkCreateBody,
  networkFindBody,
  networkPatch,
  networkQuery,
  networkResponse,
  networksAnswer,
  networkUpdateBody,
  type NetworkQuery,
} from './shape/network.ts';
import { queryFlag } from './shape/query.ts';
import { isClaimed, withWordGivenBack, withWordOfAll } from './word.ts';

const PATH = '/v1/network';

const MOST_NAMED = 8;
const firstOf = (cidrs: readonly string[]): string =>
  cidrs.length > MOST_NAMED
    ? `${cidrs.slice(0, MOST_NAMED).join(', ')} and ${cidrs.length - MOST_NAMED} more`
    : cidrs.join(', ');

const answered = (view: NetworkView | Refusal): Answer | Refusal =>
  isRefusal(view) ? view : ok(networkResponse(view));

/** Global networks lie in the directory: who is told of a change finds it at every member (design.md §2). */
async function spreadGlobal(site: Site, { network }: NetworkView): Promise<void> {
  const entry = isGlobal(network) ? site.directory.entry('globalnetwork', network.id) : undefined;
  if (entry !== undefined) await site.federation.spread(entry);
}

const answerMade = async (view: NetworkView, { site }: { site: Site }): Promise<Answer> => {
  await spreadGlobal(site, view);
  return created(networkResponse(view));
};
const answerDone = async (view: NetworkView, { site }: { site: Site }): Promise<Answer> => {
  await spreadGlobal(site, view);
  return ok(networkResponse(view));
};
/** What is in use is told as a read tells it, with what all partitions hold. */
const answerUpdated = async (view: NetworkView, { site, as }: RouteRequest<unknown>): Promise<Answer> => {
  await spreadGlobal(site, view);
  return ok(networkResponse(await withAllHeld(site, view, as)));
};

const registryOf = (site: Site) => addressOf(siteScope(site.id), 'registry', site.id);
const allocatorOf = (partition: string) => addressOf(partitionScope(partition), 'allocator', partition);

/** '' is none. */
async function refuseProject({ site, as }: Writer, id: string): Promise<Refusal | undefined> {
  const project = id === '' ? undefined : await findEntry(site, 'project', id, as);
  return isRefusal(project) ? project : undefined;
}

/** It exists, and is hosted here; '' is none. */
async function refusePartition({ site, as }: Writer, id: string): Promise<Refusal | undefined> {
  if (id === '') return undefined;
  const partition = await findEntry(site, 'partition', id, as);
  if (isRefusal(partition)) return partition;
  if (site.places.hosted().includes(id)) return undefined;
  return unreachable(`partition ${id} is not hosted by site ${site.id}, and its site can't be reached`);
}

/** What is said of the id and the prefixes of a network that can't be made anyway (checks 12 and 13 come before 14). */
async function refuseClaims(site: Site, network: NetworkRecord, as: AskOptions): Promise<Refusal | undefined> {
  // In no partition: the registry refuses by its claims, then for the partition.
  const answer = await site.ask(registryOf(site), 'createNetwork', { network, h: site.uuid(), partitions: [] }, as);
  return isRefusal(answer) && answer.kind !== 'NotFound' ? answer : undefined;
}

/** What partitions have of their own is served at once after a restore, what all have is not (reliability.md F24). */
const refuseFenced = (site: Site, network: NetworkRecord): Refusal | undefined =>
  isGlobal(network) ? site.refuseFenced() : undefined;

async function find({ site, as, param }: RouteRequest<undefined>): Promise<Answer | Refusal> {
  const at = networkAt(site, param('id'));
  if (!isRefusal(at)) {
    const view = await site.ask(at, 'get', {}, as);
    return isRefusal(view) ? view : answered(await withAllHeld(site, view, as));
  }
  // Its home can't be asked: as this site's copy has it.
  const copy = site.directory.get('globalnetwork', param('id'));
  return copy === undefined ? at : answered(await copyView(site, copy, as));
}

async function list({ site, as, context }: RouteRequest<unknown>, query: NetworkQuery): Promise<NetworkView[]> {
  const copyOf = context.env?.copyOf;
  return copyOf === undefined ? listNetworks(site, query, as) : listCopies(site, copyOf, query);
}

async function free(request: RouteRequest<undefined>, as: 'free' | 'delete'): Promise<NetworkView | Refusal> {
  const { site, param } = request;
  const id = param('id');
  const place = site.places.network(id);
  if (place === undefined) return noSuchNetwork(id);
  const at = networkAt(site, id);
  if (isRefusal(at)) return at;
  const view = await site.ask(at, 'get', {}, request.as);
  if (isRefusal(view)) return view;
  const { partition, parent } = view.network;
  if (partition !== '' && (as === 'free' || parent !== null)) {
    return site.ask(allocatorOf(partition), 'freeNetwork', { network: id, as }, request.as);
  }
  if (as === 'free') return notAChild(id);
  const fenced = refuseFenced(site, view.network);
  if (fenced !== undefined) return fenced;
  const { dry = false } = request.as;
  const body = { id, partition, partitions: site.places.hosted() };
  const end = (blocksIdle?: BlocksIdle) =>
    withWordGivenBack({ site, as: request.as }, id, () =>
      site.ask(registryOf(site), 'deleteNetwork', blocksIdle ? { ...body, blocksIdle } : body, request.as),
    );
  if (!isGlobal(view.network)) return end();
  return withBlocksCalledBack(site, { network: id, what: `network ${id} can't be deleted while its`, dry }, end);
}

/** Networks (networks.md §1). */
export function addNetworkRoutes(edge: Edge): void {
  route(
    edge,
    { method: 'get', path: PATH, role: 'view', operation: 'listNetworks', answer: networksAnswer },
    async (request) => {
      const views = await list(request, { matches: () => true });
      return ok(orNull(views.map(networkResponse)));
    },
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findNetworks',
      audited: false,
      body: networkFindBody,
      answer: foundNetworksAnswer,
    },
    async (request) => {
      const query = networkQuery(request.body);
      return isRefusal(query) ? query : ok((await list(request, query)).map(networkResponse));
    },
  );

  write(
    edge,
    {
      method: 'put',
      path: PATH,
      role: 'admin',
      operation: 'createNetwork',
      body: networkCreateBody,
      answer: networkAnswer,
      placeless: ({ body }) => (body.partitionid ? undefined : 'everywhere'),
    },
    async ({ site, as, body }) => {
      const unnamed = refuseId(PATH, body.id);
      if (unnamed !== undefined) return unnamed;
      const id = body.id || site.uuid();
      // Before every rule: a network that is created again overlaps with itself, and metalctl's apply waits for this.
      if (site.places.network(id) !== undefined) return alreadyExists();
      const request = networkCreate(body);
      const early = checkNumbers(request) ?? (await refuseProject({ site, as }, request.project));
      if (early !== undefined) return early;
      const network = networkToCreate(request, { id, nowMs: site.wallMs() });
      if (isRefusal(network)) return network;
      const dangling = await refusePartition({ site, as }, network.partition);
      if (dangling !== undefined) return (await refuseClaims(site, network, as)) ?? dangling;
      const fenced = refuseFenced(site, network);
      if (fenced !== undefined) return fenced;
      return withWordOfAll(
        { site, as },
        claimsOfNetwork(network),
        (h) => site.ask(registryOf(site), 'createNetwork', { network, h, partitions: site.places.hosted() }, as),
        (h) => isClaimed(site, h),
      );
    },
    answerMade,
  );

  write(
    edge,
    {
      method: 'post',
      path: PATH,
      role: 'admin',
      operation: 'updateNetwork',
      body: networkUpdateBody,
      answer: networkAnswer,
    },
    async ({ site, as, body, query }) => {
      const force = queryFlag('force', query('force'));
      if (isRefusal(force)) return force;
      const id = body.id ?? '';
      const at = networkAt(site, id);
      if (isRefusal(at)) return at;
      const patch = (h: string, blocksIdle?: BlocksIdle) => networkPatch(body, { force, site: site.id, h, blocksIdle });
      const first = patch('');
      if (isRefusal(first)) return first;
      const stored = await site.ask(at, 'get', {}, as);
      if (isRefusal(stored)) return stored;
      const fenced = refuseFenced(site, stored.network);
      if (fenced !== undefined) return fenced;
      const update = updatedNetwork(stored.network, first, site.wallMs());
      if (isRefusal(update)) return update;
      const apply = async (h: string, blocksIdle: BlocksIdle): Promise<NetworkView | Refusal> => {
        const asked = patch(h, blocksIdle);
        return isRefusal(asked) ? asked : site.ask(at, 'update', asked, as);
      };
      const { addedPrefixes: added, removedPrefixes: removed } = update;
      const claims = prefixClaims(id, added, removed);
      const change = (blocksIdle?: BlocksIdle) => {
        const applied = (h: string) => apply(h, blocksIdle);
        return added.length === 0
          ? applied(site.uuid())
          : withWordOfAll({ site, as }, claims, applied, (h) => isClaimed(site, h));
      };
      if (removed.length === 0) return change();
      const shrink = (blocksIdle?: BlocksIdle) => withWordGivenBack({ site, as }, id, () => change(blocksIdle));
      if (!isGlobal(stored.network)) return shrink();
      const what = `prefixes ${firstOf(removed)} can't be removed from network ${id} while their`;
      return withBlocksCalledBack(site, { network: id, prefixes: removed, what, dry: as.dry ?? false }, shrink);
    },
    answerUpdated,
  );

  write(
    edge,
    {
      method: 'post',
      path: `${PATH}/allocate`,
      role: 'edit',
      operation: 'allocateNetwork',
      about:
        'Cuts a network for a project out of the private super network of a partition: a prefix of each family, or of one.',
      body: networkAllocateBody,
      answer: networkAnswer,
    },
    async ({ site, as, body }) => {
      const { projectid: project = '', partitionid: partition = '', destinationprefixes = [] } = body;
      const missing = checkLengthNumbers('length', body.length ?? {}) ?? checkAllocateIds({ project, partition });
      if (missing !== undefined) return missing;
      const dangling =
        (await refuseProject({ site, as }, project)) ??
        (await refusePartition({ site, as }, partition)) ??
        checkCidrs('destinationprefixes', destinationprefixes) ??
        checkQuarantine(body.labels ?? {});
      if (dangling !== undefined) return dangling;
      const length = parseChildLengths('length', body.length ?? {});
      const family = body.addressfamily ? allocateFamily(body.addressfamily) : undefined;
      // Whether there is a super network to cut from comes first, and the allocator knows it.
      const malformed = [length, family].find(isRefusal);
      return site.ask(
        allocatorOf(partition),
        'allocateNetwork',
        {
          id: site.uuid(),
          name: body.name ?? '',
          description: body.description ?? '',
          labels: body.labels ?? {},
          project,
          shared: body.shared ?? false,
          nat: body.nat ?? false,
          destinationPrefixes: destinationprefixes,
          length: isRefusal(length) ? {} : length,
          ...(family === undefined || isRefusal(family) ? {} : { family }),
          ...(malformed === undefined ? {} : { malformed }),
        },
        as,
      );
    },
    answerMade,
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/free/:id`, role: 'edit', operation: 'freeNetwork', answer: networkAnswer },
    (request) => free(request, 'free'),
    answerDone,
  );
  write(
    edge,
    {
      method: 'post',
      path: `${PATH}/free/:id`,
      role: 'edit',
      operation: 'freeNetworkDeprecated',
      answer: networkAnswer,
      contentType: 'any',
    },
    (request) => free(request, 'free'),
    answerDone,
  );
  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteNetwork', answer: networkAnswer },
    (request) => free(request, 'delete'),
    answerDone,
  );
  route(
    edge,
    { method: 'get', path: `${PATH}/:id`, role: 'view', operation: 'findNetwork', answer: networkAnswer },
    find,
  );
}
