import type { Address } from '../../actors/address.ts';
import { noAddressLeft } from '../../actors/ipam/refusal-texts.ts';
import { exhausted, isRefusal, type Refusal } from '../../actors/refusal.ts';
import { canonicalAddress, checkIpForm, checkIpRequestIds } from '../../actors/network/ip-rules.ts';
import type { IpRequest } from '../../actors/network/messages.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { isInUseHere } from '../../actors/network/standing.ts';
import type { z } from 'zod';
import type { Edge } from '../env.ts';
import { JsonList } from '../json-list.ts';
import { ownScopes } from '../questions.ts';
import { created, ok, route, type Answer, type RouteRequest } from '../route.ts';
import { write } from '../write.ts';
import { findEntry } from './directory.ts';
import type { AskOptions, Site } from '../site.ts';
import { withIpQuota } from './ip-quota.ts';
import { holderOf, sourcesOf } from './network-places.ts';
import {
  askedFamily,
  ipAllocateBody,
  ipFindBody,
  ipPatch,
  ipQuery,
  ipRequest,
  ipResponse,
  ipRowFilter,
  ipUpdateBody,
} from './shape/ip.ts';

const PATH = '/v1/ip';

/**
 * It has no address left, and did nothing, so the next one may be asked. Of a certain address no partition that is cut
 * off from the home of the blocks can say more than another.
 */
const isShort = (refusal: Refusal, address: string): boolean =>
  refusal.kind === 'Exhausted' || (refusal.because === 'partition-unreachable' && address === '');

/** What each partition here says. Nothing is left only when no one of them misses anybody (design.md §6). */
function noneHasAny(network: string, refusals: readonly Refusal[]): Refusal {
  const missing = refusals.filter(({ kind }) => kind !== 'Exhausted');
  const [first, ...others] = missing.length > 0 ? missing : refusals;
  const begin = exhausted(noAddressLeft(network, '')).message;
  const texts = others.map(({ message }) => (message.startsWith(begin) ? message.slice(begin.length) : message));
  return { ...first!, message: [...new Set([first!.message, ...texts])].join('; ') };
}

/** What the network itself says against it: rules 2 to 6 come before that of the project. */
async function refuseByNetwork(
  site: Site,
  source: Address<'network' | 'block'>,
  request: IpRequest,
  as: AskOptions,
): Promise<Refusal | undefined> {
  const view = await site.ask(source, 'get', {}, as);
  if (isRefusal(view)) return view.kind === 'NotFound' ? view : undefined;
  return checkIpForm(view.network, request);
}

/** Rules of networks.md §2.2 that need the directory or the form only; the actor decides the others. */
async function allocate(
  { site, as, body }: RouteRequest<z.infer<typeof ipAllocateBody>>,
  address: string,
): Promise<IpRecord | Refusal> {
  const { networkid = '', projectid = '', machineid = '' } = body;
  const missing = checkIpRequestIds({ network: networkid, project: projectid });
  if (missing !== undefined) return missing;
  const canonical = address === '' ? '' : canonicalAddress(address);
  const sources = sourcesOf(site, networkid, { address: canonical, machine: machineid });
  if (isRefusal(sources)) return sources;
  const family = askedFamily(body);
  if (isRefusal(family)) return family;
  const request = ipRequest(body, address, family);
  const project = site.directory.get('project', projectid) ?? (await findEntry(site, 'project', projectid, as));
  if (isRefusal(project)) return (await refuseByNetwork(site, sources[0]!, request, as)) ?? project;
  const machinePartition = machineid === '' ? undefined : site.places.machine(machineid);
  if (machinePartition !== undefined) request.machinePartition = machinePartition;
  return withIpQuota(site, project, 1, async (quota) => {
    if (quota !== undefined) request.quota = quota;
    const refusals: Refusal[] = [];
    for (const source of sources) {
      const answer = await site.ask(source, 'allocateIp', request, as);
      // Another partition here may still hold some; anything else is the answer.
      if (!isRefusal(answer) || !isShort(answer, canonical)) return answer;
      refusals.push(answer);
    }
    return noneHasAny(networkid, refusals);
  });
}

