import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createAsker } from '../../actors/asker.ts';
import { addressOf, siteScope } from '../../actors/address.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { granted, refused } from '../../actors/network/plant.fixture.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { league } from './blocks.fixture.ts';
import type { BlockStep } from './blocks.ts';

const addressIn = (answer: IpRecord | Refusal): string => granted(answer).address;

test('design.md §6: a partition leases its first block as soon as it learns of the network', async () => {
  const { of, run, until, acquire, check, close, odd } = await league('203.0.113.0/24');
  await run(300);
  for (const id of ['a', 'b']) {
    assert.equal(of(id).plant.store.live('holding').length, 1, id);
    assert.equal(of(id).plant.store.live('want').length, 0, id);
  }
  const addresses = await Promise.all([until(acquire('a')), until(acquire('b'))]);
  assert.notEqual(addressIn(addresses[0]), addressIn(addresses[1]));
  check();
  assert.deepEqual(odd, []);
  close();
});

test('design.md §6: many acquisitions on both sites ask ahead, and none is double', async () => {
  const { run, until, acquire, check, close } = await league('203.0.113.0/24');
  const answers = await until(Promise.all(Array.from({ length: 120 }, (_, n) => acquire(n % 2 === 0 ? 'a' : 'b'))));
  assert.equal(new Set(answers.map(addressIn)).size, 120);
  await run(8_000);
  check();
  close();
});

test('F11: cut apart, both go on from their blocks; then a clear 503; healing needs nobody', async () => {
  const { of, run, until, acquire, check, close, weather } = await league('203.0.113.0/24');
  await run(300);
  weather.cut.add('b');
  // A block of a /24 has 16 addresses.
  for (let n = 0; n < 16; n++) addressIn(await until(acquire('b')));
  addressIn(await until(acquire('a')));
  const answer = await until(acquire('b'));
  refused(answer, 'Unavailable', "site a can't be reached");
  assert.match((answer as Refusal).message, /partition pb/);
  addressIn(await until(acquire('a')));
  check(false);
  weather.cut.delete('b');
  await run(4_000);
  assert.ok(of('b').plant.store.live('holding').length >= 2, 'the open request was served by itself');
  addressIn(await until(acquire('b')));
  await run(8_000);
  check();
  close();
});

test('design.md §6: exhausted only when every holder was asked; idle blocks come home first', async () => {
  // Eight addresses that can be given: single-address blocks.
  const { of, run, until, acquire, free, check, close, weather } = await league('203.0.113.0/28');
  await run(300);
  const taken: string[] = [];
  for (;;) {
    const answer = await until(acquire('b'));
    if (isRefusal(answer)) {
      refused(answer, 'Exhausted');
      break;
    }
    taken.push(answer.address);
  }
  assert.ok(taken.length >= 12, `${taken.length} taken`);
  // The idle one of `a` was recalled.
  assert.equal(of('a').plant.store.live('holding').length, 0);
  const [back] = taken;
  granted(await until(free('b', back!)));
  await run(1_100);
  assert.equal(addressIn(await until(acquire('a'))), back);
  weather.cut.add('b');
  granted(await until(free('b', taken[1]!)));
  await run(1_100);
  let last = await until(acquire('a'));
  while (!isRefusal(last)) last = await until(acquire('a'));
  refused(last, 'Unavailable', 'partition pb (site b)');
  weather.cut.delete('b');
  await run(4_000);
  addressIn(await until(acquire('a')));
  await run(8_000);
  check();
  close();
});

