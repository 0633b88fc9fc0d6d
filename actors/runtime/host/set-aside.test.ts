import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../../address.ts';
import { internal, notFound } from '../../refusal.ts';
import type { CrashedMessage } from '../quarantine.ts';
import type { Suspect } from '../suspects.ts';
import { createVirtualWorld } from '../virtual-world.ts';
import { createSetAside } from './set-aside.ts';
import type { OpenAsk } from './slot.ts';

const message = {
  to: addressOf('partition:p', 'machine', 'm1'),
  name: 'allocate',
  body: { name: 'a' },
  who: 'anna@example.org',
  askedMs: 0,
  isDry: false,
};
/** As its shard tells of it. */
const crashed = (id: string, more: Partial<CrashedMessage> = {}): CrashedMessage => ({
  ...message,
  id,
  shard: 0,
  isReservation: false,
  error: 'boom',
  crashes: 3,
  atMs: 0,
  ...more,
});
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
  assert.match(
    setAside.refuses(message)?.message ?? '',
    new RegExp(`lies in quarantine, operation ${id}: its thread died of it: heap`),
  );
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
  assert.deepEqual([setAside.list()[0]?.count, setAside.list()[0]?.also], [2, [id]]);
  assert.match(setAside.refuses(message)?.message ?? '', new RegExp(second));
});

test('one that its actor threw at is put back, too', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  setAside.thrownAt(crashed('op'));
  setAside.take('op', 'try again')?.putBack();
  assert.deepEqual(idsIn(setAside), ['op']);
  assert.equal(setAside.take('op', 'forget')?.message.id, 'op');
  assert.deepEqual(idsIn(setAside), []);
});

test('reliability.md F18: what its actor threw at is not let in again, whoever sends it, until an operator says so', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  const open: OpenAsk = { respond: () => {}, suspect: message };
  assert.equal(setAside.refuses(message), undefined);
  setAside.thrownAt(crashed('op'), open);
  setAside.answered(1, open, internal('machine m1 failed at allocate, operation op: boom'));

  const equal: Suspect = { ...message, who: 'bert@example.org', askedMs: 5_000 };
  const refused = setAside.refuses(equal);
  assert.deepEqual(
    [refused?.kind, refused?.message],
    ['Internal', 'Internal machine m1 failed at allocate again and again, it lies in quarantine, operation op: boom'],
  );
  for (const [what, another] of Object.entries({
    content: { ...message, body: { name: 'b' } },
    command: { ...message, name: 'free' },
    actor: { ...message, to: addressOf('partition:p', 'machine', 'm2') },
    scope: { ...message, to: addressOf('partition:q', 'machine', 'm1') },
  }))
    assert.equal(setAside.refuses(another), undefined, `another ${what} is another message`);

  for (const how of ['try again', 'forget'] as const) {
    const [id = ''] = idsIn(setAside);
    const taken = setAside.take(id, how);
    assert.deepEqual(taken?.whole, message);
    assert.equal(setAside.refuses(equal), undefined, how);
    setAside.thrownAt(crashed('op2'), { respond: () => {}, suspect: message });
    taken?.putBack();
    assert.deepEqual(idsIn(setAside), ['op2'], 'set aside anew: it lies there once');
    assert.match(setAside.refuses(equal)?.message ?? '', /operation op2/);
  }
});

test('equal ones are one, with how often they came and when the last did; it is found under each id that was told', () => {
  const world = createVirtualWorld();
  const setAside = createSetAside({ world, log: () => {} });
  const atMs = world.wallMs();
  // Both were under way when the first was set aside.
  setAside.thrownAt(crashed('op1', { atMs }));
  setAside.thrownAt(crashed('op2', { atMs, error: 'bang' }));
  setAside.thrownAt(crashed('op3', { atMs, body: { name: 'b' } }));
  world.run(4_000);
  assert.ok(setAside.refuses(message) !== undefined);
  const [other, one] = setAside.list();
  assert.deepEqual([other?.id, other?.count, setAside.list().length], ['op3', 1, 2], 'seen longest ago first');
  assert.deepEqual(
    [one?.id, one?.also, one?.count, one?.crashes, one?.error, one?.atMs, one?.lastMs],
    ['op1', ['op2'], 3, 6, 'bang', atMs, atMs + 4_000],
  );
  assert.equal(setAside.take('op2', 'forget')?.message.id, 'op1');
  assert.equal(setAside.refuses(message), undefined);
});

