import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createFreeBlocks } from './free-blocks.ts';

test('property: members, the lowest one and their order are those of a sorted list, however wide the numbers', () => {
  const steps = fc.array(
    fc.record({
      base: fc.constantFrom(0n, (1n << 53n) - 10n, 1n << 64n, 1n << 95n),
      more: fc.bigInt(0n, 20n),
      adds: fc.boolean(),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (sequence) => {
      const blocks = createFreeBlocks();
      let held: bigint[] = [];
      for (const { base, more, adds } of sequence) {
        const index = base + more;
        const isMember = held.includes(index);
        assert.equal(blocks.has(index), isMember);
        if (adds && !isMember) {
          blocks.add(index);
          held = [...held, index].sort((a, b) => (a < b ? -1 : 1));
        } else if (!adds) {
          assert.equal(blocks.remove(index), isMember);
          held = held.filter((other) => other !== index);
        }
        assert.equal(blocks.size, held.length);
        assert.equal(blocks.lowest(), held[0]);
        assert.deepEqual([...blocks], held);
      }
    }),
  );
});
