// How many addresses networks hold, counted by the rows. A list must not wake the actor of each network that nobody has
// used for a while, with all its addresses; what was answered is committed, so the rows tell it as well.
import { partitionScope } from '../../actors/address.ts';
import type { Family } from '../../actors/ipam/address.ts';
import { isGlobal } from '../../actors/network/network-rules.ts';
import { quarantineMs, restsUntilMs } from '../../actors/network/quarantine.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Questions } from '../questions.ts';
import type { Site } from '../site.ts';

export type Held = Record<Family, number>;

const OTHERS_WITHIN_MS = 2_500;

function add(counts: Map<string, Held>, network: string, { IPv4, IPv6 }: Held): void {
  const known = counts.get(network);
  counts.set(network, known === undefined ? { IPv4, IPv6 } : { IPv4: known.IPv4 + IPv4, IPv6: known.IPv6 + IPv6 });
}

/** What this site's partitions hold, with what rests; networks that hold nothing are missing. */
export async function heldHere(site: Site, networks: readonly NetworkRecord[]): Promise<Map<string, Held>> {
  const scopes = site.places.hosted().map(partitionScope);
  const byId = new Map(networks.map((network) => [network.id, network]));
  const owners = [...byId.keys()];
  if (owners.length === 0) return new Map();
  const counts = await site.rows.countHeld(scopes, owners);
  const nowMs = site.wallMs();
  // Of those whose rest is over nothing but the row is left.
  await site.rows.portions('ip', { scopes, owners, standing: ['resting'] }, (rows) => {
    for (const { owner, value } of rows) {
      const rest = { sinceMs: value.changed, untilMs: value.restingUntilMs ?? 0 };
      if (restsUntilMs(rest, quarantineMs(byId.get(owner)!)) <= nowMs) continue;
      const isIpv6 = value.address.includes(':');
      add(counts, owner, { IPv4: isIpv6 ? 0 : 1, IPv6: isIpv6 ? 1 : 0 });
    }
  });
  return counts;
}

/** With what the other sites hold of global ones. One that can't be reached is left out (networks.md N05). */
export async function heldEverywhere(site: Site, networks: readonly NetworkRecord[]): Promise<Map<string, Held>> {
  const asked: Questions['network-held']['ask'] = { networks: networks.filter(isGlobal).map(({ id }) => id) };
  const [counts, others] = await Promise.all([
    heldHere(site, networks),
    asked.networks.length === 0 ? [] : site.federation.askOthers('network-held', asked, OTHERS_WITHIN_MS),
  ]);
  for (const [, answer] of others) {
    if (isRefusal(answer)) continue;
    const { held } = answer as Questions['network-held']['reply'];
    for (const [network, count] of Object.entries(held)) add(counts, network, count);
  }
  return counts;
}
