import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { parseSshPublicKey } from './ssh-key.ts';

// Made with ssh-keygen(1); the private halves were thrown away.
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHbuJVlzcmAtWBnn/uYuzv6+C7fuukWMsqtEaTIA0FVH';
const ECDSA =
  'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIAlxDyvxE9TEmjb4QFlEIaEujEzJ0IWI6w33tQEizYBMb2JP+iA8eC+hgFQLD5071M4Zjz6vISHtETONyvy3nI=';
const RSA =
  'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCrUSR+iwrOW6yPluQ4IV0/1Sq1Lu2S9DaaXmR2oRusdM8tM+3rp8tytOcQGmRkhRvjBP+rXtdHIrvNWMX1tQsFaB2455BdbfTWjFr5yMQ8fbHS3+2qtLWfdYW6pntMSMM+NaZv9zbn34+ehpcMBUUmbmy8ruokQrgDYb2/EL9RhFMhxMIWKw3wyqv24+kvfbMMs2oKNIl1qWJV1aZExGAzmuVvgFO+7pauC6M2r+lkgtRtvsO6FEhA/sOhHZqKZgI/hqptmB1J79fwHylJqQRmlAV8rT5Bj0kQ/4rigBy35oEKIdhIS81hR0VdXFz3UuC5KYVVyDf7axUK30F4Rhy/';
const CERTIFICATE_BLOB = Buffer.concat([
  Buffer.from([0, 0, 0, 32]),
  Buffer.from('ssh-ed25519-cert-v01@openssh.com'),
  Buffer.alloc(57, 7),
]).toString('base64');
const CERTIFICATE = `ssh-ed25519-cert-v01@openssh.com ${CERTIFICATE_BLOB}`;

describe('ssh public key', () => {
  it('machines.md §8.1: one authorized-keys line of a known type', () => {
    for (const key of [
      ED25519,
      `${ED25519} me@plant with words`,
      `${ED25519}\n`,
      ECDSA,
      RSA,
      `${RSA}\t me`,
      CERTIFICATE,
    ]) {
      assert.equal(parseSshPublicKey(key), key.trim());
    }
  });

  it('authorized_keys(5): options before the type', () => {
    for (const options of ['no-pty', 'command="echo \\"hi\\" there",no-pty', 'from="10.0.0.0/8,192.168.1.?"']) {
      const line = `${options} ${ED25519} me`;
      assert.equal(parseSshPublicKey(line), line);
    }
  });

  it('machines.md §23.7: an invalid key is 422', () => {
    const [type, blob] = ED25519.split(' ') as [string, string];
    const wrong = [
      '',
      'garbage',
      type,
      `${type} `,
      `${type} ???`,
      `ssh-rsa ${blob}`,
      `${type} ${blob.slice(0, -4)}`,
      `${type} ${blob}AAAA`,
      `# ${ED25519}`,
      `${ED25519}\n${ECDSA}`,
      `no-such-type ${blob}`,
      `a b ${ED25519}`,
      ECDSA.replaceAll('p256', 'p384'),
      'x'.repeat(20_000),
      'ssh-ed25519 ////',
    ];
    for (const key of wrong) {
      const refusal = parseSshPublicKey(key);
      assert.equal(isRefusal(refusal) && refusal.kind, 'Unprocessable', key);
    }
  });
});
