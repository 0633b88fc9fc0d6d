// What sites ask each other about single addresses. `lender` and `borrower` are partitions; the peer's site is in its
// certificate, never in the body.
import { z } from 'zod';

const id = z.string().min(1).max(128);
const text = z.string().max(4_096);
const one = { network: id, address: z.string().min(2).max(64), h: id };

/** An address as it stands at the other end: nobody's machine has it. */
const ip = z.object({
  address: z.string().min(2).max(64),
  uuid: text,
  network: id,
  project: text,
  name: text,
  description: text,
  type: z.enum(['ephemeral', 'static']),
  tags: z.array(text).max(1_000),
  machines: z.array(text).max(0),
  prefix: z.string().max(64),
  created: z.number(),
  changed: z.number(),
});
const place = z.object({ partition: id, site: id });

export const lendSchema = z.object({ ...one, lender: id, to: id });
export const lendReplySchema = z.discriminatedUnion('as', [
  z.object({ as: z.literal('lent'), ip }),
  z.object({ as: z.literal('elsewhere'), lender: place }),
  z.object({ as: z.literal('here') }),
  z.object({ as: z.literal('declined'), kind: z.enum(['NotFound', 'Conflict']), message: text }),
  /** Another partition has it, and can't be asked to give it back. */
  z.object({ as: z.literal('unreachable'), detail: text }),
]);
export const givenUpSchema = z.discriminatedUnion('as', [
  z.object({ as: z.literal('given'), ip }),
  z.object({ as: z.literal('freed'), unused: z.literal(true).optional() }),
  z.object({ as: z.literal('declined') }),
]);

export const giveUpSchema = z.object({ ...one, lender: id, borrower: id });
export const backSchema = z.object({ ...one, lender: id, borrower: id, back: givenUpSchema });
export const returnedSchema = z.object({ ...one, lender: id, borrower: id });
export const offerSchema = z.object({ network: id, h: id, lender: id, borrower: id, ip });
export const offerReplySchema = z.object({ taken: z.boolean() });

/** The home of a network asks a holder, on behalf of a partition that has no address left; `site` is that one's. */
export const lendFreeSchema = z.object({
  network: id,
  h: id,
  lender: id,
  to: id,
  site: id,
  family: z.enum(['IPv4', 'IPv6']),
  count: z.int().min(1).max(256),
  address: z.string().max(64).nullable(),
});
export const lendFreeReplySchema = z.object({
  addresses: z.array(one.address).max(256),
  isComing: z.boolean(),
  /** Of a named address: somebody has it. Without it, it may be on its way. */
  isTaken: z.boolean().optional(),
});
/** The lender asks the borrower whether it has them. */
export const offerFreeSchema = z.object({
  network: id,
  h: id,
  lender: id,
  borrower: id,
  addresses: z.array(one.address).min(1).max(256),
});
export const offerFreeReplySchema = z.object({ taken: z.array(one.address).max(256) });

export type LendFreeAsk = z.infer<typeof lendFreeSchema>;
export type LendFreeReply = z.infer<typeof lendFreeReplySchema>;
export type OfferFreeAsk = z.infer<typeof offerFreeSchema>;
export type LendAsk = z.infer<typeof lendSchema>;
export type LendReply = z.infer<typeof lendReplySchema>;
/** As `ReturnedAsk`; the borrower is named for the peer's check only. */
export type LentAsk = Omit<z.infer<typeof returnedSchema>, 'borrower'>;
export type GiveUpAsk = z.infer<typeof giveUpSchema>;
export type GivenUp = z.infer<typeof givenUpSchema>;
export type BackAsk = z.infer<typeof backSchema>;
export type ReturnedAsk = z.infer<typeof returnedSchema>;
export type OfferAsk = z.infer<typeof offerSchema>;
