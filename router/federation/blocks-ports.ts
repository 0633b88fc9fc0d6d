// What both halves of the hand-over of blocks stand on (design.md §6, reliability.md §7.2).
import type { Asker } from '../../actors/asker.ts';
import type { Address, Kind } from '../../actors/address.ts';
import type { RowReader, World } from '../../actors/ports.ts';
import type { Ask, CommandName, Reply } from '../../actors/protocol.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { isLinkFailure, refuseAsk } from '../link/failure.ts';
import type { DirectoryCopy } from './directory-copy.ts';

/** Where a test may interrupt the hand-over: before each effect, and after the last. */
export type BlockStep =
  | 'adopt'
  | 'give'
  | 'receive'
  | 'refuse'
  | 'deliver'
  | 'delivered'
  | 'return'
  | 'returned'
  | 'home.give'
  | 'home.recall'
  | 'home.takeBack'
  | 'home.offer'
  | 'home.deliver'
  | 'lend'
  | 'lendFree'
  | 'borrowFree'
  | 'borrow'
  | 'lent'
  | 'refuseLent'
  | 'bringBack'
  | 'broughtBack'
  | 'lender.lend'
  | 'lender.lent'
  | 'lender.recall'
  | 'lender.takeBack'
  | 'lender.offer';

export interface BlockPorts {
  site: string;
  world: World;
  rows: Pick<RowReader, 'rows'>;
  copy: DirectoryCopy;
  /**
   * An actor of this site. `asker`: of what another site wants. What tells how a hand-over ended, or goes on with one, has
   * none: it is to be done also when nobody waits for that.
   */
  ask<K extends Kind, C extends CommandName<K>>(
    to: Address<K>,
    command: C,
    body: Ask<K, C>,
    asker?: Asker,
  ): Promise<Reply<K, C> | Refusal>;
  federation: { ask(site: string, kind: string, body: unknown, deadlineMs: number): Promise<unknown> };
  /** Partitions that this site hosts. */
  hosted(): readonly string[];
  /** For tests: what it throws ends the attempt there. */
  step?(name: BlockStep): void;
  odd(what: string, error?: unknown): void;
}

/** A cut link says so at once; a silent one within this time (reliability.md F11). */
export const ASK_MS = 2_500;
/** Within that time the home asks the others. */
export const RECALL_MS = 1_500;

/** The reply, or the refusal as an exception that an ask over a link carries. */
export function orThrow<R>(answer: R | Refusal): R {
  if (isRefusal(answer)) throw refuseAsk(answer.kind, answer.message, answer);
  return answer;
}

/** What an exception says to people. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Nobody answered, or somebody who can't now: nothing is wrong but the time. */
export const isTransient = (error: unknown): boolean => isLinkFailure(error) && error.refusal?.kind !== 'Forbidden';

/** Attempts are repeated for ever; that the same thing is odd is worth a line now and then. */
const SAY_AGAIN_MS = 60_000;

export function seldom(ports: BlockPorts): BlockPorts['odd'] {
  const said = new Map<string, number>();
  return (what, error) => {
    const nowMs = ports.world.monotonicMs();
    if (nowMs - (said.get(what) ?? -Infinity) < SAY_AGAIN_MS) return;
    if (said.size >= 1_000) said.clear();
    said.set(what, nowMs);
    ports.odd(what, error);
  };
}

/** It was a partition of this site. */
export function isDeletedHere({ copy, site }: Pick<BlockPorts, 'copy' | 'site'>, partition: string): boolean {
  const entry = copy.entry('partition', partition);
  return entry !== undefined && entry.entity === null && entry.home === site;
}
