// The partition allocator: coordinates what takes from several actors, owns the VRF and ASN pools, and keeps the index
// of candidates. The index is a hint; the machine decides.
import type { FilesystemLayout } from '../directory/filesystem-layout.ts';
import type { SizeReservation } from '../directory/size-reservation.ts';
import type { BootInfo } from '../machine/record.ts';
import type { MachineView, Registration } from '../machine/messages.ts';
import type { IpQuota, NetworkView } from '../network/messages.ts';
import type { Family } from '../ipam/address.ts';
import type { Refusal } from '../refusal.ts';
import type { AllocationRequest } from './allocation-request.ts';

/** A network named by an allocation, as the edge located it. */
export interface LocatedNetwork {
  id: string;
  autoacquire: boolean;
  /** `block`: a global network, served by this partition's block actor. */
  holder: 'network' | 'block';
}

/** Everything an allocation needs from the directory comes with it, resolved by the edge from its copy. */
export interface AllocateMachine {
  request: AllocationRequest;
  /** Set: exactly this machine. */
  machine: string | null;
  /** '' with `machine`: the machine's own. */
  size: string;
  /** Resolved id of the image. */
  image: string;
  role: 'machine' | 'firewall';
  /** Layouts that may serve, by size: the explicit one, or the first match of the image for each size. */
  layouts: Array<{ size: string; layout: FilesystemLayout }>;
  networks: LocatedNetwork[];
  /** Given addresses with the network each lies in. */
  ips: Array<{ address: string; network: string; holder: 'network' | 'block' }>;
  /** Reservations that cover this partition, of all sizes. */
  reservations: SizeReservation[];
  /** Project quota; null: unlimited. */
  machineQuota: number | null;
  /** Machines of the project in other partitions. */
  usedElsewhere: number;
  /** Absent: no limit. */
  ipQuota?: IpQuota;
  dnsServers: Array<{ ip: string }>;
  ntpServers: Array<{ address: string }>;
}

/** One row's part of a summary: an older version than the index has is ignored; `value` null: the row is gone. */
export interface SummaryPart<V> {
  version: number;
  value: V | null;
}

/**
 * What the index keeps of a machine, told by the machine actor after each commit that changes it. Versions are the
 * rows' own: a reservation's parts are made before it is committed, and what happens meanwhile must not outdate them.
 */
export interface MachineSummary {
  machine: string;
  /** `stateValue` other than '': not electable. */
  record?: SummaryPart<{ size: string; rack: string; stateValue: string; waiting: boolean }>;
  allocation?: SummaryPart<{ uuid: string; project: string; role: 'machine' | 'firewall'; tags: string[] }>;
  provisioning?: SummaryPart<{ liveliness: string }>;
}

export interface SwitchSummary {
  switch: string;
  record?: SummaryPart<{ name: string; rack: string }>;
  /** Machines by NIC key; '': none. */
  ports?: Array<{ nic: string; version: number; machine: string }>;
}

export interface AllocatorCommands {
  allocateMachine: { ask: AllocateMachine; reply: MachineView };
  freeMachine: { ask: { machine: string }; reply: MachineView };
  registerMachine: { ask: Registration & { machine: string }; reply: { view: MachineView; created: boolean } };
  reportInstalled: {
    ask: { machine: string; consolePassword: string; bootInfo: BootInfo; success: boolean };
    reply: Record<string, never>;
  };
  reinstallMachine: {
    ask: { machine: string; image: string; layouts: Array<{ size: string; layout: FilesystemLayout }> };
    reply: MachineView;
  };
  deleteMachine: { ask: { machine: string }; reply: MachineView };

  allocateNetwork: {
    ask: {
      id: string;
      name: string;
      description: string;
      labels: Record<string, string>;
      project: string;
      shared: boolean;
      nat: boolean;
      destinationPrefixes: string[];
      length: Partial<Record<Family, number>>;
      family?: Family;
      /** What is wrong with `length` or `family`: said once there is a super network with lengths (networks.md §1.4). */
      malformed?: Refusal;
    };
    reply: NetworkView;
  };
  /** Child networks; also `DELETE /v1/network/{id}` of a child (N03). */
  freeNetwork: { ask: { network: string; as: 'free' | 'delete' }; reply: NetworkView };

  /** Hints from this partition's actors. */
  machineChanged: { ask: MachineSummary; reply: Record<string, never> };
  switchChanged: { ask: SwitchSummary; reply: Record<string, never> };
  networkChanged: {
    ask: { network: string; version: number; exists: boolean; privateSuper: boolean; underlay: boolean };
    reply: Record<string, never>;
  };

  /** Switches of a rack, as the index knows them: a hint where to look. */
  switchesOf: { ask: { rack: string }; reply: { switches: string[] } };
  /** For inspection and GET /v1/project/{id}: machines of a project here. */
  machinesOf: { ask: { project: string }; reply: { machines: number; firewalls: number } };
  pools: {
    ask: Record<string, never>;
    reply: Record<'vrf' | 'asn', { held: number; free: number; reserved: number }>;
  };
}

export interface AllocatorReservations {
  /** Chooses a candidate (or takes the given one) and one ASN; counts against quota and reservations until it ends. */
  elect: {
    ask: AllocateMachine & { allocation: string; excluded: string[] };
    reply: { machine: string; asn: number; size: string };
  };
  releaseAsn: { ask: { asn: number; allocation: string }; reply: Record<string, never> };
  /** `number` 0: any. `shared`: the number may have several owners. */
  takeVrf: { ask: { network: string; number: number; shared: boolean }; reply: { vrf: number } };
  releaseVrf: { ask: { network: string; vrf: number }; reply: Record<string, never> };
}
