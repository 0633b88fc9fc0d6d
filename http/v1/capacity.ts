import type { CapacityMachine, PartitionCapacity } from '../../actors/machine/capacity.ts';
import { partitionCapacity } from '../../actors/machine/capacity.ts';
import type { Refusal } from '../../actors/refusal.ts';
import { hostedScopes } from '../questions.ts';
import type { Site } from '../site.ts';

/** The machines hosted here as capacity and issues look at them, from committed rows. */
async function capacityMachines(site: Site): Promise<CapacityMachine[]> {
  const filter = { scopes: hostedScopes(site) };
  const [machines, allocations, containers, pools] = await Promise.all([
    site.rows.rows('machine', filter),
    site.rows.rows('allocation', filter),
    site.rows.rows('provisioning', filter),
    site.rows.rows('pool', filter),
  ]);
  const allocationOf = new Map(allocations.map(({ value }) => [value.machine, value]));
  const containerOf = new Map(containers.map(({ key, value }) => [key, value]));
  const elected = new Set(pools.flatMap(({ value }) => (value.elected === null ? [] : [value.elected.machine])));
  return machines.map(({ value: machine }) => {
    const allocation = allocationOf.get(machine.id);
    return {
      id: machine.id,
      partition: machine.partition,
      role: allocation?.role ?? null,
      asns: allocation === undefined ? [] : allocation.networks.map(({ asn }) => asn),
      bmcAddress: machine.ipmi.address,
      bmcMac: machine.ipmi.mac,
      bmcLastUpdated: machine.ipmi.lastUpdated,
      container: containerOf.get(machine.id) ?? null,
      size: machine.size,
      waiting: machine.waiting,
      preallocated: allocation === undefined && elected.has(machine.id),
      state: machine.state.value,
      project: allocation?.project ?? '',
    };
  });
}

/** Capacity of the partitions hosted here (machines.md §14.2); the answers of the sites are put together. */
export async function capacityOf(
  site: Site,
  request: { partition?: string | undefined; size?: string | undefined; project?: string | undefined },
): Promise<PartitionCapacity[] | Refusal> {
  const known = {
    partitions: site.directory.list('partition'),
    sizes: new Set(site.directory.list('size').map(({ id }) => id)),
    machines: await capacityMachines(site),
    reservations: site.directory.list('sizereservation'),
  };
  return partitionCapacity(known, request, site.wallMs());
}
