// What a home's own partitions hold of its networks, told to the other sites: when the home is restored from a backup,
// nobody else could say what it gave to itself after it (reliability.md F24).
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import type { Kept } from '../../actors/block/record.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Attempt, Attempts } from './blocks-attempts.ts';
import { nothingSchema } from './blocks-messages.ts';
import { ASK_MS, orThrow, type BlockPorts } from './blocks-ports.ts';
import type { DirectoryCopy } from './directory-copy.ts';
import { KEEP_ASK, type KeepAsk } from './restored-messages.ts';

/** Sites that host partitions: only those hold blocks. */
export const sitesWithPartitions = (copy: DirectoryCopy): string[] => [
  ...new Set(copy.list('partition').flatMap(({ id }) => copy.entry('partition', id)?.home ?? [])),
];

export interface KeptBlocks {
  /** Tells the others of a network of this site, each until it has heard it. */
  tell(network: string): void;
  /** Blocks were given to a partition here: waits until whoever can be reached has heard of it, but not for long. */
  told(network: string): Promise<void>;
  /** A member that was restored from a backup may have forgotten what it heard: it is told again. */
  tellAgain(member: string): void;
  /** What another site's home tells: one partition here keeps it in mind. */
  note(ask: KeepAsk): Promise<Record<string, never>>;
}

/** As long as a directory write waits for its members. */
const TOLD_WITHIN_MS = 250;

export function createKeptBlocks(ports: BlockPorts, attempts: Attempts): KeptBlocks {
  const { site, copy } = ports;
  /** What each site has heard, by network and site, as text. */
  const heard = new Map<string, string>();

  async function keptOf(network: string): Promise<Kept | undefined> {
    const ledger = await ports.ask(addressOf(siteScope(site), 'network', network), 'ledger', {});
    if (isRefusal(ledger)) return undefined;
    const own = ledger.blocks.filter(({ holderSite, state }) => holderSite === site && state !== 'resting');
    const blocks = own.map(({ first, length, prefix, holder, h }) => ({ first, length, prefix, holder, h }));
    return { version: ledger.version, blocks };
  }

  async function tellOne(network: string, member: string): Promise<Attempt> {
    const kept = await keptOf(network);
    if (kept === undefined) return 'done';
    const name = `${network}|${member}`;
    const text = JSON.stringify(kept.blocks);
    if (heard.get(name) === text) return 'done';
    const ask: KeepAsk = { network, kept };
    nothingSchema.parse(await ports.federation.ask(member, KEEP_ASK, ask, ASK_MS));
    heard.set(name, text);
    return 'done';
  }

  const others = (): string[] => sitesWithPartitions(copy).filter((member) => member !== site);

  const kept: KeptBlocks = {
    tell(network) {
      for (const member of others()) attempts.run(`kept|${network}|${member}`, () => tellOne(network, member));
    },
    async told(network) {
      const telling = others().map((member) => tellOne(network, member).catch(() => kept.tell(network)));
      if (telling.length === 0) return;
      await new Promise<void>((resolve) => {
        const cancel = ports.world.after(TOLD_WITHIN_MS, resolve);
        void Promise.all(telling).then(() => {
          cancel();
          resolve();
        });
      });
    },
    tellAgain(member) {
      for (const name of heard.keys()) {
        const split = name.lastIndexOf('|');
        if (name.slice(split + 1) !== member) continue;
        heard.delete(name);
        const network = name.slice(0, split);
        attempts.run(`kept|${name}`, () => tellOne(network, member));
      }
    },
    async note({ network, kept: told }) {
      const [partition] = ports.hosted();
      if (partition === undefined) return {};
      orThrow(await ports.ask(addressOf(partitionScope(partition), 'block', network), 'keep', { kept: told }));
      return {};
    },
  };
  return kept;
}
