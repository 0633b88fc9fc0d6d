// A partition is deleted (design.md §6, §11): no block is left behind with nobody to speak for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAsker } from '../../actors/asker.ts';
import { addressOf, siteScope } from '../../actors/address.ts';
import { conflict, isRefusal, unavailable, type Refusal } from '../../actors/refusal.ts';
import { granted } from '../../actors/network/plant.fixture.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { createLeaving } from './blocks-leaving.ts';
import type { BlockPorts } from './blocks-ports.ts';
import { league } from './blocks.fixture.ts';

const FIRST = '203.0.113.0/24';
const addressIn = (answer: IpRecord | Refusal): string => granted(answer).address;
type League = Awaited<ReturnType<typeof league>>;
const live = (of: League['of'], id: string, table: 'holding' | 'want' | 'global_network' | 'block') =>
  of(id).plant.store.live(table);

test('a partition gives its idle blocks back before it is deleted, and is told of no network afterwards', async () => {
  const { of, run, until, deletePartition, makeNetwork, acquire, deleteNetwork, check, close } = await league(FIRST);
  await run(300);
  assert.equal(live(of, 'b', 'holding').length, 1);
  granted(await deletePartition('b'));
  for (const table of ['holding', 'want', 'global_network'] as const)
    assert.equal(live(of, 'b', table).length, 0, table);
  assert.deepEqual(
    live(of, 'a', 'block').map(({ value }) => (value as { holder: string }).holder),
    ['pa'],
  );
  await makeNetwork('more', '198.51.100.0/24');
  await run(1_000);
  assert.equal(live(of, 'b', 'global_network').length, 0);
  assert.equal(of('b').driver.open, 0);
  addressIn(await until(acquire('a')));
  check(false);
  await deleteNetwork('more');
  close();
});

test('the home of the network deletes its own partition', async () => {
  const { of, run, deletePartition, check, close } = await league(FIRST);
  await run(300);
  granted(await deletePartition('a'));
  await run(1_000);
  assert.deepEqual(
    live(of, 'a', 'block').map(({ value }) => (value as { holder: string }).holder),
    ['pb'],
  );
  check();
  close();
});

test('while the home can not be reached, or an address is in use, the partition stays and takes part again', async () => {
  const { run, until, deletePartition, acquire, free, check, close, weather } = await league(FIRST);
  await run(300);
  weather.cut.add('a');
  const silent = (await deletePartition('b')) as Refusal;
  assert.equal(silent.kind, 'Unavailable');
  assert.match(silent.message, /partition pb can't be deleted while its blocks of network internet .* site a/);
  weather.cut.delete('a');
  await run(8_000);
  const address = addressIn(await until(acquire('b')));
  check();
  const used = (await deletePartition('b')) as Refusal;
  assert.equal(used.kind, 'Conflict');
  assert.match(used.message, /still holds blocks of network internet/);
  await run(1_000);
  granted(await until(free('b', address)));
  granted(await deletePartition('b'));
  check(false);
  close();
});

test('nothing came of the deletion after the blocks went home: it leases one anew', async () => {
  const { of, run, until, check, close } = await league(FIRST);
  await run(300);
  const { driver } = of('b');
  const away = unavailable('the database does not answer');
  assert.equal(await until(driver.withoutBlocks('pb', async () => away)), away);
  assert.equal(live(of, 'b', 'holding').length, 0);
  await run(2_000);
  assert.equal(live(of, 'b', 'holding').length, 1);
  check();
  close();
});

test('a block that was on its way to the partition when it was deleted goes home', async () => {
  const { of, run, until, deletePartition, peerOf, close } = await league(FIRST);
  await run(300);
  const late = { network: 'internet', h: 'late', partition: 'pb', family: 'IPv4', address: null, count: 1 };
  await until(Promise.resolve(of('a').driver.asks['blocks.give']?.(late, peerOf('b'), createAsker())));
  granted(await deletePartition('b'));
  await run(8_000);
  assert.deepEqual(
    live(of, 'a', 'block').map(({ value }) => (value as { holder: string }).holder),
    ['pa'],
  );
  assert.equal(of('a').driver.open, 0);
  close();
});

test('a block that was being received while the others went home goes home as well; one in use keeps the partition', async () => {
  const block = { first: '203.0.113.16', h: 'late', rest: null };
  // What each recall finds: the commit of the first block was under way when the partition was first asked.
  const leaveAfter = async (found: Array<(typeof block)[]>, isLeft: () => boolean) => {
    const home: string[] = [];
    const ports = {
      rows: {
        rows: async (table: string) =>
          table === 'global_network' ? [{ key: 'internet', value: { home: 'a', network: null } }] : [],
      },
      hosted: () => ['pb'],
      ask: async (_to: unknown, name: string) =>
        name === 'recall'
          ? { blocks: found.shift() ?? [] }
          : isLeft() || home.length === 0
            ? conflict('partition pb still holds blocks of network internet: 203.0.113.16')
            : {},
    } as unknown as BlockPorts;
    const leave = createLeaving(ports, {
      giveBack: async ({ first }) => {
        home.push(first);
        return 'done';
      },
    });
    return { answer: await leave('pb'), home };
  };
  assert.deepEqual(await leaveAfter([[], [block]], () => false), { answer: undefined, home: [block.first] });
  const { answer, home } = await leaveAfter([[], [block]], () => true);
  assert.match(String(answer?.message), /^Conflict partition pb can't be deleted: partition pb still holds blocks/);
  assert.deepEqual(home, [block.first]);
});

test('a partition is not deleted while an address is on its way back to who lent it', async () => {
  const { of, run, until, bring, acquire, deletePartition, free, weather, check, close } = await league(FIRST);
  await run(300);
  const address = addressIn(await until(acquire('a')));
  granted(await until(bring('b', address, 'a')));
  weather.cut.add('a');
  granted(await until(free('b', address)));
  const refused = (await deletePartition('b')) as Refusal;
  assert.ok(isRefusal(refused) && refused.kind === 'Conflict');
  assert.match(refused.message, new RegExp(`ip ${address} of network internet is on its way`));
  weather.cut.delete('a');
  await run(8_000);
  check();
  granted(await deletePartition('b'));
  const ledger = await until(
    Promise.resolve(of('a').plant.ask(addressOf(siteScope('a'), 'network', 'internet'), 'ledger', {})),
  );
  assert.deepEqual(
    granted(ledger as { blocks: Array<{ holder: string }> }).blocks.map(({ holder }) => holder),
    ['pa'],
  );
  close();
});
