import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Fence } from '../../actors/ports.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { openSession, withStores } from '../testing/sessions.ts';
import type { Started } from './server.ts';
import { test } from '../testing/register.ts';

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: { code?: unknown }) => error.code,
  );

/** reliability.md §8: the interleavings of an old owner's late statement with a new owner. */
export function fencingContract({ dialect, url }: Started): void {
  const SER = 'begin isolation level serializable';

  /**
   * A group of the old owner is held up on the server, after it read its fence, by a lock on a row that it writes;
   * `meanwhile` runs; then the lock goes and the group goes on.
   */
  const lateGroup = (
    name: string,
    meanwhile: (on: Parameters<Parameters<typeof withStores>[1]>[0] & { fences: Fence[] }) => Promise<Fence[]>,
  ) =>
    test(name, () =>
      withStores(url(), async ({ store, site }) => {
        const scope = freshScope();
        const fences = await site.takeOver([scope], 1);
        const row = ipChange(scope, 'net', '10.0.0.1');
        assert.equal((await store.commit(groupOf(fences, [row], 1))).outcome, 'committed');
        const session = openSession(url());
        try {
          await session.say('begin isolation level read committed');
          await session.say('select 1 from ip where scope = $1 and key = $2 for update', [scope, row.key]);
          const changes = [{ ...row, prev: 1, version: 2 }, ipChange(scope, 'net', '10.0.0.2')];
          const late = store.commit(groupOf(fences, changes, 2));
          await wait(150);
          const raised = await meanwhile({ store, site, fences });
          await session.say('rollback');
          assert.deepEqual(await late, { outcome: 'fenced' });
          const rows = await store.load(scope, [{ table: 'ip', owner: 'net' }], raised);
          assert.ok(!isRefusal(rows));
          assert.deepEqual(
            rows.map((seen) => [seen.key, seen.version]),
            [[row.key, 1]],
          );
        } finally {
          await session.end();
        }
      }),
    );

  lateGroup('a late group fails after a takeover and a load', async ({ store, site, fences }) => {
    const raised = await site.takeOver([fences[0]!.scope], 1);
    const rows = await store.load(fences[0]!.scope, [{ table: 'ip', owner: 'net' }], raised);
    assert.ok(!isRefusal(rows) && rows.length === 1);
    return raised;
  });

  lateGroup(
    'a late group fails after a takeover that has loaded nothing yet: the takeover read the log',
    ({ site, fences }) => site.takeOver([fences[0]!.scope], 1),
  );

  lateGroup('a late group of a dead shard fails once its successor raised its own epoch', async ({ store, fences }) => {
    const raised = await store.raise(fences);
    assert.ok(!isRefusal(raised));
    return raised;
  });

  lateGroup('a late group fails after the new owner wrote log entries of its own', async ({ store, site, fences }) => {
    const raised = await site.takeOver([fences[0]!.scope], 1);
    assert.equal((await store.commit(groupOf(raised, [], 1))).outcome, 'committed');
    return raised;
  });

  const interleaved = (
    name: string,
    levels: { owner: string; load: string },
    expected: (codes: { write: unknown; commit: unknown; seen: number }) => void,
    skip: string | false = false,
  ) =>
    test(
      name,
      () =>
        withStores(url(), async ({ site }) => {
          const scope = freshScope();
          await site.takeOver([scope], 1);
          const [owner, successor] = [openSession(url()), openSession(url())];
          try {
            await owner.say(`begin isolation level ${levels.owner}`);
            await owner.say('select epoch from ownership where scope = $1', [scope]);
            await successor.say(SER);
            await successor.say('update ownership set epoch = epoch + 1 where scope = $1', [scope]);
            await successor.say('commit');
            await successor.say(`begin isolation level ${levels.load}`);
            await successor.say('select epoch from ownership where scope = $1', [scope]);
            const { length: seen } = await successor.say("select key from ip where scope = $1 and owner = 'net'", [
              scope,
            ]);
            await successor.say('commit');
            const write = await codeOf(
              owner.say(
                `insert into ip (scope, key, owner, version, prev, released, body, changed) values ($1, 'net|x', 'net', 1, 0, false, '{}', now())`,
                [scope],
              ),
            );
            const commit = await codeOf(owner.say('commit'));
            expected({ write, commit, seen });
          } finally {
            await Promise.all([owner.end(), successor.end()]);
          }
        }),
      { skip },
    );

  interleaved(
    'two connections: serializable owner, serializable load: the owner is aborted',
    { owner: 'serializable', load: 'serializable' },
    ({ write, commit, seen }) => {
      assert.equal(seen, 0);
      assert.ok(write === '40001' || commit === '40001', `${String(write)}, ${String(commit)}`);
    },
  );

  interleaved(
    'two connections: serializable owner, load as serializable read only: the owner is aborted',
    { owner: 'serializable', load: 'serializable read only' },
    ({ write, commit, seen }) => {
      assert.equal(seen, 0);
      assert.ok(write === '40001' || commit === '40001', `${String(write)}, ${String(commit)}`);
    },
  );

  interleaved(
    'two connections: why loads are not read committed: the owner commits what the load did not see',
    { owner: 'serializable', load: 'read committed' },
    ({ write, commit, seen }) => assert.deepEqual({ write, commit, seen }, { write: 'done', commit: 'done', seen: 0 }),
    dialect === 'cockroach' ? 'CockroachDB may raise READ COMMITTED to SERIALIZABLE' : false,
  );

  test('a takeover writes how far each stream got, and an empty one got to 0', () =>
    withStores(url(), async ({ store, site }) => {
      const scope = freshScope();
      const fences = await site.takeOver([scope], 2);
      for (const n of [1, 2, 3]) assert.equal((await store.commit(groupOf(fences, [], n))).outcome, 'committed');
      await site.takeOver([scope], 2);
      const session = openSession(url());
      const ends = await session.say('select shard, epoch, n from log_end where scope = $1 order by shard', [scope]);
      await session.end();
      assert.deepEqual(ends, [
        { shard: 0, epoch: fences[0]!.epoch, n: 3 },
        { shard: 1, epoch: fences[1]!.epoch, n: 0 },
      ]);
    }));
}
