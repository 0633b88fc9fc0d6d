// Why a global network, or a prefix of it, can't be removed, out of what the partitions say of it.
import type { InUse } from '../../actors/block/record.ts';
import { parseAddress } from '../../actors/ipam/address.ts';
import type { OfferedBlock } from '../../actors/network/messages.ts';
import { conflict, unprocessable, type Refusal } from '../../actors/refusal.ts';

/** What is not idle. */
export interface NotIdle {
  /** Blocks that a recall would not bring home. */
  blocks: Array<OfferedBlock & { holder: string }>;
  /** What the partitions say of single addresses; older sites say nothing. */
  inUse: Array<Pick<InUse, 'addresses' | 'moving' | 'isDoubtful'>>;
}

const valueOf = (text: string): number | bigint => parseAddress(text)?.value ?? Infinity;

/** networks.md §1.6, §1.7; blocks alone are no reason. `what` begins the text. undefined: nothing is known to be in use. */
export function whyNotIdle({ blocks, inUse }: NotIdle, what: string): Refusal | undefined {
  const used = inUse.flatMap(({ addresses }) => addresses);
  const [first] = used;
  if (first !== undefined) {
    const { prefix } = first;
    const same = used.filter((one) => one.prefix === prefix);
    const lowest = same.reduce((low, one) => (valueOf(one.address) < valueOf(low.address) ? one : low));
    const others = same.reduce((sum, { count }) => sum + count, 0) - 1;
    return unprocessable(
      `${what}: prefix ${prefix} has ip ${lowest.address} in use${others === 0 ? '' : ` and ${others} more`}`,
    );
  }
  const moving = inUse.flatMap((part) => part.moving)[0];
  if (moving !== undefined) {
    const { address, prefix, from, to } = moving;
    return conflict(
      `${what}: ip ${address} of prefix ${prefix} is on its way from partition ${from} to partition ${to}; try again`,
    );
  }
  const [block] = blocks;
  // Not said by older sites, and not known of a restored one: then it is the block that has to be named.
  if (block === undefined || inUse.length === 0 || inUse.some(({ isDoubtful }) => isDoubtful)) return undefined;
  const text = `${what}: block ${block.first}/${block.length} of prefix ${block.prefix}`;
  return conflict(`${text} is on its way from or to partition ${block.holder}; try again`);
}
