// The other sites, as the way to them needs them. router/federation implements it for sites, router/sites.ts for the
// router process, both over router/link.
import { z } from 'zod';
import type { Asker } from '../actors/asker.ts';
import type { HttpHeaders } from './link/frames.ts';

/** A site that belongs to the federation. */
export interface Member {
  readonly site: string;
  readonly partitions: readonly string[];
  /** false: no link to any of its processes is up; requests and asks fail at once. */
  readonly up: boolean;
}

/** Head of a request as it goes to a peer; `path` with the query. */
export interface PeerHead {
  readonly method: string;
  readonly path: string;
  readonly headers: HttpHeaders;
}

/** An answer whose head is here. The body must be read to its end or left, else it stays open. */
export interface PeerAnswer {
  readonly status: number;
  readonly headers: HttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface PeerExchange {
  /** The other member sites, those that can't be reached included. */
  members(): readonly Member[];
  /**
   * One HTTP exchange with a process of the site, preferably its active one. Our own site's id means its active
   * process, when that is another one than this. `deadlineMs` bounds the time to the head. Rejects with a `LinkFailure`,
   * at once when no link is up. Never sends twice.
   */
  request(
    site: string,
    head: PeerHead,
    body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
    options: { deadlineMs: number; asker?: Asker | undefined },
  ): Promise<PeerAnswer>;
  /** A system ask to the site; the reply is not validated. Rejects with a `LinkFailure`. */
  ask(site: string, kind: string, body: unknown, deadlineMs: number): Promise<unknown>;
}

/** Kind of ask: is this at home with you? Body `LocateAsk`, reply `LocateReply`. Sites and routers may ask. */
export const LOCATE_ASK = 'locate';
export const locateAskSchema = z.union([
  z.object({ by: z.enum(['machine', 'switch', 'network', 'address']), id: z.string().max(1_024) }),
  z.object({ by: z.literal('directory'), kind: z.string().max(64), id: z.string().max(1_024) }),
]);
export type LocateAsk = z.infer<typeof locateAskSchema>;

/** `partition` is '' for what belongs to the site as a whole: directory entries, global networks. */
export const locateReplySchema = z.union([
  z.object({
    here: z.literal(false),
    /** Of an address: it is on its way to or from this partition, by a loan. Who says that it has it is right. */
    passing: z.string().max(128).optional(),
    /** It was lent from here: who has it by the loan knows more of it. */
    isLent: z.literal(true).optional(),
  }),
  z.object({
    here: z.literal(true),
    partition: z.string().max(128),
    /** Of an address: its network. A member of the version before does not say. */
    network: z.string().max(1_024).optional(),
    /** Of an address: it is here by a loan, whoever holds its block. */
    loan: z.literal(true).optional(),
  }),
]);
export type LocateReply = z.infer<typeof locateReplySchema>;

/** Kind of ask: who belongs to the federation, and how is each reached? Body null, reply `MembersReply`. */
export const MEMBERS_ASK = 'members';
export const membersReplySchema = z.object({
  /** The answering site. */
  site: z.string().min(1).max(128),
  /** Whether the answering process is the active one of its site. */
  active: z.boolean(),
  /** All member sites, the answering one included. */
  members: z
    .array(
      z.object({
        site: z.string().min(1).max(128),
        partitions: z.array(z.string().max(128)).max(1_024),
        /** `https://host:port` of the peer listeners of its processes. */
        links: z.array(z.string().max(512)).max(16),
      }),
    )
    .max(256),
});
export type MembersReply = z.infer<typeof membersReplySchema>;