for (const name of [
  'adopt',
  'give',
  'receive',
  'deliver',
  'delivered',
  'return',
  'returned',
  'home.give',
  'home.recall',
  'home.takeBack',
  'home.deliver',
] satisfies BlockStep[]) {
  for (const restarted of [false, true]) {
    test(`reliability.md §7.2: interrupted at ${name}${restarted ? ', process restarted' : ''}`, async () => {
      let interrupted: string | undefined;
      const struck = new Set<string>();
      const onStep = (site: string, at: BlockStep): void => {
        if (at !== name || struck.has(site)) return;
        struck.add(site);
        interrupted = site;
        throw new Error(`interrupted at ${at}`);
      };
      const { of, run, until, acquire, free, check, close } = await league('203.0.113.0/28', { onStep });
      const settle = async (): Promise<void> => {
        await run(50);
        if (interrupted === undefined) return;
        const site = interrupted;
        interrupted = undefined;
        if (restarted) await of(site).restart();
      };
      await settle();
      await settle();
      await run(6_000);
      // Everything to b, then back to a: blocks go out, are recalled, and come home.
      const taken: string[] = [];
      for (let refusals = 0; refusals < 4;) {
        const answer = await until(acquire('b'));
        if (isRefusal(answer)) {
          refusals++;
          await run(1_100);
        } else taken.push(answer.address);
        await settle();
      }
      for (const address of taken.slice(0, 6)) granted(await until(free('b', address)));
      for (let got = 0, tries = 0; got < 6 && tries < 20; tries++) {
        const answer = await until(acquire('a'));
        if (isRefusal(answer)) await run(1_100);
        else got++;
        await settle();
      }
      await run(12_000);
      check();
      assert.ok(struck.size > 0, 'the step was reached');
      close();
    });
  }
}

test('reliability.md §7.2: lost, late and doubled messages, restarts and cuts: no address lost or double', async () => {
  for (const seed of [1, 2, 3]) {
    const { of, run, acquire, free, check, close, weather, random, until } = await league('203.0.113.0/26', {
      sites: ['a', 'b', 'c'],
      seed,
    });
    Object.assign(weather, { lose: 0.2, duplicate: 0.3, delayMs: 40 });
    const held = new Map<string, string>();
    for (let round = 0; round < 60; round++) {
      const id = ['a', 'b', 'c'][Math.floor(random() * 3)] as string;
      const luck = random();
      if (luck < 0.08) weather.cut.add(['b', 'c'][Math.floor(random() * 2)] as string);
      else if (luck < 0.2) weather.cut.clear();
      else if (luck < 0.25) await of(id).restart();
      else if (luck < 0.5) {
        const mine = [...held].find(([, owner]) => owner === id);
        if (mine !== undefined && !isRefusal(await until(free(id, mine[0])))) held.delete(mine[0]);
      } else {
        const answers = await until(Promise.all(Array.from({ length: 4 }, () => acquire(id))));
        for (const answer of answers) if (!isRefusal(answer)) held.set(answer.address, id);
      }
      await run(20);
      check(false);
    }
    Object.assign(weather, { lose: 0, duplicate: 0, delayMs: 1 });
    weather.cut.clear();
    await run(20_000);
    check();
    for (const id of ['a', 'b', 'c']) {
      const own = of(id)
        .plant.store.live('ip')
        .map((row) => (row.value as IpRecord).address);
      const known = [...held].filter(([, owner]) => owner === id).map(([address]) => address);
      for (const address of known) assert.ok(own.includes(address), `${address} of ${id} was lost`);
    }
    close();
  }
});

test('reliability.md §9: a site speaks for its own partitions and networks only', async () => {
  const { of, run, close, peerOf } = await league('203.0.113.0/24', { sites: ['a', 'b', 'c'] });
  await run(300);
  const { asks } = of('a').driver;
  const give = { network: 'internet', h: 'x', partition: 'pb', family: 'IPv4', address: null, count: 1 };
  const [block] = of('b')
    .plant.store.live('holding')
    .map((row) => row.value as { first: string; h: string });
  const forbidden = { refusal: { kind: 'Forbidden' } };
  const isForbidden = (error: unknown): boolean => {
    assert.equal((error as typeof forbidden).refusal?.kind, 'Forbidden', String(error));
    return true;
  };
  const as = peerOf('c');
  const call = async (spot: string, kind: string, body: unknown, peer = as): Promise<unknown> =>
    await of(spot).driver.asks[kind]?.(body, peer, createAsker());
  await assert.rejects(call('a', 'blocks.give', give), isForbidden);
  const there = { network: 'internet', partition: 'pb', first: block!.first, h: block!.h };
  await assert.rejects(call('a', 'blocks.takeBack', there), isForbidden);
  await assert.rejects(
    call('a', 'blocks.delivered', { network: 'internet', h: block!.h, firsts: [block!.first] }),
    isForbidden,
  );
  await assert.rejects(
    call('b', 'blocks.recall', { network: 'internet', partition: 'pb', count: 1, family: 'IPv4' }),
    isForbidden,
  );
  await assert.rejects(call('b', 'blocks.returned', there), isForbidden);
  const offer = {
    network: 'internet',
    partition: 'pb',
    h: 'x',
    blocks: [{ first: '203.0.113.0', length: 28, prefix: '203.0.113.0/24' }],
  };
  await assert.rejects(call('b', 'blocks.offer', offer), isForbidden);
  await assert.rejects(call('a', 'blocks.give', give, { ...peerOf('b'), kind: 'router' }), isForbidden);
  await assert.rejects(async () => await asks['blocks.give']?.({ ...give, count: -1 }, peerOf('b'), createAsker()));
  close();
});

