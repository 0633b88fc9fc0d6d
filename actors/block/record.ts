// Global networks (design.md §6): the home's ledger of blocks, and what a partition holds of them.
import type { Family } from '../ipam/address.ts';
import type { Rest } from '../network/quarantine.ts';
import type { NetworkRecord } from '../network/record.ts';

/** A partition's copy of a global network, taken from the directory, so that it decides alone while cut off. */
export interface GlobalNetworkRecord {
  network: NetworkRecord;
  /** Site that is home of the network. */
  home: string;
  /** Of another site's network: what the home told last. */
  kept?: Kept;
  /** Set while this site, restored from a backup, has not compared itself with the others yet (reliability.md F24). */
  fencedMs?: number;
}

/**
 * The blocks that the home's own partitions hold. The others keep them in mind for the home: what it gave to itself after
 * a backup, nobody else could tell when it is restored.
 */
export interface Kept {
  /** Of the home's ledger; the larger one is the later. */
  version: number;
  blocks: KeptBlock[];
}

export type KeptBlock = Pick<BlockRecord, 'first' | 'length' | 'prefix' | 'holder' | 'h'>;

/** One block in the home's ledger. Free blocks have no row. */
export interface BlockRecord {
  network: string;
  /** First address, canonical text. All blocks of one prefix have one size. */
  first: string;
  /** Length of the block as a prefix, e.g. 24. */
  length: number;
  prefix: string;
  /** The partition that holds it or is about to. */
  holder: string;
  holderSite: string;
  /** Operation id of the hand-over that gave it. */
  h: string;
  /**
   * `sent`: offered, not yet confirmed; `delivered`: the holder has it. `resting`: it came home from `holder` with nothing
   * but addresses that were kept back, and is given to nobody before their rest is over.
   */
  state: 'sent' | 'delivered' | 'resting';
  /** Of `resting` ones. */
  rest?: Rest;
}

/** A block that a partition holds. */
export interface HoldingRecord {
  network: string;
  first: string;
  length: number;
  prefix: string;
  h: string;
  /**
   * `held`: hands out addresses; `returning`: given to nobody, until the home confirmed. `doubtful`: the site was restored
   * from a backup, so addresses of it may be in use that no row here tells of: none is handed out until an operator
   * accepts that (reliability.md F24).
   */
  state: 'held' | 'returning' | 'doubtful';
  /** Of `returning` ones, in which addresses rested: no row says that any more. */
  rest?: Rest;
}

/** Why a request for blocks got none. */
export interface Denial {
  /** `elsewhere`: the wanted address lies in a block that another partition holds. */
  reason: 'exhausted' | 'unreachable' | 'elsewhere' | 'declined';
  /** Names who could not be reached, or who holds it, or why the lender said no. */
  detail: string;
  /** Of `declined`: the lender's refusal. */
  kind?: 'NotFound' | 'Conflict';
  atMs: number;
}

export interface Lender {
  partition: string;
  site: string;
}

/** What one partition has of a global network that keeps it, or a prefix of it, from being removed. */
export interface InUse {
  /** In use there: of each prefix, as stored, the lowest, and how many in all. */
  addresses: Array<{ prefix: string; address: string; count: number }>;
  /** The first that is on its way, or lent: `from` knows whether it is in use. */
  moving: Array<{ prefix: string; address: string; from: string; to: string }>;
  /** Who has what is lent from there. */
  borrowers: Lender[];
  /** It has blocks that are doubtful: of their addresses nothing is known. */
  isDoubtful: boolean;
}

/** A partition's open request for blocks; released as soon as blocks came for it. At most one a family, or an address. */
export interface WantRecord {
  network: string;
  h: string;
  family: Family;
  /** Set: the block that contains this address. */
  address: string | null;
  count: number;
  createdMs: number;
  /** Nobody waits yet: a block will do, single addresses of others are left alone. */
  ahead?: true;
  /** Set: not a block is wanted, but the address itself, of this partition. */
  lender?: Lender;
  /** Set while the last try got nothing; a later request clears it, which asks again under the same h. */
  denied: Denial | null;
}
