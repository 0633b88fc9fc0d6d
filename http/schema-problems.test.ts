import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { isRefusal } from '../actors/refusal.ts';
import { createEdge } from './app.ts';
import { compile } from './schema.ts';
import { createTestSite } from './testing.ts';
import { networkAllocateBody, networkCreateBody } from './v1/shape/network.ts';
import { V1_RESOURCES } from './v1/routes.ts';

const told = <T>(schema: z.ZodType<T>, json: unknown): string => {
  const refused = compile(schema)(json);
  assert.ok(isRefusal(refused), JSON.stringify(json));
  assert.equal(refused.kind, 'Invalid');
  return refused.message;
};

test('a wrong kind of value is told by what it must be, with an example where that helps, and what came', () => {
  const cases: Array<[unknown, string]> = [
    [{ length: '24' }, 'length: must be an object such as {"IPv4": 24}, not a string'],
    [{ length: 24 }, 'length: must be an object such as {"IPv4": 24}, not the number 24'],
    [{ length: { IPv4: '24' } }, 'length.IPv4: must be a whole number, not a string'],
    [{ labels: ['a'] }, 'labels: must be an object such as {"zone": "a"}, not a list'],
    [{ labels: { a: 1 } }, 'labels.a: must be a string, not the number 1'],
    [{ name: {}, shared: 'yes' }, 'name: must be a string, not an object; shared: must be true or false, not a string'],
    [{ name: true }, 'name: must be a string, not true'],
    [{ destinationprefixes: '::/0' }, 'destinationprefixes: must be a list, not a string'],
    [{ destinationprefixes: ['::/0', null] }, 'destinationprefixes[1]: must be a string, not null'],
    [[], 'the request body: must be an object, not a list'],
    [null, 'the request body: must be an object, not null'],
  ];
  for (const [json, expected] of cases) assert.equal(told(networkAllocateBody, json), expected);
});

test('a number out of its range is told the range that the rules have, not that of the language', () => {
  const cases: Array<[unknown, string]> = [
    [{ vrf: 2 ** 53 }, 'vrf: must be at most 131072'],
    [{ vrf: -(2 ** 53) }, 'vrf: must be at least 0'],
    [{ vrf: 1.5 }, 'vrf: must be a whole number, not the number 1.5'],
    [{ vrf: '10' }, 'vrf: must be a whole number, not a string'],
    [JSON.parse('{"vrf": 1e999}'), 'vrf: must be a whole number, not a number that is too large'],
  ];
  for (const [json, expected] of cases) assert.equal(told(networkCreateBody, json), expected);
});

test('every other kind of fault has words, and a schema may have its own', () => {
  const cases: Array<[z.ZodType, unknown, string]> = [
    [z.string(), undefined, 'the request body: is missing, it must be a string'],
    [z.object({ a: z.string() }), {}, 'a: is missing, it must be a string'],
    [z.string().max(1), 'ab', 'the request body: must have at most 1 character'],
    [z.string().min(2), '', 'the request body: must have at least 2 characters'],
    [z.array(z.int()).max(2), [1, 2, 3], 'the request body: must have at most 2 entries'],
    [z.array(z.int()).length(1), [], 'the request body: must have exactly 1 entry'],
    [z.int().min(0).max(255), 256, 'the request body: must be at most 255'],
    [z.number().gt(0), 0, 'the request body: must be more than 0'],
    [z.number().lt(0), 0, 'the request body: must be less than 0'],
    [z.number().multipleOf(5), 3, 'the request body: must be a multiple of 5'],
    [z.int(), 2 ** 53, 'the request body: must be at most 9007199254740991'],
    [z.enum(['a', 'b']), 'c', 'the request body: must be one of "a", "b"'],
    [z.literal(1), 2, 'the request body: must be 1'],
    [z.string().regex(/^a+$/), 'b', 'the request body: must match /^a+$/'],
    [z.uuid(), 'b', 'the request body: must be a valid uuid'],
    [z.union([z.string(), z.null()]), 1, 'the request body: has none of the forms that are possible here'],
    [z.string().min(2, 'is too short for me'), '', 'the request body: is too short for me'],
    [
      z.record(z.enum(['a']), z.int()),
      { b: 1 },
      'a: is missing, it must be a whole number; the request body: must not have "b"',
    ],
  ];
  for (const [schema, json, expected] of cases) assert.equal(told(schema, json), expected);
});

test('no route tells words of the library, whatever kind of value comes in whatever field', () => {
  const edge = createEdge(createTestSite());
  for (const add of V1_RESOURCES) add(edge);
  const library = /Invalid|expected|received|Too (big|small)|Unrecognized|undefined|record|\bint\b|NaN|Infinity/;
  const values = [
    null,
    true,
    Infinity,
    -Infinity,
    2 ** 60,
    1.5,
    -1,
    'x',
    [],
    [null],
    [1.5],
    ['x'],
    {},
    { a: null },
    { a: 1.5 },
  ];
  let refusals = 0;
  for (const { body, operation } of edge.routes) {
    if (!(body instanceof z.ZodObject)) continue;
    const check = compile(body);
    for (const field of Object.keys(body.shape)) {
      for (const value of values) {
        const refused = check({ [field]: value });
        if (!isRefusal(refused)) continue;
        refusals++;
        const said = refused.message.replaceAll(field, '…');
        // A time says in its own words what it expects.
        if (!said.includes('is not a time')) assert.doesNotMatch(said, library, `${operation}: ${refused.message}`);
      }
    }
  }
  assert.ok(refusals > 1_000, `${refusals}`);
});
