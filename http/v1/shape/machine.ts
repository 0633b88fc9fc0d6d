// Machines as v1 shows them (machines.md §2.2, §2.3).
import { ZERO_TIME_MS, type Image } from '../../../actors/directory/image.ts';
import type { Partition } from '../../../actors/directory/partition.ts';
import { UNKNOWN_SIZE, type Size } from '../../../actors/directory/size.ts';
import { allocatedNetworkType } from '../../../actors/allocation/network-legality.ts';
import type { EgressRule, FirewallRules, IngressRule } from '../../../actors/allocation/firewall-rules.ts';
import type { Hardware, Ipmi, MachineState, Nic } from '../../../actors/machine/hardware.ts';
import type { MachineView } from '../../../actors/machine/messages.ts';
import type { EventContainer, ProvisioningEvent } from '../../../actors/machine/provisioning.ts';
import type { AllocatedNetwork, AllocationRecord } from '../../../actors/machine/record.ts';
import { rfc3339 } from '../../../actors/machine/rfc3339.ts';
import { isRefusal, notFound, type Refusal } from '../../../actors/refusal.ts';
import type { DirectoryCopy } from '../../site.ts';
import { listed, orNull, timesOf } from './fields.ts';
import { layoutResponse } from './filesystem-layout.ts';
import { imageResponse } from './image.ts';
import { partitionResponse } from './partition.ts';
import { sizeResponse } from './size.ts';

const EVENTS_SHOWN = 20;

/** What metal-api puts into lists for an entity that is gone: an object with every field empty. */
const gone = { id: '', name: '', description: '', created: ZERO_TIME_MS, changed: ZERO_TIME_MS };
export const gonePartition: Partition = {
  ...gone,
  bootConfig: { imageUrl: '', kernelUrl: '', commandLine: '' },
  mgmtServiceAddress: '',
  labels: {},
  dnsServers: [],
  ntpServers: [],
};
const goneSize: Size = { ...gone, constraints: [], labels: {} };
const goneImage: Image = {
  ...gone,
  url: '',
  features: [],
  os: '',
  version: '',
  expirationDate: ZERO_TIME_MS,
  classification: 'preview',
};

interface Referenced {
  partition: ReturnType<typeof partitionResponse> | null;
  size: ReturnType<typeof sizeResponse> | null;
  image: (Omit<ReturnType<typeof imageResponse>, 'classification'> & { classification: string }) | null;
}

const inList = ({ machine, allocation }: MachineView, directory: DirectoryCopy): Referenced => ({
  partition:
    machine.partition === '' ? null : partitionResponse(directory.get('partition', machine.partition) ?? gonePartition),
  size: machine.size === '' ? null : sizeResponse(directory.get('size', machine.size) ?? goneSize),
  image: allocation && shownImage(directory.get('image', allocation.image)),
});

const shownImage = (image: Image | undefined): Referenced['image'] =>
  image ? imageResponse(image) : { ...imageResponse(goneImage), classification: '' };

const alone = ({ machine, allocation }: MachineView, directory: DirectoryCopy): Referenced | Refusal => {
  const partition = directory.get('partition', machine.partition);
  if (machine.partition !== '' && !partition) return notFound(`no partition with id "${machine.partition}" found`);
  const size =
    machine.size === UNKNOWN_SIZE
      ? { ...goneSize, id: UNKNOWN_SIZE, name: UNKNOWN_SIZE }
      : directory.get('size', machine.size);
  if (machine.size !== '' && !size) return notFound(`no size with id "${machine.size}" found`);
  const image = allocation ? directory.get('image', allocation.image) : undefined;
  if (allocation && !image) return notFound(`no image with id "${allocation.image}" found`);
  return {
    partition: partition ? partitionResponse(partition) : null,
    size: size ? sizeResponse(size) : null,
    image: image ? imageResponse(image) : null,
  };
};

interface NicResponse {
  mac: string;
  name: string;
  identifier: string;
  neighbors: NicResponse[];
}
const nicResponse = ({ mac, name, identifier, neighbors }: Nic): NicResponse => ({
  mac,
  name,
  identifier,
  neighbors: neighbors.map((neighbor) => nicResponse({ ...neighbor, neighbors: [] })),
});

const hardwareResponse = ({ memory, cpus, gpus, disks, nics }: Hardware) => ({
  memory,
  // Deprecated and required, for ever 0.
  cpu_cores: 0,
  cpus: listed(cpus),
  gpus: listed(gpus),
  disks: disks.map(({ name, size }) => ({ name, size })),
  nics: nics.map(nicResponse),
});

/** `TAINTED` is what the wire calls `RESERVED`. */
const stateResponse = ({ value, description, issuer, metalHammerVersion }: MachineState) => ({
  value: value === 'TAINTED' ? 'RESERVED' : value,
  description,
  issuer: issuer || undefined,
  metal_hammer_version: metalHammerVersion,
});

const eventResponse = ({ time, event, message }: ProvisioningEvent) => ({ time: rfc3339(time), event, message });

const eventsResponse = (container: EventContainer | null) => ({
  log: (container?.events ?? []).slice(0, EVENTS_SHOWN).map(eventResponse),
  // The only time that is null instead of Go's zero time.
  last_event_time: container?.lastEventTime == null ? null : rfc3339(container.lastEventTime),
  last_error_event: container?.lastErrorEvent ? eventResponse(container.lastErrorEvent) : undefined,
  crash_loop: container?.crashLoop ?? false,
  failed_machine_reclaim: container?.failedMachineReclaim ?? false,
});