test('when there are too many, the one seen longest ago goes, is counted, and is let in again', () => {
  const said: string[] = [];
  const world = createVirtualWorld();
  const setAside = createSetAside({ world, log: (_level, what) => void said.push(what), most: 2 });
  const named = (name: string): Suspect => ({ ...message, body: { name } });
  for (const name of ['a', 'b']) setAside.thrownAt(crashed(name, { body: { name } }));
  assert.ok(setAside.refuses(named('a')) !== undefined);
  setAside.thrownAt(crashed('c', { body: { name: 'c' } }));
  assert.deepEqual([idsIn(setAside), setAside.lost], [['a', 'c'], 1]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => setAside.refuses(named(name)) !== undefined),
    [true, false, true],
  );
  assert.ok(said.some((what) => what.includes('pushed out')));
  // Equal ones push nobody out.
  for (let i = 0; i < 9; i++) setAside.thrownAt(crashed(`c${i}`, { body: { name: 'c' } }));
  assert.deepEqual([idsIn(setAside), setAside.lost], [['a', 'c'], 1]);
});

test('a part that its actor threw at: what was asked is not let in if it failed with it, and is what is tried again', () => {
  const network = addressOf('partition:p', 'network', 'n1');
  const part = { to: network, name: 'reserve', body: { ip: '10.0.0.1' }, isReservation: true };
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  const well: OpenAsk = { respond: () => {}, suspect: { ...message, body: { name: 'found another' } } };
  setAside.thrownAt(crashed('op', part), well, true);
  setAside.answered(1, well, { machine: 'm1' });
  assert.equal(setAside.refuses(well.suspect as Suspect), undefined);
  const alone = setAside.take('op', 'try again');
  assert.equal(alone?.whole, undefined, 'a reservation is nothing by itself');
  alone?.putBack();

  for (const answer of [notFound('no machine'), internal('boom')]) {
    const ill: OpenAsk = { respond: () => {}, suspect: message };
    setAside.thrownAt(crashed('op2', part), ill, true);
    setAside.answered(1, ill, answer);
    assert.equal(setAside.refuses(message)?.kind, answer.kind === 'Internal' ? 'Internal' : undefined, answer.message);
  }
  assert.match(
    setAside.refuses(message)?.message ?? '',
    /machine m1 failed at allocate again and again.*operation op: boom/,
  );
  const [listed, ...others] = setAside.list();
  assert.deepEqual([listed?.name, listed?.partOf?.name, others.length], ['reserve', 'allocate', 0]);
  // A command of that name is not that reservation.
  assert.equal(setAside.refuses({ ...message, to: network, name: 'reserve', body: part.body }), undefined);
  assert.deepEqual(setAside.take('op', 'try again')?.whole, message);
  assert.equal(setAside.refuses(message), undefined);
});

test('what fails in a dry run only is let in; what was set aside has no dry run', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  const dry: Suspect = { ...message, isDry: true };
  setAside.thrownAt(crashed('dry', { isDry: true }));
  assert.equal(setAside.refuses(message), undefined);
  assert.ok(setAside.refuses(dry) !== undefined);
  assert.equal(setAside.take('dry', 'try again')?.whole?.isDry, true, 'tried again it stays one');
  setAside.thrownAt(crashed('real'));
  assert.match(setAside.refuses(dry)?.message ?? '', /operation real/);
});

test('what nobody asked for is one entry however often it comes', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  for (let i = 0; i < 5; i++) setAside.thrownAt(crashed(`op${i}`), undefined, true);
  assert.deepEqual([idsIn(setAside), setAside.list()[0]?.count], [['op0'], 5]);
});

test('which part broke may be heard after the answer: it comes from another thread', () => {
  const setAside = createSetAside({ world: createVirtualWorld(), log: () => {} });
  const open: OpenAsk = { respond: () => {}, suspect: message };
  setAside.answered(7, open, internal('boom'));
  assert.equal(setAside.refuses(message), undefined);
  setAside.thrownAt(crashed('op', { name: 'reserve', isReservation: true }), setAside.failed(7), true);
  assert.match(setAside.refuses(message)?.message ?? '', /operation op/);
});
