import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scope } from '../address.ts';
import type { CommitOutcome, ShardStore } from '../ports.ts';
import { createCommitter } from './committer.ts';
import type { Operation, OperationOutcome } from './committer/operation.ts';
import { createVirtualWorld } from './virtual-world.ts';

const scope: Scope = 'partition:p';
const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

test('reliability.md §10: the halves of a refused group are counted as every other one: as many groups as sizes and times', () => {
  const world = createVirtualWorld();
  const outcomes = new Map<string, OperationOutcome>();
  const sent: string[][] = [];
  const store = {
    commit(group, done) {
      const ids = group.entries.map(({ operation }) => operation);
      sent.push(ids);
      const outcome: CommitOutcome = ids.includes('wrong') ? { outcome: 'refused' } : { outcome: 'committed' };
      world.after(2, () => done(outcome));
    },
  } as Pick<ShardStore, 'commit'> as ShardStore;
  const committer = createCommitter({
    world,
    store,
    shard: 0,
    fence: () => ({ scope, shard: 0, epoch: 1 }),
    onCommitted: () => {},
    onFenced: () => assert.fail('fenced'),
    onDoubt: () => assert.fail('in doubt'),
  });
  const operation = (id: string): Operation => ({
    id,
    what: 'take',
    who: 'test',
    scope,
    changes: [],
    messages: [],
    fences: [],
    deadlineMs: Infinity,
    outcome: null,
    done: (outcome) => void outcomes.set(id, outcome),
    overdue: () => assert.fail('overdue'),
  });
  for (const id of ['a', 'b', 'wrong', 'c']) committer.submit(operation(id));
  world.run(world.monotonicMs() + 100);

  assert.deepEqual(sent, [['a', 'b', 'wrong', 'c'], ['a', 'b'], ['wrong', 'c'], ['wrong'], ['c']]);
  assert.deepEqual([outcomes.get('c'), outcomes.get('wrong')], ['committed', { refused: 'version' }]);
  const { groups } = committer;
  assert.equal(groups.sent, sent.length);
  assert.deepEqual([sum(groups.sizes), sum(groups.timesMs)], [sent.length, sent.length]);
  assert.equal(groups.operations, sum(sent.map(({ length }) => length)));
  assert.equal(groups.totalMs, 2 * sent.length);
  assert.equal(groups.refused, 3);
});
