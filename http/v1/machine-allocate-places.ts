// Where the networks and addresses of an allocation are, seen from the partition of the machine.
import { partitionScope } from '../../actors/address.ts';
import type { AllocateMachine, LocatedNetwork } from '../../actors/allocation/messages.ts';
import { isRefusal, notFound, unprocessable, type Refusal } from '../../actors/refusal.ts';
import type { ProjectUsage } from '../questions.ts';
import type { Site } from '../site.ts';
import { MEMBERS_WITHIN_MS } from './directory.ts';

const elsewhere = (network: string, partition: string): Refusal =>
  unprocessable(`network "${network}" is not in partition "${partition}" of the machine`);

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
      // The rows hold copies of other sites' networks, too.
      const copies = await site.rows.rows('network', { keys: [id] });
      return copies.length > 0 ? elsewhere(id, partition) : notFound(`no network with id "${id}" found`);
    }
    if (place.partition !== '' && place.partition !== partition) return elsewhere(id, partition);
    located.push({ id, autoacquire, holder: place.partition === '' ? 'block' : 'network' });
  }
  return located;
}

/** Each given address with the network that it lies in; those of a global network may come from another plant. */
export async function locateIps(
  site: Site,
  partition: string,
  addresses: readonly string[],
): Promise<AllocateMachine['ips'] | Refusal> {
  const located: AllocateMachine['ips'] = [];
  for (const address of addresses) {
    const place = site.places.address(address);
    if (place !== undefined && place.partition === partition) {
      located.push({ address, network: place.network, holder: place.holder });
      continue;
    }
    const copies = await site.rows.rows('ip', { addresses: [address] });
    const network = place?.network ?? copies[0]?.value.network;
    if (network === undefined) return notFound(`no ip "${address}" found`);
    if (site.places.network(network)?.partition !== '') {
      return unprocessable(
        `given ip "${address}" is in network "${network}", which is not in partition "${partition}"`,
      );
    }
    // The block actor of this partition gets it handed over, or says why not.
    located.push({ address, network, holder: 'block' });
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