test('what the home gave for an answer that never arrived is offered until it is held, or taken back', async () => {
  let interruptions = 0;
  const onStep = (_site: string, name: BlockStep): void => {
    if (name === 'home.offer' && interruptions++ === 0) throw new Error('interrupted');
  };
  const { of, run, until, check, close, asked, peerOf } = await league('203.0.113.0/24', { onStep });
  await run(300);
  // A late echo of a request that is over: nobody waits for its blocks.
  const late = { network: 'internet', h: 'over', partition: 'pb', family: 'IPv4', address: null, count: 1 };
  const given = await until(Promise.resolve(of('a').driver.asks['blocks.give']?.(late, peerOf('b'), createAsker())));
  assert.equal((given as { blocks: unknown[] }).blocks.length, 1);
  assert.equal(of('a').plant.store.live('block').length, 3);
  await run(8_000);
  assert.ok(interruptions > 1);
  assert.ok(asked.some(({ kind, to }) => kind === 'blocks.offer' && to === 'b'));
  assert.equal(of('a').plant.store.live('block').length, 2);
  check();
  close();
});

test('an offer for blocks of a network that is gone meanwhile is over', async () => {
  const { of, run, until, close, peerOf } = await league('203.0.113.0/24');
  await run(300);
  const late = { network: 'internet', h: 'over', partition: 'pb', family: 'IPv4', address: null, count: 1 };
  const { asks } = of('a').driver;
  const given = await until(Promise.resolve(asks['blocks.give']?.(late, peerOf('b'), createAsker())));
  const [{ first } = { first: '' }] = (given as { blocks: Array<{ first: string }> }).blocks;
  const back = { network: 'internet', partition: 'pb', first, h: 'over' };
  await until(Promise.resolve(asks['blocks.takeBack']?.(back, peerOf('b'), createAsker())));
  assert.deepEqual(await until(of('a').driver.recallAll('internet')), { missing: [], isCalled: true });
  await run(1_000);
  const registry = addressOf(siteScope('a'), 'registry', 'a');
  granted(of('a').plant.ask(registry, 'deleteNetwork', { id: 'internet', partition: '', partitions: ['pa'] }));
  await run(8_000);
  for (const id of ['a', 'b']) assert.equal(of(id).driver.open, 0, id);
  close();
});

test('what can not be asked at home is said, not thrown, when all blocks are called back', async () => {
  const { of, until, close } = await league('203.0.113.0/24');
  const { missing, isCalled } = await until(of('a').driver.recallAll('nowhere'));
  assert.match(missing.join(), /the ledger of network nowhere at site a/);
  assert.equal(isCalled, false);
  close();
});

test('a network that is gone: its idle blocks come home, and the partitions forget it', async () => {
  const { of, run, until, check, close } = await league('203.0.113.0/24');
  await run(300);
  assert.deepEqual(await until(of('a').driver.recallAll('internet')), { missing: [], isCalled: true });
  await run(1_000);
  check();
  assert.equal(of('a').plant.store.live('block').length, 0);
  const registry = addressOf(siteScope('a'), 'registry', 'a');
  granted(of('a').plant.ask(registry, 'deleteNetwork', { id: 'internet', partition: '', partitions: ['pa'] }));
  await run(1_000);
  for (const id of ['a', 'b']) assert.equal(of(id).plant.store.live('global_network').length, 0, id);
  close();
});

