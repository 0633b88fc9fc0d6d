// A site restored from an older backup, beside sites that went on (reliability.md F24).
import assert from 'node:assert/strict';
import { createAsker } from '../../actors/asker.ts';
import { test } from 'node:test';
import { addressOf, siteScope } from '../../actors/address.ts';
import type { BlockRecord, GlobalNetworkRecord, HoldingRecord } from '../../actors/block/record.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { isInUseHere } from '../../actors/network/standing.ts';
import { granted, refused } from '../../actors/network/plant.fixture.ts';
import { isRefusal, unavailable } from '../../actors/refusal.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { createBlockDriver } from './blocks.ts';
import { league } from './blocks.fixture.ts';
import { INVENTORY_ASK, inventoryReplySchema } from './restored-messages.ts';

type League = Awaited<ReturnType<typeof league>>;
const PREFIX = '203.0.113.0/24';

const inUse = (scene: League, id: string): string[] =>
  scene
    .of(id)
    .plant.store.live('ip')
    .map(({ value }) => value as IpRecord)
    .filter(isInUseHere)
    .map(({ address }) => address)
    .sort();
const holdings = (scene: League, id: string): Map<string, string> =>
  new Map(
    scene
      .of(id)
      .plant.store.live('holding')
      .map(({ value }) => value as { first: string; state: string })
      .map(({ first, state }) => [first, state]),
  );
/** Takes until nothing comes; the addresses. */
async function takeAll(scene: League, id: string, most = 300): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < most) {
    const answer = await scene.until(scene.acquire(id));
    if (isRefusal(answer)) break;
    taken.push(answer.address);
  }
  return taken;
}
async function take(scene: League, id: string, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let i = 0; i < count; i++) taken.push(granted(await scene.until(scene.acquire(id))).address);
  return taken;
}
const noneTwice = (addresses: readonly string[]): void => assert.equal(new Set(addresses).size, addresses.length);

for (const restored of ['a', 'b']) {
  test(`reliability.md F24: ${restored === 'a' ? 'the home' : 'a holder'} of a global network restored from a backup gives out nothing twice`, async () => {
    const scene = await league(PREFIX, { sites: ['a', 'b', 'c'] });
    const before = [...(await take(scene, 'a', 5)), ...(await take(scene, 'b', 5)), ...(await take(scene, 'c', 2))];
    await scene.run(200);
    const backup = scene.of(restored).backup();
    // More than one block each, so that ledger and holdings move on.
    const after = [...(await take(scene, 'a', 40)), ...(await take(scene, 'b', 40)), ...(await take(scene, 'c', 20))];
    await scene.run(500);

    await scene.of(restored).restoreFrom(backup);
    await scene.run(3_000);
    assert.equal(scene.of(restored).driver.restored, null, 'compared');
    const others = ['a', 'b', 'c'].filter((id) => id !== restored);
    for (const id of others) assert.equal(new Set(holdings(scene, id).values()).has('doubtful'), false);

    // Everything that can still be given out: nothing of what anybody was ever given.
    const rest = [...(await takeAll(scene, restored)), ...(await takeAll(scene, others[0]!))];
    assert.ok(rest.length > 20, `${rest.length} came`);
    noneTwice([...before, ...after, ...rest]);

    // An operator accepts that what the restored site gave out after the backup is void.
    const { blocks } = granted(await scene.until(scene.of(restored).driver.acceptLoss({ without: false })));
    assert.ok(blocks >= 3, `${blocks} blocks`);
    assert.deepEqual([...new Set(holdings(scene, restored).values())], ['held']);
    await scene.run(1_000);
    scene.check();
    const more = await takeAll(scene, restored);
    noneTwice([...inUse(scene, 'a'), ...inUse(scene, 'b'), ...inUse(scene, 'c')]);
    assert.ok(more.length > 0);
    scene.close();
  });
}

