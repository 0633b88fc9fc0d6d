import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { isRefusal } from '../refusal.ts';
import { escapeGlob, matchesPattern, parseGlob } from './glob.ts';

describe('glob', () => {
  it('machines.md §15.2: Go path matching', () => {
    const table: [pattern: string, text: string, matches: boolean][] = [
      ['abc', 'abc', true],
      ['*', 'abc', true],
      ['*c', 'abc', true],
      ['a*', 'a', true],
      ['a*', 'abc', true],
      ['a*', 'ab/c', false],
      ['a*/b', 'abc/b', true],
      ['a*/b', 'a/c/b', false],
      ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
      ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
      ['ab[c]', 'abc', true],
      ['ab[b-d]', 'abc', true],
      ['ab[e-g]', 'abc', false],
      ['ab[^c]', 'abc', false],
      ['ab[^e-g]', 'abc', true],
      ['a\\*b', 'a*b', true],
      ['a\\*b', 'ab', false],
      ['a?b', 'a☺b', true],
      ['a???b', 'a☺b', false],
      ['[a-ζ]*', 'α', true],
      ['*[a-ζ]', 'A', false],
      ['a?b', 'a/b', false],
      ['[\\]a]', ']', true],
      ['[\\-x]', '-', true],
      ['[x\\-]', 'z', false],
      ['*x', 'xxx', true],
      ['', '', true],
      ['', 'a', false],
      ['*', '/dev/sda', false],
      ['/dev/sd*', '/dev/sda', true],
      ['Intel*', 'intel', false],
      ['**', 'ab', true],
    ];
    for (const [pattern, text, expected] of table) {
      assert.equal(matchesPattern(pattern, text), expected, `${pattern} on ${text}`);
    }
  });

  it('machines.md §15.1: malformed patterns', () => {
    for (const pattern of ['[', '[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '[^', '[^bc', 'a[', 'a\\', '[\\', '*a[']) {
      assert.ok(isRefusal(parseGlob(pattern)), pattern);
      assert.ok(!matchesPattern(pattern, pattern), pattern);
    }
  });

  it('W43: an escaped text matches itself and nothing longer', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '*', '?', '[', ']', '\\', '^', '-', '/', 'é') }), (text) => {
        assert.ok(matchesPattern(escapeGlob(text), text));
        assert.ok(!matchesPattern(escapeGlob(text), `${text}x`));
      }),
    );
  });

  it('many stars stay cheap', () => {
    assert.ok(!matchesPattern('*a'.repeat(500), 'a'.repeat(2000) + 'b'));
  });
});