/** A global network's address, for no machine, comes from the site that is asked, whichever it is. */
const placelessOf = ({ site, body, param }: RouteRequest<z.infer<typeof ipAllocateBody>>): 'here' | undefined => {
  const { networkid = '', machineid = '' } = body;
  const isPlaced = machineid !== '' || site.places.network(networkid)?.partition !== '';
  return isPlaced || site.places.address(canonicalAddress(param('ip'))) !== undefined ? undefined : 'here';
};

/**
 * A loan, or a block that moves, takes an address to another site: what was done with it there under the key must not be
 * done again to whoever has it now. Only a partition's own network keeps its addresses.
 */
const placelessHeld = (site: Site, address: string): 'here' | undefined =>
  site.places.address(canonicalAddress(address))?.holder === 'network' ? undefined : 'here';

const answerCreated = (ip: IpRecord): Answer => created(ipResponse(ip));
const answerOk = (ip: IpRecord): Answer => ok(ipResponse(ip));

async function listed(site: Edge['site'], body: z.infer<typeof ipFindBody>): Promise<Answer | Refusal> {
  const query = ipQuery(body);
  if (isRefusal(query)) return query;
  const list = new JsonList();
  // There are a million of them: nothing of a row stays but what the answer says of it.
  await site.rows.portions('ip', { scopes: ownScopes(site), ...ipRowFilter(body) }, (rows) => {
    const found = rows.filter(({ value }) => isInUseHere(value) && query.matches(value));
    list.add(found.map(({ value }) => ipResponse(value)));
  });
  return ok(list);
}

/** IP addresses (networks.md §2). */
export function addIpRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'view', operation: 'listIPs' }, ({ site }) => listed(site, {}));

  route(
    edge,
    { method: 'post', path: `${PATH}/find`, role: 'view', operation: 'findIPs', audited: false, body: ipFindBody },
    ({ site, body }) => listed(site, body),
  );

  write(
    edge,
    {
      method: 'post',
      path: `${PATH}/allocate`,
      role: 'edit',
      operation: 'allocateIP',
      body: ipAllocateBody,
      placeless: placelessOf,
    },
    (request) => allocate(request, ''),
    answerCreated,
  );

  write(
    edge,
    {
      method: 'post',
      path: `${PATH}/allocate/:ip`,
      role: 'edit',
      operation: 'allocateSpecificIP',
      body: ipAllocateBody,
      placeless: placelessOf,
    },
    (request) => allocate(request, request.param('ip')),
    answerCreated,
  );

  route(edge, { method: 'get', path: `${PATH}/:id`, role: 'view', operation: 'findIP' }, async (request) => {
    const { site, as, param } = request;
    const address = canonicalAddress(param('id'));
    const holder = holderOf(site, address);
    if (isRefusal(holder)) return holder;
    const ip = await site.ask(holder, 'getIp', { address }, as);
    return isRefusal(ip) ? ip : ok(ipResponse(ip));
  });

  write(
    edge,
    {
      method: 'post',
      path: PATH,
      role: 'edit',
      operation: 'updateIP',
      body: ipUpdateBody,
      placeless: ({ site, body }) => placelessHeld(site, body.ipaddress ?? ''),
    },
    ({ site, as, body }) => {
      const address = canonicalAddress(body.ipaddress ?? '');
      const holder = holderOf(site, address);
      if (isRefusal(holder)) return holder;
      return site.ask(holder, 'updateIp', ipPatch(body, address), as);
    },
    answerOk,
  );

  write(
    edge,
    {
      method: 'delete',
      path: `${PATH}/free/:id`,
      role: 'edit',
      operation: 'freeIP',
      placeless: ({ site, param }) => placelessHeld(site, param('id')),
    },
    ({ site, as, param }) => {
      const address = canonicalAddress(param('id'));
      const holder = holderOf(site, address);
      if (isRefusal(holder)) return holder;
      return site.ask(holder, 'freeIp', { address }, as);
    },
    answerOk,
  );
}
