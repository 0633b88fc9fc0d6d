// Where the networks and addresses of an allocation are, seen from the partition of the machine.
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { AllocateMachine, LocatedNetwork } from '../../actors/allocation/messages.ts';
import type { Lender } from '../../actors/block/record.ts';
import { parseAddress } from '../../actors/ipam/address.ts';
import { contains } from '../../actors/ipam/prefix.ts';
import { prefixesOf } from '../../actors/network/ip-rules.ts';
import { isRefusal, notFound, unavailable, unprocessable, type Refusal } from '../../actors/refusal.ts';
import { LOCATE_ASK, locateReplySchema } from '../../router/peers.ts';
import type { ProjectUsage } from '../questions.ts';
import type { Site } from '../site.ts';
import { MEMBERS_WITHIN_MS, refuseUnreachable, type Writer } from './directory.ts';

/** Two partitions may have to be asked, one after the other. */
const BRING_WITHIN_MS = 6_000;

const elsewhere = (network: string, partition: string): Refusal =>
  unprocessable(`network "${network}" is not in partition "${partition}" of the machine`);

const onItsWay = (address: string): Refusal =>
  unavailable(`ip "${address}" is on its way from one partition to another, nothing was done, try again`);

/** Where another site has a network, or an address; undefined when all others say no. */
async function placeAbroad(
  { site, as }: Writer,
  by: 'network' | 'address',
  id: string,
): Promise<Lender | undefined | Refusal> {
  if (site.federation.others().length === 0) return undefined;
  const answers = await site.federation.askOthers(LOCATE_ASK, { by, id }, MEMBERS_WITHIN_MS, as.asker);
  let isPassing = false;
  for (const [member, answer] of answers) {
    const found = locateReplySchema.safeParse(answer);
    if (!found.success) continue;
    if (found.data.here) return { partition: found.data.partition, site: member };
    isPassing ||= found.data.passing !== undefined;
  }
  const unknown = refuseUnreachable(answers, `it is not known where ${by} "${id}" is`);
  return unknown ?? (isPassing ? onItsWay(id) : undefined);
}

/** Each network with the actor that holds its addresses in this partition; NotFound, or Unprocessable when it is another's. */
export async function locateNetworks(
  { site, as }: Writer,
  partition: string,
  networks: readonly { id: string; autoacquire: boolean }[],
): Promise<LocatedNetwork[] | Refusal> {
  const located: LocatedNetwork[] = [];
  for (const { id, autoacquire } of networks) {
    const place = site.places.network(id);
    if (place === undefined) {
      const abroad = await placeAbroad({ site, as }, 'network', id);
      if (isRefusal(abroad)) return abroad;
      return abroad === undefined ? notFound(`no network with id "${id}" found`) : elsewhere(id, partition);
    }
    if (place.partition !== '' && place.partition !== partition) return elsewhere(id, partition);
    located.push({ id, autoacquire, holder: place.partition === '' ? 'block' : 'network' });
  }
  return located;
}

const globalNetworkOf = (site: Site, text: string): string | undefined => {
  const address = parseAddress(text);
  return address === undefined
    ? undefined
    : site.directory
        .list('globalnetwork')
        .find((network) => prefixesOf(network).some(({ prefix }) => contains(prefix, address)))?.id;
};

/** Who has an address that this partition has not; undefined: nobody. */
async function lenderOf({ site, as }: Writer, address: string): Promise<Lender | undefined | Refusal> {
  const place = site.places.address(address);
  if (place !== undefined) return { partition: place.partition, site: place.site ?? site.id };
  const abroad = await placeAbroad({ site, as }, 'address', address);
  return abroad ?? (site.places.passing(address) === undefined ? undefined : onItsWay(address));
}

/**
 * Each given address with the network that it lies in. One of a global network that another partition has, and that no
 * machine has, is brought to this one first (design.md §6); it stays here when the allocation fails afterwards.
 */
export async function locateIps(
  { site, as }: Writer,
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
    const lender = await lenderOf({ site, as }, address);
    if (isRefusal(lender)) return lender;
    if (lender === undefined) return notFound(`no ip "${address}" found`);
    const network = globalNetworkOf(site, address);
    if (network === undefined) {
      return unprocessable(
        `given ip "${address}" is held by partition "${lender.partition}", it can be used by machines there, not in partition "${partition}"`,
      );
    }
    const to = addressOf(partitionScope(partition), 'block', network);
    const brought = await site.ask(
      to,
      'bring',
      { address, lender, site: site.id },
      { who: as.who, withinMs: BRING_WITHIN_MS, asker: as.asker },
    );
    if (isRefusal(brought)) return brought;
    located.push({ address, network, holder: 'block' });
  }
  return located;
}

/**
 * Machines and firewalls of the project outside the partition, for its quota. A site that can't be reached counts by the
 * copy: quotas are hard in a partition, and may be overshot over sites by what is in flight (design.md §12).
 */
export async function usedElsewhere({ site, as }: Writer, project: string, partition: string): Promise<number> {
  const [rows, answers] = await Promise.all([
    site.rows.rows('allocation', { project }),
    site.federation.askOthers('project-usage', { project }, MEMBERS_WITHIN_MS, as.asker),
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
