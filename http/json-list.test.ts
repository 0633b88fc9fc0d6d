import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionScope } from '../actors/address.ts';
import { newNetwork } from '../actors/network/plant.fixture.ts';
import { createApp } from './app.ts';
import { inPortions, isLong, JsonList, jsonList } from './json-list.ts';
import { asUser, createTestSite, rowOf } from './testing.ts';

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What `work` answers, and how often others had their turn meanwhile. */
async function counted<T>(work: () => Promise<T>): Promise<{ answer: T; turns: number }> {
  let [turns, isOver] = [0, false];
  const next = (): void => {
    turns++;
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  const answer = await work();
  isOver = true;
  return { answer, turns };
}

test('a list made in portions says what it says whole', async () => {
  for (const count of [0, 1, 500, 501, 1_700]) {
    const items = Array.from({ length: count }, (_, i) => ({ i, name: `ä"${i}`, gone: undefined }));
    assert.equal(textOf(await (await jsonList(items, (item) => item)).bytes()), JSON.stringify(items));
  }
  const list = new JsonList();
  for (const portion of [[], [1], [], [undefined, 'b'], [[]]]) list.add(portion);
  assert.equal(textOf(await list.bytes()), '[1,null,"b",[]]');
});

test('others have their turn between the portions, and while a long one is put together', async () => {
  const items = Array.from({ length: 2_100 }, (_, i) => i);
  const seen: number[] = [];
  const passed = await counted(() => inPortions(items, (portion) => void seen.push(...portion)));
  assert.deepEqual(seen, items);
  assert.ok(passed.turns >= 4, `${passed.turns} turns`);
  const list = new JsonList();
  const text = 'x'.repeat(1024 * 1024);
  for (let i = 0; i < 13; i++) list.add([text]);
  const { answer, turns } = await counted(() => list.bytes());
  assert.ok(turns >= 3, `${turns} turns`);
  assert.equal(textOf(answer), JSON.stringify(Array.from({ length: 13 }, () => text)));
});

test('any long list is answered in portions: one body, with the status and the headers of every other', async () => {
  const site = createTestSite();
  for (let i = 0; i < 1_201; i++)
    site.stored.push(
      rowOf('network', partitionScope('p'), `n${i}`, `n${i}`, newNetwork(`n${i}`, { prefixes: ['10.0.0.0/24'] })),
    );
  const app = createApp(site);
  const response = await app.request('/v1/network', asUser('Metal-View', 'GET'));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  const body = (await response.json()) as Array<{ id: string }>;
  assert.ok(isLong(body));
  assert.deepEqual(
    body.map(({ id }) => id),
    site.stored.map(({ key }) => key),
  );
});
