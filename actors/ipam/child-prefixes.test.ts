import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createChildSpace } from './child-prefixes.ts';
import type { ChildSpace } from './child-prefixes.ts';
import { mostHashedAlike } from './hashed-alike.fixture.ts';
import { comparePrefixes, covers, overlaps, parsePrefix, size, splitAt } from './prefix.ts';
import type { Prefix } from './prefix.ts';
import { noChildPrefix, noSpecificChild } from './refusal-texts.ts';
import { prefixUsage } from './usage.ts';

const prefix = (text: string): Prefix => parsePrefix(text)!;
const space = (text: string): ChildSpace => createChildSpace(prefix(text));
const free = (of: ChildSpace): string[] => of.free().map((block) => block.canonical);

test('networks.md §11.3: best fit in 11.2.0.0/16', () => {
  const parent = space('11.2.0.0/16');
  const steps: [number, string][] = [
    [24, '0.0'],
    [26, '1.0'],
    [24, '2.0'],
    [25, '1.128'],
    [22, '4.0'],
    [28, '1.64'],
    [26, '3.0'],
    [0, ''],
    [23, '8.0'],
    [30, '1.80'],
    [24, '0.0'],
    [24, '10.0'],
  ];
  for (const [length, expected] of steps) {
    if (length === 0) assert.ok(parent.release(prefix('11.2.0.0/24')));
    else assert.equal(parent.acquire(length)?.canonical, `11.2.${expected}/${length}`);
  }
});

test('go-ipam AcquireChildPrefixFragmented', () => {
  const parent = space('192.168.0.0/20');
  assert.equal(parent.availableSmallest, 1024n);
  assert.equal(parent.acquire(21)?.canonical, '192.168.0.0/21');
  assert.equal(parent.availableSmallest, 512n);
  const second = parent.acquire(22);
  assert.equal(second?.canonical, '192.168.8.0/22');
  assert.equal(parent.availableSmallest, 256n);
  assert.deepEqual(free(parent), ['192.168.12.0/22']);
  assert.equal(parent.acquire(21), undefined);
  assert.equal(
    noChildPrefix(parent, 21),
    'no prefix found in 192.168.0.0/20 with length:21, but 192.168.12.0/22 is available',
  );
  assert.ok(parent.release(second!));
  assert.equal(parent.acquire(28)?.canonical, '192.168.8.0/28');
  assert.equal(parent.availableSmallest, 508n);
  const left = ['8.16/28', '8.32/27', '8.64/26', '8.128/25', '9.0/24', '10.0/23', '12.0/22'].map(
    (block) => `192.168.${block}`,
  );
  assert.deepEqual(free(parent), left);
  assert.equal(parent.acquire(21), undefined);
  assert.equal(
    noChildPrefix(parent, 21),
    `no prefix found in 192.168.0.0/20 with length:21, but ${left.join(',')} are available`,
  );
  assert.equal(parent.acquire(22)?.canonical, '192.168.12.0/22');
});

test('go-ipam AcquireChildPrefixCounts: releasing twice is refused', () => {
  const parent = space('192.168.0.0/20');
  const counts = () => [Number(parent.availableSmallest), parent.children];
  assert.deepEqual(counts(), [1024, 0]);
  const first = parent.acquire(22)!;
  assert.deepEqual(counts(), [768, 1]);
  const second = parent.acquire(22)!;
  assert.deepEqual(counts(), [512, 2]);
  assert.ok(parent.release(first));
  assert.deepEqual(counts(), [768, 1]);
  assert.equal(parent.release(first), false);
  assert.ok(parent.release(second));
  assert.deepEqual(counts(), [1024, 0]);
  assert.deepEqual(free(parent), ['192.168.0.0/20']);
});

test('go-ipam AcquireChildPrefix v4/v6', () => {
  for (const [text, same, half, halves] of [
    ['192.168.0.0/20', 20, 21, ['192.168.0.0/21', '192.168.8.0/21']],
    ['2001:db8:85a3::/116', 116, 117, ['2001:db8:85a3::/117', '2001:db8:85a3::800/117']],
  ] as const) {
    const parent = space(text);
    assert.equal(parent.acquire(same), undefined);
    assert.equal(noChildPrefix(parent, same), `given length:${same} must be greater than prefix length:${same}`);
    assert.deepEqual(
      [parent.acquire(half), parent.acquire(half)].map((child) => child?.canonical),
      halves,
    );
    assert.equal(parent.acquire(half), undefined);
    assert.equal(noChildPrefix(parent, half), `no prefix found in ${text} with length:${half}`);
    assert.equal(parent.release(parent.parent), false);
  }
});

