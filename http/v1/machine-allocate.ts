// Allocation of a machine or firewall (machines.md §8): what the directory and the places know is resolved here, the
// partition's allocator does the rest.
import { z } from 'zod';
import { addressOf, partitionScope } from '../../actors/address.ts';
import { parseAllocationRequest, type AskedAllocation } from '../../actors/allocation/allocation-request.ts';
import type { AskedFirewallRule } from '../../actors/allocation/firewall-rules.ts';
import type { AllocateMachine } from '../../actors/allocation/messages.ts';
import { selectFilesystemLayout, type FilesystemLayout } from '../../actors/directory/filesystem-layout.ts';
import { newestImage, type Image } from '../../actors/directory/image.ts';
import type { Project } from '../../actors/directory/project.ts';
import { checkImageOnSize } from '../../actors/directory/size-image-constraint.ts';
import { invalid, isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import type { RouteRequest } from '../route.ts';
import type { Site } from '../site.ts';
import { write } from '../write.ts';
import { findEntry, type Writer } from './directory.ts';
import { withIpQuota } from './ip-quota.ts';
import { answerDone } from './machine-answer.ts';
import { machineOf } from './machine-of.ts';
import { locateIps, locateNetworks, usedElsewhere } from './machine-allocate-places.ts';
import { flag, given, text, texts } from './shape/fields.ts';

const rule = z.object({
  protocol: text,
  ports: z.array(z.int()).optional(),
  to: texts,
  from: texts,
  comment: text,
});
export const allocateBody = z.object({
  uuid: text,
  name: text,
  description: text,
  hostname: text,
  projectid: text,
  partitionid: text,
  sizeid: text,
  imageid: text,
  filesystemlayoutid: text,
  ssh_pub_keys: texts,
  user_data: text,
  tags: texts,
  networks: z.array(z.object({ networkid: text, autoacquire: flag })).optional(),
  ips: texts,
  placement_tags: texts,
  dns_servers: z.array(z.object({ ip: text })).optional(),
  ntp_servers: z.array(z.object({ address: text })).optional(),
  firewall_rules: z.object({ egress: z.array(rule).optional(), ingress: z.array(rule).optional() }).optional(),
});
type AllocateBody = z.infer<typeof allocateBody>;

const askedRules = (rules: z.infer<typeof rule>[] = []): AskedFirewallRule[] =>
  rules.map(({ protocol, ports = [], to = [], from, comment = '' }) => ({ protocol, ports, to, from, comment }));

export const askedAllocation = (
  body: AllocateBody,
  role: AskedAllocation['role'],
  creator: string,
): AskedAllocation => ({
  role,
  creator,
  uuid: body.uuid ?? '',
  name: body.name ?? '',
  description: body.description ?? '',
  hostname: body.hostname ?? '',
  project: body.projectid ?? '',
  partition: body.partitionid ?? '',
  size: body.sizeid ?? '',
  image: body.imageid ?? '',
  filesystemLayout: body.filesystemlayoutid ?? '',
  sshPubKeys: body.ssh_pub_keys ?? [],
  userData: body.user_data ?? '',
  tags: body.tags ?? [],
  networks: (body.networks ?? []).map(({ networkid = '', autoacquire }) => ({ id: networkid, autoacquire })),
  ips: body.ips ?? [],
  placementTags: body.placement_tags ?? [],
  dnsServers: (body.dns_servers ?? []).map(({ ip = '' }) => ({ ip })),
  ntpServers: (body.ntp_servers ?? []).map(({ address = '' }) => ({ address })),
  firewallRules: body.firewall_rules
    ? { egress: askedRules(body.firewall_rules.egress), ingress: askedRules(body.firewall_rules.ingress) }
    : null,
});

/** Not found is Invalid here, whatever it is elsewhere (machines.md §8.2: 2, 5, 6). */
const asInvalid = <T>(found: T | Refusal): T | Refusal =>
  isRefusal(found) && found.kind === 'NotFound' ? invalid(found.message.replace(/^NotFound /, '')) : found;

/** The image that the request means, with the feature for the role (checks 2 and 4). */
const imageOf = (site: Site, { image: id, role }: AskedAllocation): Image | Refusal => {
  const image = asInvalid(newestImage(id, site.directory.list('image')));
  if (isRefusal(image)) return image;
  return image.features.includes(role)
    ? image
    : invalid(`given image is not usable for a ${role}, features:${image.features.join(',')}`);
};

interface Where {
  /** '' when the request leaves it open, which is refused afterwards. */
  partition: string;
  size: string;
}

/** Partition and size, of the machine where one is named (checks 5 and 6). */
async function whereOf({ site, as }: Pick<RouteRequest<unknown>, 'site' | 'as'>, asked: AskedAllocation) {
  if (asked.uuid !== '') {
    const view = asInvalid(await machineOf(site, asked.uuid, as));
    if (isRefusal(view)) return view;
    return { partition: view.machine.partition, size: view.machine.size } satisfies Where;
  }
  const { partition, size } = asked;
  if (size !== '') {
    const found = asInvalid(await findEntry(site, 'size', size, as));
    if (isRefusal(found)) return found;
  }
  if (partition !== '') {
    const found = asInvalid(await findEntry(site, 'partition', partition, as));
    if (isRefusal(found)) return found;
  }
  return { partition, size } satisfies Where;
}

/** The explicit layout, or the first that serves size and image (check 15). */
async function layoutOf(
  { site, as }: Writer,
  id: string,
  size: string,
  image: Image,
): Promise<FilesystemLayout | Refusal> {
  return id === ''
    ? selectFilesystemLayout(site.directory.list('filesystemlayout'), size, image)
    : findEntry(site, 'filesystemlayout', id, as);
}

/**
 * Everything that the allocator needs, in the order of machines.md §8.2: what is wrong with the request as such is Invalid
 * before any rule of the field is asked.
 */
export async function resolveAllocation(
  { site, as }: Pick<RouteRequest<unknown>, 'site' | 'as'>,
  asked: AskedAllocation,
): Promise<{ partition: string; project: Project; ask: AllocateMachine } | Refusal> {
  const image = imageOf(site, asked);
  // Without networks nothing else is looked at (check 1).
  if (isRefusal(image) && asked.networks.length > 0) return image;
  const where = await whereOf({ site, as }, asked);
  if (isRefusal(where)) return where;
  const request = parseAllocationRequest(asked);
  if (isRefusal(request)) return request;
  if (isRefusal(image)) return image;
  const { partition, size } = where;

  const constrained = checkImageOnSize(site.directory.get('sizeimageconstraint', size), image);
  if (constrained) return constrained;
  const project = await findEntry(site, 'project', request.project, as);
  if (isRefusal(project)) return project;
  const layout = await layoutOf({ site, as }, request.filesystemLayout, size, image);
  if (isRefusal(layout)) return layout;
  const networks = await locateNetworks({ site, as }, partition, request.networks);
  if (isRefusal(networks)) return networks;
  const ips = await locateIps({ site, as }, partition, request.ips);
  if (isRefusal(ips)) return ips;

  const quota = project.quotas.machine ?? null;
  const servers = site.directory.get('partition', partition);
  return {
    partition,
    project,
    ask: {
      request,
      machine: request.machine,
      size: request.machine === null ? size : '',
      image: image.id,
      role: request.role,
      layouts: [{ size, layout }],
      networks,
      ips,
      reservations: site.directory
        .list('sizereservation')
        .filter((reservation) => reservation.partitions.includes(partition)),
      machineQuota: quota,
      usedElsewhere: quota === null ? 0 : await usedElsewhere({ site, as }, project.id, partition),
      dnsServers: request.dnsServers.length > 0 ? request.dnsServers : (servers?.dnsServers ?? []),
      ntpServers: request.ntpServers.length > 0 ? request.ntpServers : (servers?.ntpServers ?? []),
    },
  };
}

const ROUTES = [
  { role: 'machine', path: '/v1/machine/allocate', operation: 'allocateMachine' },
  { role: 'firewall', path: '/v1/firewall/allocate', operation: 'allocateFirewall' },
] as const;

/** Both answer 200, not 201. */
export function addAllocateRoutes(edge: Edge): void {
  for (const { role, path, operation } of ROUTES) {
    write(
      edge,
      { method: 'post', path, role: 'edit', operation, body: allocateBody },
      async (request) => {
        const { site, as, caller, body } = request;
        const resolved = await resolveAllocation(request, askedAllocation(body, role, caller.email));
        if (isRefusal(resolved)) return resolved;
        const { partition, project, ask } = resolved;
        const allocator = addressOf(partitionScope(partition), 'allocator', partition);
        // Of both families in each network, and in the underlay.
        const mostIps = 2 * (ask.networks.length + 1);
        return withIpQuota(site, project, mostIps, (ipQuota) =>
          site.ask(allocator, 'allocateMachine', { ...ask, ...given({ ipQuota }) }, as),
        );
      },
      answerDone,
    );
  }
}
