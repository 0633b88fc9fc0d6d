// Blocks of global networks, as this site sees them: the ledger of what is at home here, and what its partitions hold.
import { addressOf, partitionScope, siteScope } from '../../../actors/address.ts';
import type { BlockRecord, HoldingRecord, WantRecord } from '../../../actors/block/record.ts';
import type { Family } from '../../../actors/ipam/address.ts';
import { isRefusal } from '../../../actors/refusal.ts';
import type { Site } from '../../../http/site.ts';
import { watched } from '../../../http/v2/network-parts.ts';

const USAGE_WITHIN_MS = 1_000;

export interface Held extends HoldingRecord {
  partition: string;
}
export interface Wanted extends WantRecord {
  partition: string;
}

export interface NetworkBlocks {
  network: string;
  home: string;
  prefixes: string[];
  /** Is this site its home? Only the home has the ledger. */
  isHome: boolean;
  /** Blocks that are given away, or on their way; free ones have no row. */
  ledger: BlockRecord[];
  holdings: Held[];
  wants: Wanted[];
  /** Addresses in use in each hosted partition. */
  used: Record<string, number>;
  /** How long each hosted partition can go on when it is cut off, at its rate, by family; null: it does not fill. */
  hoursLeft: Record<string, Partial<Record<Family, number | null>>>;
}

export interface BlocksView {
  /** Pieces of work of the hand-over that are not done yet. */
  open: number;
  networks: NetworkBlocks[];
}

export async function blocksOf(
  site: Pick<Site, 'id' | 'ask' | 'rows' | 'directory' | 'places' | 'growth'>,
  open: number,
): Promise<BlocksView> {
  const hosted = site.places.hosted();
  const scopes = hosted.map(partitionScope);
  const [ledger, holdings, wants, ...counts] = await Promise.all([
    site.rows.rows('block', { scopes: [siteScope(site.id)] }),
    site.rows.rows('holding', { scopes }),
    site.rows.rows('want', { scopes }),
    ...scopes.map((scope) => site.rows.countByOwner('ip', scope)),
  ]);
  const partitionOf = new Map(scopes.map((scope, i) => [scope, hosted[i] as string]));
  const hoursLeftOf = async (network: string): Promise<NetworkBlocks['hoursLeft']> => {
    const asked = hosted.map(async (partition): Promise<[string, NetworkBlocks['hoursLeft'][string]]> => {
      const block = addressOf(partitionScope(partition), 'block', network);
      const part = await site.ask(block, 'usage', watched(site, block.scope, network), {
        who: 'inspection',
        withinMs: USAGE_WITHIN_MS,
      });
      const families = isRefusal(part) ? [] : part.families;
      return [partition, Object.fromEntries(families.map(({ family, hoursLeft }) => [family, hoursLeft]))];
    });
    return Object.fromEntries(await Promise.all(asked));
  };
  const looks = site.directory.list('globalnetwork').map(async (network): Promise<NetworkBlocks> => {
    const home = site.directory.entry('globalnetwork', network.id)?.home ?? '';
    const inPartition = <T extends { network: string }>(
      rows: ReadonlyArray<{ scope: (typeof scopes)[number]; value: T }>,
    ) =>
      rows
        .filter(({ value }) => value.network === network.id)
        .map(({ scope, value }) => ({ ...value, partition: partitionOf.get(scope) ?? '' }));
    return {
      network: network.id,
      home,
      prefixes: network.prefixes,
      isHome: home === site.id,
      ledger: ledger.filter(({ value }) => value.network === network.id).map(({ value }) => value),
      holdings: inPartition(holdings),
      wants: inPartition(wants),
      used: Object.fromEntries(hosted.map((partition, i) => [partition, counts[i]?.get(network.id) ?? 0])),
      hoursLeft: await hoursLeftOf(network.id),
    };
  });
  return { open, networks: await Promise.all(looks) };
}
