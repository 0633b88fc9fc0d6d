import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createSealingKeys, seal, unseal, type Sealed } from './sealing.ts';

const keys = createSealingKeys();
const secret = Buffer.from('the key of the authority');

test('what is sealed opens with the key in the same context, and is not readable outside', () => {
  const sealed = seal(secret, keys.publicKey, 'join 1');
  assert.equal(Buffer.from(unseal(sealed, keys, 'join 1')).toString(), secret.toString());
  assert.ok(!Buffer.from(sealed.ciphertext).includes(secret.subarray(0, 6)));
  assert.notDeepEqual(seal(secret, keys.publicKey, 'join 1').ciphertext, sealed.ciphertext);
});

test('another key, another context, and any changed byte do not open', () => {
  const sealed = seal(secret, keys.publicKey, 'join 1');
  assert.throws(() => unseal(sealed, keys, 'join 2'));
  assert.throws(() => unseal(sealed, createSealingKeys(), 'join 1'));
  for (const field of Object.keys(sealed) as (keyof Sealed)[]) {
    const changed = Uint8Array.from(sealed[field]);
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
    assert.throws(() => unseal({ ...sealed, [field]: changed }, keys, 'join 1'), field);
  }
  assert.throws(() => unseal({ ...sealed, tag: sealed.tag.subarray(0, 4) }, keys, 'join 1'));
});

test('only P-256 keys are sealed to', () => {
  assert.throws(() => seal(secret, Uint8Array.of(1, 2), ''), /publicKey: a P-256 key as SPKI DER is needed/);
});
