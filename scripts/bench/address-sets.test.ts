import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePrefix } from '../../actors/ipam/prefix.ts';
import { CANDIDATES, type Offset } from './address-sets.ts';

// What is compared must do the same: each against a plain Set, by the same operations.
for (const candidate of CANDIDATES) {
  describe(`compared with: ${candidate.name}`, () => {
    for (const [text, spread] of [
      ['10.0.0.0/22', 1_024],
      ['2001:db8::/64', 2 ** 40],
    ] as const) {
      it(`holds what was acquired of ${text}`, () => {
        const prefix = parsePrefix(text)!;
        const set = candidate.create(prefix);
        if (set === undefined) return;
        const of = (n: number): Offset => (prefix.family === 'IPv4' ? n : BigInt(n));
        const model = new Set<number>();
        let state = 1;
        for (let n = 0; n < 6_000; n++) {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          // Half of them close together, so that words, pages and chunks fill up.
          const value = n % 2 === 0 ? (state >>> 8) % 700 : Math.floor((state / 2 ** 32) * spread);
          if (n % 3 !== 2) {
            assert.equal(set.acquire(of(value)), !model.has(value));
            model.add(value);
          } else if (model.has(value)) {
            assert.equal(set.release(of(value)), true);
            model.delete(value);
          }
        }
        const found = set.free();
        assert.ok(found !== undefined && !model.has(Number(found)));
        if (!candidate.name.startsWith('list')) {
          let lowest = 0;
          while (model.has(lowest)) lowest++;
          assert.equal(Number(found), lowest);
        }
      });
    }
  });
}