test('go-ipam AcquireSpecificChildPrefix v4/v6', () => {
  for (const [text, halves] of [
    ['192.168.0.0/20', ['192.168.0.0/21', '192.168.8.0/21']],
    ['2001:db8:85a3::/116', ['2001:db8:85a3::/117', '2001:db8:85a3::800/117']],
  ] as const) {
    const parent = space(text);
    const { length } = parent.parent;
    assert.equal(parent.acquireSpecific(parent.parent), false);
    assert.equal(
      noSpecificChild(parent, parent.parent),
      `given length:${length} must be greater than prefix length:${length}`,
    );
    for (const half of halves) assert.ok(parent.acquireSpecific(prefix(half)));
    for (const half of halves) {
      assert.equal(parent.acquireSpecific(prefix(half)), false);
      assert.equal(noSpecificChild(parent, prefix(half)), `specific prefix ${half} is not available in prefix ${text}`);
    }
  }
});

test('go-ipam AcquireSpecificChildPrefix v4/v6: neither around nor inside of a child, and free again without it', () => {
  for (const [text, child, around, inside, beside] of [
    ['192.168.0.0/20', '192.168.8.0/22', '192.168.8.0/21', '192.168.9.0/24', '192.168.12.0/22'],
    ['2001:db8::/48', '2001:db8:0:8::/62', '2001:db8:0:8::/61', '2001:db8:0:9::/64', '2001:db8:0:c::/62'],
  ] as const) {
    const parent = space(text);
    assert.ok(parent.acquireSpecific(prefix(child)));
    for (const other of [around, child, inside]) {
      assert.equal(parent.acquireSpecific(prefix(other)), false, other);
      const refusal = `specific prefix ${other} is not available in prefix ${text}`;
      assert.equal(noSpecificChild(parent, prefix(other)), refusal);
    }
    assert.ok(parent.acquireSpecific(prefix(beside)));
    for (const one of [child, beside]) assert.ok(parent.release(prefix(one)));
    assert.ok(parent.acquireSpecific(prefix(around)));
  }
});

test('go-ipam PrefixFrom: an unknown child is not found, a known one is by any spelling', () => {
  for (const [text, child, spellings, unknown] of [
    ['10.0.0.0/16', '10.0.4.0/24', ['10.0.4.0/24', '10.0.4.7/24'], ['10.0.5.0/24', '10.0.4.0/25', '10.0.4.0/23']],
    [
      '2001:db8::/48',
      '2001:db8::/64',
      ['2001:db8::/64', '2001:DB8:0:0::17/64', '2001:0db8:0000:0000:0000:0000:0.0.0.1/64'],
      ['2001:db8:0:1::/64', '2001:db8::/65', '10.0.4.0/24'],
    ],
  ] as const) {
    const parent = space(text);
    assert.ok(parent.acquireSpecific(prefix(child)));
    for (const spelling of spellings) assert.ok(parent.has(prefix(spelling)), spelling);
    for (const other of unknown) assert.equal(parent.has(prefix(other)), false, other);
    assert.ok(parent.release(prefix(spellings.at(-1)!)));
    assert.equal(parent.has(prefix(child)), false);
  }
});

test('go-ipam storage Update: 50,000 children created, read, changed and deleted in between each other', () => {
  const parent = space('10.0.0.0/8');
  const total = 50_000;
  const apart = 4_000;
  // 26,417 has no divisor in common with 65,536: each its own, far from the one before.
  const childAt = (n: number) => splitAt(parent.parent, 24, (n * 26_417) % 65_536);
  const halfAt = (n: number) => splitAt(childAt(n), 25, 1);
  // Of each one the next step comes when 4,000 others have begun.
  const steps: Array<(n: number) => boolean> = [
    (n) => parent.acquireSpecific(childAt(n)),
    (n) => parent.has(childAt(n)),
    (n) => parent.release(childAt(n)) && parent.acquireSpecific(halfAt(n)),
    (n) => parent.release(halfAt(n)),
  ];
  for (let begun = 0; begun < total + steps.length * apart; begun++) {
    steps.forEach((step, i) => {
      const n = begun - i * apart;
      if (n >= 0 && n < total) assert.ok(step(n), `step ${i} of ${childAt(n).canonical}`);
    });
    if (begun === total - 1) assert.equal(parent.children, (steps.length - 1) * apart);
  }
  assert.deepEqual([parent.children, free(parent)], [0, ['10.0.0.0/8']]);
});

