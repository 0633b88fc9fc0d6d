// Machines of this site for lists: their three rows put together, as committed.
import { partitionScope } from '../../actors/address.ts';
import type { RowFilter } from '../../actors/ports.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import type { AllocationRecord, ProvisioningRecord } from '../../actors/machine/record.ts';
import type { RowOf } from '../../actors/records.ts';
import { inPortions } from '../json-list.ts';
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

/** Keeps what rows say by their key. */
const into =
  <V>(found: Map<string, V>) =>
  (rows: ReadonlyArray<{ key: string; value: V }>): void => {
    for (const { key, value } of rows) found.set(key, value);
  };
async function allocationsBy(site: Site, filter: RowFilter): Promise<Map<string, AllocationRecord>> {
  const found = new Map<string, AllocationRecord>();
  await site.rows.portions('allocation', filter, into(found));
  return found;
}
async function containersBy(site: Site, filter: RowFilter): Promise<Map<string, ProvisioningRecord>> {
  const found = new Map<string, ProvisioningRecord>();
  await site.rows.portions('provisioning', filter, into(found));
  return found;
}
const machineRows = (site: Site, filter: RowFilter) => site.rows.rows('machine', filter);

async function matching(
  machines: ReadonlyArray<RowOf<'machine'>>,
  allocations: ReadonlyMap<string, AllocationRecord>,
  containers: ReadonlyMap<string, ProvisioningRecord>,
  query: MachineQuery,
): Promise<MachineView[]> {
  const views: MachineView[] = [];
  await inPortions(machines, (portion) => {
    for (const { key, value: machine } of portion) {
      const [allocation, provisioning] = [allocations.get(key) ?? null, containers.get(key) ?? null];
      const view: MachineView = { machine, allocation, provisioning };
      if (matchesMachine(view, query)) views.push(view);
    }
  });
  return views;
}

/** All machines hosted here that the query means. */
export async function findMachines(site: Site, query: MachineQuery): Promise<MachineView[]> {
  if (!isHosted(site, query)) return [];
  const filter = filterOf(site, query);
  const project = query.allocation_project;
  if (project === undefined || project === '') {
    const [machines, allocations, containers] = await Promise.all([
      machineRows(site, filter),
      allocationsBy(site, filter),
      containersBy(site, filter),
    ]);
    return matching(machines, allocations, containers, query);
  }
  // Tools ask for the machines of one project all the time: only those are read.
  const allocations = await allocationsBy(site, { ...filter, project });
  const keys = [...allocations.keys()];
  if (keys.length === 0) return [];
  const [machines, containers] = await Promise.all([
    machineRows(site, { ...filter, keys }),
    containersBy(site, { ...filter, keys }),
  ]);
  return matching(machines, allocations, containers, query);
}
