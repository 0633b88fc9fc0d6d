import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Group, KeyedOutcome } from '../../actors/ports.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf, ipChange, outcomeOf } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

/** design.md §4: Idempotency-Key. */
export function outcomeContract({ store, site }: Stores): void {
  const owned = async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    let n = 0;
    const group = (address: string, outcomes: KeyedOutcome[]): Group => ({
      ...groupOf(fences, [ipChange(scope, 'net', address)], ++n),
      outcomes,
    });
    return { scope, fences, group };
  };
  const find = ({ identity, key }: KeyedOutcome) => site().findOutcome(identity, key);

  test('reliability.md I10: an outcome is written with its group and found by identity and key', async () => {
    const { group } = await owned();
    const [one, two] = [outcomeOf(), outcomeOf({ reply: null })];
    assert.equal(await find(one), undefined);
    assert.deepEqual(await store().commit(group('10.0.0.1', [one, two])), { outcome: 'committed' });
    assert.deepEqual(await Promise.all([find(one), find(two), find(one)]), [one, two, one]);
    assert.equal(JSON.stringify((await find(one))?.reply), JSON.stringify(one.reply), 'to the byte');
    assert.equal(await site().findOutcome('another/somebody@example.com', one.key), undefined);
    const theirs = outcomeOf({ identity: 'another/somebody@example.com', key: one.key });
    assert.deepEqual(await store().commit(group('10.0.0.2', [theirs])), { outcome: 'committed' });
    assert.deepEqual(await find(theirs), theirs);
  });

  test('a key that has an outcome refuses the whole group and names the constraint', async () => {
    const { scope, group } = await owned();
    const first = outcomeOf();
    assert.deepEqual(await store().commit(group('10.0.0.1', [first])), { outcome: 'committed' });
    const again = group('10.0.0.2', [outcomeOf(), { ...first, operation: randomUUID(), reply: 'another' }]);
    assert.deepEqual(await store().commit(again), { outcome: 'refused', constraint: 'idempotency' });
    assert.deepEqual(await find(first), first);
    assert.equal(await find(again.outcomes[0]!), undefined);
    assert.equal((await site().rows('ip', { scopes: [scope] })).length, 1);
  });

  test('a group that is fenced, or refused by a row, leaves no outcome', async () => {
    const { scope, fences, group } = await owned();
    const [late, misfit] = [outcomeOf(), outcomeOf()];
    const old = [{ ...fences[0]!, epoch: fences[0]!.epoch - 1 }];
    const fenced = { ...groupOf(old, [ipChange(scope, 'net', '10.0.0.1')], 1), outcomes: [late] };
    assert.deepEqual(await store().commit(fenced), { outcome: 'fenced' });
    assert.equal((await store().commit(group('10.0.0.1', []))).outcome, 'committed');
    assert.equal((await store().commit(group('10.0.0.1', [misfit]))).outcome, 'refused');
    assert.deepEqual(await Promise.all([find(late), find(misfit)]), [undefined, undefined]);
  });

  test('an outcome is kept for its retention', async () => {
    const { group } = await owned();
    const hourMs = 3_600_000;
    const [old, young] = [outcomeOf({ atMs: Date.now() - 49 * hourMs }), outcomeOf({ atMs: Date.now() - 47 * hourMs })];
    assert.equal((await store().commit(group('10.0.0.1', [old, young]))).outcome, 'committed');
    const keep = { groupMs: 10 ** 13, logMs: 10 ** 13, releasedMs: 10 ** 13 };
    assert.ok((await site().sweep({ ...keep, outcomeMs: 48 * hourMs })).outcomes >= 1);
    assert.deepEqual(await Promise.all([find(old), find(young)]), [undefined, young]);
    assert.equal((await store().commit(group('10.0.0.2', [old]))).outcome, 'committed', 'the key is free again');
  });
}
