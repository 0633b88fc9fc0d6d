// The home's ledger of a global network: which partition holds which block (design.md §6). What is given stays given to
// the same operation id, so that a repeated question has the same answer (reliability.md §7.2).
import { formatAddress, parseAddress, type Family } from '../ipam/address.ts';
import { contains, firstAddress, parsePrefix, prefixOf, type Prefix } from '../ipam/prefix.ts';
import { createBlockSpace, EXPECTED_MEMBERS, type BlockSpace } from '../block/block-space.ts';
import type { BlockRecord } from '../block/record.ts';
import type { Live } from '../change.ts';
import type { ChangeOf } from '../records.ts';
import type { OfferedBlock } from './messages.ts';
import type { Rest } from './quarantine.ts';
import { spareUsage, type SpareUsage } from './usage.ts';

export interface Ledger {
  /** By the network's prefix, as stored there. */
  readonly spaces: Map<string, BlockSpace>;
  /** By first address. */
  readonly rows: Map<string, Live<BlockRecord>>;
  /** The largest of a row, those of blocks that came back included. */
  version: number;
}

export const createLedger = (): Ledger => ({ spaces: new Map(), rows: new Map(), version: 0 });

/** Key of a `block` or `holding` row. */
export const blockKey = (network: string, first: string): string => `${network}|${first}`;

/** The block as a prefix. undefined: its texts name none. */
export const prefixOfBlock = (block: Pick<OfferedBlock, 'first' | 'length'>): Prefix | undefined =>
  parsePrefix(`${block.first}/${block.length}`);

/** The blocks of one prefix of the network; undefined if it is none. */
function spaceOf(ledger: Ledger, text: string): BlockSpace | undefined {
  const known = ledger.spaces.get(text);
  const prefix = known === undefined ? parsePrefix(text) : undefined;
  if (prefix === undefined) return known;
  const space = createBlockSpace(prefix);
  ledger.spaces.set(text, space);
  return space;
}

export function evolveBlock(ledger: Ledger, change: ChangeOf<'block'>): void {
  const first = change.key.slice(change.key.lastIndexOf('|') + 1);
  const before = ledger.rows.get(first);
  ledger.version = Math.max(ledger.version, change.version);
  const record = change.value ?? before?.value;
  if (record === undefined) return;
  const block = prefixOfBlock(record);
  const space = spaceOf(ledger, record.prefix);
  if (change.value === null) {
    ledger.rows.delete(first);
    if (block !== undefined) space?.release(block);
    return;
  }
  ledger.rows.set(first, { value: change.value, version: change.version });
  if (before === undefined && block !== undefined) space?.take(block);
}

export const offered = ({ first, length, prefix }: BlockRecord): OfferedBlock => ({ first, length, prefix });

export const rowsOfOperation = (ledger: Ledger, h: string, partition?: string): BlockRecord[] =>
  [...ledger.rows.values()]
    .map(({ value }) => value)
    .filter(
      (record) =>
        record.h === h && record.state !== 'resting' && (partition === undefined || record.holder === partition),
    );

const MOST_AT_ONCE = 16;

/** How many blocks go out in one answer: nobody keeps more than the free ones shared out to twice the members. */
function shareOf(free: bigint, count: number): number {
  const share = free / BigInt(2 * EXPECTED_MEMBERS);
  return Math.max(1, Math.min(count, MOST_AT_ONCE, share > BigInt(MOST_AT_ONCE) ? MOST_AT_ONCE : Number(share)));
}

/** Of a block whose addresses rested when it came home. */
type IsRestOver = (rest: Rest) => boolean;

/**
 * The lowest free blocks of a family, from the prefixes in the order given; then those whose rest is over. Nothing is
 * taken by asking.
 */
export function freeBlocks(
  ledger: Ledger,
  prefixes: readonly string[],
  { family, count }: { family: Family; count: number },
  isOver: IsRestOver,
): OfferedBlock[] {
  const spaces = prefixes.flatMap((text) => {
    const space = spaceOf(ledger, text);
    return space !== undefined && space.prefix.family === family ? [{ text, space }] : [];
  });
  const rested = [...ledger.rows.values()].filter(
    ({ value: { prefix, rest } }) => rest !== undefined && isOver(rest) && spaces.some(({ text }) => text === prefix),
  );
  const free = spaces.reduce((sum, { space }) => sum + space.free, BigInt(rested.length));
  const share = shareOf(free, count);
  const blocks: OfferedBlock[] = [];
  for (const { text, space } of spaces) {
    blocks.push(...space.lowest(share - blocks.length).map((block) => offerOf(block, text)));
  }
  blocks.push(...rested.slice(0, share - blocks.length).map(({ value }) => offered(value)));
  return blocks;
}

/** The block that contains an address: free, resting, or whose it is. undefined: no prefix contains it, or it is never given. */
export function blockContaining(
  ledger: Ledger,
  prefixes: readonly string[],
  addressText: string,
  isOver: IsRestOver,
): { free: OfferedBlock } | { rest: Rest } | { holder: string } | undefined {
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  for (const text of prefixes) {
    const space = spaceOf(ledger, text);
    if (space === undefined || !contains(space.prefix, address)) continue;
    const block = prefixOf(address, space.length);
    const row = ledger.rows.get(formatAddress(firstAddress(block)));
    const rest = row?.value.rest;
    if (row !== undefined && rest !== undefined) return isOver(rest) ? { free: offered(row.value) } : { rest };
    if (row !== undefined) return { holder: row.value.holder };
    return space.isFree(block) ? { free: offerOf(block, text) } : undefined;
  }
  return undefined;
}

const offerOf = (block: Prefix, prefix: string): OfferedBlock => ({
  first: formatAddress(firstAddress(block)),
  length: block.length,
  prefix,
});

/** What a home has left of each prefix. */
export function spareOf(ledger: Ledger, prefixes: readonly string[]): SpareUsage[] {
  const given = new Map<string, number>();
  for (const { value } of ledger.rows.values()) {
    if (value.state !== 'resting') given.set(value.prefix, (given.get(value.prefix) ?? 0) + 1);
  }
  return prefixes.flatMap((text) => {
    const space = spaceOf(ledger, text);
    if (space === undefined) return [];
    return [spareUsage(text, space, given.get(text) ?? 0)];
  });
}

/** The length of a network's blocks by family; of several prefixes of a family, the first one's. */
export function blockLengths(ledger: Ledger, prefixes: readonly string[]): Partial<Record<Family, number>> {
  const lengths: Partial<Record<Family, number>> = {};
  for (const text of prefixes) {
    const space = spaceOf(ledger, text);
    if (space !== undefined) lengths[space.prefix.family] ??= space.length;
  }
  return lengths;
}