/** Undefined for combinations of flags that no allocation makes: metal-api leaves such networks out. */
const networkResponse = (network: AllocatedNetwork) => {
  const networktype = allocatedNetworkType(network);
  return (
    networktype && {
      networkid: network.network,
      prefixes: network.prefixes,
      ips: network.ips,
      destinationprefixes: network.destinationPrefixes,
      networktype,
      vrf: network.vrf,
      asn: network.asn,
      nat: network.nat,
      private: network.private,
      underlay: network.underlay,
      projectid: network.project,
      networktypev2: network.networkTypeV2,
      nattypev2: network.natTypeV2,
    }
  );
};

const egressResponse = ({ protocol, ports, to, comment }: EgressRule) => ({
  protocol: protocol.toLowerCase(),
  ports,
  to,
  comment: comment || undefined,
});
const ingressResponse = (rule: IngressRule) => ({ ...egressResponse(rule), from: rule.from });

const rulesResponse = (rules: FirewallRules | null) =>
  rules && (rules.egress.length > 0 || rules.ingress.length > 0)
    ? { egress: listed(rules.egress.map(egressResponse)), ingress: listed(rules.ingress.map(ingressResponse)) }
    : undefined;

const allocationResponse = (allocation: AllocationRecord, image: Referenced['image']) => ({
  allocationuuid: allocation.uuid,
  creator: allocation.creator,
  created: rfc3339(allocation.created),
  name: allocation.name,
  description: allocation.description || undefined,
  hostname: allocation.hostname,
  project: allocation.project,
  image,
  filesystemlayout: allocation.filesystemLayout && layoutResponse(allocation.filesystemLayout),
  networks: orNull(allocation.networks.flatMap((network) => networkResponse(network) ?? [])),
  ssh_pub_keys: orNull(allocation.sshPubKeys),
  user_data: allocation.userData || undefined,
  // Never true in metal-api, so no client has ever seen it (W26).
  succeeded: false,
  reinstall: allocation.reinstall,
  boot_info: allocation.bootInfo && {
    image_id: allocation.bootInfo.imageId,
    primary_disk: allocation.bootInfo.primaryDisk,
    os_partition: allocation.bootInfo.osPartition,
    initrd: allocation.bootInfo.initrd,
    cmdline: allocation.bootInfo.cmdline,
    kernel: allocation.bootInfo.kernel,
    bootloaderid: allocation.bootInfo.bootloaderId,
  },
  role: allocation.role,
  vpn: null,
  firewall_rules: rulesResponse(allocation.firewallRules),
  dns_servers: listed(allocation.dnsServers),
  ntp_servers: listed(allocation.ntpServers),
});

const response = ({ machine, allocation, provisioning }: MachineView, { partition, size, image }: Referenced) => ({
  id: machine.id,
  name: machine.name,
  description: machine.description,
  ...timesOf(machine),
  partition,
  rackid: machine.rack,
  size,
  hardware: hardwareResponse(machine.hardware),
  bios: { version: machine.bios.version, vendor: machine.bios.vendor, date: machine.bios.date },
  allocation: allocation && allocationResponse(allocation, image),
  state: stateResponse(machine.state),
  ledstate: { value: machine.led.value, description: machine.led.description },
  liveliness: provisioning?.liveliness ?? '',
  events: eventsResponse(provisioning),
  tags: allocation?.tags ?? machine.tags,
});

export type MachineResponse = ReturnType<typeof response>;

/** In lists: partition, size and image that are gone are objects with empty fields. */
export const listedMachine = (view: MachineView, directory: DirectoryCopy): MachineResponse =>
  response(view, inList(view, directory));

/** Alone: what is gone makes it NotFound; the size `unknown` is one. */
export const singleMachine = (view: MachineView, directory: DirectoryCopy): MachineResponse | Refusal => {
  const referenced = alone(view, directory);
  return isRefusal(referenced) ? referenced : response(view, referenced);
};

/** What a BMC said of itself, with its credentials: `metalctl machine console --ipmi` reads them (W34). */
export const ipmiResponse = (ipmi: Ipmi) => ({
  address: ipmi.address,
  mac: ipmi.mac,
  user: ipmi.user,
  password: ipmi.password,
  interface: ipmi.interface,
  bmcversion: ipmi.bmcVersion,
  powerstate: ipmi.powerState,
  powermetric: ipmi.powerMetric && {
    averageconsumedwatts: ipmi.powerMetric.averageConsumedWatts,
    intervalinmin: ipmi.powerMetric.intervalInMin,
    maxconsumedwatts: ipmi.powerMetric.maxConsumedWatts,
    minconsumedwatts: ipmi.powerMetric.minConsumedWatts,
  },
  powersupplies: orNull(ipmi.powerSupplies.map(({ health, state }) => ({ status: { health, state } }))),
  last_updated: rfc3339(ipmi.lastUpdated),
  fru: {
    chassis_part_number: ipmi.fru.chassisPartNumber,
    chassis_part_serial: ipmi.fru.chassisPartSerial,
    board_mfg: ipmi.fru.boardMfg,
    board_mfg_serial: ipmi.fru.boardMfgSerial,
    board_part_number: ipmi.fru.boardPartNumber,
    product_manufacturer: ipmi.fru.productManufacturer,
    product_part_number: ipmi.fru.productPartNumber,
    product_serial: ipmi.fru.productSerial,
  },
});