test('go-ipam NoDuplicatesUntilFull v4/v6', () => {
  for (const [text, length] of [
    ['192.168.0.0/16', 24],
    ['2001:db8:85a3::/112', 120],
  ] as const) {
    const parent = space(text);
    const given = new Set<string>();
    for (let child = parent.acquire(length); child !== undefined; child = parent.acquire(length))
      given.add(child.canonical);
    assert.equal(given.size, 256);
    assert.deepEqual([parent.children, parent.availableSmallest, parent.free()], [256, 0n, []]);
  }
});

test('go-ipam AvailablePrefixes: the free list of a prefix without children is itself', () => {
  for (const text of ['192.168.0.0/24', '192.168.0.0/32', '2001:db8::/126'])
    assert.deepEqual(free(space(text)), [text]);
});

test('networks.md N23: a specific child with host bits is the masked one, and free again after release', () => {
  const parent = space('10.0.0.0/16');
  assert.ok(parent.acquireSpecific(prefix('10.0.4.7/24')));
  assert.ok(parent.release(prefix('10.0.4.0/24')));
  assert.deepEqual(free(parent), ['10.0.0.0/16']);
});

test('networks.md §11.2: 64 /22 in a /16, then none; lengths to the end of the family and not beyond', () => {
  const parent = space('10.0.0.0/16');
  for (let n = 0; n < 64; n++) assert.equal(parent.acquire(22)?.canonical, splitAt(parent.parent, 22, n).canonical);
  assert.equal(parent.acquire(22), undefined);
  assert.equal(noChildPrefix(parent, 22), 'no prefix found in 10.0.0.0/16 with length:22');
  assert.ok(parent.release(prefix('10.0.8.0/22')));
  assert.equal(parent.acquire(22)?.canonical, '10.0.8.0/22');
  const fresh = space('10.0.0.0/16');
  assert.equal(fresh.acquire(32)?.canonical, '10.0.0.0/32');
  for (const length of [64, 33, 16, 0, -1, 22.5, Number.NaN]) assert.equal(fresh.acquire(length), undefined);
});

test('a child of another length, parent or family is not released', () => {
  const parent = space('10.0.0.0/16');
  parent.acquire(24);
  for (const text of ['10.0.0.0/25', '10.0.0.0/23', '10.1.0.0/24', '::/24'])
    assert.equal(parent.release(prefix(text)), false, text);
  assert.ok(parent.has(prefix('10.0.0.0/24')));
});

test('a refusal lists a bounded number of free blocks', () => {
  const parent = space('10.0.0.0/16');
  for (let n = 0; n < 256; n += 2) parent.acquireSpecific(splitAt(parent.parent, 24, n));
  assert.match(noChildPrefix(parent, 23), /,10\.0\.63\.0\/24 and 96 more are available$/);
  const asked: (number | undefined)[] = [];
  const watched: ChildSpace = {
    ...parent,
    free(most) {
      asked.push(most);
      return parent.free(most);
    },
  };
  assert.equal(noChildPrefix(watched, 23), noChildPrefix(parent, 23));
  assert.deepEqual(asked, [32], 'and looks at no others: heap.test.ts counts');
});

test('a child costs as much with many held as with few: no two blocks are hashed alike', () => {
  // One small child in each /64 leaves a free block of each length down to the child's.
  for (const [text, length, step, many] of [
    ['2001:db8::/48', 64, 1n, 1_000],
    ['2001:db8::/32', 56, 2n, 1_000],
    ['2001:db8::/32', 80, 1n << 16n, 1_000],
    ['2001:db8::/32', 128, 1n << 64n, 200],
  ] as const) {
    const parent = space(text);
    const children = Array.from({ length: many }, (_, n) => splitAt(parent.parent, length, BigInt(n) * step));
    const alike = mostHashedAlike(() => {
      for (const child of children) assert.ok(parent.acquireSpecific(child));
      assert.ok(parent.acquire(length - 1));
    });
    assert.ok(alike <= 1, `/${length} of ${text}: ${alike} alike`);
    assert.ok(children.every((child) => parent.has(child) && parent.release(child)));
    assert.equal(parent.children, 1);
  }
});

