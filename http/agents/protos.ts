// The two services of package api.v1 as TypeScript sees them, for the server and for clients of it (tests, the rack simulator).
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type GrpcObject, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface MachineNicMessage {
  mac: string;
  name: string;
  neighbors: MachineNicMessage[];
  hostname: string;
  identifier: string;
}

export interface MachineHardwareMessage {
  /** Bytes. */
  memory: number;
  disks: { name: string; size: number }[];
  nics: MachineNicMessage[];
  cpus: { vendor: string; model: string; cores: number; threads: number }[];
  gpus: { vendor: string; model: string }[];
}

export interface MachineIpmiMessage {
  address: string;
  mac: string;
  user: string;
  password: string;
  interface: string;
  fru: {
    chassisPartNumber?: string;
    chassisPartSerial?: string;
    boardMfg?: string;
    boardMfgSerial?: string;
    boardPartNumber?: string;
    productManufacturer?: string;
    productPartNumber?: string;
    productSerial?: string;
  } | null;
  bmcVersion: string;
  powerState: string;
}

export interface BootInfoMessage {
  imageId: string;
  primaryDisk: string;
  osPartition: string;
  initrd: string;
  cmdline: string;
  kernel: string;
  bootloaderId: string;
}

export interface RegisterRequest {
  uuid: string;
  hardware: MachineHardwareMessage | null;
  bios: { version: string; vendor: string; date: string } | null;
  ipmi: MachineIpmiMessage | null;
  tags: string[];
  metalHammerVersion: string;
  partitionId: string;
}

export interface ReportRequest {
  uuid: string;
  consolePassword: string;
  bootInfo: BootInfoMessage | null;
  success: boolean;
  message: string;
}

export interface EventMessage {
  time: { seconds: number; nanos: number } | null;
  event: string;
  message: string;
}

/** Unary rpc → what is asked and answered; Wait alone is a stream. Messages as the server reads them: nothing is absent. */
export interface BootRpcs {
  Dhcp: { ask: { uuid: string }; reply: Record<string, never> };
  Boot: {
    ask: { mac: string; partitionId: string };
    reply: { kernel: string; initRamDisks: string[]; cmdline?: string };
  };
  SuperUserPassword: {
    ask: Record<string, never>;
    reply: { featureDisabled: boolean; superUserPassword: string };
  };
  Register: { ask: RegisterRequest; reply: { uuid: string; size: string; partitionId: string } };
  Report: { ask: ReportRequest; reply: Record<string, never> };
  AbortReinstall: {
    ask: { uuid: string; primaryDiskWiped: boolean };
    reply: { bootInfo: BootInfoMessage | null };
  };
}

export interface EventRpcs {
  Send: { ask: { events: Record<string, EventMessage> }; reply: { events: number; failed: string[] } };
}

export interface WaitRequest {
  machineId: string;
}

// The build does not carry the protos along, so they are found from wherever this code lies.
const protoFolder = (from: string): string => {
  const folder = join(from, 'http', 'agents', 'protos');
  if (existsSync(folder)) return folder;
  if (dirname(from) === from) throw new Error('http/agents/protos does not lie above this program');
  return protoFolder(dirname(from));
};

const serviceIn = (loaded: GrpcObject, name: string): ServiceClientConstructor => {
  const api = loaded['api'] as GrpcObject;
  return (api['v1'] as GrpcObject)[name] as ServiceClientConstructor;
};

/** Reads the protos: service definitions for a server, client constructors for an agent. */
export const loadAgentServices = (): {
  BootService: ServiceClientConstructor;
  EventService: ServiceClientConstructor;
} => {
  const loaded = loadPackageDefinition(
    loadSync(['boot.proto', 'event.proto'], {
      includeDirs: [protoFolder(dirname(fileURLToPath(import.meta.url)))],
      longs: Number,
      defaults: true,
    }),
  );
  return { BootService: serviceIn(loaded, 'BootService'), EventService: serviceIn(loaded, 'EventService') };
};
