// Networks, their prefixes and the addresses that are taken in them.
import { isPartitionScope } from '../../actors/address.ts';
import { parseAddress, type Address } from '../../actors/ipam/address.ts';
import { contains, covers, parsePrefix, type Prefix } from '../../actors/ipam/prefix.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { isInUseHere } from '../../actors/network/standing.ts';
import { entities } from '../entity/entities.ts';
import { overlapping } from './overlaps.ts';
import { at } from './place.ts';
import { live, type LiveRow, type SiteRows } from './rows.ts';

/** Networks by scope and id: a partition's own, a site's global ones, and a partition's copies of global ones. */
function networksOf(site: SiteRows): Map<string, NetworkRecord> {
  const networks = new Map<string, NetworkRecord>();
  for (const { scope, key, value } of live(site, 'network')) networks.set(at(scope, key), value);
  for (const { scope, key, value } of live(site, 'global_network')) networks.set(at(scope, key), value.network);
  return networks;
}

/** Whether an address lies in a prefix. Each text is parsed once: few prefixes have all the addresses. */
function createIsIn(): (address: Address, cidr: string) => boolean {
  const parsed = new Map<string, Prefix | undefined>();
  return (address, cidr) => {
    if (!parsed.has(cidr)) parsed.set(cidr, parsePrefix(cidr));
    const prefix = parsed.get(cidr);
    return prefix !== undefined && contains(prefix, address);
  };
}

/** Each address lies in its network, once, and says the same in all its columns. */
export function* auditAddresses(site: SiteRows): Generator<string> {
  const networks = networksOf(site);
  const isIn = createIsIn();
  const seen = new Map<string, string>();
  for (const { scope, key, owner, value, columns } of live(site, 'ip')) {
    const name = `${value.address} (${scope})`;
    const network = networks.get(at(scope, value.network));
    const address = parseAddress(value.address);
    if (address === undefined) {
      yield `address: ${name} is none`;
      continue;
    }
    if (network === undefined) yield `address network: ${name} is of ${value.network}, which is not there`;
    else if (!network.prefixes.some((cidr) => isIn(address, cidr)))
      yield `address prefix: ${name} lies in none of ${network.prefixes.join(', ')}`;
    if (!isIn(address, value.prefix)) yield `address prefix: ${name} was taken from ${value.prefix}`;
    if (key !== `${value.network}|${value.address}` || owner !== value.network)
      yield `address key: ${name} lies under ${key} of ${owner}`;
    const [wantedNetwork, wantedAddress, wantedProject] = entities.ip.values(value, key);
    const stored = [columns['network'], `\\x${columns['address']}`, columns['project']];
    if (stored.join() !== [wantedNetwork, wantedAddress, wantedProject].join())
      yield `address columns: ${name} is searched as ${stored.join(' ')}`;
    // Lent, on its way back, or kept back after its release: another row may show the address.
    if (!isInUseHere(value)) continue;
    const place = at(value.network, value.address);
    const before = seen.get(place);
    if (before !== undefined) yield `address twice: ${value.address} of ${value.network} in ${before} and ${scope}`;
    seen.set(place, scope);
  }
}

/** A network keeps its prefixes as they were asked for (networks.md §1.3), rows are of canonical ones. */
const canonical = (text: string): string => parsePrefix(text)?.canonical ?? text;

/** Prefixes of one address space are disjoint and lie in it; networks and prefixes name each other. */
export function* auditPrefixes(site: SiteRows): Generator<string> {
  const networks = new Map(live(site, 'network').map((row) => [at(row.scope, row.key), row.value]));
  const spaces = new Map<string, Array<{ cidr: string; scope: string; prefix: Prefix }>>();
  const rows = new Map<string, LiveRow<'prefix'>>();
  for (const row of live(site, 'prefix')) {
    const { scope, key, value } = row;
    rows.set(at(scope, key), row);
    const prefix = parsePrefix(value.cidr);
    const root = parsePrefix(value.root);
    if (key !== value.cidr || prefix === undefined || root === undefined) {
      yield `prefix key: ${key} (${scope}) says ${value.cidr} of ${value.root}`;
      continue;
    }
    if (networks.get(at(scope, value.network))?.prefixes.some((text) => canonical(text) === value.cidr) !== true)
      yield `prefix leak: ${key} (${scope}) is of network ${value.network}, which does not have it`;
    if (value.root === value.cidr) continue;
    if (!covers(root, prefix)) yield `prefix root: ${key} (${scope}) does not lie in ${value.root}`;
    const space = spaces.get(at(scope, value.root)) ?? [];
    space.push({ cidr: value.cidr, scope, prefix });
    spaces.set(at(scope, value.root), space);
  }
  for (const space of spaces.values())
    for (const [{ cidr, scope }, other] of overlapping(space))
      yield `prefix twice: ${cidr} and ${other.cidr} (${scope}) overlap`;
  for (const { scope, key, value } of live(site, 'network')) {
    for (const cidr of value.prefixes.map(canonical)) {
      const row = rows.get(at(scope, cidr));
      if (isPartitionScope(scope) && row?.value.network !== key)
        yield `prefix owner: network ${key} (${scope}) has ${cidr}, which belongs to ${row?.value.network ?? 'nobody'}`;
    }
  }
}
