import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import * as fc from 'fast-check';
import { createAddressSet } from './address-set.ts';
import type { AddressSet } from './address-set.ts';
import { addressAt, addressBytes, formatAddress, offsetIn, parseAddress, type Address } from './address.ts';
import { digestText, emptyDigest } from './digest.ts';
import { parsePrefix, size } from './prefix.ts';

const setOf = (text: string, options?: Parameters<typeof createAddressSet>[1]): AddressSet =>
  createAddressSet(parsePrefix(text)!, options);
const address = (text: string) => parseAddress(text)!;

function acquireLowest(set: AddressSet): string | undefined {
  const free = set.lowestFree();
  if (free === undefined) return undefined;
  assert.ok(set.acquire(free));
  return formatAddress(free);
}

test('go-ipam AcquireIP', () => {
  const cases: [string, string[], string | undefined][] = [
    ['192.168.1.0/24', [], '192.168.1.1'],
    ['2001:db8:85a3::/124', [], '2001:db8:85a3::1'],
    ['192.168.2.0/30', ['192.168.2.1'], '192.168.2.2'],
    ['2001:db8:85a3::/124', ['2001:db8:85a3::1'], '2001:db8:85a3::2'],
    ['192.168.3.0/30', ['192.168.3.1', '192.168.3.2'], undefined],
    ['192.168.4.0/31', [], undefined],
    ['192.168.4.0/32', [], undefined],
    ['2001:db8:85a3::/126', ['2001:db8:85a3::1', '2001:db8:85a3::2', '2001:db8:85a3::3'], undefined],
    ['2001:db8:85a3::/127', [], '2001:db8:85a3::1'],
    ['2001:db8:85a3::/127', ['2001:db8:85a3::1'], undefined],
    ['2001:db8:85a3::/128', [], undefined],
  ];
  for (const [prefix, held, expected] of cases) {
    const set = setOf(prefix);
    for (const text of held) assert.ok(set.acquire(address(text)));
    assert.equal(acquireLowest(set), expected, `${prefix} with ${held.join(' ')}`);
  }
});

test('go-ipam ReleaseIPFromPrefix: what is not held, or of another prefix or family, is not released', () => {
  for (const [prefix, strangers] of [
    ['192.168.0.0/24', ['1.2.3.4', '192.168.0.7', '192.168.1.0', '::ffff:192.168.0.7']],
    ['2001:db8:85a3::/120', ['1.2.3.4', '1001:db8:85a3::1', '2001:db8:85a3::7', '2001:db8:85a3::100']],
  ] as const) {
    for (const text of strangers) assert.equal(setOf(prefix).release(address(text)), false, text);
  }
});

test('go-ipam AcquireSpecificIP', () => {
  for (const [prefix, first, second, outside] of [
    ['192.168.99.0/24', '192.168.99.1', '192.168.99.2', '192.168.98.2'],
    ['2001:db8:85a3::/120', '2001:db8:85a3::1', '2001:db8:85a3::2', '2001:db8:85a4::2'],
  ] as const) {
    const set = setOf(prefix);
    assert.ok(set.acquire(address(first)) && set.acquire(address(second)));
    assert.equal(set.acquire(address(outside)), false);
    assert.equal(set.heldCount, 2);
    assert.ok(set.release(address(first)) && set.release(address(second)));
    assert.equal(set.heldCount, 0);
  }
});

test('go-ipam AcquireAlreadyAcquired v4/v6', () => {
  for (const [prefix, text] of [
    ['192.168.99.0/24', '192.168.99.1'],
    ['2001:db8:85a3::/120', '2001:db8:85a3::1'],
  ] as const) {
    const set = setOf(prefix);
    assert.equal(set.acquire(address(text)), true);
    assert.equal(set.acquire(address(text)), false);
  }
});

test('go-ipam GetHostAddresses v4/v6', () => {
  for (const [prefix, hosts] of [
    ['192.168.0.0/24', 254],
    ['192.168.0.0/26', 62],
    ['2001:db8::/120', 255],
    ['2001:db8::/122', 63],
  ] as const) {
    const set = setOf(prefix);
    const given = new Set<string>();
    for (let next = acquireLowest(set); next !== undefined; next = acquireLowest(set)) given.add(next);
    assert.equal(given.size, hosts);
    assert.equal(set.freeCount, 0n);
  }
});

test('go-ipam IpamerAcquireIP v4/v6: ten rounds leave nothing behind', () => {
  for (const prefix of ['10.0.0.0/16', '2001:db8::/120']) {
    const set = setOf(prefix);
    const empty = set.sizeBytes;
    for (let round = 0; round < 10; round++) {
      const text = acquireLowest(set);
      assert.equal(text, formatAddress(addressAt(set.prefix, 1)));
      assert.ok(set.release(address(text!)));
    }
    assert.equal(set.heldCount, 0);
    assert.equal(set.sizeBytes, empty);
  }
});

