// Blocks of a global network in which released addresses are kept back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../../actors/address.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import { granted, refused } from '../../actors/network/plant.fixture.ts';
import { QUARANTINE_LABEL } from '../../actors/network/quarantine.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { league } from './blocks.fixture.ts';

type League = Awaited<ReturnType<typeof league>>;
const labels = { [QUARANTINE_LABEL]: '600' };
const addressIn = (answer: IpRecord | Refusal): string => granted(answer).address;
const registry = addressOf(siteScope('a'), 'registry', 'a');

const rowsOf = ({ of }: League, id: string, table: 'ip' | 'holding' | 'block' | 'global_network'): string[] =>
  of(id)
    .plant.store.live(table)
    .map(({ key }) => key);
const ledgerOf = ({ of }: League): BlockRecord[] =>
  of('a')
    .plant.store.live('block')
    .map(({ value }) => value as BlockRecord);
const remove = ({ of }: League) =>
  of('a').plant.ask(registry, 'deleteNetwork', { id: 'internet', partition: '', partitions: ['pa'] });

async function released(world: League, id: string, address?: string): Promise<string> {
  const taken = addressIn(await world.until(world.acquire(id, address === undefined ? {} : { address })));
  granted(await world.until(world.free(id, taken)));
  return taken;
}

/** Takes what is left; answers why nothing is any more. */
async function takeAll(world: League, id: string): Promise<{ taken: string[]; why: Refusal }> {
  const taken: string[] = [];
  for (;;) {
    const answer = await world.until(world.acquire(id));
    if (isRefusal(answer)) return { taken, why: answer };
    taken.push(answer.address);
  }
}

test('networks.md §1.7: a global network is deleted with what rests in its partitions, and nothing of it is left', async () => {
  const world = await league('203.0.113.0/24', { labels });
  const { run, deleteNetwork, acquire, until, makeNetwork, close } = world;
  await run(300);
  const address = await released(world, 'b');
  await released(world, 'a');
  await deleteNetwork('internet');
  await run(2_000);
  for (const id of ['a', 'b']) {
    for (const table of ['ip', 'holding', 'block', 'global_network'] as const) {
      assert.deepEqual(rowsOf(world, id, table), [], `${table} at ${id}`);
    }
  }
  await makeNetwork('other', '203.0.113.0/24');
  await run(1_000);
  assert.equal(addressIn(await until(acquire('b', { address }, 'other'))), address);
  close();
});

test('an address in use keeps it, and what rests stays where it is', async () => {
  const world = await league('203.0.113.0/24', { labels });
  const { of, run, until, acquire, free, deleteNetwork, check, close } = world;
  await run(300);
  const used = addressIn(await until(acquire('a')));
  const resting = await released(world, 'b');
  const { held } = await until(of('a').driver.recallAll('internet'));
  refused(held, 'Unprocessable', new RegExp(`^unable to delete network: prefix 203.0.113.0/24 has ip ${used} in use$`));
  refused(remove(world), 'Unprocessable', 'held by partition p');
  await run(1_000);
  assert.deepEqual(rowsOf(world, 'b', 'ip'), [`internet|${resting}`]);
  assert.equal(rowsOf(world, 'b', 'holding').length, 1);
  refused(await until(acquire('b', { address: resting })), 'Conflict', 'kept back for another');
  check();
  granted(await until(free('a', used)));
  await deleteNetwork('internet');
  await run(2_000);
  assert.deepEqual(rowsOf(world, 'b', 'ip'), []);
  close();
});

test('a block with an address that rests is not called home for others, until the rest is over', async () => {
  // Blocks of one address each.
  const world = await league('203.0.113.0/28', { labels: { [QUARANTINE_LABEL]: '20' } });
  const { run, until, acquire, check, close } = world;
  await run(300);
  const resting = await released(world, 'b');
  const { taken, why } = await takeAll(world, 'a');
  refused(
    why,
    'Exhausted',
    /partition pa holds 13 blocks of \/32, 13 of 13 addresses held, site a has no block left \(partition pb holds 1 block\), and/,
  );
  assert.ok(!taken.includes(resting));
  refused(await until(acquire('a', { address: resting })), 'Conflict', 'partition pb holds');
  await run(21_000);
  assert.equal(addressIn(await until(acquire('a'))), resting);
  await run(6_000);
  check();
  close();
});

