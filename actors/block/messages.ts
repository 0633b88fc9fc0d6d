// A partition's actor for one global network: holds leased blocks and hands out their addresses with local commits only.
import type { Family } from '../ipam/address.ts';
import type { IpCommands, IpReservations, OfferedBlock } from '../network/messages.ts';
import type { Rest } from '../network/quarantine.ts';
import type { IpRecord, NetworkRecord } from '../network/record.ts';
import type { Denial, HoldingRecord, InUse, Kept, Lender, WantRecord } from './record.ts';

export type LendReply =
  /** The address as it is to stand at the borrower. */
  | { as: 'lent'; ip: IpRecord }
  /** Lent to another partition under `h`: it has to come back first. */
  | { as: 'away'; holder: Lender; h: string }
  /** Borrowed itself: the holder of its block lends it. */
  | { as: 'elsewhere'; lender: Lender }
  /** The asker is the lender. */
  | { as: 'here' }
  | { as: 'declined'; kind: 'NotFound' | 'Conflict'; message: string };

/**
 * How a lent address comes back: with what became of it, freed, or never taken. `unused`: it was free when it was lent, and
 * nobody had it; older sites don't say so.
 */
export type GivenUp = { as: 'given'; ip: IpRecord } | { as: 'freed'; unused?: true | undefined } | { as: 'declined' };

/** A block that the ledger of the network's home gives to this partition. */
export type ToldBlock = OfferedBlock & { h: string };

/** `rest`: addresses in it are kept back. */
export type RecalledBlock = ToldBlock & { rest?: Rest | undefined };

/** An address that another partition says it has from here, or gave to here. */
export interface ToldLoan {
  address: string;
  h: string;
  /** The other partition, and its site. */
  partition: string;
  site: string;
  ip: IpRecord;
}

/** How things stand, as the others tell it to a partition whose site was restored from a backup. */
export interface BlockReconciliation {
  /** null: the home could not be asked, so what is held stays. */
  blocks: ToldBlock[] | null;
  lent: ToldLoan[];
  borrowed: ToldLoan[];
  /** Sites that were not asked: of loans with them nothing is concluded. */
  silent: string[];
}

export interface BlockCommands extends IpCommands {
  /** Learns of the network, or of a change of it; leases the first block. `null`: the network is gone. */
  adopt: { ask: { network: NetworkRecord | null; home: string }; reply: Record<string, never> };
  /**
   * Blocks that the home offered for `h`; idempotent. What overlaps, or is not of the network, is refused as a whole.
   * `refused`: blocks of an `h` that was ended before, so they will never be held under it: the home takes them back.
   */
  receive: {
    ask: { h: string; blocks: OfferedBlock[]; exhausted: boolean };
    reply: { held: number; refused: OfferedBlock[] };
  };
  /** The home answered that nothing is left, or it can't be reached: waiting requests get this reason. */
  denied: {
    ask: {
      h: string;
      reason: Denial['reason'];
      detail: string;
      kind?: NonNullable<Denial['kind']>;
      /** It was asked ahead of need: nobody who waits by now is meant. */
      ahead?: boolean;
    };
    reply: Record<string, never>;
  };
  /**
   * Whether the request `h` is to be made again, though nobody waits: blocks that are still too few. Any other that was
   * denied, and that nobody has asked for again meanwhile, is over.
   */
  stillWanted: { ask: { h: string }; reply: { isWanted: boolean } };
  /**
   * The home asks for idle blocks back, of one of the network's prefixes or of all, for all but `keep` of them (default 0); answers all that are now `returning`,
   * earlier ones included. A block with addresses that are kept back is not idle, since elsewhere nobody would know of
   * them, unless `resting` says so: the network or prefix is about to go. `look`: answers the same, with what is `inUse`, and lets nothing go.
   */
  recall: {
    ask: { count: number; family?: Family; keep?: number; prefix?: string; resting?: boolean; look?: boolean };
    reply: { blocks: RecalledBlock[]; inUse?: InUse };
  };
  /** The home has taken the block back. */
  returned: { ask: { first: string; h: string }; reply: Record<string, never> };
  /** An address of this network is to be used here; waits until it is. `lender`: who has it now; `site`: our own. */
  bring: { ask: { address: string; lender: Lender; site: string }; reply: Record<string, never> };
  /** Holder of the block: lends an address that is not attached. The same h is answered the same again. */
  lend: { ask: { address: string; h: string; to: string; site: string }; reply: LendReply };
  /**
   * Lends free addresses, up to `count`, or the one that is named, to a partition that has none left. The same h is
   * answered the same again. `isComing`: none is free, but one that was borrowed goes back to its lender now.
   * `isTaken`: somebody has the named one; without it, it may be on its way.
   */
  lendFree: {
    ask: { h: string; to: string; site: string; family: Family; count: number; address: string | null };
    reply: { addresses: string[]; isComing: boolean; isTaken?: boolean };
  };
  /** Borrower: free addresses are here, for whoever asks next. Those not taken are nobody's here: nobody asks any more. */
  borrowFree: { ask: { h: string; addresses: string[]; lender: Lender }; reply: { taken: string[] } };
  /** Borrower: the address is here. Not taken: nobody asks for it under this h any more. */
  borrow: { ask: { h: string; ip: IpRecord; lender: Lender }; reply: { taken: boolean } };
  lentDelivered: { ask: { address: string; h: string }; reply: Record<string, never> };
  /** Borrower: gives an idle address back; refused (Conflict) while it is attached. `ifIdle`: declined once it was given out. */
  giveUp: { ask: { address: string; h: string; ifIdle?: boolean }; reply: GivenUp };
  takeBackAddress: {
    ask: { address: string; h: string; from: string; back: GivenUp };
    reply: Record<string, never>;
  };
  /** The lender has it back. */
  addressReturned: { ask: { address: string; h: string }; reply: Record<string, never> };
  /** The site was restored from a backup: nothing is handed out or attached until `reconcile`. */
  fence: { ask: Record<string, never>; reply: Record<string, never> };
  reconcile: { ask: BlockReconciliation; reply: Record<string, never> };
  /** An operator's word: what was handed out after the backup is void, so doubtful blocks hand out again. */
  trust: { ask: Record<string, never>; reply: { blocks: number } };
  /** Another site's home tells what its own partitions hold. */
  keep: { ask: { kept: Kept }; reply: Record<string, never> };
  holdings: {
    ask: Record<string, never>;
    /** `free`, `held`: addresses. */
    reply: { holdings: HoldingRecord[]; wants: WantRecord[]; free: number; held: number };
  };
}

export interface BlockReservations extends IpReservations {
  /** The block actor's own part of `adopt` when the partition's VRF pool has a part too. */
  become: { ask: { network: NetworkRecord | null; home: string }; reply: Record<string, never> };
}
