// Machines that are taken, and what they took: addresses, numbers, ports.
import { isPartitionScope } from '../../actors/address.ts';
import { ASN_BASE } from '../../actors/allocation/pools.ts';
import type { AllocationRecord } from '../../actors/machine/record.ts';
import { at } from './place.ts';
import { live, type SiteRows } from './rows.ts';

/** An allocation, its machine, its addresses, its ASN and its ports name each other. */
export function* auditAllocations(site: SiteRows): Generator<string> {
  const machines = new Map(live(site, 'machine').map(({ scope, key, value }) => [at(scope, key), value]));
  const addresses = new Map(live(site, 'ip').map((row) => [at(row.scope, row.key), row.value]));
  const numbers = new Map(live(site, 'pool').map((row) => [at(row.scope, row.key), row.value]));
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.key), row.value]));
  const uuids = new Set<string>();
  for (const { scope, key, value } of live(site, 'allocation')) {
    const name = `allocation ${value.uuid} of machine ${key} (${scope})`;
    if (value.machine !== key) yield `allocation key: ${name} says machine ${value.machine}`;
    if (!machines.has(at(scope, key))) yield `allocation machine: ${name}: there is no such machine`;
    if (uuids.has(value.uuid)) yield `allocation twice: ${name}`;
    uuids.add(value.uuid);
    for (const { network, ips } of value.networks) {
      for (const ip of ips) {
        const record = addresses.get(at(scope, `${network}|${ip}`));
        if (record === undefined) yield `allocation address: ${name} has ${ip} of ${network}, which nobody holds`;
        else if (!record.machines.includes(key)) yield `allocation address: ${name} has ${ip}, which does not name it`;
      }
    }
    const asn = numbers.get(at(scope, `asn|${asnOf(value)}`));
    if (asn === undefined || !asn.owners.includes(value.uuid))
      yield `allocation asn: ${name} has ${value.asn}, which belongs to ${asn?.owners.join() ?? 'nobody'}`;
    if (asn !== undefined && asn.elected?.machine !== key)
      yield `allocation asn: ${name} was elected as ${asn.elected?.machine ?? 'nothing'}`;
  }
  for (const { scope, value } of live(site, 'ip')) {
    for (const id of value.machines) {
      const machine = machines.get(at(scope, id));
      // By request an address may be attached to a machine that is not there (networks.md §2.2): then nobody notes it.
      if (machine === undefined || value.changed < machine.created) continue;
      const has = allocations
        .get(at(scope, id))
        ?.networks.some(({ network, ips }) => network === value.network && ips.includes(value.address));
      const isNoted = machine.attached?.some(
        ({ network, address }) => network === value.network && address === value.address,
      );
      if (has !== true && isNoted !== true)
        yield `address leak: ${value.address} (${scope}) is attached to ${id}, which neither has it in its allocation nor noted it`;
    }
  }
  yield* auditPorts(site);
}

/**
 * A machine's ports carry its private network's VRF, `default` for a firewall, nothing while it is free. The VRF is set
 * by the report that it is installed (machines.md §10.6).
 */
function* auditPorts(site: SiteRows): Generator<string> {
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.key), row.value]));
  const switches = new Set(live(site, 'switch').map(({ scope, key }) => at(scope, key)));
  const perMachine = new Map<string, number>();
  for (const { scope, key, value } of live(site, 'switch_port')) {
    const name = `port ${key} (${scope})`;
    if (key !== `${value.switch}|${value.nic}`) yield `port key: ${name} is ${value.switch}|${value.nic}`;
    if (!switches.has(at(scope, value.switch))) yield `port switch: ${name}: there is no such switch`;
    if (value.machine === '') continue;
    perMachine.set(at(scope, value.machine), (perMachine.get(at(scope, value.machine)) ?? 0) + 1);
    const allocation = allocations.get(at(scope, value.machine));
    const vrf = allocation?.networks.find(({ privatePrimary }) => privatePrimary)?.vrf;
    const wanted = allocation === undefined ? '' : allocation.role === 'firewall' ? 'default' : `vrf${vrf}`;
    const isRight = value.vrf === wanted || (value.vrf === '' && allocation?.succeeded === false);
    if (!isRight) yield `port vrf: ${name} has "${value.vrf}", its machine ${value.machine} needs "${wanted}"`;
  }
  for (const [place] of allocations) {
    const ports = perMachine.get(place) ?? 0;
    if (ports === 0) yield `port missing: machine ${place.replace('\0', ' ')} is allocated and has no port`;
  }
}

/** The number of an allocation's ASN in the pool. */
const asnOf = (allocation: Pick<AllocationRecord, 'asn'> | undefined): number | undefined =>
  allocation && allocation.asn - ASN_BASE;

/** Every taken number has living owners, and every owner has its number. */
export function* auditPools(site: SiteRows): Generator<string> {
  const networks = new Map(live(site, 'network').map((row) => [at(row.scope, row.key), row.value]));
  const globals = new Set(
    live(site, 'directory').flatMap(({ value }) => (value.kind === 'globalnetwork' ? [value.id] : [])),
  );
  const allocations = new Map(live(site, 'allocation').map((row) => [at(row.scope, row.value.uuid), row.value]));
  const pools = new Map(live(site, 'pool').map((row) => [at(row.scope, row.key), row.value]));
  for (const { scope, key, value } of live(site, 'pool')) {
    const name = `${value.pool} ${value.number} (${scope})`;
    if (key !== `${value.pool}|${value.number}`) yield `pool key: ${name} lies under ${key}`;
    if (value.owners.length === 0) yield `pool leak: ${name} belongs to nobody`;
    if (value.owners.length > 1 && !value.shared) yield `pool twice: ${name} belongs to ${value.owners.join(' and ')}`;
    for (const owner of value.owners) {
      const number =
        value.pool === 'vrf' ? networks.get(at(scope, owner))?.vrf : asnOf(allocations.get(at(scope, owner)));
      if (value.pool === 'vrf' && number === undefined && globals.has(owner)) continue;
      if (number !== value.number)
        yield `pool leak: ${name} belongs to ${owner}, which ${number === undefined ? 'is not there' : `has ${number}`}`;
    }
  }
  for (const { scope, key, value } of live(site, 'network')) {
    if (!isPartitionScope(scope) || value.vrf === 0) continue;
    if (pools.get(at(scope, `vrf|${value.vrf}`))?.owners.includes(key) !== true)
      yield `pool owner: network ${key} (${scope}) has vrf ${value.vrf} and does not own it`;
  }
}
