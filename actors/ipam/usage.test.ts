import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChildSpace } from './child-prefixes.ts';
import { parsePrefix } from './prefix.ts';
import { prefixUsage, sumUsage } from './usage.ts';

const prefix = (text: string) => parsePrefix(text)!;

test('networks.md §11.4: usage of fresh prefixes', () => {
  const fresh: [string, number, number, number][] = [
    ['10.0.0.0/8', 16_777_216, 2, 4_194_304],
    ['192.168.1.0/24', 256, 2, 64],
    ['192.168.4.0/29', 8, 2, 2],
    ['192.168.4.0/30', 4, 2, 1],
    ['192.168.4.0/31', 2, 2, 0],
    ['192.168.4.0/32', 1, 1, 0],
    ['fd02::/64', 2_147_483_647, 1, 2_147_483_647],
    ['fd00::/62', 2_147_483_647, 1, 2_147_483_647],
    ['2001:db9::/48', 2_147_483_647, 1, 2_147_483_647],
    ['fd04::/96', 2_147_483_647, 1, 1_073_741_824],
    ['fd03::/97', 2_147_483_648, 1, 536_870_912],
    ['fd05::/98', 1_073_741_824, 1, 268_435_456],
    ['fd06::/127', 2, 1, 0],
    ['fd07::/128', 1, 1, 0],
    ['0.0.0.0/0', 2_147_483_647, 2, 1_073_741_824],
    ['::/0', 2_147_483_647, 1, 2_147_483_647],
  ];
  for (const [text, available_ips, used_ips, available_prefixes] of fresh) {
    const expected = { available_ips, used_ips, available_prefixes, used_prefixes: 0 };
    assert.deepEqual(prefixUsage({ prefix: prefix(text), held: 0 }), expected, text);
    assert.deepEqual(
      prefixUsage({ prefix: prefix(text), held: 0, children: createChildSpace(prefix(text)) }),
      expected,
      text,
    );
  }
});

test('go-ipam AcquireIPCounts, AcquireSpecificIP: used counts the reserved ones, available never changes', () => {
  const v4 = prefix('192.168.99.0/24');
  const v6 = prefix('2001:db8:85a3::/120');
  for (const held of [0, 1, 2, 1, 0]) {
    assert.deepEqual(prefixUsage({ prefix: v4, held }), {
      available_ips: 256,
      used_ips: 2 + held,
      available_prefixes: 64,
      used_prefixes: 0,
    });
    assert.equal(prefixUsage({ prefix: v6, held }).used_ips, 1 + held);
  }
});

test('go-ipam availablePrefixes', () => {
  const cases: [string, string[], number][] = [
    ['192.168.0.0/20', ['192.168.0.0/22'], 768],
    ['192.168.0.0/16', ['192.168.0.0/22', '192.168.0.0/26'], 16128],
    ['192.168.0.0/16', ['192.168.0.0/22', '192.168.0.0/26', '192.168.128.0/26', '192.168.196.0/26'], 16096],
    ['2001:db8::/120', [], 64],
    ['2001:db8::/120', ['2001:db8::/122'], 48],
    // Smaller than a block: one of the four addresses of a /30 taken, none of its /30 is left.
    ['192.168.0.0/24', ['192.168.0.1/32', '192.168.0.2/31', '192.168.0.4/32'], 62],
    ['192.168.0.0/31', ['192.168.0.0/32'], 0],
  ];
  for (const [parent, children, expected] of cases) {
    const usage = prefixUsage({ prefix: prefix(parent), held: 0, children: children.map(prefix) });
    assert.equal(usage.available_prefixes, expected, `${parent} with ${children.join(' ')}`);
    assert.equal(usage.used_prefixes, children.length);
  }
});

test('go-ipam AvailablePrefixes: smallest count', () => {
  const cases: [string, number][] = [
    ['192.168.0.0/32', 0],
    ['192.168.0.0/31', 0],
    ['192.168.0.0/30', 1],
    ['192.168.0.0/24', 64],
    ['2001:db8::/128', 0],
    ['2001:db8::/127', 0],
    ['2001:db8::/126', 1],
  ];
  for (const [text, expected] of cases)
    assert.equal(prefixUsage({ prefix: prefix(text), held: 0 }).available_prefixes, expected);
  // What can't be parsed is no prefix, and none counts nothing; of a stored one see actors/network/go-ipam.test.ts.
  for (const text of ['', '192.168.0.0', '192.168.0.0/33', '2001:db8::/129', ':::/120']) {
    const usages = [parsePrefix(text)].flatMap((one) =>
      one === undefined ? [] : [prefixUsage({ prefix: one, held: 0 })],
    );
    assert.equal(sumUsage(usages).available_prefixes, 0, text);
  }
});

test('networks.md N08: a /48 counts its large free blocks after the first child too', () => {
  const space = createChildSpace(prefix('2001:db8::/48'));
  space.acquire(64);
  const usage = prefixUsage({ prefix: space.parent, held: 0, children: space });
  assert.deepEqual(usage, {
    available_ips: 2_147_483_647,
    used_ips: 1,
    available_prefixes: 2_147_483_647,
    used_prefixes: 1,
  });
});

test('networks.md §1.8: numbers of a family are sums over its prefixes', () => {
  const usages = ['10.0.0.0/24', '10.0.1.0/30'].map((text) => prefixUsage({ prefix: prefix(text), held: 1 }));
  assert.deepEqual(sumUsage(usages), { available_ips: 260, used_ips: 6, available_prefixes: 65, used_prefixes: 0 });
  assert.deepEqual(sumUsage([]), { available_ips: 0, used_ips: 0, available_prefixes: 0, used_prefixes: 0 });
});
