// What stands in the rack: two leaf switches and machines of two sizes, all derived from the partition's id.
import { createHash } from 'node:crypto';

export interface Model {
  name: 'small' | 'large';
  cpus: { vendor: string; model: string; cores: number; threads: number }[];
  /** Bytes. */
  memory: number;
  /** Sizes in bytes. */
  disks: { name: string; size: number }[];
  board: { vendor: string; part: string };
}

const GIB = 1024 ** 3;
const cpu = (model: string, cores: number) => ({ vendor: 'GenuineIntel', model, cores, threads: cores * 2 });

/** Sizes of a demo have to match these: cores and memory exactly, storage as the sum of the disks. */
export const SMALL: Model = {
  name: 'small',
  cpus: [cpu('Intel(R) Xeon(R) D-2141I', 8)],
  memory: 64 * GIB,
  disks: [
    { name: '/dev/sda', size: 240 * GIB },
    { name: '/dev/nvme0n1', size: 960 * GIB },
  ],
  board: { vendor: 'Supermicro', part: 'X11SDV-8C-TP8F' },
};
export const LARGE: Model = {
  name: 'large',
  cpus: [cpu('Intel(R) Xeon(R) Gold 6226R', 16), cpu('Intel(R) Xeon(R) Gold 6226R', 16)],
  memory: 256 * GIB,
  disks: [
    { name: '/dev/sda', size: 480 * GIB },
    { name: '/dev/nvme0n1', size: 3_840 * GIB },
  ],
  board: { vendor: 'Supermicro', part: 'X11DPU' },
};

export interface Port {
  /** SONiC: `Ethernet<n>`. */
  name: string;
  /** Its alias, which is also what LLDP says as port id. */
  identifier: string;
  mac: string;
  /** uuid of the machine at the other end; '' for uplinks. */
  machine: string;
}

export interface Leaf {
  /** Host name and id. */
  id: string;
  rack: string;
  managementIp: string;
  ports: Port[];
}

export interface PlannedMachine {
  uuid: string;
  /** Only for people: nothing on the wire carries it. */
  name: string;
  model: Model;
  bmc: { ip: string; mac: string; user: string; password: string };
  serial: string;
  /** One NIC a leaf, in the order of the leaves. */
  nics: { name: string; mac: string; leaf: string; port: Port }[];
}

export interface RackPlan {
  partition: string;
  rack: string;
  leaves: Leaf[];
  machines: PlannedMachine[];
}

const LEAVES = 2;
const UPLINKS = 2;

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** A name-based UUID (RFC 9562, version 8: the hash is our own choice). */
const uuidOf = (name: string): string => {
  const bytes = digest(name).subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};

/** Locally administered, unicast. */
const macOf = (name: string): string => {
  const bytes = digest(name).subarray(0, 6);
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
};

const two = (n: number): string => String(n).padStart(2, '0');

const portOf = (leaf: string, index: number, machine: string): Port => ({
  name: `Ethernet${index}`,
  identifier: `Eth1/${index + 1}`,
  mac: macOf(`${leaf}/${index}`),
  machine,
});

/** The same partition and numbers give the same rack, down to the last MAC address. */
export const planRack = (partition: string, counts: { small: number; large: number }): RackPlan => {
  const rack = `${partition}-rack01`;
  const [net, sub] = digest(`bmc ${partition}`);
  const total = counts.small + counts.large;
  const uuids = Array.from({ length: total }, (_, i) => uuidOf(`${rack}/machine/${i + 1}`));
  const leaves: Leaf[] = Array.from({ length: LEAVES }, (_, l) => {
    const id = `${rack}-leaf${two(l + 1)}`;
    return {
      id,
      rack,
      managementIp: `10.${net}.${sub}.${l + 2}`,
      ports: [
        ...uuids.map((uuid, i) => portOf(id, i, uuid)),
        ...Array.from({ length: UPLINKS }, (_, u) => portOf(id, 120 + u * 4, '')),
      ],
    };
  });
  const machines = uuids.map((uuid, i): PlannedMachine => {
    const name = `${rack}-machine${two(i + 1)}`;
    return {
      uuid,
      name,
      model: i < counts.small ? SMALL : LARGE,
      serial: digest(`serial ${name}`).toString('hex').slice(0, 12).toUpperCase(),
      bmc: {
        ip: `10.${net}.${sub}.${i + 11}`,
        mac: macOf(`${name}/bmc`),
        user: 'metal',
        password: uuidOf(`${name}/bmc`),
      },
      nics: leaves.map((leaf, l) => ({
        name: `lan${l}`,
        mac: macOf(`${name}/${l}`),
        leaf: leaf.id,
        port: leaf.ports[i]!,
      })),
    };
  });
  return { partition, rack, leaves, machines };
};
