// What the switches let a machine announce and import (networks.md §5.5): a pure function of ports, allocations and networks.
import { covers, parsePrefix, type Prefix } from '../ipam/prefix.ts';
import type { AllocationRecord } from '../machine/record.ts';
import { compactPrefixes, hostPrefix } from './compaction.ts';
import type { PortRecord } from './record.ts';

/** Both null: the port of a firewall that is not installed yet. */
export interface PortFilter {
  cidrs: string[] | null;
  vnis: string[] | null;
}

/** What the filters need besides the ports; answers are cheap to give, each is asked once per allocation. */
export interface FilterSources {
  /** Allocation of a machine, undefined when it has none. */
  allocation(machine: string): AllocationRecord | undefined;
  /** Prefixes of a network as they are now; undefined: it is gone, and what it allowed is gone with it (N33). */
  prefixes(network: string): readonly string[] | undefined;
  /** Announcable CIDRs of the network's parent. */
  announcable(network: string): readonly string[];
  /** Addresses of a project that may occur in this partition (N38). */
  addresses(project: string): readonly string[];
  /** Prefixes of the partition's underlay network. */
  underlay: readonly string[];
}

const FIREWALL_VRF = 'default';

const parsed = (cidrs: readonly string[]): Prefix[] =>
  cidrs.map(parsePrefix).filter((prefix): prefix is Prefix => prefix !== undefined);

const firewallFilter = (allocation: AllocationRecord, vrf: string): PortFilter => {
  if (vrf !== FIREWALL_VRF) return { cidrs: null, vnis: null };
  const own = allocation.networks.filter((network) => network.underlay).flatMap((network) => network.ips);
  const others = allocation.networks.filter((network) => !network.underlay).map((network) => String(network.vrf));
  return {
    cidrs: own.flatMap((address) => hostPrefix(address)?.canonical ?? []).sort(),
    vnis: [...new Set(others)].sort(),
  };
};

/** Before compaction, so that lists of one VRF can be joined. */
const machineCidrs = (allocation: AllocationRecord, sources: FilterSources): string[] => {
  const network = allocation.networks.find((candidate) => candidate.private);
  const prefixes = network && sources.prefixes(network.network);
  if (!network || !prefixes) return [];
  const inside = [...parsed(prefixes), ...parsed(sources.underlay)];
  const hosts = sources
    .addresses(allocation.project)
    .map(hostPrefix)
    .filter((host): host is Prefix => host !== undefined && !inside.some((prefix) => covers(prefix, host)));
  return [...prefixes, ...sources.announcable(network.network), ...hosts.map((host) => host.canonical)];
};

/**
 * The filter of every port with an allocated machine, by NIC key; others have none. All ports of a machine get theirs
 * (N29), and ports of one tenant VRF the same list, because metal-core keeps only the last one's (N38).
 */
export const portFilters = (ports: readonly PortRecord[], sources: FilterSources): Map<string, PortFilter> => {
  const filters = new Map<string, PortFilter>();
  const cidrsOf = new Map<string, { keys: string[]; cidrs: string[] }>();
  const asked = new Map<string, string[]>();
  for (const { nic, vrf, machine } of ports) {
    const allocation = machine === '' ? undefined : sources.allocation(machine);
    if (!allocation) continue;
    if (allocation.role === 'firewall') {
      filters.set(nic, firewallFilter(allocation, vrf));
      continue;
    }
    const cidrs = asked.get(machine) ?? machineCidrs(allocation, sources);
    asked.set(machine, cidrs);
    const group = vrf === '' ? `machine ${machine}` : `vrf ${vrf}`;
    const joined = cidrsOf.get(group) ?? { keys: [], cidrs: [] };
    cidrsOf.set(group, joined);
    joined.keys.push(nic);
    joined.cidrs.push(...cidrs);
  }
  for (const { keys, cidrs } of cidrsOf.values()) {
    const compacted = compactPrefixes(cidrs);
    for (const key of keys) filters.set(key, { cidrs: compacted.length > 0 ? compacted : null, vnis: [] });
  }
  return filters;
};