test('go-ipam Integration: a full /25 has 128 used, and a /27 with 25 used gives the next one', () => {
  const full = setOf('1.2.3.0/25');
  while (acquireLowest(full) !== undefined);
  assert.equal(full.heldCount + full.reservedCount, 128);
  const part = setOf('1.2.3.0/27');
  for (let host = 1; host <= 25; host++) if (host !== 20) part.acquire(addressAt(part.prefix, host));
  assert.equal(acquireLowest(part), '1.2.3.20');
});

test('networks.md N23: reserved addresses are neither acquired nor released', () => {
  const set = setOf('10.0.0.0/16');
  for (const text of ['10.0.0.0', '10.0.255.255']) {
    assert.ok(set.isReserved(address(text)));
    assert.equal(set.acquire(address(text)), false);
    assert.equal(set.release(address(text)), false);
    assert.equal(set.has(address(text)), false);
    assert.equal(set.acquire(address(text)), false);
  }
});

test('design.md §6: a block reserves only what is the first or last address of its prefix', () => {
  const free = (reserved: 'network' | 'broadcast' | 'none' | 'network-and-broadcast', prefix = '10.0.0.0/30') =>
    setOf(prefix, { reserved }).freeCount;
  assert.deepEqual([free('network'), free('broadcast'), free('none'), free('network-and-broadcast')], [3n, 3n, 4n, 2n]);
  assert.equal(acquireLowest(setOf('10.0.0.7/32', { reserved: 'none' })), '10.0.0.7');
  assert.equal(acquireLowest(setOf('10.0.0.7/32', { reserved: 'broadcast' })), undefined);
});

test('a /8 filled to its last address finds the few free ones', () => {
  const set = setOf('10.0.0.0/8');
  const packed = new Uint8Array(4 * (1 << 16));
  const view = new DataView(packed.buffer);
  for (let chunk = 0; chunk < 256; chunk++) {
    for (let low = 0; low < 1 << 16; low++) view.setUint32(4 * low, 0x0a00_0000 + (chunk << 16) + low);
    set.loadPacked(packed);
  }
  assert.equal(set.heldCount, 2 ** 24 - 2);
  assert.equal(set.lowestFree(), undefined);
  assert.ok(set.sizeBytes <= 8 * set.heldCount);
  for (const text of ['10.255.255.254', '10.200.3.4', '10.77.0.0']) {
    set.release(address(text));
    assert.equal(formatAddress(set.lowestFree()!), text);
  }
  assert.equal(formatAddress(set.lowestFreeFrom(0xc8_0305)!), '10.255.255.254');
  assert.equal(set.freeCount, 3n);
  assert.ok(
    set.acquire(address('10.255.255.254')) && set.acquire(address('10.200.3.4')) && set.acquire(address('10.77.0.0')),
  );
  assert.equal(set.lowestFree(), undefined);
});

test('memory follows what is held: scattered at most 64 bytes an address, and given back', () => {
  const set = setOf('2001:db8::/64');
  const offsets = new Set<bigint>();
  let state = 1n;
  while (offsets.size < 20_000) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    offsets.add(state);
  }
  for (const offset of offsets) assert.ok(set.acquire(addressAt(set.prefix, offset)));
  assert.ok(set.sizeBytes <= 64 * set.heldCount, `${set.sizeBytes / set.heldCount} bytes an address`);
  for (const offset of offsets) assert.ok(set.release(addressAt(set.prefix, offset)));
  assert.ok(set.sizeBytes <= 1024);
});

test('loadPacked: chunks, repeats, and what does not belong there', () => {
  const set = setOf('2001:db8::/64');
  const packed = (...texts: string[]) => Buffer.concat(texts.map((text) => addressBytes(address(text))));
  assert.equal(set.loadPacked(packed('2001:db8::5', '2001:db8::ffff')), 2);
  assert.equal(set.loadPacked(packed('2001:db8::5', '2001:db8::', '2001:db8::6')), 1);
  assert.equal(set.loadPacked(new Uint8Array()), 0);
  assert.deepEqual(Array.from(set, formatAddress), ['2001:db8::5', '2001:db8::6', '2001:db8::ffff']);
  assert.throws(() => set.loadPacked(packed('2001:db9::1')), /2001:db9::1 is outside of 2001:db8::\/64/);
  assert.throws(() => set.loadPacked(new Uint8Array(15)), /16 bytes each, not 15/);
});

