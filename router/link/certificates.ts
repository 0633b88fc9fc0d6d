import { createHash, webcrypto, X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { isIP } from 'node:net';
import { installReflectMetadata } from './metadata.ts';

/** What a certificate may be used for; the rims decide by it (a `site` may open a link, an `agent` may not). */
export type CertificateKind = 'site' | 'agent' | 'router' | 'server';

/** A certificate authority: PEM certificate, PKCS#8 PEM private key, and the SHA-256 of the certificate as lower-case hex. */
export type Authority = { readonly cert: string; readonly key: string; readonly fingerprint: string };

/** A PEM certificate and its PKCS#8 PEM private key. */
export type Certificate = { readonly cert: string; readonly key: string };

/** Whom a certificate names. `days` defaults to 30 (reliability.md §9: certificates 30 days, renewed at two thirds). */
export type CertificateSubject = {
  readonly commonName: string;
  readonly kind: CertificateKind;
  readonly siteId?: string;
  readonly partitionIds?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly days?: number;
};

/** Whom a verified certificate speaks for. */
export type PeerIdentity = {
  readonly kind: CertificateKind;
  readonly site: string | undefined;
  readonly partitions: readonly string[];
};

/** Clocks of two sites may be this far apart while they join and link (reliability.md §9, join). */
export const CLOCK_TOLERANCE_MS = 10 * 60_000;

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_652;
const KINDS: readonly string[] = ['site', 'agent', 'router', 'server'] satisfies CertificateKind[];
const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

// Loaded on first use: the library costs 100 ms at start, and needs the metadata calls to be there before it is evaluated.
async function x509Library() {
  installReflectMetadata();
  return await import('@peculiar/x509');
}

/** SHA-256 of a PEM or DER certificate, lower-case hex without separators. */
export function certificateFingerprint(certificate: string | Uint8Array): string {
  const der = typeof certificate === 'string' ? new X509Certificate(certificate).raw : certificate;
  return createHash('sha256').update(der).digest('hex');
}

/** Makes a new authority (ECDSA P-256, ten years, may sign end certificates only). */
export async function createAuthority(name: string, nowMs: number = Date.now()): Promise<Authority> {
  const x509 = await x509Library();
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName(name)] }],
    notBefore: new Date(nowMs - 2 * CLOCK_TOLERANCE_MS),
    notAfter: new Date(nowMs + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const cert = certificate.toString('pem');
  return { cert, key: await privateKeyPem(keys.privateKey), fingerprint: certificateFingerprint(cert) };
}

/** Makes a key pair and a certificate for it. Throws a RangeError that names the field when the subject makes no sense. */
export async function issueCertificate(
  authority: Pick<Authority, 'cert' | 'key'>,
  subject: CertificateSubject,
  nowMs: number = Date.now(),
): Promise<Certificate> {
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const cert = await sign(authority, subject, keys.publicKey, nowMs);
  return { cert, key: await privateKeyPem(keys.privateKey) };
}

/** A certificate request (PKCS#10) and the private key that never leaves its maker. */
export async function createCertificateRequest(name: string): Promise<{ request: string; key: string }> {
  const x509 = await x509Library();
  const keys = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [commonName(name)] }],
    keys,
    signingAlgorithm: SIGNATURE,
  });
  return { request: request.toString('pem'), key: await privateKeyPem(keys.privateKey) };
}

/**
 * Signs the key of a request. Only the key is taken from it: names and rights come from `subject`, which the issuer
 * decides. Throws when the request does not prove possession of its key.
 */
export async function signCertificateRequest(
  authority: Pick<Authority, 'cert' | 'key'>,
  request: string,
  subject: CertificateSubject,
  nowMs: number = Date.now(),
): Promise<string> {
  const x509 = await x509Library();
  const parsed = new x509.Pkcs10CertificateRequest(request);
  if (!(await parsed.verify())) throw new RangeError('certificate request: its signature does not prove the key');
  return await sign(authority, subject, await parsed.publicKey.export(), nowMs);
}

