import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { compareClaims, type KeptClaim, type Owned } from './kept-claims.ts';

const kept = (what: KeptClaim['what'], value: string, more: Partial<KeptClaim> = {}): KeptClaim => ({
  what,
  value,
  holder: 'n',
  h: 'h',
  state: 'owned',
  ...more,
});
const own = (what: ClaimRecord['what'], value: string, h = 'h'): ClaimRecord => ({
  ...kept(what, value, { h }),
  site: 'a',
  state: 'owned',
});
const compare = (told: KeptClaim[], claims: ClaimRecord[], more: Partial<Owned> = {}) => {
  const { gone, made, missing } = compareClaims(told, {
    claims,
    isUnderWay: () => false,
    partition: () => undefined,
    ...more,
  });
  return { gone: gone.map(({ value }) => value), made, missing: missing.map(({ value }) => value) };
};

test('design.md §12: what a member keeps is judged claim by claim, not by operation', () => {
  const told = [kept('network', 'n'), kept('prefix', '10.0.0.0/24'), kept('prefix', '10.1.0.0/24')];
  const claims = [own('network', 'n'), own('prefix', '10.0.0.0/24'), own('prefix', '10.2.0.0/24')];
  assert.deepEqual(compare(told, claims), { gone: ['10.1.0.0/24'], made: [], missing: ['10.2.0.0/24'] });
});

test('what was taken over at a join, or has another operation since a restore, is the same claim', () => {
  assert.deepEqual(compare([kept('network', 'n', { h: 'adopted|a' })], [own('network', 'n', 'other')]), {
    gone: [],
    made: [],
    missing: [],
  });
});

test('promises: made by what is there, dropped by what is not; what is under way is nobody’s business yet', () => {
  const promised = { state: 'promised' as const };
  const told = [kept('network', 'n', promised), kept('prefix', '10.1.0.0/24', { ...promised, h: 'h2' })];
  const claims = [own('network', 'n'), own('prefix', '10.2.0.0/24', 'h3')];
  assert.deepEqual(compare(told, claims), { gone: ['10.1.0.0/24'], made: ['h'], missing: ['10.2.0.0/24'] });
  assert.deepEqual(compare(told, claims, { isUnderWay: () => true }), { gone: [], made: [], missing: [] });
});

test('the number of a VRF is kept with its network, a partition with its entry in the directory', () => {
  const vrf = kept('vrf', '7');
  assert.deepEqual(compare([vrf], []).gone, ['7']);
  assert.deepEqual(compare([vrf, kept('network', 'n')], [own('network', 'n')]).gone, []);
  const [owned, promised] = [kept('partition', 'p'), kept('partition', 'p', { state: 'promised' })];
  for (const [claim, isThere, gone] of [
    [owned, true, []],
    [owned, false, ['p']],
    // Of one that nobody here ever heard of, nothing is said but that it was not made.
    [owned, undefined, []],
    [promised, undefined, ['p']],
    [promised, false, ['p']],
  ] as const) {
    assert.deepEqual(compare([claim], [], { partition: () => isThere }).gone, gone);
  }
  assert.deepEqual(compare([promised], [], { partition: () => true }).made, ['h']);
});
