import { forbidden, type Refusal } from '../../actors/refusal.ts';
import type { Caller, Site } from '../site.ts';

export type VerifyBearer = (token: string) => Promise<Caller | Refusal>;

/** Tokens of the provider tenant's issuer; Forbidden while none is configured. */
export function createVerifyBearer(_site: Site): VerifyBearer {
  return () => Promise.resolve(forbidden('issuer/clientid not found: no issuer of tokens is configured'));
}