test('reliability.md F24: fenced until every site has answered, and says for whom it waits; what is there stays readable', async () => {
  const scene = await league(PREFIX);
  const [kept] = await take(scene, 'b', 3);
  const backup = scene.of('b').backup();
  scene.weather.cut.add('a');
  await scene.of('b').restoreFrom(backup);
  await scene.run(1_000);
  assert.match(scene.of('b').driver.restored!.missing.join(), /^site a: /);
  refused(await scene.until(scene.acquire('b')), 'Unavailable', 'was restored from a backup');
  refused(await scene.until(scene.attach('b', kept!) as Promise<never>), 'Unavailable', 'was restored from a backup');
  refused(await scene.until(scene.of('b').driver.acceptLoss({ without: false })), 'Conflict', 'site a');
  refused(scene.of('b').driver.refuseFenced(), 'Unavailable', 'was restored from a backup');
  assert.equal(granted(await scene.until(scene.getIp('b', kept!))).address, kept);
  // What others ask meanwhile is put off.
  scene.weather.cut.clear();
  await scene.run(3_000);
  assert.equal(scene.of('b').driver.restored, null);
  assert.equal(scene.of('b').driver.refuseFenced(), undefined);
  const next = granted(await scene.until(scene.acquire('b')));
  assert.ok(next.address !== kept);
  scene.close();
});

test('reliability.md F24: an operator goes on without a site that is lost', async () => {
  const scene = await league(PREFIX);
  await take(scene, 'b', 3);
  const backup = scene.of('a').backup();
  scene.weather.cut.add('b');
  await scene.of('a').restoreFrom(backup);
  await scene.run(500);
  assert.ok(granted(await scene.until(scene.of('a').driver.acceptLoss({ without: true }))).blocks > 0);
  // What b was given stays b's.
  const taken = await takeAll(scene, 'a');
  noneTwice([...taken, ...inUse(scene, 'b')]);
  scene.close();
});

test('reliability.md F24: loans made, ended and forgotten since the backup, at either end', async () => {
  for (const restored of ['a', 'b']) {
    const scene = await league(PREFIX);
    const [early, ended, late] = (await take(scene, 'a', 3)) as [string, string, string];
    // Lent at the backup, and back since; lent only after it.
    granted(await scene.until(scene.bring('b', ended, 'a')));
    await scene.run(300);
    const backup = scene.of(restored).backup();
    granted(await scene.until(scene.bring('a', ended, 'b')));
    granted(await scene.until(scene.bring('b', early, 'a')));
    const [born] = (await take(scene, 'a', 1)) as [string];
    granted(await scene.until(scene.bring('b', born, 'a')));
    await scene.run(300);

    await scene.of(restored).restoreFrom(backup);
    await scene.run(8_000);
    assert.equal(scene.of(restored).driver.restored, null);
    granted(await scene.until(scene.of(restored).driver.acceptLoss({ without: false })));
    await scene.run(8_000);
    scene.check();
    noneTwice([...inUse(scene, 'a'), ...inUse(scene, 'b')]);
    assert.deepEqual(inUse(scene, 'b'), [early, born].sort(), `${restored} was restored`);
    assert.ok(inUse(scene, 'a').includes(late));
    assert.ok(inUse(scene, 'a').includes(ended), `${ended} is back at a although ${restored} was restored`);
    scene.close();
  }
});

test('reliability.md F24: a free address that was lent is not given out again by a restored borrower or lender', async () => {
  for (const restored of ['a', 'b']) {
    const scene = await league('203.0.113.0/26');
    const all = await takeAll(scene, 'b');
    assert.equal(all.length, 62);
    granted(await scene.until(scene.free('b', all[9]!)));
    await scene.run(1_100);
    // Lent to `a` at the backup of one, given out there after it.
    const before = scene.of(restored).backup();
    const [lent] = await take(scene, 'a', 1);
    assert.equal(lent, all[9]);
    await scene.run(500);
    await scene.of(restored).restoreFrom(before);
    await scene.run(4_000);
    assert.equal(scene.of(restored).driver.restored, null);
    for (const id of ['a', 'b']) {
      for (const address of await takeAll(scene, id)) assert.fail(`${address} was given out twice, by ${id}`);
    }
    assert.deepEqual(inUse(scene, 'a'), [lent], `${restored} was restored`);
    granted(await scene.until(scene.free('a', lent!)));
    await scene.run(8_000);
    granted(await scene.until(scene.of(restored).driver.acceptLoss({ without: false })));
    await scene.run(1_100);
    assert.deepEqual(await take(scene, 'b', 1), [lent]);
    scene.check();
    scene.close();
  }
});

test('reliability.md F24: what a restored home had made since comes back from the other sites', async () => {
  const scene = await league(PREFIX);
  const backup = scene.of('a').backup();
  await scene.makeNetwork('late', '198.51.100.0/24');
  await scene.run(300);
  const taken = granted(await scene.until(scene.acquire('b', {}, 'late'))).address;
  await scene.run(300);
  await scene.of('a').restoreFrom(backup);
  await scene.run(3_000);
  assert.equal(scene.of('a').driver.restored, null);
  assert.ok(scene.of('a').copy.get('globalnetwork', 'late') !== undefined);
  const there = await takeAll(scene, 'b', 20);
  const here = granted(await scene.until(scene.acquire('a', {}, 'late'))).address;
  assert.ok(here !== taken && !there.includes(here));
  scene.close();
});

