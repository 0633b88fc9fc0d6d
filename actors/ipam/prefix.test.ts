import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatAddress, parseAddress } from './address.ts';
import {
  comparePrefixes,
  contains,
  covers,
  firstBytes,
  lastAddress,
  lastBytes,
  overlaps,
  overlapsAny,
  parsePrefix,
  prefixOf,
  size,
  splitAt,
} from './prefix.ts';
import type { Prefix } from './prefix.ts';

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
};

// Few bits, so that pairs often meet.
const closePrefix: fc.Arbitrary<Prefix> = fc
  .record({ six: fc.boolean(), low: fc.nat(63), length: fc.integer({ min: 0, max: 6 }) })
  .map(({ six, low, length }) =>
    six
      ? prefixOf({ family: 'IPv6', value: (0x2001_0db8n << 96n) | BigInt(low) }, 122 + length)
      : prefixOf({ family: 'IPv4', value: 0xff00_0000 + low }, 26 + length),
  );

test('go-ipam NewPrefix: host bits are masked away and told', () => {
  const masked: [string, string][] = [
    ['192.169.0.1/24', '192.169.0.0/24'],
    ['192.167.10.0/16', '192.167.0.0/16'],
    ['10.2.0.0/8', '10.0.0.0/8'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['::2/120', '::/120'],
    ['2001:DB8:0:0::5/64', '2001:db8::/64'],
  ];
  for (const [text, canonical] of masked) {
    assert.equal(prefix(text).canonical, canonical);
    assert.equal(prefix(text).hostBitsSet, true);
    assert.equal(prefix(canonical).hostBitsSet, false);
  }
  assert.equal(prefix('2001:DB8:0::/64').hostBitsSet, false);
});

test('go-ipam NewPrefix: what is no prefix', () => {
  const refused = [
    '10.0.0.0/33',
    '::/129',
    ':::/120',
    '10.0.0.0',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
  ];
  refused.push('10.0.0.0/8/8', '10.0.0/8', '010.0.0.0/8', 'fe80::1%eth0/64', '10.0.0.0/8 ', '10.0.0.0/255.0.0.0', '');
  for (const text of refused) assert.equal(parsePrefix(text), undefined, JSON.stringify(text));
});

test('go-ipam PrefixesOverlapping', () => {
  const cases: [string, string, boolean][] = [
    ['192.168.1.0/24', '192.168.0.0/24', false],
    ['192.168.1.0/24', '192.168.1.0/24', true],
    ['192.168.0.0/23', '192.168.1.0/24', true],
    ['192.168.3.0/24', '192.168.2.0/23', true],
    ['192.168.128.0/25', '192.168.128.0/27', true],
    ['2001:db8::/64', '2001:db8::/64', true],
    ['::ffff:11.2.0.0/112', '11.2.0.0/16', false],
  ];
  for (const [a, b, expected] of cases) assert.equal(overlaps(prefix(a), prefix(b)), expected, `${a} ${b}`);
});

test('go-ipam IPRangeOverlapping: 10.10.10.1/24 overlaps 10.10.10.0/24', () => {
  assert.ok(overlaps(prefix('10.10.10.0/24'), prefix('10.10.10.1/24')));
});

test('go-ipam Availableips', () => {
  const sizes: [string, bigint][] = [
    ['192.168.0.0/20', 4096n],
    ['192.168.0.0/24', 256n],
    ['192.168.0.0/25', 128n],
    ['192.168.0.0/30', 4n],
    ['2001:db8::/126', 4n],
    ['2001:db8::/116', 4096n],
    ['0.0.0.0/0', 1n << 32n],
    ['::/0', 1n << 128n],
  ];
  for (const [text, expected] of sizes) assert.equal(size(prefix(text)), expected, text);
});

test('first and last, as addresses and as bytes', () => {
  assert.equal(formatAddress(lastAddress(prefix('10.0.0.0/8'))), '10.255.255.255');
  assert.equal(formatAddress(lastAddress(prefix('2001:db8::/64'))), '2001:db8::ffff:ffff:ffff:ffff');
  assert.deepEqual(Array.from(firstBytes(prefix('192.168.4.0/22'))), [192, 168, 4, 0]);
  assert.deepEqual(Array.from(lastBytes(prefix('192.168.4.0/22'))), [192, 168, 7, 255]);
  assert.deepEqual(
    Array.from(lastBytes(prefix('ff00::/8'))),
    Array.from({ length: 16 }, () => 255),
  );
});

test('contains: both ends, not beyond, not across families', () => {
  const network = prefix('10.0.0.0/24');
  const cases: [string, boolean][] = [
    ['10.0.0.0', true],
    ['10.0.0.255', true],
    ['10.0.1.0', false],
    ['9.255.255.255', false],
    ['::ffff:10.0.0.9', false],
  ];
  for (const [text, expected] of cases) assert.equal(contains(network, parseAddress(text)!), expected, text);
});

test('overlaps, covers and the order agree with each other', () => {
  fc.assert(
    fc.property(closePrefix, closePrefix, (a, b) => {
      // Prefixes are aligned, so they overlap exactly if one covers the other.
      assert.equal(overlaps(a, b), covers(a, b) || covers(b, a));
      assert.equal(overlaps(a, b), overlaps(b, a));
      assert.equal(comparePrefixes(a, b) === 0, a.canonical === b.canonical);
      assert.equal(Math.sign(comparePrefixes(a, b)) + Math.sign(comparePrefixes(b, a)), 0);
      if (covers(a, b)) assert.ok(comparePrefixes(a, b) <= 0);
      assert.deepEqual(prefix(a.canonical), { ...a, hostBitsSet: false });
    }),
  );
});

test('the order: IPv4 first, then by address, then the larger prefix', () => {
  const sorted = ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/24', '10.0.1.0/24', '::/0', '2001:db8::/48', '2001:db8::/64'];
  assert.deepEqual(
    sorted
      .toReversed()
      .map(prefix)
      .sort(comparePrefixes)
      .map((p) => p.canonical),
    sorted,
  );
});

test('splitAt', () => {
  assert.equal(splitAt(prefix('10.0.0.0/8'), 20, 4095).canonical, '10.255.240.0/20');
  assert.equal(splitAt(prefix('2001:db8::/48'), 64, 65535n).canonical, '2001:db8:0:ffff::/64');
  assert.equal(splitAt(prefix('10.0.0.0/8'), 8, 0).canonical, '10.0.0.0/8');
  assert.throws(() => splitAt(prefix('10.0.0.0/8'), 20, 4096), /outside of 10\.0\.0\.0\/8/);
  assert.throws(() => splitAt(prefix('10.0.0.0/8'), 7, 0), /lengths from 8 to 32, not 7/);
  assert.throws(() => prefixOf(parseAddress('10.0.0.0')!, 33), /0 to 32, not 33/);
});

test('overlapsAny says of each prefix what a look at every pair says', () => {
  fc.assert(
    fc.property(fc.array(closePrefix, { maxLength: 8 }), fc.array(closePrefix, { maxLength: 8 }), (many, asked) => {
      const isNear = overlapsAny(many);
      for (const one of asked)
        assert.equal(
          isNear(one),
          many.some((other) => overlaps(one, other)),
          `${one.canonical} with ${many.map(({ canonical }) => canonical).join()}`,
        );
    }),
    { numRuns: 2000 },
  );
});

test('go-ipam fuzz: no text throws, and what is a prefix is masked and read again as itself', () => {
  const closeToPrefix = fc
    .array(fc.constantFrom('0', '1', '10', '255', '.', ':', '::', 'ff', '/', '/8', '/24', '/64', '%', ' '), {
      maxLength: 12,
    })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), closeToPrefix), (text) => {
      parseAddress(text);
      const parsed = parsePrefix(text);
      if (parsed !== undefined) assert.deepEqual(prefix(parsed.canonical), { ...parsed, hostBitsSet: false });
    }),
    { numRuns: 2000 },
  );
});
