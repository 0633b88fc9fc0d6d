// An address that was released may be kept back, so that caches, firewalls and people forget whom it belonged to. Off
// unless the network says otherwise; said by a label, because metal-api's network has no field for it.
import { invalid, type Refusal } from '../refusal.ts';
import type { IpRecord, NetworkRecord } from './record.ts';
import { settled } from './standing.ts';

/** Label of a network: whole seconds from 0 (default: given out again at once) to a year. */
export const QUARANTINE_LABEL = 'ipam.hanse/quarantine-seconds';
const LONGEST_S = 31_536_000;

const secondsOf = (text: string): number | undefined =>
  /^\d{1,8}$/.test(text) && Number(text) <= LONGEST_S ? Number(text) : undefined;

export const quarantineMs = (network: Pick<NetworkRecord, 'labels'>): number =>
  1_000 * (secondsOf(network.labels[QUARANTINE_LABEL] ?? '0') ?? 0);

/** From the release of an address, or of the last one of a block, to the end of its rest. */
export interface Rest {
  sinceMs: number;
  untilMs: number;
}

/**
 * When a rest ends while the network's label says `longestMs`: one that began under a longer quarantine ends with the
 * shorter one. Rows say when it began, so a changed label needs none of them rewritten.
 */
export const restsUntilMs = ({ sinceMs, untilMs }: Rest, longestMs: number): number =>
  Math.min(untilMs, sinceMs + longestMs);

/** Refuses a label that names no time. */
export function checkQuarantine(labels: Readonly<Record<string, string>>): Refusal | undefined {
  const text = labels[QUARANTINE_LABEL];
  return text === undefined || secondsOf(text) !== undefined
    ? undefined
    : invalid(`labels: ${QUARANTINE_LABEL} is "${text}", expected whole seconds from 0 to ${LONGEST_S}`);
}

/** What becomes of the row of an address that nobody needs any more; null: it is free at once. */
export function released(ip: IpRecord, network: Pick<NetworkRecord, 'labels'>, nowMs: number): IpRecord | null {
  const ms = quarantineMs(network);
  if (ms === 0) return null;
  return { ...settled(ip), tags: [], machines: [], project: '', changed: nowMs, restingUntilMs: nowMs + ms };
}
