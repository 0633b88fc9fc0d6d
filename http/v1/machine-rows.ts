// Machines of this site for lists: their three rows put together, as committed.
import { partitionScope } from '../../actors/address.ts';
import type { RowFilter } from '../../actors/ports.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import { hostedScopes } from '../questions.ts';
import type { Site } from '../site.ts';
import { matchesMachine, type MachineQuery } from './machine-query.ts';

/** What the database can sort out by itself; the query is tested on what comes back. */
const filterOf = (site: Site, query: MachineQuery): RowFilter => ({
  scopes: query.partition_id === undefined ? hostedScopes(site) : [partitionScope(query.partition_id)],
  ...(query.id === undefined ? {} : { keys: [query.id] }),
});

const isHosted = (site: Site, { partition_id: partition }: MachineQuery): boolean =>
  partition === undefined || site.places.hosted().includes(partition);

const join = (
  machines: Awaited<ReturnType<typeof machineRows>>,
  allocations: Awaited<ReturnType<typeof allocationRows>>,
  containers: Awaited<ReturnType<typeof containerRows>>,
): MachineView[] => {
  const allocationOf = new Map(allocations.map(({ key, value }) => [key, value]));
  const containerOf = new Map(containers.map(({ key, value }) => [key, value]));
  return machines.map(({ key, value }) => ({
    machine: value,
    allocation: allocationOf.get(key) ?? null,
    provisioning: containerOf.get(key) ?? null,
  }));
};
const machineRows = (site: Site, filter: RowFilter) => site.rows.rows('machine', filter);
const allocationRows = (site: Site, filter: RowFilter) => site.rows.rows('allocation', filter);
const containerRows = (site: Site, filter: RowFilter) => site.rows.rows('provisioning', filter);

/** All machines hosted here that the query means. */
export async function findMachines(site: Site, query: MachineQuery): Promise<MachineView[]> {
  if (!isHosted(site, query)) return [];
  const filter = filterOf(site, query);
  const project = query.allocation_project;
  if (project === undefined || project === '') {
    const [machines, allocations, containers] = await Promise.all([
      machineRows(site, filter),
      allocationRows(site, filter),
      containerRows(site, filter),
    ]);
    return join(machines, allocations, containers).filter((view) => matchesMachine(view, query));
  }
  // Tools ask for the machines of one project all the time: only those are read.
  const allocations = await allocationRows(site, { ...filter, project });
  const keys = allocations.map(({ key }) => key);
  if (keys.length === 0) return [];
  const [machines, containers] = await Promise.all([
    machineRows(site, { ...filter, keys }),
    containerRows(site, { ...filter, keys }),
  ]);
  return join(machines, allocations, containers).filter((view) => matchesMachine(view, query));
}
