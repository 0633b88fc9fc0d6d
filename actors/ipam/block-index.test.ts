import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { blockIndex, blockKey } from './block-index.ts';
import { mostHashedAlike } from './hashed-alike.fixture.ts';

const keyOf = (index: bigint): number | bigint => blockKey(blockIndex(index));

test('the fixture sees what V8 hashes alike', () => {
  const first = (n: number): bigint => BigInt(n) << 64n;
  const held = new Set<bigint>();
  assert.equal(
    mostHashedAlike(() => [1, 2, 3, 3].forEach((n) => held.add(first(n)))),
    3,
  );
  assert.equal(
    mostHashedAlike(() => [1n, 2n, 3].forEach((n) => new Map([[n, true]]))),
    1,
  );
});

test('no two numbers of blocks that differ by a stride or in one part are hashed alike', () => {
  for (const stride of [1n, 2n, 1n << 32n, 1n << 52n, 1n << 60n, 1n << 64n, (1n << 64n) + 1n, 1n << 72n, 1n << 80n]) {
    const held = new Set<number | bigint>();
    const alike = mostHashedAlike(() => {
      for (let n = 0n; n < 2_000n; n++) held.add(keyOf(n * stride));
    });
    assert.ok(alike <= 1, `stride ${stride}`);
    assert.equal(held.size, 2_000);
  }
});

test('property: another key for each number, and numbers keep their order', () => {
  const near = fc
    .tuple(fc.constantFrom(0n, 1n << 53n, 1n << 64n, 1n << 96n), fc.bigInt(0n, 1n << 20n))
    .map(([base, more]) => base + more);
  const any = fc.oneof(near, fc.bigInt(0n, (1n << 128n) - 1n));
  fc.assert(
    fc.property(any, any, (one, other) => {
      assert.equal(keyOf(one) === keyOf(other), one === other);
      assert.equal(blockIndex(one) < blockIndex(other), one < other);
    }),
  );
});
