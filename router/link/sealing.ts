import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';

/** A key pair to which something is sealed: public key as SPKI DER, private key as PKCS#8 PEM. ECDH over P-256. */
export type SealingKeys = { readonly publicKey: Uint8Array; readonly privateKey: string };

/** Bytes that only the holder of one private key can read (ECDH, HKDF-SHA256, AES-256-GCM). */
export type Sealed = {
  /** The sealer's public key of this one message, SPKI DER. */
  readonly ephemeral: Uint8Array;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
};

const CURVE = 'prime256v1';

export function createSealingKeys(): SealingKeys {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: CURVE });
  return {
    publicKey: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/**
 * Seals bytes to a public key. `context` is what both sides must agree on; with another one the seal does not open.
 * Throws a RangeError when the key is not a P-256 one.
 */
export function seal(bytes: Uint8Array, recipient: Uint8Array, context: string): Sealed {
  const own = generateKeyPairSync('ec', { namedCurve: CURVE });
  const ephemeral = new Uint8Array(own.publicKey.export({ type: 'spki', format: 'der' }));
  const salt = randomBytes(32);
  const nonce = randomBytes(12);
  const key = derive(own.privateKey, publicKeyOf(recipient), salt, ephemeral, recipient, context);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const ciphertext = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return { ephemeral, salt, nonce, ciphertext, tag: cipher.getAuthTag() };
}

/** Opens what was sealed to these keys in this context; throws when anything was changed. */
export function unseal(sealed: Sealed, keys: SealingKeys, context: string): Uint8Array {
  const own = createPrivateKey(keys.privateKey);
  const key = derive(own, publicKeyOf(sealed.ephemeral), sealed.salt, sealed.ephemeral, keys.publicKey, context);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.tag);
  return new Uint8Array(Buffer.concat([decipher.update(sealed.ciphertext), decipher.final()]));
}

function publicKeyOf(der: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  } catch {
    throw new RangeError('publicKey: a P-256 key as SPKI DER is needed');
  }
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === CURVE) return key;
  throw new RangeError(`publicKey: a P-256 key is needed, got ${key.asymmetricKeyType}`);
}

// Both public keys and the context go into the key, so that a message can't be moved to another exchange.
function derive(
  own: KeyObject,
  other: KeyObject,
  salt: Uint8Array,
  ephemeral: Uint8Array,
  recipient: Uint8Array,
  context: string,
): Uint8Array {
  const shared = diffieHellman({ privateKey: own, publicKey: other });
  const bound = createHash('sha256').update(ephemeral).update(recipient).update(context).digest();
  return new Uint8Array(hkdfSync('sha256', shared, salt, Buffer.concat([Buffer.from('hanse seal 1'), bound]), 32));
}
