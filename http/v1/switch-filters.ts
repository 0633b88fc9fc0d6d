// What the filters of switch ports are computed from (networks.md §5.5): allocations, networks and addresses as committed.
import { isPartitionScope } from '../../actors/address.ts';
import type { AllocationRecord } from '../../actors/machine/record.ts';
import type { IpRecord, NetworkRecord } from '../../actors/network/record.ts';
import { portFilters, type FilterSources, type PortFilter } from '../../actors/switch/filters.ts';
import type { SwitchView } from '../../actors/switch/messages.ts';
import type { Site } from '../site.ts';
import { hostedScopes } from '../questions.ts';

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

async function allocationsOf(site: Site, views: readonly SwitchView[]): Promise<Map<string, AllocationRecord>> {
  const machines = unique(views.flatMap(({ ports }) => ports.map(({ machine }) => machine))).filter((id) => id !== '');
  if (machines.length === 0) return new Map();
  const rows = await site.rows.rows('allocation', { scopes: hostedScopes(site), keys: machines });
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** Addresses by project. Those of other partitions' own networks can't occur here (N38). */
async function addressesOf(site: Site, projects: readonly string[]): Promise<Map<string, IpRecord[]>> {
  const hosted = new Set<string>(hostedScopes(site));
  const found = await Promise.all(projects.map((project) => site.rows.rows('ip', { project })));
  return new Map(
    projects.map((project, i) => [
      project,
      found[i]!.filter(
        ({ scope, value }) => hosted.has(scope) || site.places.network(value.network)?.partition === '',
      ).map(({ value }) => value),
    ]),
  );
}

async function networksOf(site: Site, ids: readonly string[]): Promise<Map<string, NetworkRecord>> {
  const networks = new Map<string, NetworkRecord>();
  const own = ids.length === 0 ? [] : await site.rows.rows('network', { keys: unique(ids) });
  for (const { scope, key, value } of own) {
    // Ids are unique over all sites; of a network known twice, the partition's own row is the newer one.
    if (isPartitionScope(scope) || !networks.has(key)) networks.set(key, value);
  }
  for (const id of ids) {
    const global = networks.has(id) ? undefined : site.directory.get('globalnetwork', id);
    if (global) networks.set(id, global);
  }
  return networks;
}

/** Filters by NIC key, for each of the switches. */
export async function filtersOf(
  site: Site,
  views: readonly SwitchView[],
): Promise<Array<ReadonlyMap<string, PortFilter>>> {
  const allocations = await allocationsOf(site, views);
  if (allocations.size === 0) return views.map(() => new Map());
  const of = [...allocations.values()];
  const addresses = await addressesOf(site, unique(of.map(({ project }) => project)));
  const ips = [...addresses.values()].flat();
  const networks = await networksOf(
    site,
    unique([
      ...of.flatMap((allocation) => allocation.networks.map(({ network }) => network)),
      ...ips.map((ip) => ip.network),
    ]),
  );
  const parents = await networksOf(site, unique([...networks.values()].flatMap(({ parent }) => parent ?? [])));
  const sources: FilterSources = {
    allocation: (machine) => allocations.get(machine),
    prefixes: (network) => networks.get(network)?.prefixes,
    announcable: (network) => parents.get(networks.get(network)?.parent ?? '')?.additionalAnnouncableCidrs ?? [],
    addresses: (project) => (addresses.get(project) ?? []).map(({ address }) => address),
    underlay: [...networks.values()].filter(({ underlay }) => underlay).flatMap(({ prefixes }) => prefixes),
  };
  return views.map(({ ports }) => portFilters(ports, sources));
}
