// A partition's actor for one global network: holds leased blocks and hands out their addresses with local commits only.
import type { IpCommands, IpReservations, OfferedBlock } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { HoldingRecord, WantRecord } from './record.ts';

export interface BlockCommands extends IpCommands {
  /** Learns of the network, or of a change of it; leases the first block. `null`: the network is gone. */
  adopt: { ask: { network: NetworkRecord | null; home: string }; reply: Record<string, never> };
  /** Blocks that the home offered for `h`; idempotent. Unasked or overlapping ones are refused. */
  receive: { ask: { h: string; blocks: OfferedBlock[]; exhausted: boolean }; reply: { held: number } };
  /** The home answered that nothing is left, or it can't be reached: waiting requests get this reason. */
  denied: { ask: { h: string; reason: 'exhausted' | 'unreachable'; detail: string }; reply: Record<string, never> };
  /** The home asks for an idle block back; answers the blocks now `returning`. */
  recall: { ask: { count: number }; reply: { blocks: Array<OfferedBlock & { h: string }> } };
  /** The home has taken the block back. */
  returned: { ask: { first: string; h: string }; reply: Record<string, never> };
  holdings: {
    ask: Record<string, never>;
    reply: { holdings: HoldingRecord[]; wants: WantRecord[]; free: number; held: number };
  };
}

export interface BlockReservations extends IpReservations {}
