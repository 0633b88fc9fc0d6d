import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  addressAt,
  addressBytes,
  addressFromBytes,
  formatAddress,
  offsetIn,
  parseAddress,
  parseFamily,
} from './address.ts';
import type { Address } from './address.ts';
import { parsePrefix } from './prefix.ts';

const anyAddress: fc.Arbitrary<Address> = fc.oneof(
  fc.nat(0xffff_ffff).map((value): Address => ({ family: 'IPv4', value })),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value): Address => ({ family: 'IPv6', value })),
  // Long runs of zeros are where RFC 5952 has its rules.
  fc.array(fc.constantFrom(0n, 0n, 0n, 1n, 0xffffn), { minLength: 8, maxLength: 8 }).map((groups): Address => ({
    family: 'IPv6',
    value: groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n),
  })),
);

test('RFC 5952 §4 and networks.md §11.6: every spelling has one canonical text', () => {
  const spellings: [string, string][] = [
    ['10.1.0.9', '10.1.0.9'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8::00FF', '2001:db8::ff'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['::ffff:a00:9', '::ffff:10.0.0.9'],
    ['::ffff:10.0.0.9', '::ffff:10.0.0.9'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::1.2.3.4', '::102:304'],
  ];
  for (const [text, canonical] of spellings) {
    const address = parseAddress(text);
    assert.ok(address, text);
    assert.equal(formatAddress(address), canonical);
  }
});

test('networks.md §3.3: leading zeros, zone ids and other texts are no addresses', () => {
  const refused = [
    '10.1.0.09',
    '010.1.0.9',
    '0x0a.1.2.3',
    '10.1',
    '10',
    '1.2.3.4.',
    '256.1.1.1',
    '-1.2.3.4',
    ' 1.2.3.4',
    '1.2.3.4 ',
  ];
  refused.push(
    '',
    ':',
    ':::',
    '::1::',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '1::2:3:4:5:6:7:8',
    'fe80::1%eth0',
    '::ffff:1.2.3.04',
    '::1/128',
  );
  refused.push(
    '192.168.99.1.invalid',
    '10.0.0.0/8',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    '1.2.3.4::',
    `::${'0'.repeat(100)}1`,
  );
  for (const text of refused) assert.equal(parseAddress(text), undefined, JSON.stringify(text));
});

test('networks.md §2.2: an IPv4-mapped address stays IPv6', () => {
  assert.equal(parseAddress('::ffff:10.0.0.9')!.family, 'IPv6');
});

test('networks.md N13: a family is read in any case and kept in one', () => {
  assert.deepEqual(['ipv4', 'IPV6', 'IPv6', 'inet', ''].map(parseFamily), [
    'IPv4',
    'IPv6',
    'IPv6',
    undefined,
    undefined,
  ]);
});

test('text and bytes are lossless', () => {
  fc.assert(
    fc.property(anyAddress, (address) => {
      assert.deepEqual(parseAddress(formatAddress(address)), address);
      assert.deepEqual(addressFromBytes(addressBytes(address)), address);
    }),
  );
  assert.deepEqual(Array.from(addressBytes(parseAddress('10.1.2.3')!)), [10, 1, 2, 3]);
  assert.throws(() => addressFromBytes(new Uint8Array(5)), /4 or 16 bytes, not 5/);
});

test('bytes are read where they lie in a larger buffer', () => {
  const packed = Uint8Array.of(9, 10, 0, 0, 7, 9);
  assert.equal(formatAddress(addressFromBytes(packed.subarray(1, 5))), '10.0.0.7');
});

test('offsets and addresses of a prefix are inverse, and end with it', () => {
  const wide = parsePrefix('2001:db8::/48')!;
  const narrow = parsePrefix('255.255.255.0/24')!;
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 80n) - 1n }), (offset) => {
      assert.equal(offsetIn(wide, addressAt(wide, offset)), offset);
    }),
  );
  assert.equal(formatAddress(addressAt(narrow, 255)), '255.255.255.255');
  assert.throws(() => addressAt(narrow, 256), /offset 256 is outside of 255\.255\.255\.0\/24/);
  assert.throws(() => addressAt(narrow, -1), RangeError);
  assert.throws(() => offsetIn(narrow, parseAddress('10.0.0.1')!), /10\.0\.0\.1 is outside of/);
  assert.throws(() => offsetIn(narrow, parseAddress('::ffff:255.255.255.1')!), RangeError);
});
