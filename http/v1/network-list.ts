import { addressOf } from '../../actors/address.ts';
import type { RowOf } from '../../actors/records.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { NetworkView } from '../../actors/network/messages.ts';
import { ownScopes } from '../questions.ts';
import type { AskOptions, Site } from '../site.ts';
import { copyView, withAllHeld } from './network-usage.ts';
import type { NetworkQuery } from './shape/network.ts';

/** Networks that are asked for their usage at a time; more would only wait in mailboxes. */
const AT_A_TIME = 128;
const USAGE_WITHIN_MS = 2_000;

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker));
  return results;
}

/** Global networks of a site that can't be reached, from the copy here. */
export const listCopies = async (
  site: Site,
  home: string,
  query: NetworkQuery,
  as: AskOptions,
): Promise<NetworkView[]> => {
  const copies = site.directory
    .list('globalnetwork')
    .filter(({ id }) => site.directory.entry('globalnetwork', id)?.home === home);
  return inParallel(copies.filter(query.matches), (network) =>
    copyView(site, network, { ...as, withinMs: USAGE_WITHIN_MS }),
  );
};

/**
 * The networks at home here with their usage. One that does not answer is listed without numbers: a missing usage never
 * fails a list (networks.md N05).
 */
export async function listNetworks(site: Site, query: NetworkQuery, as: AskOptions): Promise<NetworkView[]> {
  const rows: Array<RowOf<'network'>> = await site.rows.rows('network', { scopes: ownScopes(site) });
  const wanted = rows.filter(({ value }) => query.matches(value));
  return inParallel(wanted, async ({ scope, value }) => {
    const view = await site.ask(addressOf(scope, 'network', value.id), 'get', {}, { ...as, withinMs: USAGE_WITHIN_MS });
    return isRefusal(view)
      ? { network: value, usage: { IPv4: null, IPv6: null } }
      : withAllHeld(site, view, { ...as, withinMs: USAGE_WITHIN_MS });
  });
}
