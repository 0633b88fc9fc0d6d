// Where the networks and addresses of an allocation are, seen from the partition of the machine.
import { partitionScope } from '../../actors/address.ts';
import type { AllocateMachine, LocatedNetwork } from '../../actors/allocation/messages.ts';
import { isRefusal, notFound, unprocessable, type Refusal } from '../../actors/refusal.ts';
import { LOCATE_ASK, locateReplySchema } from '../../router/peers.ts';
import type { ProjectUsage } from '../questions.ts';
import type { Site } from '../site.ts';
import { MEMBERS_WITHIN_MS, refuseUnreachable } from './directory.ts';

const elsewhere = (network: string, partition: string): Refusal =>
  unprocessable(`network "${network}" is not in partition "${partition}" of the machine`);

/** The partition of another site where a network is, or the range of an address; undefined when all others say no. */
async function partitionAbroad(
  site: Site,
  by: 'network' | 'address',
  id: string,
): Promise<string | undefined | Refusal> {
  if (site.federation.others().length === 0) return undefined;
  const answers = await site.federation.askOthers(LOCATE_ASK, { by, id }, MEMBERS_WITHIN_MS);
  for (const answer of answers.values()) {
    const found = locateReplySchema.safeParse(answer);
    if (found.success && found.data.here) return found.data.partition;
  }
  return refuseUnreachable(answers, `it is not known where ${by} "${id}" is`);
}

/** Each network with the actor that holds its addresses in this partition; NotFound, or Unprocessable when it is another's. */
export async function locateNetworks(
  site: Site,
  partition: string,
  networks: readonly { id: string; autoacquire: boolean }[],
): Promise<LocatedNetwork[] | Refusal> {
  const located: LocatedNetwork[] = [];
  for (const { id, autoacquire } of networks) {
    const place = site.places.network(id);
    if (place === undefined) {
      const abroad = await partitionAbroad(site, 'network', id);
      if (isRefusal(abroad)) return abroad;
      return abroad === undefined ? notFound(`no network with id "${id}" found`) : elsewhere(id, partition);
    }
    if (place.partition !== '' && place.partition !== partition) return elsewhere(id, partition);
    located.push({ id, autoacquire, holder: place.partition === '' ? 'block' : 'network' });
  }
  return located;
}

/** Each given address with the network that it lies in: those of a range that this partition holds. */
export async function locateIps(
  site: Site,
  partition: string,
  addresses: readonly string[],
): Promise<AllocateMachine['ips'] | Refusal> {
  const located: AllocateMachine['ips'] = [];
  for (const address of addresses) {
    const place = site.places.address(address);
    if (place?.partition === partition) {
      located.push({ address, network: place.network, holder: place.holder });
      continue;
    }
    const holder = place?.partition ?? (await partitionAbroad(site, 'address', address));
    if (isRefusal(holder)) return holder;
    return holder === undefined
      ? notFound(`no ip "${address}" found`)
      : unprocessable(
          `given ip "${address}" is held by partition "${holder}", it can be used by machines there, not in partition "${partition}"`,
        );
  }
  return located;
}

/**
 * Machines and firewalls of the project outside the partition, for its quota. A site that can't be reached counts by the
 * copy: quotas are hard in a partition, and may be overshot over sites by what is in flight (design.md §12).
 */
export async function usedElsewhere(site: Site, project: string, partition: string): Promise<number> {
  const [rows, answers] = await Promise.all([
    site.rows.rows('allocation', { project }),
    site.federation.askOthers('project-usage', { project }, MEMBERS_WITHIN_MS),
  ]);
  const here = new Set<string>(site.places.hosted().map(partitionScope));
  here.delete(partitionScope(partition));
  let used = rows.filter(({ scope }) => here.has(scope)).length;
  for (const [member, answer] of answers) {
    used += isRefusal(answer)
      ? rows.filter(({ scope }) => site.places.partition(scope.slice('partition:'.length)) === member).length
      : (answer as ProjectUsage).machines;
  }
  return used;
}
