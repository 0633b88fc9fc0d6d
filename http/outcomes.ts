// What is known of requests that had an Idempotency-Key: stored outcomes, and what this process is just executing.
import type { KeyedOutcome } from '../actors/ports.ts';

export interface Outcomes {
  /** Rejects when the database can't be asked. */
  find(identity: string, key: string): Promise<KeyedOutcome | undefined>;
  /** Names (`outcomeName`) of keys whose first request is running in this process. */
  readonly running: Set<string>;
}

export const outcomeName = (identity: string, key: string): string => `${identity}\0${key}`;

export const createOutcomes = (find: Outcomes['find']): Outcomes => ({ find, running: new Set() });
