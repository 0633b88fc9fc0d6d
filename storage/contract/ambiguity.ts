import assert from 'node:assert/strict';
import { isRefusal } from '../../actors/refusal.ts';
import { startProxy, type Cut, type CuttingProxy } from '../testing/proxy.ts';
import { freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { withStores } from '../testing/sessions.ts';
import type { Started } from './server.ts';
import { test } from '../testing/register.ts';

/** reliability.md §7.3: the line is cut while a group is on its way. */
export function ambiguityContract({ url }: Started): void {
  const cutting = (
    name: string,
    cut: Cut,
    resolution: 'committed' | 'abandoned',
    afterwards: (proxy: CuttingProxy) => Promise<void> = async () => {},
  ) =>
    test(name, async () => {
      const proxy = await startProxy(url());
      try {
        await withStores(url(), async ({ site, store: direct }) => {
          await withStores(
            proxy.url,
            async ({ store }) => {
              const scope = freshScope();
              const fences = await site.takeOver([scope], 1);
              const first = ipChange(scope, 'net', '10.0.0.1');
              assert.equal((await store.commit(groupOf(fences, [first], 1))).outcome, 'committed');
              const group = groupOf(fences, [ipChange(scope, 'net', '10.0.0.2'), { ...first, prev: 1, version: 2 }], 2);
              proxy.cutOn(group.id, cut);
              const outcome = await store.commit(group);
              assert.equal(outcome.outcome, 'unknown', JSON.stringify(outcome));
              assert.deepEqual(await store.resolve(group.id), { outcome: resolution });
              await afterwards(proxy);
              assert.deepEqual(await direct.resolve(group.id), { outcome: resolution }, 'the same for ever');
              const rows = await direct.load(scope, [{ table: 'ip', owner: 'net' }], fences);
              assert.ok(!isRefusal(rows));
              assert.equal(rows.length, resolution === 'committed' ? 2 : 1);
              const again = await store.commit({ ...group, id: `${group.id}-again` });
              assert.equal(again.outcome, resolution === 'committed' ? 'refused' : 'committed');
            },
            { commitMs: 1000 },
          );
        });
      } finally {
        await proxy.close();
      }
    });

  cutting('cut after the bytes, before the answer: unknown, resolved as committed', 'after', 'committed');
  cutting('cut before the bytes: unknown, resolved as abandoned', 'before', 'abandoned');
  cutting('cut in the middle of the bytes: unknown, resolved as abandoned', 'half', 'abandoned');
  cutting('silence: unknown within the deadline, resolved as abandoned', 'silence', 'abandoned');
  cutting('bytes that arrive after the resolution write nothing', 'late', 'abandoned', (proxy) => proxy.deliver());

  test('a raise whose answer is lost is found out, not taken for another owner', async () => {
    const proxy = await startProxy(url());
    try {
      for (const cut of ['after', 'before'] as const)
        await withStores(proxy.url, async ({ store, site }) => {
          const scope = freshScope();
          const fences = await site.takeOver([scope], 1);
          proxy.cutOn('grouped', cut);
          const raised = await store.raise(fences);
          assert.ok(!isRefusal(raised), JSON.stringify(raised));
          assert.equal((await store.commit(groupOf(raised, [], 1))).outcome, 'committed', cut);
          assert.equal((await store.commit(groupOf(fences, [], 2))).outcome, 'fenced');
        });
    } finally {
      await proxy.close();
    }
  });

  test('a server that is away: unsent within the deadline, refusals for loads, unreachable for doubts', async () => {
    const proxy = await startProxy(url());
    await withStores(
      proxy.url,
      async ({ store, site }) => {
        const scope = freshScope();
        const fences = await site.takeOver([scope], 1);
        await proxy.close();
        const [commit, load, doubt] = await Promise.all([
          store.commit(groupOf(fences, [], 1)),
          store.load(scope, [{ table: 'ip', owner: 'net' }], fences),
          store.resolve('nothing'),
        ]);
        assert.equal(commit.outcome, 'unsent', JSON.stringify(commit));
        assert.ok(isRefusal(load) && load.kind === 'Unavailable');
        assert.equal(doubt.outcome, 'unreachable');
        await assert.rejects(site.ping());
      },
      { commitMs: 1000, loadMs: 1000, resolveMs: 1000 },
    );
  });
}
