import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { jsonCopy } from './json-copy.ts';

const throughText = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a copy is what JSON makes of a value', () => {
  const anything = fc.anything({ withDate: true, withMap: true, withSparseArray: true, withTypedArray: true });
  fc.assert(
    fc.property(anything, (value) => {
      // A lone undefined has no text at all.
      const held = { value, list: [value] };
      assert.deepStrictEqual(jsonCopy(held), throughText(held));
    }),
    { numRuns: 2_000 },
  );
});

test('nothing of the copy belongs to the original', () => {
  const original = { list: [{ a: 1 }], deep: { er: { b: [2] } } };
  const copy = jsonCopy(original);
  original.list[0]!.a = 5;
  original.deep.er.b.push(3);
  assert.deepEqual(copy, { list: [{ a: 1 }], deep: { er: { b: [2] } } });
});

test('odd values: −0, NaN, functions, forms of their own, a key of the prototype', () => {
  const value = {
    zero: -0,
    none: NaN,
    call: () => 1,
    own: { toJSON: () => 'own' },
    ['__proto__']: undefined,
    list: [undefined, () => 1, Infinity],
    proto: JSON.parse('{"__proto__":{"a":1}}') as unknown,
  };
  assert.deepStrictEqual(jsonCopy(value), throughText(value));
  assert.ok(Object.is(jsonCopy(value).zero, 0));
  assert.throws(() => jsonCopy({ big: 1n }), /the integer 1n has no form in JSON/);
});
