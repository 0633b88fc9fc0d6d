import { addressOf } from '../../actors/address.ts';
import type { NetworkView } from '../../actors/network/messages.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import type { RowOf } from '../../actors/records.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { ownScopes } from '../questions.ts';
import type { AskOptions, Site } from '../site.ts';
import { heldEverywhere } from './network-held.ts';
import { viewHolding } from './network-usage.ts';
import type { NetworkQuery } from './shape/network.ts';

const USAGE_WITHIN_MS = 2_000;

/** Global networks of a site that can't be reached, from the copy here. */
export async function listCopies(site: Site, home: string, query: NetworkQuery): Promise<NetworkView[]> {
  const copies = site.directory
    .list('globalnetwork')
    .filter((network) => site.directory.entry('globalnetwork', network.id)?.home === home && query.matches(network));
  const held = await heldEverywhere(site, copies);
  return copies.map((network) => viewHolding(network, held.get(network.id)));
}

/** Only its actor knows how its children lie; a partition has one. */
async function superView(site: Site, row: RowOf<'network'>, as: AskOptions): Promise<NetworkView> {
  const at = addressOf(row.scope, 'network', row.value.id);
  const view = await site.ask(at, 'get', {}, { ...as, withinMs: USAGE_WITHIN_MS });
  return isRefusal(view) ? { network: row.value, usage: { IPv4: null, IPv6: null } } : view;
}

/**
 * The networks at home here with their usage. A super network that does not answer is listed without numbers: a missing
 * usage never fails a list (networks.md N05).
 */
export async function listNetworks(site: Site, query: NetworkQuery, as: AskOptions): Promise<NetworkView[]> {
  const rows: Array<RowOf<'network'>> = await site.rows.rows('network', { scopes: ownScopes(site) });
  const wanted = rows.filter(({ value }) => query.matches(value));
  const counted = wanted.flatMap(({ value }): NetworkRecord[] => (value.privateSuper ? [] : [value]));
  const held = await heldEverywhere(site, counted);
  const views = wanted.map(async (row) =>
    row.value.privateSuper ? superView(site, row, as) : viewHolding(row.value, held.get(row.value.id)),
  );
  return Promise.all(views);
}
