// What must be conserved in a site's database, and over the databases of a federation (reliability.md §4, §5.4). Pure over
// the rows; every violation is a sentence that begins with the name of its rule.
import { parseAddress, type Address } from '../../actors/ipam/address.ts';
import { contains, overlaps, parsePrefix, type Prefix } from '../../actors/ipam/prefix.ts';
import { isPartitionScope, partitionScope, type Scope } from '../../actors/address.ts';
import { ASN_BASE } from '../../actors/allocation/pools.ts';
import type { AllocationRecord } from '../../actors/machine/record.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { entities, tableNames } from '../../storage/entity/entities.ts';
import { auditFold, auditStreams } from './audit-log.ts';
import { live, readSite, type LiveRow, type SiteRows } from './audit-rows.ts';

const at = (scope: string, key: string): string => `${scope}\0${key}`;

/** Networks by scope and id: a partition's own, a site's global ones, and a partition's copies of global ones. */
function networksOf(site: SiteRows): Map<string, NetworkRecord> {
  const networks = new Map<string, NetworkRecord>();
  for (const { scope, key, value } of live(site, 'network')) networks.set(at(scope, key), value);
  for (const { scope, key, value } of live(site, 'global_network')) networks.set(at(scope, key), value.network);
  return networks;
}

const isIn = (address: Address, cidr: string): boolean => {
  const prefix = parsePrefix(cidr);
  return prefix !== undefined && contains(prefix, address);
};

/** Each address lies in its network, once, and says the same in all its columns. */
function auditAddresses(site: SiteRows): string[] {
  const violations: string[] = [];
  const networks = networksOf(site);
  const seen = new Map<string, string>();
  for (const { scope, key, owner, value, columns } of live(site, 'ip')) {
    const name = `${value.address} (${scope})`;
    const network = networks.get(at(scope, value.network));
    const address = parseAddress(value.address);
    if (address === undefined) {
      violations.push(`address: ${name} is none`);
      continue;
    }
    if (network === undefined) violations.push(`address network: ${name} is of ${value.network}, which is not there`);
    else if (!network.prefixes.some((cidr) => isIn(address, cidr)))
      violations.push(`address prefix: ${name} lies in none of ${network.prefixes.join(', ')}`);
    if (!isIn(address, value.prefix)) violations.push(`address prefix: ${name} was taken from ${value.prefix}`);
    if (key !== `${value.network}|${value.address}` || owner !== value.network)
      violations.push(`address key: ${name} lies under ${key} of ${owner}`);
    const [wantedNetwork, wantedAddress, wantedProject] = entities.ip.values(value, key);
    const stored = [columns['network'], `\\x${columns['address']}`, columns['project']];
    if (stored.join() !== [wantedNetwork, wantedAddress, wantedProject].join())
      violations.push(`address columns: ${name} is searched as ${stored.join(' ')}`);
    const place = at(value.network, value.address);
    const before = seen.get(place);
    if (before !== undefined)
      violations.push(`address twice: ${value.address} of ${value.network} in ${before} and ${scope}`);
    seen.set(place, scope);
  }
  return violations;
}

/** An allocation, its machine, its addresses, its ASN and its ports name each other. */
function auditAllocations(site: SiteRows): string[] {
  const violations: string[] = [];
  const machines = new Set(live(site, 'machine').map(({ scope, key }) => at(scope, key)));
  const addresses = new Map(live(site, 'ip').map((row) => [at(row.scope, row.key), row.value]));
  const numbers = new Map(live(site, 'pool').map((row) => [at(row.scope, row.key), row.value]));
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.key), row.value]));
  const uuids = new Set<string>();
  for (const { scope, key, value } of live(site, 'allocation')) {
    const name = `allocation ${value.uuid} of machine ${key} (${scope})`;
    if (value.machine !== key) violations.push(`allocation key: ${name} says machine ${value.machine}`);
    if (!machines.has(at(scope, key))) violations.push(`allocation machine: ${name}: there is no such machine`);
    if (uuids.has(value.uuid)) violations.push(`allocation twice: ${name}`);
    uuids.add(value.uuid);
    for (const { network, ips } of value.networks) {
      for (const ip of ips) {
        const record = addresses.get(at(scope, `${network}|${ip}`));
        if (record === undefined)
          violations.push(`allocation address: ${name} has ${ip} of ${network}, which nobody holds`);
        else if (!record.machines.includes(key))
          violations.push(`allocation address: ${name} has ${ip}, which does not name it`);
      }
    }
    const asn = numbers.get(at(scope, `asn|${asnOf(value)}`));
    if (asn === undefined || !asn.owners.includes(value.uuid))
      violations.push(`allocation asn: ${name} has ${value.asn}, which belongs to ${asn?.owners.join() ?? 'nobody'}`);
    if (asn !== undefined && asn.elected?.machine !== key)
      violations.push(`allocation asn: ${name} was elected as ${asn.elected?.machine ?? 'nothing'}`);
  }
  for (const { scope, value } of live(site, 'ip')) {
    for (const machine of value.machines) {
      const has = allocations
        .get(at(scope, machine))
        ?.networks.some(({ network, ips }) => network === value.network && ips.includes(value.address));
      if (has !== true)
        violations.push(
          `address leak: ${value.address} (${scope}) is attached to ${machine}, whose allocation does not have it`,
        );
    }
  }
  violations.push(...auditPorts(site));
  return violations;
}