test('design.md §6: while an address is in use, or somebody is silent, no idle block is called back for a deletion', async () => {
  const { of, run, until, acquire, free, check, close, weather } = await league('203.0.113.0/24', {
    sites: ['a', 'b', 'c'],
  });
  await run(300);
  const heldBy = () => ['a', 'b', 'c'].map((id) => of(id).plant.store.live('holding').length);
  const address = addressIn(await until(acquire('b')));
  const { held, ...refusedRecall } = await until(of('a').driver.recallAll('internet'));
  assert.deepEqual(refusedRecall, { missing: [], isCalled: false });
  refused(held, 'Unprocessable', `prefix 203.0.113.0/24 has ip ${address} in use`);
  const look = () => until(of('a').driver.recallAll('internet', { looks: true }));
  assert.deepEqual(await look(), { missing: [], isCalled: false, held });
  assert.deepEqual(heldBy(), [1, 1, 1]);
  granted(await until(free('b', address)));
  // Now it would be done, and a dry run leaves it at that.
  assert.deepEqual(await look(), { missing: [], isCalled: true });
  assert.deepEqual(heldBy(), [1, 1, 1]);
  weather.cut.add('c');
  const silent = await until(of('a').driver.recallAll('internet'));
  assert.deepEqual(silent, { missing: ["partition pc (site c) can't be reached"], isCalled: false });
  assert.deepEqual(heldBy(), [1, 1, 1]);
  weather.cut.delete('c');
  check();
  close();
});

test('networks.md §1.6, §1.7: what keeps a global network is an address in use, or one on its way; a block is none', async () => {
  const [FIRST, SECOND] = ['203.0.113.0/24', '198.51.100.0/24'];
  const { of, run, until, acquire, free, bring, update, check, close, weather } = await league(FIRST, {
    sites: ['a', 'b', 'c'],
  });
  await run(300);
  granted(await update([FIRST, SECOND]));
  await run(300);
  const why = async (prefixes?: string[]) => (await until(of('a').driver.recallAll('internet', { prefixes }))).held;
  const taken = [];
  for (const id of ['c', 'b', 'b', 'a']) taken.push(addressIn(await until(acquire(id))));
  const lowest = taken.toSorted((one, other) => Number(one.split('.')[3]) - Number(other.split('.')[3]))[0];
  refused(
    await why(),
    'Unprocessable',
    new RegExp(`^unable to delete network: prefix ${FIRST} has ip ${lowest} in use and 3 more$`),
  );
  refused(
    await why([FIRST]),
    'Unprocessable',
    `unable to update network: prefix ${FIRST} has ip ${lowest} in use and 3 more`,
  );
  assert.equal(await why([SECOND]), undefined);
  const [kept, moved, ...others] = [taken[0]!, taken[1]!, taken[2]!, taken[3]!];
  granted(await until(free('c', kept)));
  granted(await until(free('b', others[0]!)));
  granted(await until(free('a', others[1]!)));
  // Used in c, which has it of b.
  granted(await until(bring('c', moved, 'b')));
  refused(
    await why(),
    'Unprocessable',
    new RegExp(`^unable to delete network: prefix ${FIRST} has ip ${moved} in use$`),
  );
  // Freed there, and not home yet.
  weather.cut.add('b');
  granted(await until(free('c', moved)));
  const silent = await until(of('a').driver.recallAll('internet'));
  assert.deepEqual(silent, { missing: ["partition pb (site b) can't be reached"], isCalled: false });
  const [back] = of('c')
    .plant.store.live('ip')
    .map(({ value }) => value as IpRecord);
  assert.equal(back?.loan?.state, 'freed');
  of('c').driver.close();
  weather.cut.delete('b');
  refused(
    await why(),
    'Conflict',
    new RegExp(
      `^Conflict unable to delete network: ip ${moved} of prefix ${FIRST} is on its way from partition pc to partition pb; try again$`,
    ),
  );
  await of('c').restart();
  await run(3_000);
  assert.deepEqual(await until(of('a').driver.recallAll('internet')), { missing: [], isCalled: true });
  check();
  close();
});