test('reliability.md F24: a network that a restored home had deleted since is gone again, with its blocks', async () => {
  const scene = await league(PREFIX);
  await scene.makeNetwork('early', '198.51.100.0/24');
  await scene.run(300);
  for (const id of ['a', 'b']) {
    const { address } = granted(await scene.until(scene.acquire(id, {}, 'early')));
    granted(await scene.until(scene.free(id, address, 'early')));
  }
  await scene.run(300);
  const backup = scene.of('a').backup();
  await scene.deleteNetwork('early');
  await scene.run(500);
  await scene.of('a').restoreFrom(backup);
  await scene.run(3_000);
  const { driver, copy, plant } = scene.of('a');
  assert.equal(driver.restored, null);
  assert.equal(copy.get('globalnetwork', 'early'), undefined);
  for (const table of ['network', 'block', 'holding', 'global_network'] as const) {
    const left = plant.store.live(table).map(({ key }) => key);
    assert.deepEqual(
      left.filter((key) => key.startsWith('early')),
      [],
      table,
    );
  }
  assert.equal(driver.open, 0);
  // Its name and prefix are free.
  await scene.makeNetwork('early', '198.51.100.0/24');
  scene.close();
});

test('reliability.md F24: a restored site hears again what the homes of networks had told it, so that it can tell them', async () => {
  const scene = await league(PREFIX);
  const keptAt = (id: string): string[] =>
    scene
      .of(id)
      .plant.store.live('global_network')
      .flatMap(({ value }) => (value as GlobalNetworkRecord).kept?.blocks.map(({ first }) => first) ?? [])
      .sort();
  await take(scene, 'a', 3);
  await scene.run(300);
  const backup = scene.of('b').backup();
  const before = keptAt('b');
  await take(scene, 'a', 40);
  await scene.run(300);
  const told = keptAt('b');
  assert.ok(told.length > before.length, `${told.length} blocks`);
  await scene.of('b').restoreFrom(backup);
  await scene.run(3_000);
  assert.equal(scene.of('b').driver.restored, null);
  assert.deepEqual(keptAt('b'), told);
  scene.close();
});

test('reliability.md F24: what a site had told before its end, and is still on its way into the rows, is told to it again', async () => {
  const scene = await league(PREFIX);
  const { driver, copy, plant } = scene.of('b');
  const known = copy.entry('partition', 'pa');
  assert.ok(known !== undefined && known.home === 'a');
  const deleted: DirectoryRecord = { ...known, revision: known.revision + 1, entity: null };
  plant.start(addressOf(siteScope('b'), 'directory', 'partition'), 'apply', { entries: [deleted] });
  const { items } = inventoryReplySchema.parse(
    await scene.until(Promise.resolve(driver.asks[INVENTORY_ASK]!({ page: 0 }, scene.peerOf('a'), createAsker()))),
  );
  const told = items.find((item) => item.is === 'entry' && item.record.id === 'pa');
  assert.deepEqual(told, { is: 'entry', record: deleted });
  scene.close();
});

test('reliability.md F24: blocks of a network that was made since are held again once its home has brought it back', async () => {
  const scene = await league(PREFIX);
  const backup = scene.of('b').backup();
  await scene.makeNetwork('late', '198.51.100.0/24');
  await scene.run(300);
  granted(await scene.until(scene.acquire('b', {}, 'late')));
  await scene.run(300);
  await scene.of('b').restoreFrom(backup);
  await scene.run(1_000);
  assert.notEqual(scene.of('b').driver.restored, null, 'it waits for the directory');
  const entries = scene
    .of('a')
    .copy.entriesOf('a')
    .filter(({ kind }) => kind === 'globalnetwork');
  scene.of('b').plant.start(addressOf(siteScope('b'), 'directory', 'globalnetwork'), 'apply', { entries });
  await scene.run(4_000);
  assert.equal(scene.of('b').driver.restored, null);
  const given = scene
    .of('a')
    .plant.store.live('block')
    .map(({ value }) => value as BlockRecord)
    .filter(({ network, holder }) => network === 'late' && holder === 'pb');
  assert.ok(given.length > 0);
  const held = scene
    .of('b')
    .plant.store.live('holding')
    .map(({ value }) => value as HoldingRecord);
  for (const { first, h } of given)
    assert.ok(
      held.some((one) => one.first === first && one.h === h),
      first,
    );
  scene.close();
});