test('an iteration gives what was held when it began, whatever happens meanwhile', () => {
  const set = setOf('10.0.0.0/24');
  const other = setOf('2001:db8::/64');
  for (const host of [200, 3, 70]) set.acquire(addressAt(set.prefix, host));
  const seen: string[] = [];
  for (const held of set) {
    seen.push(formatAddress(held));
    set.release(held);
    set.acquire(addressAt(set.prefix, 100 + seen.length));
    other.lowestFree();
  }
  assert.deepEqual(seen, ['10.0.0.3', '10.0.0.70', '10.0.0.200']);
});

test('the lowest held address is found without sorting, and few are asked about', () => {
  const set = setOf('2001:db8::/64');
  let state = 1n;
  const offsets = Array.from({ length: 20_000 }, () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state;
  });
  for (const offset of offsets) set.acquire(addressAt(set.prefix, offset));
  const ascending = offsets.sort((a, b) => (a < b ? -1 : 1));
  const sorts = mock.method(Uint32Array.prototype, 'sort');
  let asked = 0;
  const lowest = set.lowestHeld((address) => {
    asked++;
    return offsetIn(set.prefix, address) <= ascending[9]!;
  });
  assert.equal(offsetIn(set.prefix, lowest!), ascending[10]);
  assert.equal(sorts.mock.callCount(), 0);
  assert.ok(asked < 200, `${asked} of 20,000`);
  sorts.mock.restore();
});

// Every width of an index in the tables, and both sides of each border.
const PREFIXES = ['10.0.0.0/18', '10.0.0.0/26', '10.0.0.0/27', '192.168.0.0/30', '0.0.0.0/0', '128.0.0.0/1'].concat(
  [
    '2001:db8::/122',
    '2001:db8::/127',
    '2001:db8::/96',
    '2001:db8::/91',
    '2001:db8::/90',
    '2001:db8::/64',
    '2001:db8::/59',
  ],
  ['2001:db8::/58', '2001:db8::/32', '2000::/27', '2000::/26', '2000::/3', '::/0'],
);

type Step = { what: 'acquire' | 'release' | 'lowest' | 'from'; at: bigint; run: number };

test('any sequence gives the answers of a naive model, and nothing is lost: held + free + reserved = size', () => {
  const steps = (whole: bigint): fc.Arbitrary<Step[]> =>
    fc.array(
      fc.record({
        what: fc.constantFrom<Step['what']>('acquire', 'acquire', 'release', 'lowest', 'from'),
        // Near the first address, near the last, near word borders, or anywhere.
        at: fc.oneof(
          fc.bigInt({ min: 0n, max: 300n }),
          fc.bigInt({ min: 0n, max: 300n }).map((back) => whole - 1n - back),
          fc.constantFrom(64n, 128n, 4096n, 8192n),
          fc.bigInt({ min: 0n, max: whole - 1n }),
        ),
        run: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constantFrom(64, 70, 4096, 5000)),
      }),
      { maxLength: 25 },
    );
  const cases = fc
    .constantFrom(...PREFIXES)
    .chain((text) => fc.tuple(fc.constant(text), steps(size(parsePrefix(text)!))));
  fc.assert(
    fc.property(cases, ([text, sequence]) => {
      const set = setOf(text);
      const whole = size(set.prefix);
      const isReserved = (offset: bigint) => offset === 0n || (set.prefix.family === 'IPv4' && offset === whole - 1n);
      const held = new Set<bigint>();
      const naiveFrom = (offset: bigint): bigint | undefined => {
        while (offset < whole && (held.has(offset) || isReserved(offset))) offset++;
        return offset < whole ? offset : undefined;
      };
      const found = (free: ReturnType<AddressSet['lowestFree']>) =>
        free === undefined ? undefined : offsetIn(set.prefix, free);
      for (const { what, at, run } of sequence) {
        const start = at < 0n || at >= whole ? 0n : at;
        if (what === 'from') {
          assert.equal(found(set.lowestFreeFrom(start)), naiveFrom(start));
          continue;
        }
        const end = start + BigInt(run);
        for (let offset = start; offset < whole && offset < end; offset++) {
          if (what === 'lowest') {
            const free = set.lowestFree();
            assert.equal(found(free), naiveFrom(0n));
            if (free === undefined || run > 70) break;
            assert.ok(set.acquire(free));
            held.add(found(free)!);
            continue;
          }
          const address = addressAt(set.prefix, offset);
          const possible: boolean = !isReserved(offset) && held.has(offset) === (what === 'release');
          assert.equal(set.has(address), held.has(offset));
          assert.equal(set[what](address), possible);
          if (possible && what === 'acquire') held.add(offset);
          if (possible && what === 'release') held.delete(offset);
        }
        assert.equal(set.heldCount, held.size);
        assert.equal(BigInt(set.heldCount + set.reservedCount) + set.freeCount, whole);
        assert.equal(found(set.lowestFree()), naiveFrom(0n));
      }
      const ascending = [...held].sort((a, b) => (a < b ? -1 : 1));
      assert.deepEqual(
        Array.from(set, (address) => offsetIn(set.prefix, address)),
        ascending,
      );
      assert.equal(found(set.lowestHeld()), ascending[0]);
      const some = (offset: bigint): boolean => offset % 3n === 0n;
      const lowest = set.lowestHeld((address) => some(offsetIn(set.prefix, address)));
      assert.equal(
        found(lowest),
        ascending.find((offset) => !some(offset)),
      );
    }),
    { numRuns: 150 },
  );
});