test('design.md §6: nothing came of a deletion: all partitions lease their first block anew', async () => {
  const { of, run, until, acquire, check, close, weather } = await league('203.0.113.0/24', { sites: ['a', 'b', 'c'] });
  await run(300);
  const heldBy = () => ['a', 'b', 'c'].map((id) => of(id).plant.store.live('holding').length);
  assert.deepEqual(await until(of('a').driver.recallAll('internet')), { missing: [], isCalled: true });
  await run(1_000);
  assert.deepEqual(heldBy(), [0, 0, 0]);
  of('a').driver.lease('internet');
  await run(1_000);
  assert.deepEqual(heldBy(), [1, 1, 1]);
  // A process that ends in between has told nobody; the next one does.
  assert.deepEqual(await until(of('a').driver.recallAll('internet')), { missing: [], isCalled: true });
  await run(1_000);
  assert.deepEqual(heldBy(), [0, 0, 0]);
  await of('a').restart();
  await run(1_000);
  assert.deepEqual(heldBy(), [1, 1, 1]);
  weather.cut.add('b');
  addressIn(await until(acquire('b')));
  weather.cut.delete('b');
  await run(8_000);
  check();
  close();
});

test('design.md §6: nobody keeps idle more than max(one block, free / (2 × members)); the rest comes home by itself', async () => {
  const { of, run, until, acquire, free, check, close } = await league('203.0.113.0/24');
  await run(300);
  // Blocks of 16 addresses: eleven of sixteen are out, and what is left is shared by two.
  const taken = await until(Promise.all(Array.from({ length: 170 }, () => acquire('b'))));
  await run(6_000);
  const heldBy = (id: string): number => of(id).plant.store.live('holding').length;
  assert.ok(heldBy('b') >= 11, `${heldBy('b')} blocks`);
  for (const answer of taken) granted(await until(free('b', addressIn(answer))));
  await run(140_000);
  assert.ok(heldBy('b') <= 4, `${heldBy('b')} idle blocks are kept`);
  assert.equal(heldBy('a'), 1);
  check();
  close();
});

for (const restarted of [false, true]) {
  const name = restarted ? ', also after a restart' : '';
  test(`design.md §6: who lost its block in a shortage leases one again when there is one${name}`, async () => {
    const world = await league('203.0.113.0/26', { sites: ['a', 'b', 'c'] });
    const { of, run, until, acquire, free, check, close, weather } = world;
    await run(300);
    const taken: string[] = [];
    for (let n = 0; n < 62; n++) taken.push(addressIn(await until(acquire('b'))));
    refused(await until(acquire('c')), 'Exhausted');
    await run(90_000);
    const heldBy = () => ['a', 'b', 'c'].map((id) => of(id).plant.store.live('holding').length);
    assert.deepEqual(heldBy(), [0, 16, 0]);
    for (const address of taken) granted(await until(free('b', address)));
    if (restarted) for (const id of ['a', 'b', 'c']) await of(id).restart();
    await run(150_000);
    assert.deepEqual(heldBy(), [1, 1, 1]);
    for (const id of ['a', 'b', 'c']) assert.deepEqual(of(id).plant.store.live('want'), [], id);
    check();
    weather.cut.add('a');
    for (const id of ['a', 'b', 'c']) addressIn(await until(acquire(id)));
    close();
  });
}

test('design.md §6: what could not be asked for, and then was not there, is asked for again', async () => {
  const { of, run, until, acquire, free, check, close, weather } = await league('203.0.113.0/28', {
    sites: ['a', 'b', 'c'],
  });
  await run(300);
  const held = [addressIn(await until(acquire('c'))), addressIn(await until(acquire('c')))];
  for (;;) {
    weather.cut.add('a');
    const answer = await until(acquire('c'));
    weather.cut.delete('a');
    if (isRefusal(answer)) break;
    held.push(answer.address);
  }
  // While c can't ask its home, b takes the rest.
  weather.cut.add('c');
  await until(acquire('c'));
  const taken: string[] = [];
  for (let answer = await until(acquire('b')); !isRefusal(answer); answer = await until(acquire('b'))) {
    taken.push(answer.address);
  }
  weather.cut.delete('c');
  await run(30_000);
  const wants = () => of('c').plant.store.live('want').length;
  assert.equal(wants(), 1);
  for (const address of taken) granted(await until(free('b', address)));
  await run(200_000);
  assert.equal(wants(), 0, 'it has an idle block');
  check();
  close();
});