test('reliability.md F24: an operator who accepts the loss while the site loses its ownership is told to try again', async () => {
  const gone = unavailable('site:a lost its ownership');
  const driver = createBlockDriver({
    site: 'a',
    isRestored: true,
    world: createVirtualWorld(),
    rows: { rows: async () => [] },
    copy: {
      get: () => undefined,
      entry: () => undefined,
      list: (kind) => (kind === 'globalnetwork' ? [{ id: 'internet' }] : []) as never,
    },
    ask: async () => gone,
    federation: { ask: async () => assert.fail('there is no other site') },
    hosted: () => ['pa'],
    odd: () => {},
  });
  await driver.start();
  refused(await driver.acceptLoss({ without: true }), 'Unavailable', 'lost its ownership');
  driver.close();
});

test('reliability.md F24, I20: a database that is away when the comparison is over keeps nobody from taking up its blocks', async () => {
  const world = createVirtualWorld();
  const asked: string[] = [];
  const away = Object.assign(new Error('the database does not answer'), { name: 'StatementFailure', kind: 'unsent' });
  let failures = 2;
  const driver = createBlockDriver({
    site: 'a',
    isRestored: true,
    world,
    rows: {
      // Whoever is compared asks its actors; rows are read when that is over.
      rows: async (table) => {
        if (table === 'want' && failures-- > 0) throw away;
        return [];
      },
    },
    copy: {
      get: () => undefined,
      entry: (kind, id) =>
        (kind === 'globalnetwork' && id === 'internet' ? { home: 'b', entity: {} } : undefined) as never,
      list: (kind) => (kind === 'globalnetwork' ? [{ id: 'internet' }] : []) as never,
    },
    ask: async (_to, command) => {
      asked.push(command);
      return { entries: [], restored: [], blocks: [], added: [], kept: [] };
    },
    federation: { ask: async () => assert.fail('there is no other site') },
    hosted: () => ['pa'],
    odd: () => {},
  });
  await driver.start();
  // Nobody else is there to ask, so an operator says that this is so; the database is away just then.
  await assert.rejects(driver.acceptLoss({ without: true }), /does not answer/);
  for (let steps = 0; steps < 100 && driver.open > 0; steps++) {
    world.step(60_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(driver.restored, null, 'compared');
  assert.equal(failures, -1, 'read again until it could be read');
  assert.ok(asked.includes('adopt'), asked.join());
  driver.close();
});

test('reliability.md F24: a network that was made anew at another home is waited for, before its blocks are compared', async () => {
  const world = createVirtualWorld();
  const reconciled: unknown[] = [];
  let entry: object = { home: 'c', entity: null };
  const driver = createBlockDriver({
    site: 'a',
    isRestored: true,
    world,
    rows: { rows: async () => [] },
    copy: {
      get: () => undefined,
      entry: (kind, id) => (kind === 'partition' ? { home: id === 'pb' ? 'b' : 'a' } : entry) as never,
      list: (kind) =>
        (kind === 'partition' ? [{ id: 'pa' }, { id: 'pb' }] : 'made' in entry ? [{ id: 'internet' }] : []) as never,
    },
    ask: async (_to, command, body) => {
      if (command === 'reconcile') reconciled.push((body as { blocks: unknown }).blocks);
      return { entries: [], restored: [], blocks: [], added: [], kept: [] };
    },
    federation: {
      ask: async () => ({
        items: [
          { is: 'site', site: 'b' },
          {
            is: 'block',
            partition: 'pa',
            network: 'internet',
            first: '203.0.113.0',
            length: 28,
            prefix: '203.0.113.0/24',
            h: 'h',
          },
        ],
        pages: 1,
      }),
    },
    hosted: () => ['pa'],
    odd: () => {},
  });
  const goOn = async (): Promise<void> => {
    for (let steps = 0; steps < 20; steps++) {
      world.step(60_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await driver.start();
  await goOn();
  // Of the network that was deleted at c.
  assert.notEqual(driver.restored, null);
  entry = { home: 'b', entity: {}, made: true };
  await goOn();
  assert.equal(driver.restored, null, 'compared');
  assert.deepEqual(
    reconciled.flat().map((block) => (block as { first: string }).first),
    ['203.0.113.0'],
  );
  driver.close();
});
