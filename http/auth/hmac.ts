// The signature of metal-stack's clients over date, method and salt (networks.md §6.7). Neither path nor body is covered,
// so a router may forward a request unmodified.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { forbidden, type Refusal } from '../../actors/refusal.ts';
import type { Caller, EdgeConfig } from '../site.ts';
import { GROUPS } from './roles.ts';

export type HmacUser = keyof EdgeConfig['hmac'];

const USERS: Record<HmacUser, 'view' | 'edit' | 'admin'> = {
  'Metal-View': 'view',
  'Metal-Edit': 'edit',
  'Metal-Admin': 'admin',
};

export interface SignedHeaders {
  authorization: string;
  date: string;
  salt: string;
  method: string;
}

/** `undefined`: not signed by one of the users, somebody else may know the header. */
export type VerifyHmac = (headers: SignedHeaders, nowMs: number) => Caller | Refusal | undefined;

const RFC3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** UTC with second precision: the form that the signature covers, whatever form the header has. */
const signedDate = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

export const macOf = (key: string | KeyObject, date: string, method: string, salt: string): Buffer =>
  createHmac('sha256', key)
    .update(date + method + salt)
    .digest();

/** Headers of a request as an HMAC user signs it; for tools and tests. */
export const signRequest = (
  user: HmacUser,
  key: string,
  method: string,
  nowMs: number,
  salt: string,
): Record<'Authorization' | 'X-Date' | 'X-Data-Salt', string> => {
  const date = signedDate(nowMs);
  return {
    Authorization: `${user} ${macOf(key, date, method, salt).toString('hex')}`,
    'X-Date': date,
    'X-Data-Salt': salt,
  };
};

export function createVerifyHmac(config: Pick<EdgeConfig, 'hmac' | 'providerTenant'>): VerifyHmac {
  const users = new Map(
    (Object.keys(USERS) as HmacUser[]).map((name) => {
      const role = USERS[name];
      const caller: Caller = {
        email: `metal-${role}@metal-stack.io`,
        name,
        groups: [...GROUPS[role]],
        tenant: config.providerTenant,
        issuer: '',
        subject: '',
      };
      const { key, lifetimeMs } = config.hmac[name];
      // Without a key nobody can sign: an empty one would let everybody in.
      return [name as string, { key: key === '' ? undefined : createSecretKey(key, 'utf8'), lifetimeMs, caller }];
    }),
  );

  return ({ authorization, date, salt, method }, nowMs) => {
    const blank = authorization.indexOf(' ');
    if (blank < 0 || authorization.indexOf(' ', blank + 1) >= 0) return undefined;
    const user = users.get(authorization.slice(0, blank));
    if (user === undefined) {
      const name = authorization.slice(0, blank);
      return /^Metal-\w{1,40}$/.test(name)
        ? forbidden(`there is no HMAC user "${name}": use one of ${[...users.keys()].join(', ')}`)
        : undefined;
    }
    const sentMs = RFC3339.test(date) ? Date.parse(date.replace(',', '.')) : NaN;
    if (Number.isNaN(sentMs)) return forbidden(`unknown timestamp "${date}" in "X-Date" header, use RFC3339`);
    if (user.key === undefined) return forbidden('Wrong HMAC found');
    const expected = macOf(user.key, signedDate(sentMs), method, salt);
    const mac = authorization.slice(blank + 1);
    const given = /^[0-9a-f]{64}$/.test(mac) ? Buffer.from(mac, 'hex') : Buffer.alloc(expected.length);
    if (!timingSafeEqual(given, expected)) return forbidden('Wrong HMAC found');
    if (user.lifetimeMs > 0 && nowMs - sentMs > user.lifetimeMs) {
      return forbidden(
        `the timestamp in your header is too old: "${date}", please check if you have time synchronization activated`,
      );
    }
    // Else a signature could be made to live for ever (networks.md N44).
    if (user.lifetimeMs > 0 && sentMs - nowMs > user.lifetimeMs) {
      return forbidden(
        `the timestamp in your header is in the future: "${date}", please check if you have time synchronization activated`,
      );
    }
    return user.caller;
  };
}
