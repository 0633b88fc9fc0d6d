// What an index over others' rows needs to know of them. Whole bodies of 100,000 machines are 300 MiB; this is a tenth.
import type { AllocationRecord, MachineRecord, ProvisioningRecord } from './machine/record.ts';
import type { NetworkRecord } from './network/record.ts';
import type { Records, Row } from './records.ts';
import type { PortRecord, SwitchRecord } from './switch/record.ts';

export interface Excerpts {
  machine: Pick<MachineRecord, 'size' | 'rack' | 'waiting'> & { stateValue: MachineRecord['state']['value'] };
  allocation: Pick<AllocationRecord, 'uuid' | 'project' | 'role' | 'tags'>;
  /** Only of machines that are not alive; of a hundred thousand hardly any. */
  provisioning: Pick<ProvisioningRecord, 'liveliness'>;
  switch: Pick<SwitchRecord, 'name' | 'rack'>;
  switch_port: Pick<PortRecord, 'switch' | 'nic' | 'machine'>;
  network: Pick<NetworkRecord, 'privateSuper' | 'underlay'>;
}

export type ExcerptedTable = keyof Excerpts;

/** A live row, with what is wanted of it. */
export type Excerpt = {
  [T in ExcerptedTable]: { table: T; key: string; version: number; value: Excerpts[T] };
}[ExcerptedTable];

const excerpts: { [T in ExcerptedTable]: (value: Records[T]) => Excerpts[T] } = {
  machine: ({ size, rack, waiting, state }) => ({ size, rack, waiting, stateValue: state.value }),
  allocation: ({ uuid, project, role, tags }) => ({ uuid, project, role, tags }),
  provisioning: ({ liveliness }) => ({ liveliness }),
  switch: ({ name, rack }) => ({ name, rack }),
  switch_port: ({ switch: id, nic, machine }) => ({ switch: id, nic, machine }),
  network: ({ privateSuper, underlay }) => ({ privateSuper, underlay }),
};

/** Of a row that is at hand; undefined: no index wants it. A database makes it by itself (storage/excerpt.ts). */
export function excerptOf(row: Row): Excerpt | undefined {
  const { table, key, version, value } = row;
  if (!(table in excerpts) || (row.table === 'provisioning' && row.value.liveliness === 'Alive')) return undefined;
  const take = excerpts[table as ExcerptedTable] as (value: Row['value']) => Excerpt['value'];
  return { table, key, version, value: take(value) } as Excerpt;
}
