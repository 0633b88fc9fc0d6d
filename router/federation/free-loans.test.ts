// Free addresses that one partition lends to another before anybody says that nothing is left (design.md §6).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { granted, refused } from '../../actors/network/plant.fixture.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { BlockStep } from './blocks-ports.ts';
import { league } from './blocks.fixture.ts';

const addressIn = (answer: IpRecord | Refusal): string => granted(answer).address;

test('design.md §6, networks.md §2.2: a free address in the block of another partition is lent, a taken one refused naming the holder', async () => {
  const { of, run, until, acquire, free, getIp, check, close, weather } = await league('203.0.113.0/24');
  await run(300);
  const there = addressIn(await until(acquire('b')));
  refused(await until(acquire('a', { address: there })), 'Conflict', /already allocated: .* partition pb holds/);
  const next = there.replace(/\d+$/, (last) => String(Number(last) + 1));
  assert.equal(addressIn(await until(acquire('a', { address: next }))), next);
  // Whether it is still in use over there, only that site knows.
  refused(await until(acquire('b', { address: next })), 'Unavailable', 'is lent to partition pa (site a)');
  weather.cut.add('b');
  const third = next.replace(/\d+$/, (last) => String(Number(last) + 1));
  refused(await until(acquire('a', { address: third })), 'Unavailable', 'partition pb (site b)');
  weather.cut.clear();
  await run(2_000);
  granted(await until(free('a', next)));
  await run(2_000);
  refused(await until(getIp('a', next)), 'NotFound');
  assert.equal(addressIn(await until(acquire('b', { address: next }))), next);
  await run(8_000);
  assert.equal(of('b').plant.store.live('ip').length, 2);
  check();
  close();
});

test('design.md §6: single free addresses are lent before anybody says that nothing is left, over sites and through a third', async () => {
  // 16 blocks of 16, and one address of each holder in use: no block is idle, so none can come home.
  const scene = await league('203.0.113.0/24', { sites: ['a', 'b', 'c'] });
  const { of, run, until, acquire, free, check, close } = scene;
  await run(300);
  const all: string[] = [];
  const takeAll = async (id: string, most = 300): Promise<string[]> => {
    const taken: string[] = [];
    while (taken.length < most) {
      const answer = await until(acquire(id));
      if (isRefusal(answer)) {
        refused(answer, 'Exhausted', 'no partition has an address left');
        break;
      }
      taken.push(answer.address);
    }
    all.push(...taken);
    return taken;
  };
  const ofB = await takeAll('b', 100);
  const ofC = await takeAll('c', 60);
  await takeAll('a');
  // Whoever comes last gets the very last one: the whole prefix but its first and last address.
  await takeAll('b');
  await takeAll('c');
  assert.equal(new Set(all).size, all.length);
  assert.equal(all.length, 254);

  // One address of b's block is free; c asks, a lends through its home.
  granted(await until(free('b', ofB[5]!)));
  await run(1_100);
  assert.equal(addressIn(await until(acquire('c'))), ofB[5]);
  granted(await until(free('c', ofB[5]!)));
  granted(await until(free('c', ofC[3]!)));
  await run(2_000);
  await run(6_000);
  const again = [addressIn(await until(acquire('a'))), addressIn(await until(acquire('a')))];
  assert.deepEqual(new Set(again), new Set([ofB[5], ofC[3]]));
  refused(await until(acquire('a')), 'Exhausted');
  await run(8_000);
  check();
  assert.equal(
    ['a', 'b', 'c'].reduce((sum, id) => sum + of(id).driver.open, 0),
    0,
  );
  close();
});

test('design.md §6: lent addresses that nobody takes go back by themselves; a holder that is cut off is named', async () => {
  const { of, run, until, acquire, free, check, close, weather } = await league('203.0.113.0/26');
  await run(300);
  const taken: string[] = [];
  for (let answer = await until(acquire('b')); !isRefusal(answer); answer = await until(acquire('b'))) {
    taken.push(answer.address);
  }
  assert.equal(taken.length, 62);
  granted(await until(free('b', taken[0]!)));
  weather.cut.add('b');
  await run(1_100);
  refused(await until(acquire('a')), 'Unavailable', 'partition pb (site b)');
  weather.cut.clear();
  await run(1_100);
  assert.equal(addressIn(await until(acquire('a'))), taken[0]);
  await run(8_000);
  check();
  assert.equal(of('a').driver.open + of('b').driver.open, 0);
  close();
});

