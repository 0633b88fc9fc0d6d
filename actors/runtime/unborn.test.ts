import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, shardOf, type Scope } from '../address.ts';
import type { Change } from '../records.ts';
import { conflict, isRefusal } from '../refusal.ts';
import { reserveAll, unborn, type AnyBehaviour, type Context, type Coordination, type Question } from './behaviour.ts';
import { MAIN } from './envelope.ts';
import { createMemoryStore } from './memory-store.ts';
import { createShard, type Shard } from './shard.ts';
import { createVirtualWorld } from './virtual-world.ts';

const scope: Scope = 'partition:p';
const SHARDS = 2;
const machine = (id: string) => addressOf(scope, 'machine', id);

interface Place {
  id: string;
  owner: string | null;
}

function* settleAt(id: string): Coordination<unknown> {
  const question: Question = { to: machine(id), name: 'settle', body: {} };
  const grants = yield* reserveAll([unborn(question)]);
  return isRefusal(grants) ? grants : { reply: grants[0].reply };
}

const placeBehaviour = {
  kind: 'machine',
  tables: ['pool'],
  create: (id: string): Place => ({ id, owner: null }),
  evolve(state: Place, { value }: Change) {
    state.owner = (value as { owners: string[] } | null)?.owners[0] ?? null;
  },
  hold() {},
  unhold() {},
  commands: {
    send: (_state: Place, { id }: { id: string }) => ({ coordinate: () => settleAt(id) }),
    owner: (state: Place) => ({ reply: state.owner }),
  },
  reservations: {
    settle(state: Place, _body: unknown, context: Context) {
      if (state.owner !== null) return conflict(`${state.id} is ${state.owner}'s already`);
      const value = { pool: 'vrf', number: 1, owners: [context.who], shared: false, elected: null };
      const row = { table: 'pool', scope, key: state.id, owner: state.id, prev: 0, version: context.version(), value };
      return { reply: state.id, changes: [row as Change] };
    },
  },
} as AnyBehaviour;

function startShards() {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  const loads: string[] = [];
  const counting = {
    ...store,
    load: (...[at, wanted, fences, done]: Parameters<typeof store.load>) => {
      loads.push(...new Set(wanted.map(({ owner }) => owner)));
      store.load(at, wanted, fences, done);
    },
  };
  const answers = new Map<number, unknown>();
  const fences = store.takeOver([scope], SHARDS);
  const shards: Shard[] = Array.from({ length: SHARDS }, (_, shard) =>
    createShard({
      shard,
      shards: SHARDS,
      fences: fences.filter((fence) => fence.shard === shard),
      behaviours: [placeBehaviour],
      world,
      store: counting,
      log() {},
      onFenced() {},
      limits: { passivateMs: 100 },
      pipe: (to) => ({
        send: (envelope) =>
          world.after(0.1, () => {
            if (to !== MAIN) shards[to]!.deliver(structuredClone(envelope));
            else if (envelope.m === 'reply') answers.set(envelope.id, envelope.value);
          }),
      }),
    }),
  );
  for (const shard of shards) shard.start(() => {});
  world.run(world.monotonicMs() + 50);
  let nextId = 1;
  const ask = (id: string, name: string, body: unknown, who: string): unknown => {
    const ends = { deadlineMs: world.monotonicMs() + 5_000, who };
    const to = { scope, kind: 'machine', actor: id } as const;
    const how = { reserve: '', key: null, dry: false };
    shards[shardOf(machine(id), SHARDS)]!.deliver({
      m: 'ask',
      id: nextId,
      from: MAIN,
      ...to,
      name,
      body,
      ...ends,
      ...how,
    });
    world.run(world.monotonicMs() + 1_000);
    return answers.get(nextId++);
  };
  /** One whose actor lives on the other shard than that of `a`. */
  const other = ['b', 'c', 'd', 'e', 'f'].find((id) => shardOf(machine(id), SHARDS) !== shardOf(machine('a'), SHARDS))!;
  return { ask, loads, store, other, idle: () => world.run(world.monotonicMs() + 5_000) };
}

test('an actor that was just thought of is not looked for in the database, on whatever shard it lives', () => {
  const { ask, loads, store, other } = startShards();
  assert.equal(ask('a', 'send', { id: other }, 'me'), other);
  assert.deepEqual(loads, ['a']);
  assert.equal(store.live('pool').length, 1);
  assert.equal(ask(other, 'owner', {}, 'me'), 'me');
});

test('where it has rows after all, its first commit is refused, and it is loaded and asked again', () => {
  const { ask, loads, store, other, idle } = startShards();
  ask('a', 'send', { id: other }, 'me');
  idle();
  loads.length = 0;
  const answer = ask('a', 'send', { id: other }, 'you');
  assert.ok(isRefusal(answer));
  assert.equal(answer.message, `Conflict ${other} is me's already`);
  assert.deepEqual(loads, ['a', other]);
  assert.deepEqual(
    store.live('pool').map(({ value }) => value),
    [{ pool: 'vrf', number: 1, owners: ['me'], shared: false, elected: null }],
  );
});
