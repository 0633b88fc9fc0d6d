// What ends a global network, or a prefix of it, needs the blocks that partitions keep in hand (design.md §6).
import type { BlocksIdle } from '../../actors/network/messages.ts';
import { isRefusal, unreachable, type Refusal } from '../../actors/refusal.ts';
import type { Site } from '../site.ts';

/**
 * Acts once the idle blocks are back home: what is idle is no reason to keep a network. If nothing comes of it, the
 * partitions lease a block anew, for without one a cut link costs them allocation at once. `what` can't be done while
 * blocks can't be called back. A dry run only looks at what is idle, and acts as if it were home (`blocksIdle`).
 */
export async function withBlocksCalledBack<T>(
  site: Site,
  { network, prefixes, what, dry }: { network: string; prefixes?: readonly string[]; what: string; dry: boolean },
  act: (blocksIdle: BlocksIdle) => Promise<T | Refusal>,
): Promise<T | Refusal> {
  const { missing, isCalled, held } = await site.recallBlocks(network, { prefixes, looks: dry });
  if (held !== undefined) return held;
  let isDone = false;
  try {
    if (missing.length > 0) return unreachable(`${what} blocks can't be called back: ${missing.join('; ')}`);
    const answer = await act((dry && isCalled) || undefined);
    isDone = !isRefusal(answer);
    return answer;
  } finally {
    if (isCalled && !isDone && !dry) site.leaseBlocks(network);
  }
}
