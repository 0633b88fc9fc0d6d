// Which machines a find means (machines.md §1.7): every scalar that is there is a test, every element of a list is one,
// and all must hold. What a machine lacks, such as any allocation field of a free one, does not match.
import { z } from 'zod';
import type { Ipmi, Nic } from '../../actors/machine/hardware.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import type { AllocatedNetwork } from '../../actors/machine/record.ts';
import { flag, text, texts } from './shape/fields.ts';

const number = z.int().optional();
const numbers = z.array(z.int()).optional();

/** Fields of a machine query; issues/evaluate has them beside its own. */
export const machineQueryFields = {
  id: text,
  name: text,
  partition_id: text,
  sizeid: text,
  rackid: text,
  tags: texts,
  allocation_name: text,
  allocation_project: text,
  allocation_image_id: text,
  allocation_hostname: text,
  allocation_role: text,
  allocation_succeeded: flag,
  network_ids: texts,
  network_prefixes: texts,
  network_ips: texts,
  network_destination_prefixes: texts,
  network_vrfs: numbers,
  network_asns: numbers,
  hardware_memory: number,
  nics_mac_addresses: texts,
  nics_names: texts,
  nics_vrfs: texts,
  nics_neighbor_mac_addresses: texts,
  nics_neighbor_names: texts,
  nics_neighbor_vrfs: texts,
  disk_names: texts,
  disk_sizes: numbers,
  state_value: text,
  ipmi_address: text,
  ipmi_mac_address: text,
  ipmi_user: text,
  ipmi_interface: text,
  fru_chassis_part_number: text,
  fru_chassis_part_serial: text,
  fru_board_mfg: text,
  fru_board_mfg_serial: text,
  fru_board_part_number: text,
  fru_product_manufacturer: text,
  fru_product_part_number: text,
  fru_product_serial: text,
};
export const machineQuery = z.object(machineQueryFields);
export type MachineQuery = z.infer<typeof machineQuery>;

type Scalar = string | number | boolean;
const isAsked = (asked: Scalar | undefined, stored: Scalar | undefined): boolean =>
  asked === undefined || asked === stored;
const areIn = <T extends Scalar>(asked: readonly T[] | undefined, stored: readonly T[]): boolean =>
  asked === undefined || asked.every((one) => stored.includes(one));

const matchesAllocation = ({ allocation }: MachineView, query: MachineQuery): boolean =>
  isAsked(query.allocation_name, allocation?.name) &&
  isAsked(query.allocation_project, allocation?.project) &&
  isAsked(query.allocation_image_id, allocation?.image) &&
  isAsked(query.allocation_hostname, allocation?.hostname) &&
  isAsked(query.allocation_role, allocation?.role) &&
  // Answers never say true (W26), and neither does the search.
  isAsked(query.allocation_succeeded, allocation ? false : undefined);

const matchesNetworks = (networks: readonly AllocatedNetwork[], query: MachineQuery): boolean =>
  areIn(
    query.network_ids,
    networks.map(({ network }) => network),
  ) &&
  areIn(
    query.network_prefixes,
    networks.flatMap(({ prefixes }) => prefixes),
  ) &&
  areIn(
    query.network_ips,
    networks.flatMap(({ ips }) => ips),
  ) &&
  areIn(
    query.network_destination_prefixes,
    networks.flatMap(({ destinationPrefixes }) => destinationPrefixes),
  ) &&
  areIn(
    query.network_vrfs,
    networks.map(({ vrf }) => vrf),
  ) &&
  areIn(
    query.network_asns,
    networks.map(({ asn }) => asn),
  );

const field = (nics: readonly Nic[], name: 'mac' | 'name' | 'vrf'): string[] => nics.map((nic) => nic[name]);

const matchesNics = (nics: readonly Nic[], query: MachineQuery): boolean => {
  const neighbors = nics.flatMap((nic) => nic.neighbors);
  return (
    areIn(query.nics_mac_addresses, field(nics, 'mac')) &&
    areIn(query.nics_names, field(nics, 'name')) &&
    areIn(query.nics_vrfs, field(nics, 'vrf')) &&
    areIn(query.nics_neighbor_mac_addresses, field(neighbors, 'mac')) &&
    areIn(query.nics_neighbor_names, field(neighbors, 'name')) &&
    areIn(query.nics_neighbor_vrfs, field(neighbors, 'vrf'))
  );
};

const matchesIpmi = ({ address, mac, user, interface: via, fru }: Ipmi, query: MachineQuery): boolean =>
  isAsked(query.ipmi_address, address) &&
  isAsked(query.ipmi_mac_address, mac) &&
  isAsked(query.ipmi_user, user) &&
  isAsked(query.ipmi_interface, via) &&
  isAsked(query.fru_chassis_part_number, fru.chassisPartNumber) &&
  isAsked(query.fru_chassis_part_serial, fru.chassisPartSerial) &&
  isAsked(query.fru_board_mfg, fru.boardMfg) &&
  isAsked(query.fru_board_mfg_serial, fru.boardMfgSerial) &&
  isAsked(query.fru_board_part_number, fru.boardPartNumber) &&
  isAsked(query.fru_product_manufacturer, fru.productManufacturer) &&
  isAsked(query.fru_product_part_number, fru.productPartNumber) &&
  isAsked(query.fru_product_serial, fru.productSerial);

/** metalctl offers `RESERVED`, which is stored as `TAINTED` (W27). */
const storedState = (asked: string | undefined): string | undefined => (asked === 'RESERVED' ? 'TAINTED' : asked);

export const matchesMachine = (view: MachineView, query: MachineQuery): boolean => {
  const { machine, allocation } = view;
  const { disks, memory, nics } = machine.hardware;
  return (
    isAsked(query.id, machine.id) &&
    isAsked(query.name, machine.name) &&
    isAsked(query.partition_id, machine.partition) &&
    isAsked(query.sizeid, machine.size) &&
    isAsked(query.rackid, machine.rack) &&
    areIn(query.tags, allocation?.tags ?? machine.tags) &&
    isAsked(query.hardware_memory, memory) &&
    areIn(
      query.disk_names,
      disks.map(({ name }) => name),
    ) &&
    areIn(
      query.disk_sizes,
      disks.map(({ size }) => size),
    ) &&
    isAsked(storedState(query.state_value), machine.state.value) &&
    matchesAllocation(view, query) &&
    matchesNetworks(allocation?.networks ?? [], query) &&
    matchesNics(nics, query) &&
    matchesIpmi(machine.ipmi, query)
  );
};
