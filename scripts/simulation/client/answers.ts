// What an answer says, and what may be concluded from it.
import type { HttpAnswer } from '../../../router/message.ts';
import type { Outcome, Pending } from '../../process/history.ts';
import type { Client } from './client.ts';

export interface Answered {
  status: number;
  text: string;
  headers: HttpAnswer['headers'];
}

/** An answer, or why there is none: `lost` after it was sent, `unsent` before. */
export type Told = Answered | { status: 'lost' | 'unsent' };

/** The text of v1's error, which is a JSON string that contains JSON. */
export function messageOf(text: string): string {
  try {
    const once: unknown = JSON.parse(text);
    const twice: unknown = typeof once === 'string' ? JSON.parse(once) : once;
    return (twice as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}

/** It says that nothing was done, and is held to it. */
export const claimsNothing = (message: string): boolean => /nothing was (changed|done)/.test(message);

/** It was refused for a text that no column can hold. */
export const claimsPoison = (told: Told): boolean => 'text' in told && told.text.includes('a NUL');

export const hasHeader = ({ headers }: Answered, wanted: string): boolean =>
  headers.some(([name]) => name.toLowerCase() === wanted);

/** Parts of it are missing, or may be older than what clients were told since. */
export const isStale = (answered: Answered): boolean => hasHeader(answered, 'x-stale-partitions');

/** What came of an operation: nothing, nobody knows, or what the answer says. */
export function understood(told: Told): 'nothing' | Outcome | Answered {
  if (!('text' in told)) return told.status === 'unsent' ? 'nothing' : { kind: 'unknown', why: 'no answer' };
  const { status, text } = told;
  // A clock that jumped: refused before anything was looked at.
  if (status === 403 && text.includes('time synchronization')) return 'nothing';
  if (status !== 503 && status !== 429) return told;
  const message = messageOf(text);
  return claimsNothing(message) ? 'nothing' : { kind: 'unknown', why: message };
}

/** The answer to a take; undefined: nothing was taken, or nobody knows, which is written down. */
export function heardOfTake(client: Pick<Client, 'lost'>, pending: Pending, told: Told): Answered | undefined {
  const heard = understood(told);
  if (heard === 'nothing') return undefined;
  if (!('kind' in heard)) return heard;
  client.lost.add(pending.id);
  pending.end(heard);
  return undefined;
}

/** What a read tells for sure. */
export function telling(told: Told): Answered | undefined {
  const heard = understood(told);
  return heard === 'nothing' || 'kind' in heard || isStale(heard) ? undefined : heard;
}
