import { invalid, type Refusal } from '../../../actors/refusal.ts';

const TRUE = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False', '']);

/** A boolean of the query by Go's rules; absent or empty: false (networks.md §1.6). */
export const queryFlag = (name: string, value: string | undefined): boolean | Refusal => {
  if (value === undefined || FALSE.has(value)) return false;
  return TRUE.has(value) ? true : invalid(`query ${name}:"${value}" is not a boolean, expected true or false`);
};
