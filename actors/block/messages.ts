// A partition's actor for one global network: holds leased blocks and hands out their addresses with local commits only.
import type { Family } from '../ipam/address.ts';
import type { IpCommands, IpReservations, OfferedBlock } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { Denial, HoldingRecord, WantRecord } from './record.ts';

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
  denied: { ask: { h: string; reason: Denial['reason']; detail: string }; reply: Record<string, never> };
  /** The home asks for idle blocks back; answers all that are now `returning`, earlier ones included. */
  recall: { ask: { count: number; family?: Family }; reply: { blocks: Array<OfferedBlock & { h: string }> } };
  /** The home has taken the block back. */
  returned: { ask: { first: string; h: string }; reply: Record<string, never> };
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
