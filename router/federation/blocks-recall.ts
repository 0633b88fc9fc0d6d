// All blocks of a network are called home before it is deleted, or those of prefixes before they are removed; if an address is
// in use nothing is, and that is said.
import { familyOf, type Family } from '../../actors/ipam/address.ts';
import { UNABLE } from '../../actors/network/network-rules.ts';
import type { Refusal } from '../../actors/refusal.ts';
import { ALL, type BlockHome } from './blocks-home.ts';
import { whyNotIdle, type NotIdle } from './blocks-in-use.ts';
import { isTransient, reasonOf, type BlockPorts } from './blocks-ports.ts';

export interface Recalled {
  /** Who could not be asked, in words. */
  missing: string[];
  /**
   * Blocks were called back, or would be if it only looks. Not where one is in use, or somebody can't be asked: nothing would
   * come of it.
   */
  isCalled: boolean;
  /** What is in use, or on its way: nothing is removed meanwhile. Absent where that is not known. */
  held?: Refusal;
}

export interface RecallOf {
  /** Absent: all of the network. */
  prefixes?: readonly string[] | undefined;
  /** A dry run: answers what would come of it, and calls nothing back. */
  looks?: boolean | undefined;
}

/** `lease`: whoever has no block of the network any more leases one. */
export function createRecall(
  ports: Pick<BlockPorts, 'site'>,
  home: Pick<BlockHome, 'notIdle' | 'recallIdle'>,
  lease: (network: string) => void,
): (network: string, of?: RecallOf) => Promise<Recalled> {
  return async (network, { prefixes, looks = false } = {}) => {
    const families: Family[] = ['IPv4', 'IPv6'];
    const wanted: Array<{ family: Family; prefix?: string }> =
      prefixes === undefined
        ? families.map((family) => ({ family }))
        : prefixes.map((prefix) => ({ family: familyOf(prefix), prefix }));
    const missing = new Set<string>();
    const round = async (work: (one: (typeof wanted)[number]) => Promise<readonly string[]>): Promise<void> => {
      for (const one of wanted) {
        try {
          for (const silent of await work(one)) missing.add(silent);
        } catch (error) {
          if (!isTransient(error)) throw error;
          missing.add(`the ledger of network ${network} at site ${ports.site}: ${reasonOf(error)}`);
        }
      }
    };
    const notIdle: NotIdle = { blocks: [], inUse: [] };
    await round(async (one) => {
      const found = await home.notIdle(network, one);
      notIdle.blocks.push(...found.blocks);
      notIdle.inUse.push(...found.inUse);
      return found.missing;
    });
    const held = whyNotIdle(notIdle, prefixes === undefined ? UNABLE.delete : UNABLE.update);
    if (held !== undefined && (held.kind === 'Unprocessable' || missing.size === 0)) {
      return { missing: [], isCalled: false, held };
    }
    // An older site has not said what: the network itself refuses.
    if (notIdle.blocks.length > 0 && missing.size === 0) return { missing: [], isCalled: false };
    if (missing.size > 0) return { missing: [...missing], isCalled: false };
    if (looks) return { missing: [], isCalled: true };
    try {
      await round(({ family, ...only }) => home.recallIdle(network, family, { count: ALL, resting: true, ...only }));
    } catch (error) {
      lease(network);
      throw error;
    }
    return { missing: [...missing], isCalled: true };
  };
}
