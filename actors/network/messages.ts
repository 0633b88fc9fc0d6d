// What a network actor hears and says. The actor of a partition's network and, at its home, of a global one.
import type { Family } from '../ipam/address.ts';
import type { Refusal } from '../refusal.ts';
import type { Usage } from '../ipam/usage.ts';
import type { BlockRecord, KeptBlock } from '../block/record.ts';
import type { GrowthSample } from './growth.ts';
import type { Rest } from './quarantine.ts';
import type { IpRecord, NetworkRecord } from './record.ts';
import type { SpareUsage, UsagePart } from './usage.ts';

export interface NetworkView {
  network: NetworkRecord;
  /** null: the network has no prefix of the family, or it was just freed. */
  usage: Record<Family, Usage | null>;
}

/** How many addresses a project may have, and has at most, besides what is asked for. */
export interface IpQuota {
  max: number;
  used: number;
}

/** Input of an acquisition by a user; checked by the edge for form, by the actor for the rules of networks.md §2.2. */
export interface IpRequest {
  /** A specific address in canonical text; absent: the lowest free one. */
  address?: string;
  family?: Family;
  project: string;
  name: string;
  description: string;
  type: 'ephemeral' | 'static';
  tags: string[];
  /** Attached at once; the machine need not exist. */
  machine?: string;
  /** Set: a machine is known under that id in this partition of the site, and notes the address. */
  machinePartition?: string;
  /** Absent: no limit. */
  quota?: IpQuota;
}

export interface IpPatch {
  address: string;
  name?: string;
  description?: string;
  type?: 'ephemeral' | 'static';
  tags?: string[];
}

/** Commands about addresses: the same for a partition's network and for a partition's blocks of a global network. */
export interface IpCommands {
  allocateIp: { ask: IpRequest; reply: IpRecord };
  getIp: { ask: { address: string }; reply: IpRecord };
  updateIp: { ask: IpPatch; reply: IpRecord };
  freeIp: { ask: { address: string }; reply: IpRecord };
  get: { ask: Record<string, never>; reply: NetworkView };
  /** `before`: what was held earlier than this actor has watched, e.g. before a restart. */
  usage: { ask: { before?: GrowthSample }; reply: UsagePart };
  /** Takes a portion of the rows away that released addresses still have after their rest; asked by the actor itself. */
  clearRested: { ask: Record<string, never>; reply: { cleared: number } };
}

/** What a machine allocation takes from a network. */
export interface IpsForMachine {
  machine: string;
  allocation: string;
  project: string;
  /** Name of the allocation, given to acquired addresses. */
  name: string;
  /** One new ephemeral address per family of the network. */
  auto: boolean;
  /** Addresses of this network that exist and are to be attached. */
  given: string[];
}

/** `detach`: machines whose tags the patch takes away, and that agreed. */
export interface IpChange {
  patch: IpPatch;
  detach: string[];
}

export interface IpReservations {
  /** As `allocateIp`. */
  acquireIp: { ask: IpRequest; reply: IpRecord };
  /** As `updateIp`, and lets machines go. */
  changeIp: { ask: IpChange; reply: IpRecord };
  acquireIps: { ask: IpsForMachine; reply: { network: NetworkRecord; ips: string[] } };
  /** Detaches the machine; ephemeral addresses without another machine are released, static ones kept. Never refused for an address already gone. */
  releaseIps: { ask: { machine: string; ips: string[] }; reply: { released: string[]; kept: string[] } };
}

export interface NetworkPatch {
  name?: string;
  description?: string;
  labels?: Record<string, string>;
  shared?: boolean;
  defaultChildPrefixLength?: Partial<Record<Family, number>>;
  prefixes?: string[];
  destinationPrefixes?: string[];
  /** Always replaces what is stored (networks.md §1.6). */
  additionalAnnouncableCidrs: string[];
  force: boolean;
  /** The site that executes it: its registry and directory take part when prefixes or a global network change. */
  site: string;
  /** Operation id under which the other sites promised the added prefixes. */
  h: string;
  blocksIdle?: BlocksIdle;
}

/**
 * Only of a dry run that has looked: all blocks that are out are idle. The real run calls them home first, so that they
 * refuse nothing.
 */
export type BlocksIdle = true | undefined;

export interface OfferedBlock {
  first: string;
  length: number;
  prefix: string;
}

export interface NetworkCommands extends IpCommands {
  /** Coordinates with the registry when prefixes change. */
  update: { ask: NetworkPatch; reply: NetworkView };
  /** Home of a global network: gives blocks to a partition. The same h is answered the same again (reliability.md §7.2). */
  giveBlocks: {
    ask: {
      h: string;
      partition: string;
      site: string;
      family: Family;
      /** Set: the block that contains it. */
      address: string | null;
      count: number;
    };
    /**
     * `exhausted`: nothing free at the home. `holder`: partition whose block has the wanted address. `restsMs`: that block
     * is at home, and rests for so long.
     */
    reply: { blocks: OfferedBlock[]; exhausted: boolean; holder: string | null; restsMs?: number };
  };
  /** The receiver has written them. */
  blocksDelivered: { ask: { h: string }; reply: { delivered: number } };
  /** A partition gives an empty block back; idempotent. `rest`: addresses in it were kept back. */
  takeBack: {
    ask: { partition: string; first: string; h: string; rest?: Rest | undefined };
    reply: Record<string, never>;
  };
  ledger: {
    ask: Record<string, never>;
    /** `version`: grows with every change of the ledger. */
    reply: {
      blocks: BlockRecord[];
      blockLength: Partial<Record<Family, number>>;
      spare: SpareUsage[];
      version: number;
    };
  };
  /**
   * Takes a portion away of what rests in prefixes that an operation under way takes out of the network, before it commits.
   * `isClear`: nothing is left that does not go with the operation itself.
   */
  clearLeaving: { ask: Record<string, never>; reply: { isClear: boolean } };
  /** The site was restored from a backup: the ledger becomes what the others say (reliability.md F24). */
  reconcileLedger: { ask: LedgerReconciliation; reply: { changed: number } };
}

/** What partitions of other sites hold of a network whose home was restored from a backup. */
export interface LedgerReconciliation {
  /** `returning` ones included; the same block may be told twice, as returning and as held. */
  holdings: Array<OfferedBlock & { holder: string; holderSite: string; h: string; isReturning: boolean }>;
  /** Blocks that partitions of this site hold, as the others had heard last; null: nobody had heard of any. */
  kept: KeptBlock[] | null;
  site: string;
  /** Sites that were not asked: what they were given stays theirs. */
  silent: string[];
}

export interface NetworkReservations extends IpReservations {
  /** Makes the network; refused when the id is taken. */
  create: { ask: { network: NetworkRecord }; reply: NetworkView };
  /** Super network: cuts one child prefix per family, best fit. */
  cutChildren: {
    ask: { child: string; lengths: Partial<Record<Family, number>>; family?: Family; malformed?: Refusal };
    reply: { prefixes: string[]; parent: NetworkRecord };
  };
  releaseChildren: { ask: { child: string; prefixes: string[] }; reply: Record<string, never> };
  /** Ends the network: refused while addresses are in use, children exist, or blocks are out. */
  close: { ask: { as: 'free' | 'delete'; blocksIdle?: BlocksIdle }; reply: NetworkRecord };
  /** Applies a checked patch (coordinated by `update`); refused when the row is not at version `basedOn` any more. */
  change: {
    ask: {
      network: NetworkRecord;
      removedPrefixes: string[];
      addedPrefixes: string[];
      basedOn: number;
      blocksIdle?: BlocksIdle;
    };
    reply: NetworkView;
  };
}
