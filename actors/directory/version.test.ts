import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { accepts, compareVersions, formatVersion, parseConstraint, parseVersion, type Version } from './version.ts';

const version = (text: string): Version => {
  const parsed = parseVersion(text);
  assert.ok(!isRefusal(parsed), text);
  return parsed;
};

describe('version', () => {
  it('machines.md §16.1: loose parsing, missing parts are 0, leading zeros dropped', () => {
    for (const [text, normal] of [
      ['20.04.20210101', '20.4.20210101'],
      ['v1', '1.0.0'],
      ['3.9', '3.9.0'],
      ['1.2.3-rc.1+build.5', '1.2.3-rc.1+build.5'],
      ['1-beta', '1.0.0-beta'],
    ] as const) {
      assert.equal(formatVersion(version(text)), normal);
    }
    for (const text of [
      '',
      'x',
      '1.',
      '1.2.3.4',
      '1.x',
      ' 1',
      '1 ',
      '1.2.3-',
      '1.0.0-01',
      '99999999999999999999',
      '-1',
    ]) {
      assert.ok(isRefusal(parseVersion(text)), text);
    }
  });

  it('Semantic Versioning 2.0.0 item 11: order', () => {
    const order = [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
      '1.0.1',
      '1.10.0',
      '2.0.0',
    ];
    const shuffled = order.toReversed().sort((a, b) => compareVersions(version(a), version(b)));
    assert.deepEqual(shuffled, order);
    assert.equal(compareVersions(version('1.0.0+a'), version('1.0.0+b')), 0);
  });

  it('machines.md §16: one operator, one space, one version', () => {
    for (const text of [
      '*',
      '1',
      '= 1',
      '!= 1.2',
      '> 1',
      '< 1',
      '>= 1',
      '=> 1',
      '<= 1',
      '=< 1',
      '~ 1',
      '~> 1',
      '^ 1.2.3',
    ]) {
      assert.ok(!isRefusal(parseConstraint(text)), text);
    }
    for (const text of ['', '>=1', '>=  1', '> *', '>= 1, < 2', '1 || 2', '1 - 2', '== 1', '1.x', '>= ', ' 1']) {
      assert.ok(isRefusal(parseConstraint(text)), text);
    }
  });

  it('machines.md §16.1: the whole table of constraints', () => {
    const table: [string, yes: string[], no: string[]][] = [
      ['1.2.3', ['1.2.3', '1.2.3+meta'], ['1.2.4', '1.2.2']],
      ['= 1', ['1.0.0', '1.9.9'], ['2.0.0', '0.9.0']],
      ['1.2', ['1.2.0', '1.2.9'], ['1.3.0', '1.1.9']],
      ['!= 1.2.3', ['1.2.4'], ['1.2.3']],
      ['!= 1', ['2.0.0', '0.1.0'], ['1.5.0']],
      ['!= 1.2', ['1.3.0', '2.2.0'], ['1.2.9']],
      ['> 1.2.3', ['1.2.4', '2.0.0'], ['1.2.3']],
      ['> 1', ['2.0.0'], ['1.9.9']],
      ['> 1.2', ['1.3.0', '2.0.0'], ['1.2.9']],
      ['>= 1.2.3', ['1.2.3', '1.2.4'], ['1.2.2']],
      ['=> 1', ['1.0.0', '3.0.0'], ['0.9.9']],
      ['>= 1.2', ['1.2.0'], ['1.1.9']],
      ['< 1.2.3', ['1.2.2'], ['1.2.3']],
      ['< 1', ['0.9.9'], ['1.0.0']],
      ['< 1.2', ['1.1.9'], ['1.2.0', '1.2.1']],
      ['<= 1.2.3', ['1.2.3', '1.0.0'], ['1.2.4']],
      ['=< 1', ['1.9.9', '0.1.0'], ['2.0.0']],
      ['<= 1.2', ['1.2.9', '0.9.0'], ['1.3.0', '2.0.0']],
      ['~ 1.2.3', ['1.2.3', '1.2.9'], ['1.2.2', '1.3.0']],
      ['~> 1', ['1.0.0', '1.9.0'], ['2.0.0']],
      ['~ 1.2', ['1.2.0', '1.2.9'], ['1.3.0']],
      ['^ 1.2.3', ['1.2.3', '1.9.0'], ['1.2.2', '2.0.0']],
      ['^ 0.2.3', ['0.2.3', '0.2.9'], ['0.3.0', '0.2.2', '1.0.0']],
      ['^ 0.0.3', ['0.0.3'], ['0.0.4', '0.1.0']],
      ['^ 1', ['1.0.0', '1.9.9'], ['2.0.0']],
      ['^ 0', ['0.0.1', '0.9.0'], ['1.0.0']],
      ['^ 1.2', ['1.2.0', '1.9.0'], ['2.0.0', '1.1.0']],
      ['^ 0.2', ['0.2.0', '0.2.9'], ['0.3.0']],
      ['^ 0.0', ['0.0.1', '0.0.9'], ['0.1.0']],
      ['*', ['0.0.1', '99.0.0'], ['1.0.0-rc1']],
      ['> 1.0.0-rc1', ['1.0.0', '1.0.0-rc2'], ['1.0.0-rc1', '1.0.0-beta']],
      ['> 1.0.0', [], ['1.1.0-rc1']],
      ['nonsense', [], ['1.0.0']],
    ];
    for (const [constraint, yes, no] of table) {
      for (const text of yes) assert.ok(accepts(constraint, version(text)), `${constraint} accepts ${text}`);
      for (const text of no) assert.ok(!accepts(constraint, version(text)), `${constraint} refuses ${text}`);
    }
  });
});
