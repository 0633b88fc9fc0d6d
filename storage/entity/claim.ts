import { plainEntity } from './entity.ts';

/** The key says what is claimed, so the primary key is the rule: a thing is claimed once. */
export const claim = plainEntity('claim');
