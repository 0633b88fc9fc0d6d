import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createWaitingLine } from './waiting-line.ts';

test('a waiting line answers as a list does', () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.nat(5_000) }) },
    { weight: 2, arbitrary: fc.record({ leave: fc.nat(5_000) }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat(8) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const line = createWaitingLine<number>();
      const model: number[] = [];
      let next = 0;
      for (const one of steps) {
        if ('push' in one) {
          for (let n = 0; n < one.push; n++) {
            line.push(next);
            model.push(next++);
          }
        } else if ('leave' in one) {
          for (let n = Math.min(one.leave, model.length); n > 0; n--) {
            assert.equal(line.at(0), model.shift());
            line.remove(0);
          }
        } else if (one.remove < model.length) {
          line.remove(one.remove);
          model.splice(one.remove, 1);
        }
        assert.equal(line.length, model.length);
        for (let index = 0; index <= Math.min(10, model.length); index++) assert.equal(line.at(index), model[index]);
      }
    }),
  );
});
