import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { entryOf, freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { openSession, withStores } from '../testing/sessions.ts';
import type { Started } from './server.ts';
import { test } from '../testing/register.ts';

export function conflictContract({ url }: Started): void {
  const competing = (name: string, set: string, expected: string) =>
    test(name, () =>
      withStores(url(), async ({ store, site }) => {
        const scope = freshScope();
        const fences = await site.takeOver([scope], 1);
        const row = ipChange(scope, 'net', '10.0.0.1');
        assert.equal((await store.commit(groupOf(fences, [row], 1))).outcome, 'committed');
        const session = openSession(url());
        try {
          await session.say('begin isolation level serializable');
          await session.say(`update ip set ${set} where scope = $1 and key = $2`, [scope, row.key]);
          const group = store.commit(groupOf(fences, [{ ...row, prev: 1, version: 2 }], 2));
          await wait(100);
          await session.say('commit');
          assert.equal((await group).outcome, expected);
        } finally {
          await session.end();
        }
      }),
    );

  competing(
    'database.md §3.3: 40001 by a competing writer: the whole group again, and it is in',
    'changed = now()',
    'committed',
  );
  competing('40001 by a writer that changed the version: again, and refused', 'version = 7', 'refused');

  test('four shards at once, disjoint rows: all groups are in', () =>
    withStores(
      url(),
      async ({ store, site }) => {
        const scope = freshScope();
        const fences = await site.takeOver([scope], 4);
        const rounds = 25;
        await Promise.all(
          fences.map(async (fence) => {
            for (let n = 1; n <= rounds; n++) {
              const changes = [0, 1, 2, 3].map((i) =>
                ipChange(scope, `net${fence.shard}`, `10.${fence.shard}.${n}.${i}`),
              );
              assert.deepEqual(await store.commit(groupOf([fence], changes, n)), { outcome: 'committed' });
            }
          }),
        );
        assert.equal((await site.rows('ip', { scopes: [scope] })).length, 4 * rounds * 4);
      },
      { groupsInFlight: 4 },
    ));

  test('a log that every consumer has passed is swept, but not the last entry of an open stream', () =>
    withStores(url(), async ({ store, site }) => {
      const scope = freshScope();
      const fences = await site.takeOver([scope], 1);
      const entries = Array.from({ length: 700 }, (_, i) => entryOf(fences[0]!, i + 1, []));
      assert.equal((await store.commit({ ...groupOf(fences, []), entries })).outcome, 'committed');
      const left = async (): Promise<number[]> => {
        const session = openSession(url());
        const rows = await session.say<{ n: number }>('select n from log where scope = $1 order by n', [scope]);
        await session.end();
        return rows.map((row) => row.n);
      };
      const retention = { groupMs: 10 ** 12, logMs: 0, releasedMs: 10 ** 12, outcomeMs: 10 ** 12 };
      await site.saveCursors('bus', [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 600 }]);
      await site.saveCursors('peer', [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 650 }]);
      await site.sweep(retention);
      assert.equal((await left())[0], 601);
      await site.saveCursors('bus', [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 700 }]);
      await site.saveCursors('peer', [{ scope, shard: 0, epoch: fences[0]!.epoch, n: 700 }]);
      await site.sweep(retention);
      assert.deepEqual(await left(), [700]);
      const next = await site.takeOver([scope], 1);
      assert.equal((await store.commit(groupOf(next, [], 1))).outcome, 'committed');
      for (const consumer of ['bus', 'peer'])
        await site.saveCursors(consumer, [{ scope, shard: 0, epoch: next[0]!.epoch, n: 1 }]);
      await site.sweep(retention);
      assert.deepEqual(await left(), [1], 'the ended stream is gone, the open one keeps its last');
    }));
}
