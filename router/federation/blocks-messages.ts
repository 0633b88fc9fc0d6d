// What sites ask each other about blocks. The peer's site is in its certificate, never in the body.
import { z } from 'zod';

const id = z.string().min(1).max(128);
const operation = z.string().min(1).max(128);
const family = z.enum(['IPv4', 'IPv6']);
const first = z.string().min(2).max(64);
const block = z.object({ first, length: z.int().min(0).max(128), prefix: z.string().max(64) });
/** How long addresses in a block that goes home are kept back. */
const rest = z.object({ sinceMs: z.number(), untilMs: z.number() });
/** More than a home ever gives at once. */
const blocks = z.array(block).max(256);

export const giveSchema = z.object({
  network: id,
  h: operation,
  partition: id,
  family,
  address: z.string().max(64).nullable(),
  count: z.int().min(1).max(256),
  /** Somebody waits: where there is no block, free addresses of other partitions are lent. */
  single: z.boolean().optional(),
});
export const giveReplySchema = z.object({
  blocks,
  exhausted: z.boolean(),
  /** Partition whose block has the wanted address. */
  holder: z.string().nullable(),
  /** Holders that could not be asked for idle blocks, as text for people; only where nothing was given. */
  unreachable: z.array(z.string().max(512)).max(1_024),
  /** No block, but free addresses out of another partition's. */
  lent: z.object({ partition: id, site: id, addresses: z.array(first).min(1).max(256) }).optional(),
  /** The block of the wanted address is kept back at the home for so long. */
  restsMs: z.number().min(0).optional(),
  /** Where nothing is left: what the other partitions hold, as text for people. */
  others: z.string().max(2_048).optional(),
  /** One is on its way back to where it can be lent again. */
  isComing: z.boolean().optional(),
});

/** The receiver wrote these blocks of `h`. */
export const deliveredSchema = z.object({ network: id, h: operation, firsts: z.array(first).min(1).max(256) });
export const takeBackSchema = z.object({
  network: id,
  partition: id,
  first,
  h: operation,
  rest: rest.optional(),
});

/** Home → holder. */
export const offerSchema = z.object({ network: id, partition: id, h: operation, blocks: blocks.min(1) });
export const offerReplySchema = z.object({ refused: blocks });
export const recallSchema = z.object({
  network: id,
  partition: id,
  count: z.int().min(1).max(65_536),
  family,
  /** Idle blocks that the holder may keep. */
  keep: z.int().min(0).max(65_536).optional(),
  /** Only blocks of this prefix of the network, as stored there. */
  prefix: z.string().max(64).optional(),
  /** Which ones would come; none does. */
  look: z.boolean().optional(),
  /** Also blocks in which nothing but released addresses is kept back. */
  resting: z.boolean().optional(),
});
/** Home → site of holders: of these networks its partitions lease a first block where they hold none. */
export const leaseSchema = z.object({ networks: z.array(id).max(65_536) });
export const recallReplySchema = z.object({
  blocks: z.array(block.extend({ h: operation, rest: rest.optional() })).max(65_536),
  /** Of a look; older sites don't say it. */
  inUse: z
    .object({
      addresses: z.array(z.object({ prefix: z.string().max(64), address: first, count: z.int().min(1) })).max(65_536),
      moving: z.array(z.object({ prefix: z.string().max(64), address: first, from: id, to: id })).max(1),
      borrowers: z.array(z.object({ partition: id, site: id })).max(65_536),
      isDoubtful: z.boolean(),
    })
    .optional(),
});
export const returnedSchema = z.object({ network: id, partition: id, first, h: operation });

export const nothingSchema = z.object({});

export type GiveAsk = z.infer<typeof giveSchema>;
export type GiveReply = z.infer<typeof giveReplySchema>;
export type DeliveredAsk = z.infer<typeof deliveredSchema>;
export type TakeBackAsk = z.infer<typeof takeBackSchema>;
export type OfferAsk = z.infer<typeof offerSchema>;
export type RecallAsk = z.infer<typeof recallSchema>;
export type LeaseAsk = z.infer<typeof leaseSchema>;
export type RecallReply = z.infer<typeof recallReplySchema>;
export type ReturnedAsk = z.infer<typeof returnedSchema>;
