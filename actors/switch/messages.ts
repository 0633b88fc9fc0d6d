import type { Nic } from '../machine/hardware.ts';
import type { BgpPortState, PortRecord, SwitchNic, SwitchOs, SwitchRecord, SwitchStatusRecord } from './record.ts';

export interface SwitchView {
  switch: SwitchRecord;
  status: SwitchStatusRecord;
  /** Ports with a VRF or a machine, by NIC key. */
  ports: PortRecord[];
}

export interface SwitchRegistration {
  name: string | null;
  description: string | null;
  partition: string;
  rack: string;
  /** `vrf` only counts for NICs that are new. */
  nics: Array<SwitchNic & { vrf: string }>;
  os: SwitchOs;
  managementIp: string;
  managementUser: string;
}

export interface SwitchCommands {
  get: { ask: Record<string, never>; reply: SwitchView };
  register: { ask: SwitchRegistration; reply: { view: SwitchView; created: boolean } };
  notify: {
    ask: {
      durationNs: number;
      error: string | null;
      portStates: Record<string, string> | null;
      bgpPortStates: Record<string, BgpPortState> | null;
    };
    reply: SwitchView;
  };
  update: { ask: { description?: string; consoleCommand?: string; mode: string | null }; reply: SwitchView };
  toggle: { ask: { nic: string; status: string }; reply: SwitchView };
  delete: { ask: { force: boolean }; reply: SwitchView };
}

export interface SwitchReservations {
  /**
   * Links between the machine's NICs and this switch (machines.md §6.3) replace what is stored of the machine here. No
   * links: nothing changes, but a stored connection is a refusal, because the machine is somewhere else by now.
   */
  connect: {
    ask: { machine: string; nics: Nic[] };
    reply: {
      rack: string;
      /** Names of the linked ports in this switch's naming. */
      ports: string[];
      /** Vendor of the switch's OS: which naming its ports follow. */
      vendor: string;
      /** Names of all its ports: whether one is split can only be seen from its neighbours. */
      portNames: string[];
    };
  };
  disconnect: { ask: { machine: string }; reply: { ports: string[] } };
  /** All ports of the machine on this switch. Nothing connected: nothing changes. */
  setVrf: { ask: { machine: string; vrf: string }; reply: { ports: string[] } };
  /** The device behind the id was exchanged: record and all ports become these, unless the record changed since `basedOn`. */
  replace: {
    ask: { record: SwitchRecord; ports: Array<{ nic: string; vrf: string; machine: string }>; basedOn: number };
    reply: SwitchView;
  };
}
