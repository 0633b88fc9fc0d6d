import assert from 'node:assert/strict';
import type { Change } from '../../actors/records.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf, ipChange, ipRecord, poolChange } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

export function commitContract({ store, site }: Stores): void {
  const owned = async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    return { scope, fences };
  };

  test('design.md §5: a group proves its epoch; under another one nothing is written', async () => {
    const { scope, fences } = await owned();
    const change = ipChange(scope, 'net', '10.0.0.1');
    for (const epoch of [fences[0]!.epoch - 1, fences[0]!.epoch + 1]) {
      const group = groupOf([{ ...fences[0]!, epoch }], [change], 1);
      assert.deepEqual(await store().commit(group), { outcome: 'fenced' });
      assert.deepEqual(await store().resolve(group.id), { outcome: 'abandoned' });
    }
    assert.deepEqual(await site().rows('ip', { scopes: [scope] }), []);
    assert.deepEqual(await store().commit(groupOf(fences, [change], 1)), { outcome: 'committed' });
    const [row] = await site().rows('ip', { scopes: [scope] });
    assert.deepEqual(row, { table: 'ip', scope, key: change.key, owner: 'net', version: 1, value: change.value });
  });

  test('design.md §4: prev 0 demands absent or released, above 0 exactly that live version', async () => {
    const { scope, fences } = await owned();
    const write = async (prev: number, version: number, released = false, address = '10.0.0.1') => {
      const change = ipChange(scope, 'net', address, { prev, version });
      const outcome = await store().commit(groupOf(fences, [released ? { ...change, value: null } : change]));
      return outcome.outcome;
    };
    assert.equal(await write(7, 8), 'refused', 'an update of what was never there must not create it');
    assert.equal(await write(7, 8, true), 'refused', 'nor may a release');
    assert.equal(await write(0, 1), 'committed', 'absent');
    assert.equal(await write(0, 2), 'refused', 'live already');
    assert.equal(await write(2, 3), 'refused', 'newer than it is');
    assert.equal(await write(1, 5), 'committed', 'exact, versions may jump');
    assert.equal(await write(1, 6), 'refused', 'older than it is');
    assert.equal(await write(4, 6, true), 'refused', 'a release demands it as well');
    assert.equal(await write(5, 6, true), 'committed', 'released');
    assert.equal(await write(6, 7), 'refused', 'a released row is not there');
    assert.equal(await write(0, 9), 'committed', 'acquired again');
    assert.equal(await write(0, 10, false, '10.0.0.2'), 'committed', 'other rows are not concerned');
    const rows = await site().rows('ip', { scopes: [scope] });
    assert.deepEqual(
      new Map(rows.map((row) => [row.key, row.version])),
      new Map([
        ['net|10.0.0.1', 9],
        ['net|10.0.0.2', 10],
      ]),
    );
  });

  test('database.md §4.2: one wrong version and nothing of the group is written, neither good rows, log nor group id', async () => {
    const { scope, fences } = await owned();
    const good = [1, 2, 3].map((n) => ipChange(scope, 'net', `10.0.0.${n}`));
    const bad = ipChange(scope, 'net', '10.0.0.4', { prev: 3, version: 4 });
    const group = groupOf(fences, [...good, bad], 1);
    assert.equal((await store().commit(group)).outcome, 'refused');
    assert.deepEqual(await site().rows('ip', { scopes: [scope] }), []);
    assert.deepEqual(await store().commit({ ...groupOf(fences, good, 1), id: group.id }), { outcome: 'committed' });
    assert.equal((await site().rows('ip', { scopes: [scope] })).length, 3);
  });

  test('design.md §4: several tables, scopes and shards in one group; it proves the epoch of each', async () => {
    const scopes = [freshScope(), freshScope()];
    const fences = await site().takeOver(scopes, 2);
    assert.equal(fences.length, 4);
    const changes: Change[] = [
      ipChange(scopes[0]!, 'net', '10.0.0.1'),
      ipChange(scopes[1]!, 'other', '10.0.0.1'),
      poolChange(scopes[0]!, 'vrf', 7, 'n1'),
      {
        table: 'switch_port' as const,
        scope: scopes[1]!,
        key: 'leaf1|Ethernet0',
        owner: 'leaf1',
        prev: 0,
        version: 1,
        value: { switch: 'leaf1', nic: 'Ethernet0', vrf: 'vrf7', machine: 'm1' },
      },
    ];
    const stale = fences.map((fence, i) => (i === 3 ? { ...fence, epoch: fence.epoch - 1 } : fence));
    assert.deepEqual(await store().commit(groupOf(stale, changes, 1)), { outcome: 'fenced' });
    assert.deepEqual(await store().commit(groupOf(fences, changes, 1)), { outcome: 'committed' });
    assert.equal((await site().rows('ip', { scopes })).length, 2);
    assert.equal((await site().rows('pool', { scopes })).length, 1);
    assert.deepEqual((await site().rows('switch_port', { scopes }))[0]?.value, changes[3]!.value);
  });

  test('what a group writes without a fence for it is refused before it is sent', async () => {
    const { scope, fences } = await owned();
    const foreign = ipChange(freshScope(), 'net', '10.0.0.1');
    for (const group of [
      groupOf(fences, [foreign]),
      groupOf([], [ipChange(scope, 'net', '10.0.0.1')]),
      { ...groupOf(fences, [], 1), fences: [{ ...fences[0]!, shard: 1 }] },
    ]) {
      const outcome = await store().commit(group);
      assert.ok(outcome.outcome === 'refused' && outcome.constraint?.startsWith('fence: '), JSON.stringify(outcome));
    }
  });

  test('what no column can hold is refused, and names its field', async () => {
    const { scope, fences } = await owned();
    const address = ipChange(scope, 'net', '10.0.0.1', { value: ipRecord('net', '10.0.0.256') });
    const outcome = await store().commit(groupOf(fences, [address]));
    assert.ok(outcome.outcome === 'refused');
    assert.match(outcome.constraint ?? '', /ip\.address: "10\.0\.0\.256"/);
    const text = ipChange(scope, 'net', '10.0.0.1', { value: ipRecord('net', '10.0.0.1', { name: 'a\0b' }) });
    assert.equal((await store().commit(groupOf(fences, [text]))).outcome, 'refused');
    assert.equal((await store().commit(groupOf(fences, [], 1))).outcome, 'committed', 'the connection goes on');
  });

  test('reliability.md §8: a group of log entries alone is fenced too; a number is used once', async () => {
    const { fences } = await owned();
    assert.equal((await store().commit(groupOf(fences, [], 1))).outcome, 'committed');
    const again = await store().commit(groupOf(fences, [], 1));
    assert.equal(again.outcome, 'refused');
    assert.equal((await store().commit(groupOf([{ ...fences[0]!, epoch: 0 }], [], 2))).outcome, 'fenced');
  });

  test('reliability.md §7.3: the outcome of a group is asked by writing its id', async () => {
    const { scope, fences } = await owned();
    const group = groupOf(fences, [ipChange(scope, 'net', '10.0.0.1')], 1);
    assert.deepEqual(await store().commit(group), { outcome: 'committed' });
    assert.deepEqual(await store().resolve(group.id), { outcome: 'committed' });
    const late = groupOf(fences, [ipChange(scope, 'net', '10.0.0.2')], 2);
    assert.deepEqual(await store().resolve(late.id), { outcome: 'abandoned' });
    assert.deepEqual(await store().resolve(late.id), { outcome: 'abandoned' }, 'our own word is no commit');
    assert.equal((await store().commit(late)).outcome, 'refused', 'an abandoned group can never come in');
    assert.equal((await site().rows('ip', { scopes: [scope] })).length, 1);
  });

  test('512 changes of one group', async () => {
    const { scope, fences } = await owned();
    const changes = Array.from({ length: 512 }, (_, i) => ipChange(scope, 'net', `10.1.${i >> 8}.${i & 255}`));
    assert.deepEqual(await store().commit(groupOf(fences, changes, 1)), { outcome: 'committed' });
    const next = changes.map((change, i) => ({
      ...change,
      prev: 1,
      version: 2,
      value: i % 2 === 0 ? null : change.value,
    }));
    assert.deepEqual(await store().commit(groupOf(fences, next, 2)), { outcome: 'committed' });
    assert.deepEqual(await site().countByOwner('ip', scope), new Map([['net', 256]]));
  });
}
