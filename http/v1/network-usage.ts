// The numbers of a global network are spread over the partitions that hold its blocks.
import { isRefusal } from '../../actors/refusal.ts';
import type { NetworkView } from '../../actors/network/messages.ts';
import { isGlobal } from '../../actors/network/network-rules.ts';
import { prefixesOf } from '../../actors/network/ip-rules.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { prefixUsage, sumUsage } from '../../actors/ipam/usage.ts';
import type { AskOptions, Site } from '../site.ts';
import type { Held } from './network-held.ts';
import { allNetworkParts } from '../v2/network-parts.ts';

/**
 * The view of a global network with what all partitions hold. A site that can't be reached is left out: a missing number
 * never fails an answer (networks.md N05), and `GET /v2/network/{id}/usage` names it.
 */
export async function withAllHeld(site: Site, view: NetworkView, as: AskOptions): Promise<NetworkView> {
  if (!isGlobal(view.network)) return view;
  const all = await allNetworkParts(site, view.network.id, as);
  if (isRefusal(all)) return view;
  const held = { IPv4: 0, IPv6: 0 };
  for (const { ranges } of all.parts) {
    for (const range of ranges) held[range.range.includes(':') ? 'IPv6' : 'IPv4'] += range.held + range.resting;
  }
  const usage = { ...view.usage };
  for (const family of ['IPv4', 'IPv6'] as const) {
    const numbers = usage[family];
    if (numbers !== null) usage[family] = { ...numbers, used_ips: numbers.used_ips + held[family] };
  }
  return { network: view.network, usage };
}

/** A network without children that holds so many addresses. */
export function viewHolding(network: NetworkRecord, held: Held = { IPv4: 0, IPv6: 0 }): NetworkView {
  const usage: NetworkView['usage'] = { IPv4: null, IPv6: null };
  for (const family of ['IPv4', 'IPv6'] as const) {
    const prefixes = prefixesOf(network).filter(({ prefix }) => prefix.family === family);
    if (prefixes.length === 0) continue;
    const numbers = sumUsage(prefixes.map(({ prefix }) => prefixUsage({ prefix, held: 0 })));
    usage[family] = { ...numbers, used_ips: numbers.used_ips + held[family] };
  }
  return { network, usage };
}

/** A global network as this site's copy has it, with what the partitions hold that can be reached: its home is away. */
export const copyView = (site: Site, network: NetworkRecord, as: AskOptions): Promise<NetworkView> =>
  withAllHeld(site, viewHolding(network), as);
