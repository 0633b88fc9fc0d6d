// A machine in its boot image tells what it is made of (machines.md §6.2).
import { addressOf, partitionScope } from '../../actors/address.ts';
import { matchSize } from '../../actors/directory/size.ts';
import { emptyFru, type Hardware, type Ipmi, type Nic } from '../../actors/machine/hardware.ts';
import { invalid, isRefusal, unprocessable } from '../../actors/refusal.ts';
import { partitionOfMachine, refusePartition, type Rpc } from './caller.ts';
import type { BootRpcs, MachineHardwareMessage, MachineIpmiMessage, MachineNicMessage } from './protos.ts';

const nicOf = (nic: MachineNicMessage, hostname: string, neighbors: Nic[]): Nic => ({
  mac: nic.mac,
  name: nic.name,
  identifier: nic.identifier,
  hostname,
  vrf: '',
  state: '',
  bgpPortState: '',
  neighbors,
});

/** Neighbours keep their host name, by which the switch is found; a NIC's own is dropped. */
export const hardwareOf = ({ memory, disks, nics, cpus, gpus }: MachineHardwareMessage): Hardware => ({
  memory,
  disks,
  cpus,
  gpus,
  nics: nics.map((nic) =>
    nicOf(
      nic,
      '',
      nic.neighbors.map((neighbor) => nicOf(neighbor, neighbor.hostname, [])),
    ),
  ),
});

export const ipmiOf = (ipmi: MachineIpmiMessage, nowMs: number): Ipmi => ({
  address: ipmi.address,
  mac: ipmi.mac,
  user: ipmi.user,
  password: ipmi.password,
  interface: ipmi.interface,
  fru: { ...emptyFru(), ...ipmi.fru },
  bmcVersion: ipmi.bmcVersion,
  powerState: ipmi.powerState,
  powerMetric: null,
  powerSupplies: [],
  lastUpdated: nowMs,
});

/** Stores the machine and connects it to its two switches; the size is the only one that its hardware matches. */
export const register: Rpc<BootRpcs['Register']['ask'], BootRpcs['Register']['reply']> = async (
  site,
  asked,
  agent,
  as,
) => {
  if (asked.uuid === '') return invalid('uuid is empty, expected the id of the machine');
  if (!asked.hardware) return invalid('hardware is missing');
  if (!asked.bios) return invalid('bios is missing');
  const home = partitionOfMachine(site, agent, asked.uuid);
  if (isRefusal(home)) return home;
  const partition = asked.partitionId || home;
  const refused = refusePartition(site, agent, partition);
  if (refused) return refused;
  if (partition !== home && site.places.machine(asked.uuid) !== undefined) {
    return unprocessable(`machine "${asked.uuid}" belongs to partition "${home}", delete it there before it moves`);
  }
  const hardware = hardwareOf(asked.hardware);
  const registered = await site.ask(
    addressOf(partitionScope(partition), 'allocator', partition),
    'registerMachine',
    {
      machine: asked.uuid,
      partition,
      size: matchSize(hardware, site.directory.list('size')),
      hardware,
      bios: asked.bios,
      ipmi: asked.ipmi && ipmiOf(asked.ipmi, site.wallMs()),
      tags: asked.tags,
      hammerVersion: asked.metalHammerVersion,
    },
    as,
  );
  if (isRefusal(registered)) return registered;
  const { machine } = registered.view;
  return { uuid: machine.id, size: machine.size, partitionId: machine.partition };
};
