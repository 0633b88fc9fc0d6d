import { plainEntity } from './entity.ts';

/** The key names the number, so the primary key is the rule: a number is taken once. */
export const pool = plainEntity('pool');
