// Who asks: one of the three HMAC users, else the holder of a token, else a guest (networks.md §6.6).
import type { Context } from 'hono';
import type { Refusal } from '../../actors/refusal.ts';
import type { EdgeEnv } from '../env.ts';
import type { Caller, Site } from '../site.ts';
import type { VerifyBearer } from './bearer.ts';
import { createVerifyHmac } from './hmac.ts';

export type Authenticate = (c: Context<EdgeEnv>) => Caller | Refusal | Promise<Caller | Refusal>;

/** Has no tenant, so that the tenant filter refuses it everywhere but on routes for everybody. */
export const GUEST: Caller = { email: '', name: '', groups: [], tenant: '', issuer: '', subject: '' };

export function createAuthenticate(site: Site, verifyBearer: VerifyBearer): Authenticate {
  const verifyHmac = createVerifyHmac(site.config);
  return (c) => {
    const authorization = c.req.header('authorization');
    if (authorization === undefined) return GUEST;
    const signed = {
      authorization,
      date: c.req.header('x-date') ?? '',
      salt: c.req.header('x-data-salt') ?? '',
      method: c.req.method,
    };
    const caller = verifyHmac(signed, site.wallMs());
    if (caller !== undefined) return caller;
    const [scheme, token, ...more] = authorization.split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || token === undefined || more.length > 0) return GUEST;
    return verifyBearer(token);
  };
}

/** The bare message for who belongs to no or to another tenant; `undefined`: let in. */
export const refuseTenant = (caller: Caller, providerTenant: string): string | undefined => {
  if (caller.tenant === providerTenant) return undefined;
  return caller.tenant === ''
    ? 'tenant  not allowed: no usable credentials were sent'
    : `tenant ${caller.tenant} not allowed`;
};
