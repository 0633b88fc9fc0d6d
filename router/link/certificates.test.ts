import { test } from 'node:test';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import {
  CLOCK_TOLERANCE_MS,
  certificateFingerprint,
  createAuthority,
  createCertificateRequest,
  issueCertificate,
  peerIdentity,
  renewAtMs,
  signCertificateRequest,
} from './certificates.ts';

const authority = await createAuthority('hanse test');

test('a certificate names kind, site and partitions, verifies against its authority only', async () => {
  const { cert, key } = await issueCertificate(authority, {
    commonName: 'muc',
    kind: 'site',
    siteId: 'muc',
    partitionIds: ['muc', 'fra, équ/01 (a)'],
    dnsNames: ['muc.example'],
    ipAddresses: ['127.0.0.1', '::1'],
  });
  const parsed = new X509Certificate(cert);
  const issuer = new X509Certificate(authority.cert);
  assert.ok(parsed.verify(issuer.publicKey) && parsed.checkIssued(issuer) && issuer.ca && !parsed.ca);
  assert.deepEqual(peerIdentity({ subjectaltname: parsed.subjectAltName ?? '' }), {
    kind: 'site',
    site: 'muc',
    partitions: ['muc', 'fra, équ/01 (a)'],
  });
  assert.equal(parsed.checkIP('127.0.0.1'), '127.0.0.1');
  assert.equal(parsed.checkHost('muc.example'), 'muc.example');
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  const other = new X509Certificate((await createAuthority('other')).cert);
  assert.ok(!parsed.verify(other.publicKey));
});

test('reliability.md §9: certificates work with clocks 10 minutes apart, last 30 days, renew at two thirds', async () => {
  const nowMs = Date.parse('2030-01-01T00:00:00Z');
  const { cert } = await issueCertificate(authority, { commonName: 'a', kind: 'agent' }, nowMs);
  const parsed = new X509Certificate(cert);
  assert.ok(Date.parse(parsed.validFrom) <= nowMs - CLOCK_TOLERANCE_MS);
  assert.equal(Date.parse(parsed.validTo), nowMs + 30 * 86_400_000);
  assert.ok(renewAtMs(cert) > nowMs + 19 * 86_400_000 && renewAtMs(cert) < nowMs + 21 * 86_400_000);
  const ca = new X509Certificate(authority.cert);
  assert.ok(Date.parse(ca.validTo) - Date.now() > 3_640 * 86_400_000);
});

test('the fingerprint is the SHA-256 of the certificate', () => {
  const expected = new X509Certificate(authority.cert).fingerprint256.replaceAll(':', '').toLowerCase();
  assert.equal(authority.fingerprint, expected);
  assert.equal(certificateFingerprint(new X509Certificate(authority.cert).raw), expected);
});

test('a request gives only its key; the issuer decides names and rights', async () => {
  const { request, key } = await createCertificateRequest('wants to be root');
  const cert = await signCertificateRequest(authority, request, {
    commonName: 'leaf01',
    kind: 'agent',
    partitionIds: ['muc'],
  });
  const parsed = new X509Certificate(cert);
  assert.equal(parsed.subject, 'CN=leaf01');
  assert.deepEqual(peerIdentity({ subjectaltname: parsed.subjectAltName ?? '' })?.kind, 'agent');
  const { createPrivateKey } = await import('node:crypto');
  assert.ok(parsed.checkPrivateKey(createPrivateKey(key)));
  const body = request.replace(/-----[A-Z ]+-----|\s/g, '');
  const broken = Buffer.from(body, 'base64');
  broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${broken.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
  await assert.rejects(signCertificateRequest(authority, pem, { commonName: 'x', kind: 'agent' }));
});

test('senseless subjects are refused naming the field', async () => {
  const bad = async (subject: object, field: RegExp) =>
    assert.rejects(issueCertificate(authority, { commonName: 'x', kind: 'site', ...subject }), field);
  await bad({ siteId: '' }, /siteId/);
  await bad({ dnsNames: ['a, DNS:b'] }, /dnsNames/);
  await bad({ ipAddresses: ['300.1.1.1'] }, /ipAddresses/);
  await bad({ days: 0 }, /days/);
  await bad({ commonName: '' }, /commonName/);
});

test('a foreign certificate speaks for nobody', () => {
  assert.equal(peerIdentity(undefined), undefined);
  assert.equal(peerIdentity({ subjectaltname: 'DNS:hanse:kind/site, URI:https://hanse:kind/site' }), undefined);
});