for (const name of ['lendFree', 'borrowFree', 'lent', 'lender.offer'] satisfies BlockStep[]) {
  for (const restarted of [false, true]) {
    test(`reliability.md §7.2: lending free addresses interrupted at ${name}${restarted ? ', process restarted' : ''}`, async () => {
      let interrupted: string | undefined;
      const struck = new Set<string>();
      const onStep = (site: string, at: BlockStep): void => {
        // The lender offers again only where the borrower's word was lost.
        const isLost = name === 'lender.offer' && at === 'borrowFree' && !struck.has('borrowFree');
        if (isLost) struck.add('borrowFree');
        else if (at !== name || struck.has(`${name} ${site}`)) return;
        else struck.add(`${name} ${site}`);
        interrupted = site;
        throw new Error(`interrupted at ${at}`);
      };
      const { of, run, until, acquire, free, check, close } = await league('203.0.113.0/26', { onStep });
      await run(300);
      const taken: string[] = [];
      for (let answer = await until(acquire('b')); !isRefusal(answer); answer = await until(acquire('b'))) {
        taken.push(answer.address);
      }
      granted(await until(free('b', taken[3]!)));
      await run(1_100);
      let got: IpRecord | Refusal | undefined;
      for (let tries = 0; tries < 12 && (got === undefined || isRefusal(got)); tries++) {
        got = await until(acquire('a'));
        if (interrupted !== undefined && restarted) await of(interrupted).restart();
        interrupted = undefined;
        await run(1_200);
        check(false);
      }
      assert.equal(addressIn(got!), taken[3]);
      await run(8_000);
      check();
      assert.ok(struck.size > 0 || name === 'lender.offer', 'the step was reached');
      granted(await until(free('a', taken[3]!)));
      await run(8_000);
      check();
      assert.equal(of('a').plant.store.live('ip').length, 0);
      close();
    });
  }
}

test('reliability.md §7.2: the last addresses of a network over a wire that loses, delays and doubles, restarts and cuts', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const scene = await league('203.0.113.0/27', { sites: ['a', 'b', 'c'], seed });
    const { of, run, acquire, free, check, close, weather, random, until } = scene;
    const sites = ['a', 'b', 'c'];
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    Object.assign(weather, { lose: 0.15, duplicate: 0.3, delayMs: 40 });
    const held = new Map<string, string>();
    for (let round = 0; round < 80; round++) {
      const id = pick(sites);
      const luck = random();
      if (luck < 0.05) weather.cut.add(pick(sites));
      else if (luck < 0.2) weather.cut.clear();
      else if (luck < 0.25) await of(id).restart();
      else if (luck < 0.5) {
        const mine = [...held].filter(([, owner]) => owner === id);
        const [address] = mine.length === 0 ? [] : pick(mine);
        if (address !== undefined && !isRefusal(await until(free(id, address)))) held.delete(address);
      } else {
        for (const answer of await until(Promise.all(Array.from({ length: 3 }, () => acquire(id))))) {
          if (isRefusal(answer)) continue;
          assert.equal(held.get(answer.address), undefined, `${answer.address} was given out twice`);
          held.set(answer.address, id);
        }
      }
      await run(20);
      check(false);
    }
    Object.assign(weather, { lose: 0, duplicate: 0, delayMs: 1 });
    weather.cut.clear();
    await run(20_000);
    check();
    // Nothing is lost either: one site gets all the rest.
    const before = sites
      .flatMap((id) => of(id).plant.store.live('ip'))
      .filter((row) => {
        return (row.value as IpRecord).loan?.as !== 'lent';
      }).length;
    let more = 0;
    for (;;) {
      const answer = await until(acquire('c'));
      if (isRefusal(answer)) {
        refused(answer, 'Exhausted');
        break;
      }
      more++;
      await run(30);
    }
    assert.equal(before + more, 30, `seed ${seed}`);
    await run(8_000);
    check();
    close();
  }
});
