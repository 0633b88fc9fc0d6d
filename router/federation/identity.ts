// Who a site is: its authority, its certificate and the HMAC keys, as files of mode 0600 in its folder.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  certificateFingerprint,
  createAuthority,
  issueCertificate,
  renewAtMs,
  type Authority,
  type Certificate,
  type CertificateSubject,
} from '../link/certificates.ts';

export interface HmacKeys {
  view: string;
  edit: string;
  admin: string;
}

/** What is shared by all sites of a federation, and handed to a joiner under its seal. */
export interface FederationSecrets {
  authority: { cert: string; key: string };
  hmac: HmacKeys;
  providerTenant: string;
}

export interface SiteIdentity {
  readonly authority: Authority;
  readonly hmac: HmacKeys;
  readonly providerTenant: string;
  readonly certificate: Certificate;
  /** Makes the site's certificate anew when its partitions or hosts changed or two thirds of its life are over. */
  renew(partitions: readonly string[]): Promise<boolean>;
  /** Certificate files for the agents of a partition: `agents/<partition>/{ca.pem,agent.pem,agent.key}`; answers the folder. */
  issueAgent(partition: string): Promise<string>;
  /** Certificate files for a router: `router/{ca.pem,router.pem,router.key}`; answers the folder. */
  issueRouter(): Promise<string>;
  /** Replaces authority and keys by those of the federation that was joined. Takes effect with the next start. */
  adopt(secrets: FederationSecrets): void;
}

export interface IdentityOptions {
  site: string;
  partitions: readonly string[];
  /** Names and addresses under which others reach this process. */
  hosts: readonly string[];
  /** Used when the site makes its first keys. */
  providerTenant: string;
  nowMs(): number;
}

const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);

/** Written beside and renamed: a crash leaves the old file or the new one. */
export function writeSecret(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
}

const hostNames = (hosts: readonly string[]): Pick<CertificateSubject, 'dnsNames' | 'ipAddresses'> => ({
  dnsNames: [...new Set(['localhost', ...hosts.filter((host) => isIP(host) === 0)])],
  ipAddresses: [...new Set(['127.0.0.1', '::1', ...hosts.filter((host) => isIP(host) !== 0)])],
});

/** Opens the identity of a site; makes authority and keys at the first start. */
export async function openIdentity(folder: string, options: IdentityOptions): Promise<SiteIdentity> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (name: string): string => join(folder, name);

  async function openAuthority(): Promise<Authority> {
    const [cert, key] = [read(path('ca.pem')), read(path('ca.key'))];
    if (cert !== undefined && key !== undefined) return { cert, key, fingerprint: certificateFingerprint(cert) };
    const made = await createAuthority(`hanse ${options.site}`, options.nowMs());
    writeSecret(path('ca.key'), made.key);
    writeSecret(path('ca.pem'), made.cert);
    return made;
  }

  function openKeys(): { hmac: HmacKeys; providerTenant: string } {
    const stored = read(path('hmac.json'));
    if (stored !== undefined) return JSON.parse(stored) as { hmac: HmacKeys; providerTenant: string };
    const key = (): string => randomBytes(32).toString('base64url');
    const made = { hmac: { view: key(), edit: key(), admin: key() }, providerTenant: options.providerTenant };
    writeSecret(path('hmac.json'), JSON.stringify(made, null, 2));
    return made;
  }

  /** What was adopted, as one file: keys of two authorities side by side would be nobody's. */
  function finishAdoption(): void {
    const stored = read(path('adopted.json'));
    if (stored === undefined) return;
    const secrets = JSON.parse(stored) as FederationSecrets;
    writeSecret(path('ca.key'), secrets.authority.key);
    writeSecret(path('ca.pem'), secrets.authority.cert);
    const { hmac, providerTenant } = secrets;
    writeSecret(path('hmac.json'), JSON.stringify({ hmac, providerTenant }, null, 2));
    rmSync(path('adopted.json'));
  }

  // A process may have died in the middle of it.
  finishAdoption();
  const authority = await openAuthority();
  const { hmac, providerTenant } = openKeys();

  /** What the certificate was made for; another wish makes it anew. */
  const wishOf = (partitions: readonly string[]): string =>
    JSON.stringify({
      site: options.site,
      partitions: [...partitions].sort(),
      hosts: options.hosts,
      authority: authority.fingerprint,
    });

  async function issueSite(partitions: readonly string[]): Promise<Certificate> {
    const made = await issueCertificate(
      authority,
      {
        commonName: `site ${options.site}`,
        kind: 'site',
        siteId: options.site,
        partitionIds: partitions,
        ...hostNames(options.hosts),
      },
      options.nowMs(),
    );
    writeSecret(path('site.key'), made.key);
    writeSecret(path('site.pem'), made.cert);
    writeSecret(path('site.json'), wishOf(partitions));
    return made;
  }

  function storedSite(partitions: readonly string[]): Certificate | undefined {
    const [cert, key, wish] = [read(path('site.pem')), read(path('site.key')), read(path('site.json'))];
    if (cert === undefined || key === undefined || wish !== wishOf(partitions)) return undefined;
    return options.nowMs() < renewAtMs(cert) ? { cert, key } : undefined;
  }

  async function issueFiles(name: string, certFile: string, subject: CertificateSubject): Promise<string> {
    const target = path(name);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const files = {
      ca: join(target, 'ca.pem'),
      cert: join(target, `${certFile}.pem`),
      key: join(target, `${certFile}.key`),
    };
    const stored = read(files.cert);
    const isGood = stored !== undefined && read(files.ca) === authority.cert && options.nowMs() < renewAtMs(stored);
    if (!isGood) {
      const made = await issueCertificate(authority, subject, options.nowMs());
      writeSecret(files.ca, authority.cert);
      writeSecret(files.key, made.key);
      writeSecret(files.cert, made.cert);
    }
    return target;
  }

  let certificate = storedSite(options.partitions) ?? (await issueSite(options.partitions));

  return {
    authority,
    hmac,
    providerTenant,
    get certificate() {
      return certificate;
    },
    async renew(partitions) {
      const stored = storedSite(partitions);
      if (stored !== undefined && stored.cert === certificate.cert) return false;
      certificate = stored ?? (await issueSite(partitions));
      return true;
    },
    issueAgent: (partition) =>
      issueFiles(join('agents', partition), 'agent', {
        commonName: `agents of ${partition}`,
        kind: 'agent',
        siteId: options.site,
        partitionIds: [partition],
        days: 365,
      }),
    issueRouter: () => issueFiles('router', 'router', { commonName: 'router', kind: 'router', days: 365 }),
    adopt(secrets) {
      writeSecret(path('adopted.json'), JSON.stringify(secrets));
      finishAdoption();
    },
  };
}
