// What a site that was restored from a backup is told by the others about what is, or was, between them.
import { z } from 'zod';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { IpRecord } from '../../actors/network/record.ts';

const id = z.string().min(1).max(128);
const address = z.string().min(2).max(64);
const block = { network: id, first: address, length: z.int().min(0).max(128), prefix: z.string().max(64), h: id };
const ip = z.custom<IpRecord>((value) => typeof value === 'object' && value !== null && 'address' in value);

const moved = { network: id, address, h: id, theirs: id, yours: id, ip };

export const keptBlock = z.object({
  first: block.first,
  length: block.length,
  prefix: block.prefix,
  holder: id,
  h: id,
});
export const keptSchema = z.object({ version: z.number(), blocks: z.array(keptBlock).max(65_536) });

/** One thing that the answering site knows; `yours`: of the site that asks. */
const itemSchema = z.discriminatedUnion('is', [
  /** A site with partitions. */
  z.object({ is: z.literal('site'), site: id }),
  /** An entry of yours, as it came here. */
  z.object({
    is: z.literal('entry'),
    record: z.custom<DirectoryRecord>((value) => typeof value === 'object' && value !== null),
  }),
  /** A block of a network of yours that a partition here holds. */
  z.object({ is: z.literal('holding'), partition: id, isReturning: z.boolean(), ...block }),
  /** What your own partitions held of a network of yours. */
  z.object({ is: z.literal('kept'), network: id, kept: keptSchema }),
  /** A block of a network of here that a partition of yours was given. */
  z.object({ is: z.literal('block'), partition: id, ...block }),
  /** An address that a partition here has from one of yours. */
  z.object({ is: z.literal('borrowed'), ...moved }),
  /** An address that a partition here gave to one of yours. */
  z.object({ is: z.literal('lent'), ...moved }),
  /** The word that was given to you for a network of yours, under `h`. */
  z.object({ is: z.literal('claim'), holder: id, h: id }),
]);

export const INVENTORY_ASK = 'restored.inventory';
export const KEEP_ASK = 'blocks.keep';

/** Pages are of one moment: that of the first. */
export const inventorySchema = z.object({ page: z.int().min(0).max(100_000) });
export const inventoryReplySchema = z.object({ items: z.array(itemSchema).max(1_000), pages: z.int().min(0) });
export const keepSchema = z.object({ network: id, kept: keptSchema });

export type Item = z.infer<typeof itemSchema>;
export type ItemOf<K extends Item['is']> = Extract<Item, { is: K }>;
export type InventoryReply = z.infer<typeof inventoryReplySchema>;
export type KeepAsk = z.infer<typeof keepSchema>;
