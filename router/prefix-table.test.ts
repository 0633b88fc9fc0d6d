import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAt, parseAddress } from '../actors/ipam/address.ts';
import { mostHashedAlike } from '../actors/ipam/hashed-alike.fixture.ts';
import { parsePrefix, splitAt, type Prefix } from '../actors/ipam/prefix.ts';
import { createPrefixTable } from './prefix-table.ts';

const prefix = (text: string): Prefix => parsePrefix(text)!;

test('the longest prefix that contains the address, of either family and any length', () => {
  const table = createPrefixTable<string>();
  const texts = ['0.0.0.0/0', '192.0.0.0/2', '203.0.113.0/24', '203.0.113.9/32', '::/0', '2001:db8::/32', 'fd00::/64'];
  for (const text of [...texts, 'fd00::9/128']) table.add(prefix(text), text);
  for (const [address, found] of [
    ['10.0.0.1', '0.0.0.0/0'],
    ['203.0.112.1', '192.0.0.0/2'],
    ['203.0.113.8', '203.0.113.0/24'],
    ['203.0.113.9', '203.0.113.9/32'],
    ['2001:db9::', '::/0'],
    ['2001:db8:ffff::', '2001:db8::/32'],
    ['fd00::8', 'fd00::/64'],
    ['fd00::9', 'fd00::9/128'],
  ] as const)
    assert.deepEqual(table.longest(parseAddress(address)!), [found], address);
  table.remove(prefix('203.0.113.0/24'), '203.0.113.0/24');
  assert.deepEqual(table.longest(parseAddress('203.0.113.8')!), ['192.0.0.0/2']);
});

test('a look-up does not walk over all other prefixes of the length', () => {
  for (const [parent, length] of [
    ['2001:db8::/32', 56],
    ['2001:db8::/48', 64],
    ['2001:db8::/100', 116],
  ] as const) {
    const table = createPrefixTable<number>();
    const alike = mostHashedAlike(() => {
      for (let n = 0; n < 1_000; n++) table.add(splitAt(prefix(parent), length, n), n);
    });
    assert.ok(alike <= 1, parent);
    assert.deepEqual(table.longest(addressAt(splitAt(prefix(parent), length, 999), 5)), [999]);
  }
});