/**
 * A machine's ports carry its private network's VRF, `default` for a firewall, nothing while it is free. The VRF is set
 * by the report that it is installed (machines.md §10.6).
 */
function auditPorts(site: SiteRows): string[] {
  const violations: string[] = [];
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.key), row.value]));
  const switches = new Set(live(site, 'switch').map(({ scope, key }) => at(scope, key)));
  const perMachine = new Map<string, number>();
  for (const { scope, key, value } of live(site, 'switch_port')) {
    const name = `port ${key} (${scope})`;
    if (key !== `${value.switch}|${value.nic}`) violations.push(`port key: ${name} is ${value.switch}|${value.nic}`);
    if (!switches.has(at(scope, value.switch))) violations.push(`port switch: ${name}: there is no such switch`);
    if (value.machine === '') continue;
    perMachine.set(at(scope, value.machine), (perMachine.get(at(scope, value.machine)) ?? 0) + 1);
    const allocation = allocations.get(at(scope, value.machine));
    const vrf = allocation?.networks.find(({ privatePrimary }) => privatePrimary)?.vrf;
    const wanted = allocation === undefined ? '' : allocation.role === 'firewall' ? 'default' : `vrf${vrf}`;
    const isRight = value.vrf === wanted || (value.vrf === '' && allocation?.succeeded === false);
    if (!isRight)
      violations.push(`port vrf: ${name} has "${value.vrf}", its machine ${value.machine} needs "${wanted}"`);
  }
  for (const [place] of allocations) {
    const ports = perMachine.get(place) ?? 0;
    if (ports === 0) violations.push(`port missing: machine ${place.replace('\0', ' ')} is allocated and has no port`);
  }
  return violations;
}

/** The number of an allocation's ASN in the pool. */
const asnOf = (allocation: AllocationRecord | undefined): number | undefined => allocation && allocation.asn - ASN_BASE;

/** Every taken number has living owners, and every owner has its number. */
function auditPools(site: SiteRows): string[] {
  const violations: string[] = [];
  const networks = new Map(live(site, 'network').map((row) => [at(row.scope, row.key), row.value]));
  const globals = new Set(
    live(site, 'directory').flatMap(({ value }) => (value.kind === 'globalnetwork' ? [value.id] : [])),
  );
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.value.uuid), row.value]));
  const pools = new Map(live(site, 'pool').map((row) => [at(row.scope, row.key), row.value]));
  for (const { scope, key, value } of live(site, 'pool')) {
    const name = `${value.pool} ${value.number} (${scope})`;
    if (key !== `${value.pool}|${value.number}`) violations.push(`pool key: ${name} lies under ${key}`);
    if (value.owners.length === 0) violations.push(`pool leak: ${name} belongs to nobody`);
    if (value.owners.length > 1 && !value.shared)
      violations.push(`pool twice: ${name} belongs to ${value.owners.join(' and ')}`);
    for (const owner of value.owners) {
      const number =
        value.pool === 'vrf' ? networks.get(at(scope, owner))?.vrf : asnOf(allocations.get(at(scope, owner)));
      if (value.pool === 'vrf' && number === undefined && globals.has(owner)) continue;
      if (number !== value.number)
        violations.push(
          `pool leak: ${name} belongs to ${owner}, which ${number === undefined ? 'is not there' : `has ${number}`}`,
        );
    }
  }
  for (const { scope, key, value } of live(site, 'network')) {
    if (!isPartitionScope(scope) || value.vrf === 0) continue;
    if (pools.get(at(scope, `vrf|${value.vrf}`))?.owners.includes(key) !== true)
      violations.push(`pool owner: network ${key} (${scope}) has vrf ${value.vrf} and does not own it`);
  }
  return violations;
}

