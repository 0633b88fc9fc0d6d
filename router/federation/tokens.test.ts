import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createToken, type TokenRecord } from '../link/token.ts';
import { openTokens } from './tokens.ts';

const folder = mkdtempSync(join(tmpdir(), 'hanse-tokens-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const made = (nowMs: number): { text: string; record: TokenRecord } =>
  createToken({ fingerprint: 'a'.repeat(64), addresses: ['muc:8443'], nowMs });

test('reliability.md §9: a claim is durable, and belongs to the first; secrets are not stored', () => {
  const tokens = openTokens(folder, () => 1_000);
  const { text, record } = made(1_000);
  tokens.add(record);
  const claimed = { ...record, claim: { siteId: 'fra', publicKeyHash: '1' } };
  assert.equal(tokens.storeClaim(record, claimed), true);
  assert.equal(tokens.storeClaim(record, { ...record, claim: { siteId: 'ber', publicKeyHash: '2' } }), false);
  const file = join(folder, 'tokens.json');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = JSON.parse(Buffer.from(text.slice('hanse1.'.length), 'base64url').toString()) as { secret: string };
  assert.ok(!readFileSync(file, 'utf8').includes(secret.secret));

  const reopened = openTokens(folder, () => 1_000);
  assert.deepEqual(reopened.find(record.id)?.claim, claimed.claim);
  reopened.releaseClaim(record);
  assert.deepEqual(reopened.find(record.id)?.claim, claimed.claim, 'another claim is not released');
  reopened.releaseClaim(claimed);
  assert.equal(openTokens(folder, () => 1_000).find(record.id)?.claim, undefined);
});

test('tokens that are long over are forgotten', () => {
  let nowMs = 1_000;
  const tokens = openTokens(join(folder, 'other'), () => nowMs);
  const old = made(nowMs);
  tokens.add(old.record);
  nowMs += 3_600_000;
  tokens.add(made(nowMs).record);
  assert.notEqual(tokens.find(old.record.id), undefined);
  nowMs += 48 * 3_600_000;
  tokens.add(made(nowMs).record);
  assert.equal(tokens.find(old.record.id), undefined);
});