/**
 * Reads whom a certificate speaks for from its URI names. The caller has verified the chain (`socket.authorized`);
 * undefined when the certificate is missing or is not one of ours.
 */
export function peerIdentity(
  certificate: Pick<PeerCertificate, 'subjectaltname'> | undefined,
): PeerIdentity | undefined {
  let kind: CertificateKind | undefined;
  let site: string | undefined;
  const partitions: string[] = [];
  for (const name of (certificate?.subjectaltname ?? '').split(', ')) {
    const match = /^URI:hanse:(kind|site|partition)\/([A-Za-z0-9._~%-]+)$/.exec(name);
    if (match === null) continue;
    const value = decodeURIComponent(match[2] ?? '');
    if (match[1] === 'partition') partitions.push(value);
    else if (match[1] === 'site') site = value;
    else if (KINDS.includes(value)) kind = value as CertificateKind;
  }
  return kind === undefined ? undefined : { kind, site, partitions };
}

/** When a certificate should be replaced: two thirds of its life (reliability.md §9), as epoch milliseconds. */
export function renewAtMs(cert: string): number {
  const { validFrom, validTo } = new X509Certificate(cert);
  const from = Date.parse(validFrom);
  return from + ((Date.parse(validTo) - from) * 2) / 3;
}

async function sign(
  authority: Pick<Authority, 'cert' | 'key'>,
  subject: CertificateSubject,
  publicKey: webcrypto.CryptoKey,
  nowMs: number,
): Promise<string> {
  const x509 = await x509Library();
  const issuer = new x509.X509Certificate(authority.cert);
  const uri = (value: string) => ({ type: 'url' as const, value });
  const names = [
    uri(`hanse:kind/${subject.kind}`),
    ...(subject.siteId === undefined ? [] : [uri(`hanse:site/${uriSegment('siteId', subject.siteId)}`)]),
    ...(subject.partitionIds ?? []).map((id) => uri(`hanse:partition/${uriSegment('partitionIds', id)}`)),
    ...(subject.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value: dnsName(value) })),
    ...(subject.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value: ipAddress(value) })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ CN: [commonName(subject.commonName)] }],
    issuer: issuer.subject,
    notBefore: new Date(nowMs - 2 * CLOCK_TOLERANCE_MS),
    notAfter: new Date(nowMs + days(subject.days ?? 30) * DAY_MS),
    publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      // Every process both dials and listens; an agent only ever dials.
      new x509.ExtendedKeyUsageExtension(
        subject.kind === 'agent'
          ? [x509.ExtendedKeyUsage.clientAuth]
          : [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
      ),
      new x509.SubjectAlternativeNameExtension(names),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return certificate.toString('pem');
}

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

async function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
  return await webcrypto.subtle.importKey('pkcs8', der, CURVE, false, ['sign']);
}

function commonName(name: string): string {
  if (name.length === 0 || name.length > 64) throw new RangeError(`commonName: 1 to 64 characters, got ${name.length}`);
  return name;
}

function uriSegment(field: string, id: string): string {
  if (id.length === 0 || id.length > 128)
    throw new RangeError(`${field}: ids have 1 to 128 characters, got ${id.length}`);
  return encodeURIComponent(id).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function dnsName(name: string): string {
  if (/^(?=.{1,253}$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*$/.test(name))
    return name;
  throw new RangeError(`dnsNames: ${JSON.stringify(name)} is not a host name`);
}

function ipAddress(address: string): string {
  if (isIP(address) !== 0) return address;
  throw new RangeError(`ipAddresses: ${JSON.stringify(address)} is not an IP address`);
}

function days(count: number): number {
  if (count > 0 && count <= AUTHORITY_DAYS) return count;
  throw new RangeError(`days: more than 0, at most ${AUTHORITY_DAYS}, got ${count}`);
}
