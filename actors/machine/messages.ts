import type { FilesystemLayout } from '../directory/filesystem-layout.ts';
import type { FirmwareUpdate } from './bus-messages.ts';
import type { Bios, Hardware, Ipmi } from './hardware.ts';
import type { SwitchNic } from '../switch/record.ts';
import type { AllocationRecord, AttachedIp, BootInfo, MachineRecord, ProvisioningRecord } from './record.ts';

export interface MachineView {
  machine: MachineRecord;
  allocation: AllocationRecord | null;
  /** null: never had an event nor a registration. */
  provisioning: ProvisioningRecord | null;
}

export interface Registration {
  partition: string;
  /** Result of matching the hardware against all sizes, made by the edge from its copy. */
  size: string;
  hardware: Hardware;
  bios: Bios;
  ipmi: Ipmi | null;
  tags: string[];
  hammerVersion: string;
}

/** One machine's part of a BMC report (machines.md §12); null: not reported. */
export interface BmcReport {
  partition: string;
  ip: string;
  fru: Partial<Ipmi['fru']>;
  biosVersion: string;
  bmcVersion: string;
  powerState: string;
  ledState: string;
  powerMetric: Ipmi['powerMetric'];
  powerSupplies: Ipmi['powerSupplies'];
}

/** Commands of the bus (machines.md §10.7, §11.2). */
export type BmcCommand =
  'ON' | 'OFF' | 'RESET' | 'CYCLE' | 'BIOS' | 'DISK' | 'PXE' | 'LED-ON' | 'LED-OFF' | 'REINSTALL' | 'UPDATE-FIRMWARE';

export interface MachineCommands {
  get: { ask: Record<string, never>; reply: MachineView };
  /** A provisioning event; unknown machines become a stub. `stored` false: dropped or refused. */
  event: { ask: { event: string; message: string; partition: string }; reply: { known: boolean; stored: boolean } };
  bmcReport: { ask: BmcReport; reply: { outcome: 'updated' | 'created' | 'skipped' } };
  /** The boot image waits. `allocated`: it need not. */
  wait: { ask: Record<string, never>; reply: { allocated: boolean } };
  /** The Wait stream ended with OK: the machine goes on. */
  waitEnded: { ask: Record<string, never>; reply: Record<string, never> };
  setState: {
    ask: { value: '' | 'RESERVED' | 'TAINTED' | 'LOCKED'; description: string };
    reply: MachineView;
  };
  /** Power and LED: publishes on `<partition>-machine`. `superUserPassword`: for machines without IPMI user. */
  power: {
    ask: {
      command: BmcCommand;
      description: string;
      superUserPassword: string;
      /** Only with UPDATE-FIRMWARE. */
      firmware?: FirmwareUpdate;
    };
    reply: MachineView;
  };
  update: { ask: { description?: string; tags?: string[]; sshPubKeys?: string[] }; reply: MachineView };
  consolePassword: { ask: Record<string, never>; reply: { machine: MachineRecord; password: string } };
  abortReinstall: { ask: { primaryDiskWiped: boolean }; reply: { bootInfo: BootInfo | null } };
  /** The periodic evaluation of machines.md §3. */
  evaluateLiveliness: { ask: Record<string, never>; reply: { liveliness: string } };
}

export interface MachineReservations {
  /**
   * Becomes the allocation's machine: checks state, layout fit; fills in tags (rack, chassis) and creation time. A
   * Conflict means that the index which chose it was not up to date, or that another allocation is on its way.
   */
  allocate: {
    ask: {
      allocation: AllocationRecord;
      byUuid: boolean;
      /** For which the layout was chosen; another one than the machine's is a conflict. */
      size: string;
      layout: FilesystemLayout | null;
    };
    reply: MachineView;
  };
  /** Ends the allocation if there is one: reclaim event, bus messages. Refused while LOCKED. */
  free: {
    ask: Record<string, never>;
    /** `attached`: what else the machine lets go of; none unless an allocation ended. */
    reply: { view: MachineView; ended: AllocationRecord | null; attached: AttachedIp[] };
  };
  /** Notes an address that is attached by request, until the machine is freed. A machine that is not there notes nothing. */
  attach: { ask: AttachedIp; reply: Record<string, never> };
  /** The address is to be detached by request: refused while the allocation has it. */
  detach: { ask: { network: string; address: string }; reply: Record<string, never> };
  /** Registration's part of the machine: rack from its switches. */
  register: { ask: Registration & { rack: string }; reply: { view: MachineView; created: boolean } };
  /** Install report: console password and boot info; answers the VRF for its ports (`vrf<n>` or `default`). */
  installed: { ask: { consolePassword: string; bootInfo: BootInfo; success: boolean }; reply: { vrf: string } };
  reinstall: { ask: { image: string; layout: FilesystemLayout | null }; reply: MachineView };
  /** A switch was exchanged: neighbors at `hostname` become the new device's NICs, by old NIC key. */
  rewire: {
    ask: { hostname: string; renamed: string; nics: Array<{ before: string; after: SwitchNic }> };
    reply: MachineView;
  };
  /** Deletes the record: refused while allocated or not Dead. */
  remove: { ask: Record<string, never>; reply: MachineView };
}