for (const end of ['the rest is over', 'the label is removed'] as const) {
  test(`a deletion that came to nothing: what came home with a resting address is nobody's until ${end}`, async () => {
    const isRemoved = end === 'the label is removed';
    const world = await league('203.0.113.0/28', { labels: { [QUARANTINE_LABEL]: isRemoved ? '600' : '30' } });
    const { of, run, until, acquire, update, check, close } = world;
    await run(300);
    const resting = await released(world, 'b');
    const block = addressOf(partitionScope('pb'), 'block', 'internet');
    granted(of('b').plant.ask(block, 'recall', { count: 16, resting: true }));
    await run(1_000);
    assert.deepEqual(rowsOf(world, 'b', 'ip'), []);
    assert.equal(ledgerOf(world).filter(({ state }) => state === 'resting').length, 1);
    const { spare } = granted(of('a').plant.ask(addressOf(siteScope('a'), 'network', 'internet'), 'ledger', {}));
    assert.equal(spare[0]!.given, ledgerOf(world).length - 1, 'blocks that partitions hold');
    for (const id of ['a', 'b']) await of(id).restart();
    const { taken, why } = await takeAll(world, 'a');
    refused(why, 'Exhausted', '(1 block at home kept back by the quarantine)');
    assert.equal(taken.length, 13);
    for (const id of ['a', 'b']) {
      const text = `the block of ${resting} is kept back at site a for another`;
      refused(await until(acquire(id, { address: resting })), 'Unavailable', text);
    }
    if (isRemoved) granted(await update(['203.0.113.0/28'], { labels: {} }));
    else await run(20_000);
    await run(11_000);
    assert.equal(addressIn(await until(acquire('b'))), resting);
    await run(6_000);
    check();
    close();
  });
}

test('reliability.md F24: a restored home hands no block that rests with it back to who had it', async () => {
  const world = await league('203.0.113.0/28', { labels });
  const { of, run, until, acquire, check, close } = world;
  await run(300);
  const resting = await released(world, 'a');
  granted(
    of('a').plant.ask(addressOf(partitionScope('pa'), 'block', 'internet'), 'recall', { count: 16, resting: true }),
  );
  await run(1_000);
  const block = ledgerOf(world).find(({ state }) => state === 'resting')!;
  await of('a').restoreFrom(of('a').backup());
  await run(3_000);
  assert.equal(of('a').driver.restored, null, 'compared');
  assert.ok(!rowsOf(world, 'a', 'holding').includes(`internet|${block.first}`));
  granted(await until(of('a').driver.acceptLoss({ without: false })));
  await run(1_000);
  assert.ok((await takeAll(world, 'a')).taken.every((address) => address !== resting));
  refused(await until(acquire('a', { address: resting })), 'Unavailable', 'is kept back at site a');
  check();
  close();
});

test('a label that is removed ends what rests in partitions, over a restart too', async () => {
  const world = await league('203.0.113.0/24', { labels });
  const { of, run, until, acquire, update, close } = world;
  await run(300);
  const resting = await released(world, 'b');
  refused(await until(acquire('b', { address: resting })), 'Conflict', 'kept back for another');
  granted(await update(['203.0.113.0/24'], { labels: {} }));
  await run(500);
  await of('b').restart();
  assert.equal(addressIn(await until(acquire('b'))), resting);
  close();
});

test('a prefix of a global network is removed with what rests in it, at home too', async () => {
  const [FIRST, SECOND] = ['203.0.113.0/26', '198.51.100.0/26'];
  const world = await league(FIRST, { labels });
  const { of, run, until, update, check, close } = world;
  await run(300);
  granted(await update([FIRST, SECOND]));
  await run(300);
  const kept = await released(world, 'b', '198.51.100.9');
  await released(world, 'b', '203.0.113.9');
  await released(world, 'a');
  refused(await update([SECOND]), 'Unprocessable', `prefix ${FIRST} has block`);
  assert.deepEqual(await until(of('a').driver.recallAll('internet', { prefixes: [FIRST] })), {
    missing: [],
    isCalled: true,
  });
  assert.ok(ledgerOf(world).some(({ state }) => state === 'resting'));
  granted(await update([SECOND]));
  await run(2_000);
  assert.deepEqual([...rowsOf(world, 'a', 'ip'), ...rowsOf(world, 'b', 'ip')], [`internet|${kept}`]);
  assert.ok(ledgerOf(world).every(({ prefix }) => prefix === SECOND));
  check();
  close();
});