/** Prefixes of one address space are disjoint and lie in it; networks and prefixes name each other. */
function auditPrefixes(site: SiteRows): string[] {
  const violations: string[] = [];
  const networks = new Map(live(site, 'network').map((row) => [at(row.scope, row.key), row.value]));
  const spaces = new Map<string, Array<{ cidr: string; prefix: Prefix }>>();
  const rows = new Map<string, LiveRow<'prefix'>>();
  for (const row of live(site, 'prefix')) {
    const { scope, key, value } = row;
    rows.set(at(scope, key), row);
    const prefix = parsePrefix(value.cidr);
    const root = parsePrefix(value.root);
    if (key !== value.cidr || prefix === undefined || root === undefined) {
      violations.push(`prefix key: ${key} (${scope}) says ${value.cidr} of ${value.root}`);
      continue;
    }
    if (networks.get(at(scope, value.network))?.prefixes.includes(value.cidr) !== true)
      violations.push(`prefix leak: ${key} (${scope}) is of network ${value.network}, which does not have it`);
    if (value.root === value.cidr) continue;
    if (prefix.length < root.length || !overlaps(prefix, root))
      violations.push(`prefix root: ${key} (${scope}) does not lie in ${value.root}`);
    const space = spaces.get(at(scope, value.root)) ?? [];
    for (const other of space)
      if (overlaps(prefix, other.prefix)) violations.push(`prefix twice: ${key} and ${other.cidr} (${scope}) overlap`);
    space.push({ cidr: value.cidr, prefix });
    spaces.set(at(scope, value.root), space);
  }
  for (const { scope, key, value } of live(site, 'network')) {
    for (const cidr of value.prefixes) {
      const row = rows.get(at(scope, cidr));
      if (isPartitionScope(scope) && row?.value.network !== key)
        violations.push(
          `prefix owner: network ${key} (${scope}) has ${cidr}, which belongs to ${row?.value.network ?? 'nobody'}`,
        );
    }
  }
  return violations;
}

/** The ledger of blocks against what partitions hold, over all sites (I03, I08); and addresses lie in held blocks. */
function auditBlocks(sites: readonly SiteRows[], isQuiet: boolean): string[] {
  const violations: string[] = [];
  const ledger = new Map<string, LiveRow<'block'> & { prefix: Prefix }>();
  const perNetwork = new Map<string, Array<{ first: string; prefix: Prefix }>>();
  for (const site of sites) {
    for (const row of live(site, 'block')) {
      const { network, first, length, prefix: whole } = row.value;
      const name = `block ${first}/${length} of ${network}`;
      const prefix = parsePrefix(`${first}/${length}`);
      const around = parsePrefix(whole);
      if (prefix === undefined || around === undefined || prefix.length < around.length || !overlaps(prefix, around)) {
        violations.push(`block prefix: ${name} does not lie in ${whole}`);
        continue;
      }
      const others = perNetwork.get(network) ?? [];
      for (const other of others)
        if (overlaps(prefix, other.prefix)) violations.push(`block twice: ${name} overlaps ${other.first}`);
      others.push({ first, prefix });
      perNetwork.set(network, others);
      ledger.set(at(network, first), { ...row, prefix });
    }
  }
  const held = new Map<string, string>();
  const blocksOf = new Map<string, Prefix[]>();
  for (const site of sites) {
    for (const { scope, value } of live(site, 'holding')) {
      const place = at(value.network, value.first);
      const name = `holding ${value.first}/${value.length} of ${value.network} in ${scope}`;
      const block = ledger.get(place);
      const isHolder = block !== undefined && partitionScope(block.value.holder) === scope && block.value.h === value.h;
      // One that goes back may have been given away already; it gives nothing out.
      if (value.state === 'held' && !isHolder)
        violations.push(`block holder: ${name} is held, the ledger says ${block?.value.holder ?? 'nobody'}`);
      if (value.state !== 'held') {
        if (isQuiet) violations.push(`block on its way: ${name} is ${value.state} although all is quiet`);
        continue;
      }
      const other = held.get(place);
      if (other !== undefined) violations.push(`block twice: ${name} is held in ${other} as well`);
      held.set(place, scope);
      const prefix = parsePrefix(`${value.first}/${value.length}`);
      if (prefix !== undefined)
        blocksOf.set(at(scope, value.network), [...(blocksOf.get(at(scope, value.network)) ?? []), prefix]);
    }
  }
  for (const { value } of ledger.values()) {
    const name = `block ${value.first}/${value.length} of ${value.network} for ${value.holder}`;
    if (isQuiet && value.state === 'sent') violations.push(`block on its way: ${name} is sent although all is quiet`);
    const isKnown = sites.some((site) => site.ownership.some(({ scope }) => scope === partitionScope(value.holder)));
    if (
      isKnown &&
      value.state === 'delivered' &&
      held.get(at(value.network, value.first)) !== partitionScope(value.holder)
    ) {
      const returning = sites.some((site) =>
        live(site, 'holding').some(
          (row) =>
            row.scope === partitionScope(value.holder) && row.value.first === value.first && row.value.h === value.h,
        ),
      );
      if (!returning) violations.push(`block lost: ${name} was delivered, and is not held there`);
    }
  }
  for (const site of sites) {
    const copies = new Set(live(site, 'global_network').map(({ scope, key }) => at(scope, key)));
    for (const { scope, value } of live(site, 'ip')) {
      if (!copies.has(at(scope, value.network))) continue;
      const address = parseAddress(value.address)!;
      if (!(blocksOf.get(at(scope, value.network)) ?? []).some((block) => contains(block, address)))
        violations.push(
          `block address: ${value.address} of ${value.network} is given out in ${scope}, which does not hold its block`,
        );
    }
  }
  return violations;
}

