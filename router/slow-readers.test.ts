import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLook } from './slow-readers.ts';

const MIB = 1 << 20;

function plant(mostBytes = 256 * MIB) {
  let nowMs = 0;
  const look = createLook<Reader>({ idleMs: 30_000, bytesPerSecond: 128 * 1_024, mostBytes, now: () => nowMs });
  return {
    look: (...readers: Reader[]) => look(readers),
    at(ms: number) {
      nowMs = ms;
    },
  };
}

/** `writableLength` lies here, of `bytesWritten` that were written to it. */
interface Reader {
  writableLength: number;
  bytesWritten: number;
}
const reader = (unsent: number, written = unsent): Reader => ({ writableLength: unsent, bytesWritten: written });

describe('slow readers (reliability.md F20, I16)', () => {
  it('who takes nothing is closed after 30 s and the time that the answer takes at 128 KiB a second', () => {
    const { look, at } = plant();
    const slow = reader(MIB);
    assert.deepEqual(look(slow), []);
    at(37_900);
    assert.deepEqual(look(slow), []);
    at(38_000);
    assert.deepEqual(look(slow), [slow]);
  });

  it('who goes on taking, or has taken everything, is not', () => {
    const { look, at } = plant();
    const steady = reader(MIB, 10 * MIB);
    for (let ms = 0; ms < 600_000; ms += 1_000) {
      at(ms);
      // One piece after another is taken, and the next one is written at once.
      if (ms % 20_000 === 0) steady.bytesWritten += 64 * 1_024;
      assert.deepEqual(look(steady), []);
    }
    steady.writableLength = 0;
    at(1_000_000);
    assert.deepEqual(look(steady), []);
    steady.writableLength = MIB;
    assert.deepEqual(look(steady), [], 'a new answer has its own time');
  });

  it('all of them together are bounded: who stands longest goes first', () => {
    const { look, at } = plant(3 * MIB);
    const [first, second, third] = [reader(MIB), reader(MIB), reader(2 * MIB)];
    look(first);
    at(1_000);
    look(first, second);
    at(2_000);
    assert.deepEqual(look(first, second, third), [first]);
  });
});
