// Tokens of the one issuer that the provider tenant names (networks.md §6.8). Without one every token is refused.
import { createRemoteJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { forbidden, isRefusal, unavailable, type Refusal } from '../../actors/refusal.ts';
import type { Caller, Site } from '../site.ts';
import { directoryTypeOf, groupsOf } from './groups.ts';

export type VerifyBearer = (token: string) => Promise<Caller | Refusal>;

interface Issuer {
  url: string;
  clientId: string;
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512'];
const DISCOVERY_MS = 5_000;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((element) => typeof element === 'string') : [];

const audiencesOf = ({ aud }: JWTPayload): string[] => (aud === undefined ? [] : [aud].flat());

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown reason');

/** What the token is to blame for; for all else that keeps us from a key, the issuer or the way to it is. */
const isOfToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported;

/** The issuer's keys, by OIDC discovery at the first use. */
async function discover({ url }: Issuer): Promise<JWTVerifyGetKey> {
  const at = `${url.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(at, { signal: AbortSignal.timeout(DISCOVERY_MS) });
  if (!response.ok) throw new Error(`${at} answers with status ${response.status}`);
  const found = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (found.issuer !== url) throw new Error(`${at} speaks for another issuer`);
  return createRemoteJWKSet(new URL(textOf(found.jwks_uri)), { timeoutDuration: DISCOVERY_MS });
}

export function createVerifyBearer(site: Site): VerifyBearer {
  const { providerTenant } = site.config;
  const keysOf = new Map<string, Promise<JWTVerifyGetKey>>();

  const keys = (issuer: Issuer): Promise<JWTVerifyGetKey> => {
    const known = keysOf.get(issuer.url);
    if (known !== undefined) return known;
    const found = discover(issuer);
    // Kept only while it works: the next token tries again.
    found.catch(() => keysOf.delete(issuer.url));
    keysOf.clear();
    keysOf.set(issuer.url, found);
    return found;
  };

  /** Rejects with a refusal where the token could not be looked at: another site, or another time, may know the key. */
  const keyOf =
    (issuer: Issuer): JWTVerifyGetKey =>
    async (header, signed) => {
      try {
        return await (
          await keys(issuer)
        )(header, signed);
      } catch (error) {
        if (isOfToken(error)) throw error;
        throw unavailable(`the keys of the issuer of tokens, ${issuer.url}, can't be read: ${reasonOf(error)}`);
      }
    };

  return async (token) => {
    const iam = site.directory.get('tenant', providerTenant)?.iamConfig;
    const issuer = iam?.issuerConfig;
    if (!issuer?.url) return forbidden('issuer/clientid not found: no issuer of tokens is configured');
    let claims: JWTPayload;
    try {
      const unverified = decodeJwt(token);
      if (unverified.iss !== issuer.url || !audiencesOf(unverified).includes(issuer.clientId)) {
        return forbidden('issuer/clientid not found');
      }
      const verified = await jwtVerify(token, keyOf(issuer), {
        issuer: issuer.url,
        audience: issuer.clientId,
        algorithms: ALGORITHMS,
        requiredClaims: ['exp'],
        currentDate: new Date(site.wallMs()),
      });
      claims = verified.payload;
    } catch (error) {
      return isRefusal(error) ? error : forbidden(`the token is not valid: ${reasonOf(error)}`);
    }
    const directory = directoryTypeOf(iam?.idmConfig?.idmType);
    if (directory === undefined) {
      return forbidden(`invalid directoryType ${iam?.idmConfig?.idmType ?? ''}, expected ldap or ad`);
    }
    const roles = textsOf(claims['roles']);
    return {
      name: textOf(claims['preferred_username']) || textOf(claims['name']),
      email: textOf(claims['email']),
      groups: groupsOf(roles.length > 0 ? roles : textsOf(claims['groups']), directory, providerTenant),
      tenant: providerTenant,
      issuer: textOf(claims.iss),
      subject: textOf(claims.sub),
    };
  };
}