function auditAcross(sites: readonly SiteRows[]): string[] {
  const violations: string[] = [];
  const addresses = new Map<string, string>();
  const machines = new Map<string, string>();
  const owners = new Map<Scope, string>();
  for (const site of sites) {
    for (const scope of new Set(site.ownership.map((row) => row.scope))) {
      const other = owners.get(scope);
      if (other !== undefined) violations.push(`scope twice: ${scope} is owned by ${other} and ${site.site}`);
      owners.set(scope, site.site);
    }
    for (const { value } of live(site, 'ip')) {
      const place = at(value.network, value.address);
      const other = addresses.get(place);
      if (other !== undefined && other !== site.site)
        violations.push(`address twice: ${value.address} of ${value.network} at ${other} and ${site.site}`);
      addresses.set(place, site.site);
    }
    for (const { key } of live(site, 'machine')) {
      const other = machines.get(key);
      if (other !== undefined && other !== site.site)
        violations.push(`machine twice: ${key} at ${other} and ${site.site}`);
      machines.set(key, site.site);
    }
  }
  return violations;
}

function auditScopes(site: SiteRows): string[] {
  const known = new Set(site.ownership.map(({ scope }) => scope));
  const strange = new Set<string>();
  for (const table of tableNames)
    for (const { scope } of site.rows[table]) if (!known.has(scope)) strange.add(`${table} of ${scope}`);
  return [...strange].map((what) => `scope: there are rows in ${what}, which nobody ever owned`);
}

export interface AuditOptions {
  /** Nothing is under way any more: hand-overs must be over, too. Default false. */
  isQuiet?: boolean;
}

/** All sites of a federation, or the only one. Empty: everything is conserved. */
export function audit(sites: readonly SiteRows[], { isQuiet = false }: AuditOptions = {}): string[] {
  const perSite = sites.flatMap((site) =>
    [auditScopes, auditAddresses, auditAllocations, auditPools, auditPrefixes, auditStreams, auditFold]
      .flatMap((rule) => rule(site))
      .map((violation) => `${violation} [site ${site.site}]`),
  );
  return [...perSite, ...auditBlocks(sites, isQuiet), ...auditAcross(sites)];
}

export const auditDatabases = async (urls: readonly string[], options?: AuditOptions): Promise<string[]> =>
  audit(await Promise.all(urls.map(readSite)), options);

/** What is taken at the moment, by kind; addresses of allocations included. */
export const countTaken = (sites: readonly SiteRows[]): { addresses: number; allocations: number; asns: number } => ({
  addresses: sites.reduce((sum, site) => sum + live(site, 'ip').length, 0),
  allocations: sites.reduce((sum, site) => sum + live(site, 'allocation').length, 0),
  asns: sites.reduce((sum, site) => sum + live(site, 'pool').filter(({ value }) => value.pool === 'asn').length, 0),
});
