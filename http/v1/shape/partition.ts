import { z } from 'zod';
import type { Partition, PartitionCreate, PartitionUpdate } from '../../../actors/directory/partition.ts';
import type { PartitionCapacity, ServerCapacity } from '../../../actors/machine/capacity.ts';
import { described, describedOf, labels, listed, text, timesOf } from './fields.ts';

export const partitionBody = z.object({
  ...described,
  bootconfig: z.object({ imageurl: text, kernelurl: text, commandline: text }).optional(),
  mgmtserviceaddress: text,
  labels,
  dns_servers: z.array(z.object({ ip: z.string() })).optional(),
  ntp_servers: z.array(z.object({ address: z.string() })).optional(),
});
type PartitionBody = z.infer<typeof partitionBody>;
export const capacityBody = z.object({ id: text, sizeid: text, projectid: text });

export const partitionCreate = (body: PartitionBody): PartitionCreate => ({
  ...describedOf(body),
  bootConfig: {
    imageUrl: body.bootconfig?.imageurl ?? '',
    kernelUrl: body.bootconfig?.kernelurl ?? '',
    commandLine: body.bootconfig?.commandline ?? '',
  },
  mgmtServiceAddress: body.mgmtserviceaddress ?? '',
  labels: body.labels ?? {},
  dnsServers: body.dns_servers ?? [],
  ntpServers: body.ntp_servers ?? [],
});

export const partitionUpdate = (body: PartitionBody): PartitionUpdate & { id: string } => ({
  id: body.id ?? '',
  name: body.name,
  description: body.description,
  bootConfig: body.bootconfig && {
    imageUrl: body.bootconfig.imageurl,
    kernelUrl: body.bootconfig.kernelurl,
    commandLine: body.bootconfig.commandline,
  },
  mgmtServiceAddress: body.mgmtserviceaddress,
  labels: body.labels,
  dnsServers: body.dns_servers,
  ntpServers: body.ntp_servers,
});

export const partitionResponse = (partition: Partition) => ({
  id: partition.id,
  name: partition.name,
  description: partition.description,
  bootconfig: {
    imageurl: partition.bootConfig.imageUrl,
    kernelurl: partition.bootConfig.kernelUrl,
    commandline: partition.bootConfig.commandLine,
  },
  mgmtserviceaddress: partition.mgmtServiceAddress,
  labels: partition.labels,
  dns_servers: listed(partition.dnsServers),
  ntp_servers: listed(partition.ntpServers),
  ...timesOf(partition),
});

/** All counters are left out when 0. */
const serverResponse = (server: ServerCapacity) => ({
  size: server.size,
  total: server.total || undefined,
  phoned_home: server.phonedHome || undefined,
  waiting: server.waiting || undefined,
  other: server.other || undefined,
  othermachines: listed(server.otherMachines),
  allocated: server.allocated || undefined,
  allocatable: server.allocatable || undefined,
  free: server.free || undefined,
  unavailable: server.unavailable || undefined,
  faulty: server.faulty || undefined,
  faultymachines: listed(server.faultyMachines),
  reservations: server.reservations || undefined,
  usedreservations: server.usedReservations || undefined,
  remainingreservations: server.remainingReservations || undefined,
});

export const capacityResponse = ({ id, name, description, servers }: PartitionCapacity) => ({
  id,
  name,
  description,
  servers: servers.map(serverResponse),
});