/** The maximal free blocks by walking down from the parent, as go-ipam's IP set would list them. */
function naiveFree(block: Prefix, taken: readonly Prefix[]): Prefix[] {
  if (!taken.some((child) => overlaps(child, block))) return [block];
  if (taken.some((child) => covers(child, block))) return [];
  return [0, 1].flatMap((half) => naiveFree(splitAt(block, block.length + 1, half), taken));
}

test('any sequence gives the answers of a naive model: best fit, specific children, releases, conservation', () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom('acquire', 'acquire', 'specific', 'release'),
      longer: fc.integer({ min: 0, max: 9 }),
      pick: fc.nat(511),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(
      fc.constantFrom('10.0.0.0/23', '2001:db8::/119', '2001:db8::/60', '128.0.0.0/1'),
      steps,
      (text, sequence) => {
        const parent = space(text);
        let taken: Prefix[] = [];
        for (const { what, longer, pick } of sequence) {
          const length = parent.parent.length + longer;
          const blocks = naiveFree(parent.parent, taken);
          if (what === 'acquire') {
            const fitting = blocks.filter((block) => block.length <= length);
            const longest = Math.max(...fitting.map((block) => block.length));
            const best = longer === 0 ? undefined : fitting.find((block) => block.length === longest);
            const child = parent.acquire(length);
            assert.equal(child?.canonical, best && splitAt(best, length, 0).canonical);
            if (child !== undefined) taken.push(child);
          } else if (what === 'specific') {
            const child = splitAt(parent.parent, length, pick % 2 ** longer);
            const possible = longer > 0 && blocks.some((block) => covers(block, child));
            assert.equal(parent.acquireSpecific(child), possible);
            if (possible) taken.push(child);
          } else if (taken.length > 0) {
            const child = taken[pick % taken.length]!;
            assert.ok(parent.release(child));
            taken = taken.filter((other) => other !== child);
          }
          const left = naiveFree(parent.parent, taken).sort(comparePrefixes);
          assert.deepEqual(
            free(parent),
            left.map((block) => block.canonical),
          );
          assert.deepEqual(
            parent.free(pick % 5).map((block) => block.canonical),
            left.slice(0, pick % 5).map((block) => block.canonical),
          );
          const shortest = Math.min(...left.map((block) => block.length));
          assert.equal(parent.largestFree?.canonical, left.find((block) => block.length === shortest)?.canonical);
          assert.equal(parent.freeBlocks, left.length);
          const fitting = left.filter((block) => block.length <= length);
          assert.equal(
            parent.room(length),
            fitting.reduce((total, block) => total + (1n << BigInt(length - block.length)), 0n),
          );
          assert.equal(
            parent.freeAddresses,
            left.reduce((total, block) => total + size(block), 0n),
          );
          const sum = [...left, ...taken].reduce((total, block) => total + size(block), 0n);
          assert.equal(sum, size(parent.parent));
          assert.equal(parent.children, taken.length);
          // Two ways to count the same: from the free blocks, and from the list of children.
          assert.deepEqual(
            prefixUsage({ prefix: parent.parent, held: 0, children: parent }),
            prefixUsage({ prefix: parent.parent, held: 0, children: taken }),
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('tentative use: acquire and release leave the space as it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 17, max: 32 }), { maxLength: 20 }),
      fc.integer({ min: 17, max: 32 }),
      (lengths, wanted) => {
        const parent = space('10.0.0.0/16');
        for (const length of lengths) parent.acquire(length);
        const before = free(parent);
        const child = parent.acquire(wanted);
        if (child === undefined) return;
        assert.ok(parent.release(child));
        assert.deepEqual(free(parent), before);
        assert.equal(parent.acquire(wanted)?.canonical, child.canonical);
      },
    ),
  );
});
