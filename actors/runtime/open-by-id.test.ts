import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { OpenById } from './open-by-id.ts';

/** Open the next one; look at, or end, the one that was opened so many before; end all. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ does: 'open' as const, back: 0 }) },
  { weight: 6, arbitrary: fc.record({ does: fc.constant('close' as const), back: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('get' as const), back: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.constant({ does: 'closeAll' as const, back: 0 }) },
);

test('what is open is found by its id, however many came after it', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const open = new OpenById<string>(8);
      const model = new Map<number, string>();
      let last = 0;
      for (const { does, back } of steps) {
        const id = last - back;
        const known = model.get(id);
        if (does === 'open') {
          last++;
          open.open(last, `number ${last}`);
          model.set(last, `number ${last}`);
        } else if (does === 'get') assert.equal(open.get(id), known);
        else if (does === 'close') {
          assert.equal(open.close(id), known);
          model.delete(id);
        } else {
          assert.deepEqual(open.closeAll(), [...model.values()]);
          model.clear();
        }
      }
      assert.deepEqual(open.closeAll(), [...model.values()]);
    }),
  );
});

test('ids beyond 32 bits, as a process that runs for years gives them out, are told apart', () => {
  const open = new OpenById<string>(8);
  const far = 2 ** 40 + 3;
  open.open(far, 'far');
  open.open(3, 'near');
  assert.deepEqual([open.get(far), open.get(3)], ['far', 'near']);
  assert.equal(open.close(far), 'far');
  assert.deepEqual([open.get(far), open.get(3)], [undefined, 'near']);
});
