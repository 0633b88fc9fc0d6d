import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { siteScope } from '../../actors/address.ts';
import type { Fence, LeaseHolder } from '../../actors/ports.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

const holderOf = (site: string, pid: number, host = 'rack1'): LeaseHolder => ({
  site,
  process: `${host}/${pid}`,
  host,
  pid,
});

export function ownershipContract({ store, site, other }: Stores): void {
  const outcome = async (fences: Fence[], n: number): Promise<string> =>
    (await store().commit(groupOf(fences, [], n))).outcome;

  test('design.md §5: a takeover raises every row of its scopes, also of shards it does not have', async () => {
    const scopes = [freshScope(), freshScope()];
    const first = await site().takeOver(scopes, 3);
    assert.equal(first.length, 6);
    const second = await site().takeOver(scopes, 2);
    assert.equal(second.length, 4);
    for (const fence of second) {
      const before = first.find((old) => old.scope === fence.scope && old.shard === fence.shard)!;
      assert.ok(fence.epoch > before.epoch);
      assert.equal(await outcome([fence], 1), 'committed');
    }
    for (const fence of first) assert.equal(await outcome([fence], 2), 'fenced', `shard ${fence.shard}`);
    const third = await site().takeOver(scopes, 4);
    assert.ok(
      third.every((fence) => fence.epoch > second[0]!.epoch),
      'above every epoch ever used in the scope',
    );
  });

  test('design.md §5: a restarted shard raises its own rows above all of the scope; the others keep theirs', async () => {
    const scopes = [freshScope(), freshScope()];
    const fences = await site().takeOver(scopes, 2);
    const own = fences.filter((fence) => fence.shard === 1);
    const raised = await store().raise(own);
    assert.ok(!isRefusal(raised));
    assert.equal(raised.length, 2);
    assert.ok(raised.every((fence) => fence.shard === 1 && fence.epoch > fences[0]!.epoch));
    assert.equal(await outcome([own[0]!], 1), 'fenced');
    assert.equal(await outcome([raised[0]!], 1), 'committed');
    assert.equal(
      await outcome(
        fences.filter((fence) => fence.shard === 0),
        1,
      ),
      'committed',
    );
    const again = await store().raise(own);
    assert.ok(
      isRefusal(again) && again.kind === 'Conflict',
      'who no longer owns can not raise, and need not try again',
    );
    assert.equal(await outcome([raised[0]!], 2), 'committed', 'and what it tried changed nothing');
    assert.deepEqual(await store().raise([]), []);
  });

  test('the lease: one holder, renewed, given back, taken when it ran out', async () => {
    const name = `lease-${freshScope()}`;
    const [a, b] = [holderOf(name, 10), holderOf(name, 20)];
    const first = await site().acquireLease(a, 60_000);
    assert.ok(first.held && Math.abs(first.untilMs - Date.now() - 60_000) < 10_000);
    const refused = await other().acquireLease(b, 60_000);
    assert.ok(!refused.held);
    assert.deepEqual(refused.holder, a);
    assert.ok(refused.remainingMs > 30_000 && refused.remainingMs <= 60_000);
    assert.ok((await site().renewLease(a, 40)).held, 'renewed, and shortened');
    await wait(80);
    assert.ok((await site().renewLease(a, 40)).held, 'ran out, but nobody took it');
    await wait(80);
    assert.ok((await other().acquireLease(b, 40)).held, 'ran out');
    await wait(80);
    assert.deepEqual(await site().renewLease(a, 60_000), { held: false, holder: b }, 'was taken meanwhile');
    assert.ok((await other().renewLease(b, 60_000)).held);
    await site().releaseLease(a);
    assert.ok(!(await site().acquireLease(a, 60_000)).held, 'who does not hold it gives nothing back');
    await other().releaseLease(b);
    assert.deepEqual(await site().renewLease(a, 60_000), { held: false, holder: undefined }, 'taken and given back');
    assert.ok((await site().acquireLease(a, 60_000)).held, 'given back');
    await site().releaseLease(a);
  });

  test('design.md §5: a holder that died on the same machine is replaced at once, one on another machine is not', async () => {
    const name = `lease-${freshScope()}`;
    assert.ok((await site().acquireLease(holderOf(name, 1), 60_000)).held);
    assert.ok(!(await other().acquireLease(holderOf(name, 2, 'rack2'), 60_000)).held);
    assert.ok((await other().acquireLease(holderOf(name, 2), 60_000)).held);
    await other().releaseLease(holderOf(name, 2));
    await site().releaseLease(holderOf(name, 1));
  });

  test('a process whose lease ended can not take over any more', async () => {
    const name = `lease-${freshScope()}`;
    const scope = siteScope(name);
    assert.ok((await site().acquireLease(holderOf(name, 10), 30)).held);
    await wait(60);
    await assert.rejects(site().takeOver([scope], 1), /lease of .* ended/);
    assert.ok((await site().acquireLease(holderOf(name, 10), 60_000)).held);
    const fences = await site().takeOver([scope], 1);
    assert.equal(await outcome(fences, 1), 'committed');
    await site().releaseLease(holderOf(name, 10));
  });

  test('a row of an epoch before is loaded after a raise, and written on by the new epoch', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    assert.equal((await store().commit(groupOf(fences, [ipChange(scope, 'net', '10.0.0.1')], 1))).outcome, 'committed');
    const raised = await store().raise(fences);
    assert.ok(!isRefusal(raised));
    const rows = await store().load(scope, [{ table: 'ip', owner: 'net' }], raised);
    assert.ok(!isRefusal(rows) && rows.length === 1);
    const next = ipChange(scope, 'net', '10.0.0.1', { prev: rows[0]!.version, version: 2 });
    assert.equal((await store().commit(groupOf(raised, [next], 1))).outcome, 'committed');
  });
}
