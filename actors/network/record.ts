import type { Family } from '../ipam/address.ts';

export type NetworkType = 'external' | 'underlay' | 'super' | 'child' | 'child-shared';

/** A network of a partition, or a global one at its home. Times are epoch milliseconds. */
export interface NetworkRecord {
  id: string;
  name: string;
  description: string;
  created: number;
  changed: number;
  /** '' for a global network. */
  partition: string;
  project: string;
  labels: Record<string, string>;
  shared: boolean;
  prefixes: string[];
  destinationPrefixes: string[];
  /** Super networks: length of the prefixes cut for children; null on others that never had any. */
  defaultChildPrefixLength: Partial<Record<Family, number>> | null;
  nat: boolean;
  privateSuper: boolean;
  underlay: boolean;
  /** 0: none. */
  vrf: number;
  vrfShared: boolean;
  /** Id of the super network of a child; null for others. */
  parent: string | null;
  additionalAnnouncableCidrs: string[];
  type: NetworkType;
  natType: 'none' | 'ipv4-masq';
}

/** A range taken out of an address space. Disjoint from all others of the same root. */
export interface PrefixRecord {
  cidr: string;
  /** The network that uses it. */
  network: string;
  /** The cidr of the top-level prefix it is cut from; its own cidr for a top-level one. */
  root: string;
  /** When a child was cut, epoch milliseconds; absent on top-level ones and on rows from before this was noted. */
  cut?: number;
}

export interface IpRecord {
  /** Canonical text. */
  address: string;
  /** One life of the address: tells two acquisitions apart. */
  uuid: string;
  network: string;
  project: string;
  name: string;
  description: string;
  type: 'ephemeral' | 'static';
  tags: string[];
  /** Machines it is attached to: decides ownership; the machine tags on the wire are rendered from it (N15). */
  machines: string[];
  /** The network's prefix it was taken from. */
  prefix: string;
  created: number;
  changed: number;
  /** Address of a global network that is away from its block, or here from another partition's block. */
  loan?: Loan;
  /** Released, and kept back until then. */
  restingUntilMs?: number;
}

/** One side of a single address moved between partitions; `h` is the operation id of the hand-over. */
export type Loan =
  /** `idle`: nobody had it when it was lent, because the borrower had no free address left. */
  | { as: 'lent'; to: string; site: string; h: string; state: 'sent' | 'delivered'; idle?: true }
  /**
   * `idle`: here to be given out. `freed`, `recalled`: used by nobody, until the lender has confirmed; `unused`: nobody had
   * it here either.
   */
  | {
      as: 'borrowed';
      from: string;
      site: string;
      h: string;
      state: 'idle' | 'held' | 'freed' | 'recalled';
      unused?: true;
    };

/** A number of the VRF or ASN pool that is taken. Free numbers have no row. */
export interface PoolRecord {
  pool: 'vrf' | 'asn';
  number: number;
  /** Networks (VRF; several only when shared) or the allocation's uuid (ASN). */
  owners: string[];
  /** VRF: may get further owners. */
  shared: boolean;
  /** ASN: who was elected with it. Counts from the election on, before the machine itself is known to be allocated. */
  elected: Elected | null;
}

/** A machine given to a project, as election, quota and reservations see it. */
export interface Elected {
  machine: string;
  project: string;
  role: 'machine' | 'firewall';
  /** Tags of the allocation, for placement. */
  tags: string[];
}
