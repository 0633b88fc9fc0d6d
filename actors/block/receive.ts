// Taking what the home offered (reliability.md §7.2, steps 3 and 4).
import { overlaps, covers, parsePrefix } from '../ipam/prefix.ts';
import { prefixOfBlock } from '../network/ledger.ts';
import type { OfferedBlock } from '../network/messages.ts';
import { unprocessable, type Refusal } from '../refusal.ts';
import type { WantRecord } from './record.ts';
import type { BlockState } from './state.ts';

/** Blocks of the offer that are held already under its h. */
export const isKnown = (state: BlockState, h: string, block: OfferedBlock): boolean =>
  state.holdings.get(block.first)?.value.h === h;

/** Why an offer can't be taken: not of this network, not what was asked for, or overlapping what is held. */
export function checkOffer(state: BlockState, want: WantRecord, blocks: readonly OfferedBlock[]): Refusal | undefined {
  const network = state.copy?.value.network;
  const seen = [...state.holdings.values()].map(({ piece }) => piece.set.prefix);
  for (const offer of blocks) {
    const block = prefixOfBlock(offer);
    const prefix = network?.prefixes.includes(offer.prefix) ? parsePrefix(offer.prefix) : undefined;
    const text = `block ${offer.first}/${offer.length} offered for ${want.h}`;
    if (block === undefined || block.hostBitsSet || prefix === undefined || !covers(prefix, block)) {
      return unprocessable(`${text} is not a block of network ${state.id} as it is known here`);
    }
    if (block.family !== want.family) return unprocessable(`${text} is not of the wanted family ${want.family}`);
    const other = seen.find((one) => overlaps(one, block));
    if (other !== undefined) return unprocessable(`${text} overlaps ${other.canonical}, which is held already`);
    seen.push(block);
  }
  return undefined;
}
