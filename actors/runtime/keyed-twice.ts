import { conflict, type Refusal } from '../refusal.ts';

/** The constraint by which a store refuses a second outcome of one Idempotency-Key. */
export const KEYED_TWICE = 'idempotency';

/** Deciding again would end the same way: whoever has the key looks for the outcome that is there. */
export const keyedTwice = (command: string): Refusal =>
  conflict(`${command} was done under the same Idempotency-Key by another request`);