test('the end of a prefix of any size: after the last address comes nothing', () => {
  for (const text of PREFIXES) {
    const set = setOf(text, { reserved: 'none' });
    const whole = size(set.prefix);
    const run = whole < 9000n ? whole : 9000n;
    for (let back = 1n; back <= run; back++) assert.ok(set.acquire(addressAt(set.prefix, whole - back)));
    assert.equal(set.lowestFreeFrom(whole - run), undefined, text);
    assert.equal(set.lowestFreeFrom(whole), undefined);
    assert.throws(() => set.lowestFreeFrom(-1n), /not negative/);
    if (run < whole) assert.equal(offsetIn(set.prefix, set.lowestFreeFrom(whole - run - 1n)!), whole - run - 1n);
    assert.ok(set.release(addressAt(set.prefix, whole - 1n)));
    assert.equal(offsetIn(set.prefix, set.lowestFreeFrom(whole - run)!), whole - 1n);
  }
});

test('the digest of a set says what is held, and not how that came', () => {
  const digestOf = (set: AddressSet): string => {
    const digest = emptyDigest();
    for (const pause of set.addTo(digest)) assert.equal(pause, undefined);
    return digestText(digest);
  };
  for (const text of ['10.0.0.0/24', '0.0.0.0/0', '2001:db8::/64', '::/0']) {
    const places = fc.uniqueArray(
      fc.bigInt({ min: 1n, max: size(parsePrefix(text)!) - 2n }).map((offset) => addressAt(parsePrefix(text)!, offset)),
      { selector: ({ value }) => value, minLength: 2, maxLength: 300 },
    );
    fc.assert(
      fc.property(places, fc.nat(), (all, seed) => {
        const [set, other] = [setOf(text), setOf(text)];
        for (const one of all) set.acquire(one);
        // In another order, and with one that went again.
        const [extra, ...others] = all.toReversed();
        for (const one of [extra!, ...others]) other.acquire(one);
        assert.equal(digestOf(other), digestOf(set));
        other.release(extra!);
        assert.notEqual(digestOf(other), digestOf(set));
        const digest = emptyDigest();
        for (const pause of other.addTo(digest)) assert.equal(pause, undefined);
        other.addAddressTo(digest, extra!);
        assert.equal(digestText(digest), digestOf(set));
        // One in place of another.
        const swapped = others[seed % others.length]!;
        other.acquire(extra!);
        other.release(swapped);
        set.release(extra!);
        assert.notEqual(digestOf(other), digestOf(set));
      }),
      { numRuns: 50 },
    );
  }
});

test('the digest of a set whose table is just growing or shrinking knows all of it', () => {
  const set = setOf('2001:db8::/64');
  const expected = emptyDigest();
  for (const pause of set.addTo(expected)) assert.equal(pause, undefined);
  const nth = (n: number): Address =>
    addressAt(set.prefix, (BigInt(n) * 0x9e37_79b9_7f4a_7c15n) & 0xffff_ffff_ffff_ffffn);
  const isKnown = (n: number): void => {
    const digest = emptyDigest();
    for (const pause of set.addTo(digest)) assert.equal(pause, undefined);
    assert.equal(digestText(digest), digestText(expected), `${n} held`);
  };
  for (let n = 1; n <= 3_000; n++) {
    assert.ok(set.acquire(nth(n)));
    set.addAddressTo(expected, nth(n));
    if (n % 7 === 0) isKnown(n);
  }
  for (let n = 3_000; n > 0; n--) {
    const gone = emptyDigest();
    set.addAddressTo(gone, nth(n));
    assert.ok(set.release(nth(n)));
    expected.a = (expected.a - gone.a) | 0;
    expected.b = (expected.b - gone.b) | 0;
    if (n % 7 === 0) isKnown(n - 1);
  }
});

test('others may have their turn while a set of many is walked', () => {
  const set = setOf('10.0.0.0/8');
  for (let n = 1; n <= 100_000; n++) set.acquire(addressAt(set.prefix, n));
  const pauses = [...set.addTo(emptyDigest())].length;
  assert.ok(pauses >= 100_000 / 4_096 - 1, `${pauses} pauses`);
});
