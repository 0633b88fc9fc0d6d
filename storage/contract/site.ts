import assert from 'node:assert/strict';
import { siteScope, type Scope } from '../../actors/address.ts';
import type { DirectoryEntry } from '../../actors/directory/record.ts';
import type { LogEntry } from '../../actors/ports.ts';
import type { Change } from '../../actors/records.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Stores } from '../contract.ts';
import { entryOf, freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

const partitionChange = (scope: Scope, id: string, home: string, isDeleted = false): Change => {
  const value = {
    kind: 'partition',
    id,
    home,
    revision: 1,
    created: { wallMs: 1, counter: 0, site: home },
    entity: isDeleted ? null : { id, name: id },
  } as DirectoryEntry<'partition'>;
  return { table: 'directory', scope, key: `partition|${id}`, owner: 'partition', prev: 0, version: 1, value };
};

export function siteContract({ store, site }: Stores): void {
  /** Entries of these scopes alone: the tests share one log. */
  const backlog = async (consumer: string, scopes: Scope[], messagesOnly = false): Promise<LogEntry[]> => {
    const found: LogEntry[] = [];
    await site().backlog(consumer, { messagesOnly }, async (entries) => {
      found.push(...entries.filter((entry) => scopes.includes(entry.scope)));
    });
    return found;
  };
  const consumer = (): string => `consumer-${freshScope()}`;

  test('the log gives back what was written, after the cursors, older epochs first', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 2);
    const change = ipChange(scope, 'net', '10.0.0.1');
    const messages = [{ topic: 'machine', body: { cmd: 'ON', name: 'a "quoted" \\ name' } }];
    const entries = [
      entryOf(fences[0]!, 1, [change], { messages }),
      entryOf(fences[0]!, 2, [], { what: 'network.release' }),
    ];
    assert.equal((await store().commit({ ...groupOf(fences, [change]), entries })).outcome, 'committed');
    const raised = await store().raise([fences[0]!]);
    assert.ok(!isRefusal(raised));
    const later = entryOf(raised[0]!, 1, []);
    const beside = entryOf(fences[1]!, 1, [], { messages });
    assert.equal((await store().commit({ ...groupOf(raised, []), entries: [later] })).outcome, 'committed');
    assert.equal((await store().commit({ ...groupOf([fences[1]!], []), entries: [beside] })).outcome, 'committed');

    const me = consumer();
    const all = await backlog(me, [scope]);
    assert.deepEqual(all, [...entries, beside, later]);
    assert.deepEqual(await backlog(me, [scope], true), [entries[0], beside]);
    await site().saveCursors(me, [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 1 }]);
    assert.deepEqual(await backlog(me, [scope]), [entries[1], beside, later]);
    await site().saveCursors(me, [
      { scope, shard: 0, epoch: raised[0]!.epoch, n: 1 },
      { scope, shard: 0, epoch: fences[0]!.epoch, n: 2 },
      { scope, shard: 1, epoch: fences[1]!.epoch, n: 1 },
    ]);
    assert.deepEqual(await backlog(me, [scope]), []);
    await site().saveCursors(me, [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 1 }]);
    assert.deepEqual(await backlog(me, [scope]), [], 'a cursor never goes back');
    assert.equal((await backlog(consumer(), [scope])).length, 4, 'every consumer has its own');
  });

  test('what the ended epochs of a shard wrote after a cursor, older first, and nothing of the new one', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 2);
    const own = fences.filter(({ shard }) => shard === 0);
    const entries = [1, 2, 3].map((n) => entryOf(own[0]!, n, []));
    assert.equal((await store().commit({ ...groupOf(fences, []), entries })).outcome, 'committed');
    const beside = entryOf(fences[1]!, 1, []);
    assert.equal((await store().commit({ ...groupOf([fences[1]!], []), entries: [beside] })).outcome, 'committed');
    const second = await store().raise(own);
    assert.ok(!isRefusal(second));
    const later = entryOf(second[0]!, 1, [], { messages: [{ topic: 'machine', body: 1 }] });
    assert.equal((await store().commit({ ...groupOf(second, []), entries: [later] })).outcome, 'committed');
    const third = await store().raise(second);
    assert.ok(!isRefusal(third));
    const newest = entryOf(third[0]!, 1, []);
    assert.equal((await store().commit({ ...groupOf(third, []), entries: [newest] })).outcome, 'committed');
    const after = (epoch: number, n: number) => site().entriesAfter({ scope, shard: 0, epoch, n }, third[0]!.epoch);
    assert.deepEqual(await after(own[0]!.epoch, 1), [entries[1], entries[2], later]);
    assert.deepEqual(await after(own[0]!.epoch, 3), [later]);
    assert.deepEqual(await after(second[0]!.epoch, 1), []);
  });

  test('a long backlog comes in portions, in order', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    const entries = Array.from({ length: 1201 }, (_, i) => entryOf(fences[0]!, i + 1, []));
    assert.equal((await store().commit({ ...groupOf(fences, []), entries })).outcome, 'committed');
    assert.deepEqual(
      (await backlog(consumer(), [scope])).map((entry) => entry.n),
      entries.map((entry) => entry.n),
    );
  });

  test('hosted partitions are those whose home is the site', async () => {
    const name = `site-${freshScope()}`;
    const scope = siteScope(name);
    const fences = await site().takeOver([scope], 1);
    const changes = [
      partitionChange(scope, 'muc', name),
      partitionChange(scope, 'fra', name),
      partitionChange(scope, 'ber', 'elsewhere'),
      partitionChange(scope, 'old', name, true),
    ];
    assert.equal((await store().commit(groupOf(fences, changes, 1))).outcome, 'committed');
    assert.deepEqual(await site().hostedPartitions(name), ['fra', 'muc']);
    assert.deepEqual(await site().hostedPartitions('nowhere'), []);
  });

  test('the sweep deletes what is over its retention: groups, released rows, entries that every consumer passed', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    const changes = [1, 2, 3].map((n) => ipChange(scope, 'net', `10.0.0.${n}`));
    const group = { ...groupOf(fences, changes), entries: [1, 2, 3, 4].map((n) => entryOf(fences[0]!, n, [])) };
    assert.equal((await store().commit(group)).outcome, 'committed');
    const released = changes.slice(1).map((change) => ({ ...change, prev: 1, version: 2, value: null }));
    assert.equal((await store().commit(groupOf(fences, released, 5))).outcome, 'committed');
    const [slow, fast] = [consumer(), consumer()];
    await site().saveCursors(slow, [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 3 }]);
    await site().saveCursors(fast, [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 5 }]);

    await site().saveCursors(consumer(), [{ scope: freshScope(), shard: 0, epoch: 1, n: 1 }]);
    const hour = { groupMs: 3_600_000, logMs: 10 ** 13, releasedMs: 3_600_000, outcomeMs: 10 ** 13 };
    assert.deepEqual(await site().sweep(hour), { groups: 0, entries: 0, rows: 0, outcomes: 0 });
    const nothing = await site().sweep({ ...hour, logMs: 0 });
    assert.equal(nothing.entries, 0, 'one consumer has not begun with this stream');
    const swept = await site().sweep({ ...hour, groupMs: 0, releasedMs: 0 });
    assert.ok(swept.groups >= 2 && swept.rows >= 2, JSON.stringify(swept));
    assert.deepEqual(keysOf(await site().rows('ip', { scopes: [scope] })), ['net|10.0.0.1']);
    const again = ipChange(scope, 'net', '10.0.0.2', { version: 9 });
    assert.equal(
      (await store().commit(groupOf(fences, [again], 6))).outcome,
      'committed',
      'absent is as good as released',
    );
  });

  test('ping', () => site().ping());
}

const keysOf = (rows: { key: string }[]): string[] => rows.map((row) => row.key);
