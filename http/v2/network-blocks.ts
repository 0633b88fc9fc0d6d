// The blocks of a global network: what its home gave, and what the holders say of it.
import { formatAddress, parseAddress } from '../../actors/ipam/address.ts';
import { exactly, fragmentationOf } from '../../actors/ipam/count.ts';
import { comparePrefixes, parsePrefix } from '../../actors/ipam/prefix.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import type { RangeUsage } from '../../actors/network/usage.ts';
import type { NetworkParts, PartitionPart } from './network-parts.ts';
import type { BlockLine, BlocksAnswer } from './network-shapes.ts';

/** A block as both sides see it. At least one of them does. */
export interface KnownBlock {
  block: string;
  prefix: string;
  partition: string;
  site: string;
  ledger: BlockRecord | undefined;
  told: RangeUsage | undefined;
}

/** `10.0.0.16/28`: as ledger and holder write it alike. */
export const nameOfBlock = ({ first, length }: Pick<BlockRecord, 'first' | 'length'>): string => {
  const address = parseAddress(first);
  return `${address === undefined ? first : formatAddress(address)}/${length}`;
};

type Told = { range: RangeUsage; part: PartitionPart };

/**
 * Every block once. Answers of several sites are not of one moment: one that moved meanwhile is that of the partition
 * that the ledger names, else of the one where it is open.
 */
export function knownBlocks({ parts, ledger }: Pick<NetworkParts, 'parts' | 'ledger'>): KnownBlock[] {
  const told = new Map<string, Told[]>();
  for (const part of parts) {
    for (const range of part.ranges) told.set(range.range, [...(told.get(range.range) ?? []), { range, part }]);
  }
  const blocks: KnownBlock[] = [];
  for (const record of ledger?.blocks ?? []) {
    const name = nameOfBlock(record);
    const own = told.get(name)?.find(({ part }) => part.partition === record.holder);
    told.delete(name);
    const { prefix, holder: partition, holderSite: site } = record;
    blocks.push({ block: name, prefix, partition, site, ledger: record, told: own?.range });
  }
  for (const [name, holders] of told) {
    const { range, part } = holders.find(({ range: { open } }) => open) ?? holders[0]!;
    const { partition, site } = part;
    blocks.push({ block: name, prefix: range.prefix, partition, site, ledger: undefined, told: range });
  }
  const order = blocks.flatMap((one) => {
    const place = parsePrefix(one.block);
    return place === undefined ? [] : [{ one, place }];
  });
  return order.sort((a, b) => comparePrefixes(a.place, b.place)).map(({ one }) => one);
}

/** What the holder says of its block is newer than the ledger. */
const stateOf = ({ told, ledger }: KnownBlock): BlockLine['state'] =>
  told === undefined || told.open ? (ledger?.state ?? 'delivered') : told.doubtful ? 'doubtful' : 'returning';

/** null: the holder did not say, or could not look through it. */
const fragmentationIn = (told: RangeUsage | undefined): number | null =>
  told?.largestFree == null ? null : fragmentationOf(exactly(told.largestFree), exactly(told.free));

export const lineOf = (known: KnownBlock): BlockLine => ({
  block: known.block,
  prefix: known.prefix,
  partition: known.partition,
  site: known.site,
  state: stateOf(known),
  held: known.told?.held ?? null,
  free: known.told?.free ?? null,
  fragmentation: fragmentationIn(known.told),
  rough: known.told?.rough ?? false,
});

export const blocksOf = (network: string, parts: NetworkParts): BlocksAnswer => ({
  network,
  blocks: knownBlocks(parts).map(lineOf),
  spare: parts.ledger?.spare ?? null,
  unreachable: parts.unreachable,
});
