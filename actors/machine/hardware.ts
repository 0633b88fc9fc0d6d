// The pieces of the machine record (machines.md §2.1). Sizes in bytes, times in epoch milliseconds.

export interface Cpu {
  vendor: string;
  model: string;
  cores: number;
  threads: number;
}

export interface Gpu {
  vendor: string;
  model: string;
}

export interface BlockDevice {
  /** As reported, e.g. `/dev/sda` or `sda`. */
  name: string;
  /** Bytes. */
  size: number;
}

/** A port of a machine; its key is the identifier, or the MAC address where the identifier is empty. */
export interface Nic {
  mac: string;
  name: string;
  identifier: string;
  vrf: string;
  hostname: string;
  state: string;
  bgpPortState: string;
  /** What LLDP saw at the other end; neighbours have none of their own. */
  neighbors: Nic[];
}

export interface Hardware {
  /** Bytes. */
  memory: number;
  cpus: Cpu[];
  gpus: Gpu[];
  disks: BlockDevice[];
  nics: Nic[];
}

export interface Bios {
  version: string;
  vendor: string;
  date: string;
}

/** Field replaceable unit: what the vendor burnt into chassis, board and product. */
export interface Fru {
  chassisPartNumber: string;
  chassisPartSerial: string;
  boardMfg: string;
  boardMfgSerial: string;
  boardPartNumber: string;
  productManufacturer: string;
  productPartNumber: string;
  productSerial: string;
}

export interface PowerMetric {
  averageConsumedWatts: number;
  intervalInMin: number;
  maxConsumedWatts: number;
  minConsumedWatts: number;
}

export interface PowerSupply {
  health: string;
  state: string;
}

export interface Ipmi {
  /** `host:port`, an IPv6 host in brackets; `''` until known. */
  address: string;
  mac: string;
  user: string;
  password: string;
  interface: string;
  fru: Fru;
  bmcVersion: string;
  powerState: string;
  powerMetric: PowerMetric | null;
  powerSupplies: PowerSupply[];
  /** null: no BMC report yet. */
  lastUpdated: number | null;
}

/** As stored; the wire says `RESERVED` for `TAINTED`. Any value but `''` keeps the machine out of elections. */
export type MachineStateValue = '' | 'TAINTED' | 'LOCKED';

export interface MachineState {
  value: MachineStateValue;
  description: string;
  /** E-mail of who set it; `''` when available. */
  issuer: string;
  metalHammerVersion: string;
}

export interface LedState {
  /** `''` until known. */
  value: '' | 'LED-ON' | 'LED-OFF';
  description: string;
}

export const emptyHardware = (): Hardware => ({ memory: 0, cpus: [], gpus: [], disks: [], nics: [] });
export const emptyBios = (): Bios => ({ version: '', vendor: '', date: '' });
export const emptyFru = (): Fru => ({
  chassisPartNumber: '',
  chassisPartSerial: '',
  boardMfg: '',
  boardMfgSerial: '',
  boardPartNumber: '',
  productManufacturer: '',
  productPartNumber: '',
  productSerial: '',
});
export const emptyIpmi = (): Ipmi => ({
  address: '',
  mac: '',
  user: '',
  password: '',
  interface: '',
  fru: emptyFru(),
  bmcVersion: '',
  powerState: '',
  powerMetric: null,
  powerSupplies: [],
  lastUpdated: null,
});
export const available = (): MachineState => ({ value: '', description: '', issuer: '', metalHammerVersion: '' });
export const emptyLed = (): LedState => ({ value: '', description: '' });
