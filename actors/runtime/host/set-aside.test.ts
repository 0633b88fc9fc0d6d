import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../../address.ts';
import { createVirtualWorld } from '../virtual-world.ts';
import { createSetAside } from './set-aside.ts';

const message = {
  to: addressOf('partition:p', 'machine', 'm1'),
  name: 'allocate',
  body: { name: 'a' },
  who: 'anna@example.org',
  askedMs: 0,
};
const killer = () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  for (let death = 1; death <= 3; death++) setAside.killed(message, 0, 'heap');
  return setAside;
};
const idsIn = (setAside: ReturnType<typeof killer>): string[] => setAside.list().map(({ id }) => id);

test('reliability.md F18: a message that could not be tried again lies there as before, and is not let in', () => {
  const setAside = killer();
  const [id = ''] = idsIn(setAside);
  const taken = setAside.take(id, 'try again');
  assert.equal(setAside.refuses(message), undefined);
  taken?.putBack();
  assert.deepEqual(idsIn(setAside), [id]);
  assert.match(setAside.refuses(message)?.message ?? '', new RegExp(`set aside as ${id}`));
});

test('reliability.md F18: one that brought its thread down once more lies there once', () => {
  const setAside = killer();
  const [id = ''] = idsIn(setAside);
  const taken = setAside.take(id, 'try again');
  setAside.killed(message, 0, 'heap');
  taken?.putBack();
  const [second = ''] = idsIn(setAside);
  assert.equal(setAside.list().length, 1);
  assert.notEqual(second, id);
});

test('reliability.md F18: one that was answered before its thread was known to have ended lies there once, too', () => {
  const setAside = killer();
  const [id = ''] = idsIn(setAside);
  setAside.take(id, 'try again')?.putBack();
  setAside.killed(message, 0, 'heap');
  const [second = ''] = idsIn(setAside);
  assert.equal(setAside.list().length, 1);
  assert.notEqual(second, id);
  assert.match(setAside.refuses(message)?.message ?? '', new RegExp(second));
});

test('one that its actor threw at is put back, too', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  setAside.thrownAt({ ...message, id: 'op', shard: 0, error: 'boom', crashes: 3, atMs: 0 });
  setAside.take('op', 'try again')?.putBack();
  assert.deepEqual(idsIn(setAside), ['op']);
  assert.equal(setAside.take('op', 'forget')?.message.id, 'op');
  assert.deepEqual(idsIn(setAside), []);
});
