import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { arrayLiteral, bytesText, jsonsLiteral } from './array.ts';

/** As a server reads a literal whose texts are all quoted (PostgreSQL manual, 8.15.6): a backslash takes the next character as it is. */
function read(literal: string): Array<string | null> {
  const elements: Array<string | null> = [];
  for (const [, quoted, bare] of literal.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gsu)) {
    elements.push(quoted === undefined ? (bare === 'null' ? null : bare!) : quoted.replace(/\\(.)/gsu, '$1'));
  }
  return elements;
}

test('an array literal says its elements, whatever is in them', () => {
  const odd = fc.string({ unit: fc.constantFrom('a', 'b', '"', '\\', '{', '}', ',', '\n', '\t', '\u0001', 'é', '😀') });
  fc.assert(
    fc.property(fc.array(fc.option(fc.oneof(odd, fc.string()))), (elements) => {
      assert.deepEqual(read(arrayLiteral(elements)), elements);
    }),
  );
});

test('texts that JSON would write in another way', () => {
  assert.equal(arrayLiteral(['a"b', 'c\\d', 'line\nbreak', null, 7]), '{"a\\"b","c\\\\d","line\nbreak",null,7}');
  assert.equal(arrayLiteral(['\\n']), '{"\\\\n"}');
  assert.equal(arrayLiteral([]), '{}');
  assert.equal(arrayLiteral([bytesText(Uint8Array.of(10, 0, 255))]), '{"\\\\x0a00ff"}');
});

test('JSON texts come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.json())), (jsons) => {
      // What JSON.stringify makes has no raw control characters.
      const made = jsons.map((json) => json && JSON.stringify(JSON.parse(json)));
      assert.deepEqual(read(jsonsLiteral(made)), made);
    }),
  );
});
