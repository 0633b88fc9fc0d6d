import { test } from 'node:test';
import assert from 'node:assert/strict';
import { checkToken, claimToken, createToken, isTokenRefusal, parseToken, TOKEN_LIFETIME_MS } from './token.ts';

const fingerprint = 'ab'.repeat(32);
const nowMs = 1_900_000_000_000;
const wishes = { fingerprint, addresses: ['10.0.0.1:8443', '[2001:db8::1]:8443', 'muc.example:8443'], nowMs };
const joiner = { siteId: 'fra', partitionIds: ['fra'], publicKey: Uint8Array.of(1, 2, 3) };

const kind = (value: object | undefined): string | undefined =>
  value !== undefined && isTokenRefusal(value) ? value.kind : undefined;

test('a token comes back from its text; the record holds no secret', () => {
  const { text, record } = createToken(wishes);
  assert.match(text, /^hanse1\.[A-Za-z0-9_-]+$/);
  const token = parseToken(` ${text}\n`, nowMs);
  assert.ok(!isTokenRefusal(token));
  assert.deepEqual([token.id, token.fingerprint, token.addresses], [record.id, fingerprint, wishes.addresses]);
  assert.equal(token.expiresAtMs, nowMs + TOKEN_LIFETIME_MS);
  assert.ok(!JSON.stringify(record).includes(token.secret));
  assert.equal(checkToken(record, token, nowMs), undefined);
});

test('reliability.md §9: 15 minutes by the issuer; the joiner allows for clocks 10 minutes apart', () => {
  const { text, record } = createToken(wishes);
  const token = parseToken(text, nowMs + TOKEN_LIFETIME_MS + 9 * 60_000);
  assert.ok(!isTokenRefusal(token));
  assert.equal(kind(checkToken(record, token, nowMs + TOKEN_LIFETIME_MS + 1)), 'Expired');
  assert.equal(kind(parseToken(text, nowMs + TOKEN_LIFETIME_MS + 11 * 60_000)), 'Expired');
});

test('F27: a wrong secret, another authority, an unknown id are refused; texts that are no tokens too', () => {
  const { text, record } = createToken(wishes);
  const token = parseToken(text, nowMs);
  assert.ok(!isTokenRefusal(token));
  assert.equal(kind(checkToken(record, { ...token, secret: 'x'.repeat(43) }, nowMs)), 'Unknown');
  assert.equal(kind(checkToken(record, { ...token, secret: '' }, nowMs)), 'Unknown');
  assert.equal(kind(checkToken(undefined, token, nowMs)), 'Unknown');
  assert.equal(kind(checkToken(record, { ...token, fingerprint: 'cd'.repeat(32) }, nowMs)), 'OtherAuthority');
  for (const bad of ['', 'hanse1.', 'hanse2.abc', text.slice(0, -9), `hanse1.${'a'.repeat(9_000)}`, 'hanse1.e30']) {
    assert.equal(kind(parseToken(bad, nowMs)), 'Malformed', bad.slice(0, 20));
  }
});

test('F27: a token belongs to the first that uses it, who may repeat; names can be bound to it', () => {
  const { record } = createToken({ ...wishes, siteId: 'fra', partitionIds: ['fra', 'fra2'] });
  const claimed = claimToken(record, joiner);
  assert.ok(!isTokenRefusal(claimed));
  assert.equal(claimToken(claimed, joiner), claimed);
  assert.equal(kind(claimToken(claimed, { ...joiner, publicKey: Uint8Array.of(9) })), 'Used');
  assert.equal(kind(claimToken(record, { ...joiner, siteId: 'ber' })), 'NotAllowed');
  assert.equal(kind(claimToken(record, { ...joiner, partitionIds: ['fra', 'muc'] })), 'NotAllowed');
  const open = claimToken(createToken(wishes).record, joiner);
  assert.ok(!isTokenRefusal(open));
  assert.equal(kind(claimToken(open, { ...joiner, siteId: 'ber' })), 'Used');
});
