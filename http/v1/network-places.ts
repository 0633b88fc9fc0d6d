// Which actor speaks for a network or an address here. Requests were brought to their home before; what arrives
// elsewhere is refused with the name of the place, never executed.
import { addressOf, partitionScope, siteScope, type Address } from '../../actors/address.ts';
import { unavailable, unreachable, type Refusal } from '../../actors/refusal.ts';
import { noSuchIp } from '../../actors/network/ip-rules.ts';
import { noSuchNetwork } from '../../actors/network/network-rules.ts';
import type { AddressPlace } from '../../router/places.ts';
import type { Site } from '../site.ts';

/** The network actor: of a partition hosted here, or of a global network at home here. */
export function networkAt(site: Site, id: string): Address<'network'> | Refusal {
  const place = site.places.network(id);
  if (place === undefined) return noSuchNetwork(id);
  if (place.partition !== '') return addressOf(partitionScope(place.partition), 'network', id);
  if (place.home === site.id) return addressOf(siteScope(site.id), 'network', id);
  return unreachable(`network ${id} is at home at site ${place.home}, which can't be reached from site ${site.id}`);
}

const lentTo = ({ network, partition, site }: AddressPlace, address: string): Refusal =>
  unreachable(`ip ${address} of network ${network} is in partition ${partition}, whose site ${site} can't be reached`);

/** The holder of an address in canonical text. */
export function holderOf(site: Site, address: string): Address<'network' | 'block'> | Refusal {
  // What is on its way from or to another partition is nobody else's to speak for.
  const place = site.places.address(address) ?? site.places.passing(address);
  if (place === undefined) return noSuchIp(address);
  if (place.site !== undefined) return lentTo(place, address);
  return addressOf(partitionScope(place.partition), place.holder, place.network);
}

/**
 * Where a new address of the network comes from, in the order to try: the holder of the given address; a partition's own
 * network; for a global one the block actors of the partitions here, that of the machine's partition first.
 */
export function sourcesOf(
  site: Site,
  network: string,
  wanted: { address: string; machine: string },
): Array<Address<'network' | 'block'>> | Refusal {
  const place = site.places.network(network);
  if (place === undefined) return noSuchNetwork(network);
  if (place.partition !== '') return [addressOf(partitionScope(place.partition), 'network', network)];
  const holder = wanted.address === '' ? undefined : site.places.address(wanted.address);
  // Only its own site knows whether it was freed meanwhile.
  if (holder?.site !== undefined) return lentTo(holder, wanted.address);
  if (holder?.network === network) return [addressOf(partitionScope(holder.partition), holder.holder, network)];
  const near = wanted.machine === '' ? undefined : site.places.machine(wanted.machine);
  const hosted = [...site.places.hosted()].sort((a, b) => Number(b === near) - Number(a === near));
  if (hosted.length === 0) return unavailable(`site ${site.id} hosts no partition that holds addresses of ${network}`);
  return hosted.map((partition) => addressOf(partitionScope(partition), 'block', network));
}
