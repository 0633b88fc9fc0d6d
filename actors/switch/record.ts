/** Reported state of a port. */
export type PortStatus = 'UP' | 'DOWN' | 'UNKNOWN';

export interface SwitchNic {
  mac: string;
  name: string;
  identifier: string;
}

export interface SwitchOs {
  vendor: string;
  version: string;
  metalCoreVersion: string;
}

export interface SwitchRecord {
  id: string;
  name: string;
  description: string;
  created: number;
  changed: number;
  partition: string;
  rack: string;
  mode: '' | 'operational' | 'replace';
  os: SwitchOs | null;
  managementIp: string;
  managementUser: string;
  consoleCommand: string;
  nics: SwitchNic[];
}

export interface SwitchSync {
  atMs: number;
  /** Nanoseconds, as reported. */
  durationNs: number;
  error: string | null;
}

export interface BgpPortState {
  neighbor: string;
  peerGroup: string;
  vrfName: string;
  bgpState: string;
  bgpTimerUpEstablished: number;
  sentPrefixCounter: number;
  acceptedPrefixCounter: number;
}

export interface SwitchStatusRecord {
  lastSync: SwitchSync | null;
  lastSyncError: SwitchSync | null;
  /** By nic key: what was reported and what an operator wants (networks.md §5.3). */
  ports: Record<string, PortState>;
}

export interface PortState {
  actual: PortStatus;
  /** What an operator wants and the switch has not reported yet. */
  desired: PortStatus | null;
  /** What an operator wanted last, for ever; null: never asked (N35). */
  wanted: PortStatus | null;
  bgp: BgpPortState | null;
}

/** A port that has a VRF or a machine; ports with neither have no row. */
export interface PortRecord {
  switch: string;
  /** Identifier of the NIC, or its MAC address where the identifier is empty. */
  nic: string;
  /** '' (PXE), `vrf<number>` or `default` (firewall). */
  vrf: string;
  /** '' when no machine is connected. */
  machine: string;
}

/** The key of a NIC: its identifier, else its MAC address (machines.md §2.1). */
export const nicKey = (nic: { identifier: string; mac: string }): string => nic.identifier || nic.mac;
