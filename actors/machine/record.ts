import type { Bios, Hardware, Ipmi, LedState, MachineState } from './hardware.ts';
import type { EventContainer } from './provisioning.ts';
import type { FilesystemLayout } from '../directory/filesystem-layout.ts';
import type { Scope } from '../address.ts';
import type { DnsServer, FirewallRules, NtpServer } from '../allocation/allocation-request.ts';

/** What is known of the machine itself. Times are epoch milliseconds. */
export interface MachineRecord {
  id: string;
  name: string;
  description: string;
  created: number;
  changed: number;
  partition: string;
  rack: string;
  /** `unknown` when no size, or more than one, matches; '' until registered. */
  size: string;
  /** The boot image holds a Wait stream open for it. */
  waiting: boolean;
  hardware: Hardware;
  bios: Bios;
  ipmi: Ipmi;
  state: MachineState;
  led: LedState;
  /** Tags of the registration. While allocated, the allocation's tags are shown instead. */
  tags: string[];
  /** Addresses that were attached by request, beside what the allocation brings. Absent: none. */
  attached?: AttachedIp[];
}

/** An address with who gives it out: `block` for a global network. */
export interface AttachedIp {
  scope: Scope;
  network: string;
  holder: 'network' | 'block';
  address: string;
}

/** One network of an allocation, as it was at the time of the allocation. */
export interface AllocatedNetwork {
  network: string;
  /** Who holds its addresses here: `block` for a global network, and for releasing them. */
  holder: 'network' | 'block';
  prefixes: string[];
  ips: string[];
  destinationPrefixes: string[];
  vrf: number;
  asn: number;
  nat: boolean;
  private: boolean;
  privatePrimary: boolean;
  shared: boolean;
  underlay: boolean;
  project: string;
  /** external, underlay, super, child, child-shared or '' */
  networkTypeV2: string;
  /** none, ipv4-masq or '' */
  natTypeV2: string;
}

export interface BootInfo {
  imageId: string;
  primaryDisk: string;
  osPartition: string;
  initrd: string;
  cmdline: string;
  kernel: string;
  bootloaderId: string;
}

export interface AllocationRecord {
  uuid: string;
  machine: string;
  /** E-mail of the caller. */
  creator: string;
  created: number;
  name: string;
  description: string;
  hostname: string;
  project: string;
  /** The resolved image id, never a short one. */
  image: string;
  /** Copy, frozen at the time of the allocation. */
  filesystemLayout: FilesystemLayout | null;
  networks: AllocatedNetwork[];
  asn: number;
  sshPubKeys: string[];
  userData: string;
  tags: string[];
  role: 'machine' | 'firewall';
  firewallRules: FirewallRules | null;
  dnsServers: DnsServer[];
  ntpServers: NtpServer[];
  consolePassword: string;
  bootInfo: BootInfo | null;
  reinstall: boolean;
  /** Set by a successful install report. */
  succeeded: boolean;
}

export interface ProvisioningRecord extends EventContainer {}
