import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { faultOf, faultText } from './json-fault.ts';

const PLACES = [
  ['{"password": hunter2}', 'expected a value at line 1 column 14'],
  ['{"password":\n  "hunter2" x', 'expected "," or "}" at line 2 column 13'],
  ["{'password': 1}", 'expected a key in double quotes or "}" at line 1 column 2'],
  ['{"a":1,}', 'expected a key in double quotes at line 1 column 8'],
  ['{"a" 1}', 'expected ":" at line 1 column 6'],
  ['[1 2]', 'expected "," or "]" at line 1 column 4'],
  ['[1,]', 'expected a value at line 1 column 4'],
  ['{} hunter2', 'expected nothing more at line 1 column 4'],
  ['\n\nhunter2', 'expected a value at line 3 column 1'],
  ['{"a":"hunter2\n"}', 'expected a value at line 1 column 6'],
  ['{"a":[1', 'it ends too soon, expected "," or "]"'],
  ['  ', 'it ends too soon, expected a value'],
] as const;
for (const [text, fault] of PLACES) {
  test(`what is no JSON is told by its place alone: ${JSON.stringify(text)}`, () =>
    assert.equal(faultText(text), fault));
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test('there is a fault exactly in what the platform does not read', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    ' ',
    '\n',
    '"',
    '"a"',
    '\\',
    '\\u00',
    '0',
    '01',
    '-',
    '1.',
    '.5',
    'e+1',
    'true',
    'nul',
  );
  const text = fc.oneof(
    fc.json(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
    fc.tuple(fc.json(), fc.nat(), piece).map(([json, at, put]) => {
      const place = at % (json.length + 1);
      return json.slice(0, place) + put + json.slice(place + 1);
    }),
  );
  fc.assert(
    fc.property(text, (one) => assert.equal(faultOf(one) === undefined, isJson(one))),
    { numRuns: 5_000 },
  );
});