test('design.md §6: what is asked ahead neither takes the last block of another, nor goes round', async () => {
  // Fourteen blocks of one address each.
  const { of, run, until, acquire, free, check, close, asked } = await league('203.0.113.0/28');
  await run(300);
  const taken: string[] = [];
  for (let n = 0; n < 14; n++) taken.push(addressIn(await until(acquire('b'))));
  granted(await until(free('b', taken[0]!)));
  await run(120_000);
  const heldBy = () => ['a', 'b'].map((id) => of(id).plant.store.live('holding').length);
  assert.deepEqual(heldBy(), [0, 14], 'its one idle block stays');
  assert.equal(of('a').plant.store.live('want').length, 1);
  const before = of('a').plant.store.log.length;
  asked.length = 0;
  await run(180_000);
  assert.equal(of('a').plant.store.log.length, before, 'asking again writes nothing');
  assert.ok(asked.length < 40, `${asked.length} messages in three minutes`);
  // Who needs it gets it.
  assert.equal(addressIn(await until(acquire('a'))), taken[0]);
  granted(await until(free('b', taken[1]!)));
  granted(await until(free('b', taken[2]!)));
  granted(await until(free('b', taken[3]!)));
  await run(180_000);
  assert.deepEqual(heldBy(), [2, 11], 'one in use and one ahead here, one idle there, one spare');
  check();
  close();
});

test('design.md §6: of more partitions than a prefix has blocks some hold none; free addresses of others are lent to them', async () => {
  const sites = 'a b c d e f g h i j k l m n o p q r'.split(' ');
  const { of, run, until, acquire, check, close } = await league('203.0.113.0/26', { sites });
  await run(2_000);
  const holders = () => sites.filter((id) => of(id).plant.store.live('holding').length > 0);
  assert.equal(holders().length, 16);
  // One address of each block is taken, so that no block is idle.
  for (const id of holders()) addressIn(await until(acquire(id)));
  const without = sites.filter((id) => !holders().includes(id));
  assert.equal(without.length, 2);
  for (const id of without) {
    const address = addressIn(await until(acquire(id)));
    const rows = of(id)
      .plant.store.live('ip')
      .map(({ value }) => value as IpRecord);
    assert.equal(rows.find((row) => row.address === address)?.loan?.as, 'borrowed', id);
  }
  await run(90_000);
  assert.equal(holders().length, 16);
  check();
  close();
});

test('design.md §6: prefixes are added and removed while blocks are out; only what is in use keeps one', async () => {
  const [FIRST, SECOND] = ['203.0.113.0/26', '198.51.100.0/26'];
  const { of, run, until, acquire, free, update, check, close } = await league(FIRST);
  await run(300);
  const old = addressIn(await until(acquire('b')));
  granted(await update([FIRST, SECOND]));
  await run(300);
  const taken = new Set<string>([old]);
  for (let answer = await until(acquire('b')); !isRefusal(answer); answer = await until(acquire('b'))) {
    assert.ok(!taken.has(answer.address));
    taken.add(answer.address);
  }
  assert.equal(taken.size, 2 * 62);
  refused(await update([SECOND]), 'Unprocessable', `prefix ${FIRST} has block`);
  for (const address of taken) if (address.startsWith('203.')) granted(await until(free('b', address)));
  await run(300);
  // Idle blocks are no reason to keep it.
  refused(await update([SECOND]), 'Unprocessable', `prefix ${FIRST} has block`);
  assert.deepEqual(await until(of('a').driver.recallAll('internet', { prefixes: [FIRST] })), {
    missing: [],
    isCalled: true,
  });
  granted(await update([SECOND]));
  await run(1_100);
  refused(await until(acquire('b', { address: old })), 'Unprocessable', 'not contained in any');
  for (const id of ['a', 'b']) refused(await until(acquire(id)), 'Exhausted');
  granted(await update([SECOND, FIRST]));
  await run(1_100);
  assert.equal(addressIn(await until(acquire('b', { address: old }))), old);
  await run(8_000);
  check();
  close();
});
