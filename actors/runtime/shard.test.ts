import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, addressText, shardOf, type Address, type Scope } from '../address.ts';
import type { LogEntry } from '../ports.ts';
import type { Change, ChangeOf } from '../records.ts';
import { conflict, isRefusal, notFound, type Refusal } from '../refusal.ts';
import { reserveAll, type AnyBehaviour, type Context, type Coordination, type Question } from './behaviour.ts';
import { MAIN, type Envelope } from './envelope.ts';
import { createMemoryStore } from './memory-store.ts';
import { GRACE_MS } from './neighbours.ts';
import { createShard, type Shard, type ShardLimits } from './shard.ts';
import { WHEEL_MS } from './shard/wheel.ts';
import { createVirtualWorld } from './virtual-world.ts';

// A bag of numbers, each taken at most once: small enough to read, with everything an actor can do.
interface Bag {
  id: string;
  taken: Map<number, number>;
  held: Set<number>;
}
const scope: Scope = 'partition:p';

const pooled = (number: number, owners: string[]): ChangeOf<'pool'>['value'] => ({
  pool: 'vrf',
  number,
  owners,
  shared: false,
  elected: null,
});

const takes = (state: Bag, n: number, context: Context): Change => ({
  table: 'pool',
  scope: context.scope,
  key: `${state.id}|${n}`,
  owner: state.id,
  prev: 0,
  version: context.version(),
  value: pooled(n, [context.who]),
});

const reserving = (bag: string, n: number): Question<number> => ({
  to: addressOf(scope, 'machine', bag),
  name: 'reserve',
  body: { n },
});

function* takeFromEach(bags: string[], n: number): Coordination<number[]> {
  for (const bag of bags) {
    const grants = yield* reserveAll([reserving(bag, n)]);
    if (isRefusal(grants)) return grants;
  }
  return { reply: bags.map(() => n) };
}

function* takeFromAll(bags: string[], n: number): Coordination<number[]> {
  const grants = yield* reserveAll(bags.map((bag) => reserving(bag, n)));
  if (isRefusal(grants)) return grants;
  return { reply: grants.map((grant) => grant.reply as number) };
}

// eslint-disable-next-line require-yield
function* nothingOfAll(): Coordination<unknown> {
  return { reply: 'nothing to do' };
}

const bagBehaviour = {
  kind: 'machine',
  tables: ['pool'],
  create: (id: string): Bag => ({ id, taken: new Map(), held: new Set() }),
  evolve(state: Bag, change: Change) {
    const n = Number(change.key.split('|')[1]);
    if (change.value === null) state.taken.delete(n);
    else state.taken.set(n, change.version);
  },
  hold(state: Bag, _operation: string, changes: Change[]) {
    for (const change of changes) state.held.add(Number(change.key.split('|')[1]));
  },
  unhold(state: Bag, _operation: string, changes: Change[]) {
    for (const change of changes) state.held.delete(Number(change.key.split('|')[1]));
  },
  needs: { look: () => [{ table: 'pool', key: 'nobody|0' }] },
  commands: {
    take(state: Bag, { n, blind }: { n: number; blind?: boolean }, context: Context) {
      if (blind !== true && (state.taken.has(n) || state.held.has(n))) return conflict(`${n} is taken`);
      return { reply: n, changes: [takes(state, n, context)] };
    },
    drop(state: Bag, { n }: { n: number }, context: Context) {
      const version = state.taken.get(n);
      if (version === undefined) return notFound(`${n}`);
      return { reply: n, changes: [{ ...takes(state, n, context), prev: version, value: null }] };
    },
    await(state: Bag, { n }: { n: number }) {
      return state.taken.has(n) ? { reply: n } : { wait: `${n} did not come` };
    },
    idle: () => ({ reply: 'nothing to do' }),
    idleTogether: () => ({ coordinate: () => nothingOfAll() }),
    get: () => ({ reply: 'told' }),
    look: (state: Bag) => ({ reply: state.taken.size }),
    event: (_state: Bag, { n }: { n: number }) => ({ reply: n }),
    list: (state: Bag) => ({ reply: [...state.taken.keys()].sort((a, b) => a - b) }),
    explode() {
      throw new Error('boom');
    },
    takeAll: (_state: Bag, body: { bags: string[]; n: number }) => ({
      coordinate: () => takeFromAll(body.bags, body.n),
    }),
    takeEach: (_state: Bag, body: { bags: string[]; n: number }) => ({
      coordinate: () => takeFromEach(body.bags, body.n),
    }),
  },
  reservations: {
    reserve(state: Bag, { n }: { n: number }, context: Context) {
      if (state.taken.has(n) || state.held.has(n)) return conflict(`${n} is taken in ${state.id}`);
      return { reply: n, changes: [takes(state, n, context)] };
    },
  },
} as AnyBehaviour;

function createPlant(shardCount = 2, limits: Partial<ShardLimits> = {}) {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  /** By the store itself, not by a fault: memory was wrong. */
  let refusals = 0;
  const { commit } = store.model;
  store.model.commit = (group) => {
    const outcome = commit(group);
    if (outcome.outcome === 'refused') refusals++;
    return outcome;
  };
  const log: LogEntry[] = [];
  const fenced: number[] = [];
  const answers = new Map<number, unknown>();
  const shards: Array<Shard | undefined> = [];
  let fences = store.takeOver([scope], shardCount);
  let nextId = 1;

  function boot(index: number): void {
    const shard = createShard({
      shard: index,
      shards: shardCount,
      fences: fences.filter((fence) => fence.shard === index),
      behaviours: [bagBehaviour],
      world,
      store,
      log: () => {},
      onFenced: () => fenced.push(index),
      limits,
      pipe: (to) => ({ send: (envelope) => world.after(0.1, () => receive(to, envelope, index)) }),
    });
    shards[index] = shard;
    shard.start(() => {});
  }

  function receive(to: number, envelope: Envelope, from: number): void {
    if (to !== MAIN) return shards[to]?.deliver(structuredClone(envelope));
    if (envelope.m === 'reply') answers.set(envelope.id, envelope.value);
    if (envelope.m === 'log') log.push(...structuredClone(envelope.entries));
    if (envelope.m === 'ready' || envelope.m === 'raised') {
      fences = [...fences.filter((fence) => fence.shard !== from), ...envelope.fences];
    }
  }

  function ask(
    bag: string,
    name: string,
    body: unknown,
    withinMs = 5_000,
    options: { dry?: boolean; key?: string } = {},
  ): () => unknown {
    const to: Address = addressOf(scope, 'machine', bag);
    const id = nextId++;
    shards[shardOf(to, shardCount)]?.deliver({
      m: 'ask',
      id,
      from: MAIN,
      scope,
      kind: 'machine',
      actor: bag,
      name,
      body,
      who: 'test',
      deadlineMs: world.monotonicMs() + withinMs,
      reserve: '',
      key: options.key === undefined ? null : { identity: 'test', key: options.key, request: 'r' },
      dry: options.dry ?? false,
    });
    return () => answers.get(id);
  }

  /** Whoever sent the last ask, to this bag, waits no more. */
  const leave = (bag: string): void =>
    shards[shardOf(addressOf(scope, 'machine', bag), shardCount)]?.deliver({ m: 'abandon', id: nextId - 1 });

  /** The time of the last ask, to this bag, is over. */
  const late = (bag: string): void =>
    shards[shardOf(addressOf(scope, 'machine', bag), shardCount)]?.deliver({ m: 'late', id: nextId - 1 });

  /** The database says nothing any more, until `go`: what is written reaches it then. */
  function stall(): () => void {
    const { commit } = store;
    const held: Array<() => void> = [];
    store.commit = (...call) => void held.push(() => commit(...call));
    return () => {
      store.commit = commit;
      for (const one of held) one();
    };
  }

  const settle = (ms = 1_000): void => void world.run(world.monotonicMs() + ms);
  /** Bags that lie on different shards. */
  const bagOn = (shard: number, from = 0): string => {
    for (let i = from; ; i++)
      if (shardOf(addressOf(scope, 'machine', `bag${i}`), shardCount) === shard) return `bag${i}`;
  };
  for (let index = 0; index < shardCount; index++) boot(index);
  settle(50);
  return { world, store, log, fenced, shards, ask, leave, late, stall, settle, boot, bagOn, refusals: () => refusals };
}

const reasonOf = (answer: unknown): string => (isRefusal(answer) ? `${answer.because}: ${answer.message}` : 'ok');

const kindOf = (answer: unknown): string => (isRefusal(answer) ? (answer as Refusal).kind : 'ok');

describe('shard', () => {
  it('answers after the commit, in batches: one group carries what waited', () => {
    const plant = createPlant(1);
    const answers = Array.from({ length: 100 }, (_, n) => plant.ask('a', 'take', { n }));
    plant.settle();
    assert.deepEqual(
      answers.map((answer) => answer()),
      Array.from({ length: 100 }, (_, n) => n),
    );
    assert.equal(plant.store.live('pool').length, 100);
    assert.deepEqual(
      plant.log.map((entry) => entry.n),
      Array.from({ length: 100 }, (_, n) => n + 1),
    );
  });

  it('decides a batch on the evolving state: two want one number, one gets it', () => {
    const plant = createPlant(1);
    const [first, second] = [plant.ask('a', 'take', { n: 1 }), plant.ask('a', 'take', { n: 1 })];
    plant.settle();
    assert.deepEqual([kindOf(first()), kindOf(second())], ['ok', 'Conflict']);
  });

  it('splits a refused group: the guilty one is refused, its neighbours succeed', () => {
    const plant = createPlant(1);
    plant.ask('other', 'list', {});
    plant.settle();
    // A row that the actor does not know of: its memory is wrong, as after a bug or a hand-made change.
    plant.store.rows.set(`pool:${scope}:a|7`, {
      table: 'pool',
      scope,
      key: 'a|7',
      owner: 'nobody',
      prev: 0,
      version: 1,
      value: pooled(7, []),
    });
    const bad = plant.ask('a', 'take', { n: 7 });
    const good = Array.from({ length: 9 }, (_, i) => plant.ask(`b${i}`, 'take', { n: 1 }));
    plant.settle();
    assert.equal(kindOf(bad()), 'Conflict');
    assert.deepEqual([...new Set(good.map((answer) => kindOf(answer())))], ['ok']);
  });

  it('decides again what was decided on the state of a refused neighbour', () => {
    const plant = createPlant(1);
    plant.store.faults.push('refused', 'refused');
    const answers = [1, 2, 3].map((n) => plant.ask('a', 'take', { n }));
    plant.settle();
    assert.deepEqual(
      answers.map((answer) => answer()),
      [1, 2, 3],
    );
    assert.equal(plant.store.live('pool').length, 3);
  });

  for (const fault of ['lost before', 'lost after'] as const) {
    it(`resolves an ambiguous commit by writing (${fault}): written once, answered once`, () => {
      const plant = createPlant(1);
      plant.store.faults.push(fault);
      const answer = plant.ask('a', 'take', { n: 1 });
      plant.settle();
      assert.equal(answer(), 1);
      assert.equal(plant.store.live('pool').length, 1);
      assert.deepEqual(
        plant.log.map((entry) => entry.n),
        [1],
      );
    });
  }

  it('what waits behind a doubt is answered, also when the database is away while the shard starts over', () => {
    const plant = createPlant(1, { operationsPerGroup: 1 });
    plant.ask('a', 'list', {});
    plant.settle();
    plant.store.faults.push('lost after');
    // One turn, two groups: the first is in doubt, the second waits behind it.
    const answers = [1, 2].map((n) => plant.ask('a', 'take', { n }, 60_000));
    plant.world.run(plant.world.monotonicMs() + 1.5);
    plant.store.down = true;
    plant.settle(1_000);
    plant.store.down = false;
    plant.settle(2_000);
    assert.deepEqual(
      answers.map((answer) => (isRefusal(answer()) ? kindOf(answer()) : answer())),
      ['Unavailable', 2],
    );
  });

  it('ends a doubt that the database does not end: outcome unknown, epoch raised, service goes on', () => {
    const plant = createPlant(1);
    plant.store.faults.push('lost after');
    const answer = plant.ask('a', 'take', { n: 1 });
    plant.world.run(plant.world.monotonicMs() + 2.5);
    plant.store.down = true;
    plant.settle(1_000);
    assert.match((answer() as Refusal).message, /outcome unknown/);
    plant.store.down = false;
    plant.settle();
    const list = plant.ask('a', 'list', {});
    plant.settle();
    assert.deepEqual(list(), [1]);
    assert.ok([...plant.store.epochs.values()].every((epoch) => epoch >= 3));
  });

  it('design.md §4: a database that says nothing at all does not prolong a doubt beyond 250 ms', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    plant.store.faults.push('lost after');
    // As a connection of which nobody knows that it is dead: the call is not answered for seconds.
    let heard = (): void => {};
    plant.store.resolve = (_id, done) => void (heard = () => done({ outcome: 'committed' }));
    const answer = plant.ask('a', 'take', { n: 1 });
    plant.settle(240);
    assert.equal(answer(), undefined);
    plant.settle(20);
    assert.match((answer() as Refusal).message, /outcome unknown/);
    heard();
    const list = plant.ask('a', 'list', {});
    plant.settle();
    assert.deepEqual(list(), [1]);
    assert.ok([...plant.store.epochs.values()].every((epoch) => epoch >= 3));
  });

  it('stops also when what it waits for stays in doubt: who was accepted is answered, nothing new is taken', () => {
    const plant = createPlant(1);
    for (const bag of ['a', 'b']) plant.ask(bag, 'list', {});
    plant.settle();
    plant.store.faults.push('lost after');
    plant.store.resolve = () => {};
    const answer = plant.ask('a', 'takeAll', { bags: ['a', 'b'], n: 1 });
    plant.settle(50);
    let hasStopped = false;
    plant.shards[0]?.stop(() => (hasStopped = true));
    const late = plant.ask('a', 'take', { n: 2 });
    plant.settle(100);
    assert.deepEqual([hasStopped, answer()], [false, undefined]);
    assert.equal(kindOf(late()), 'Unavailable');
    plant.settle(200);
    assert.match((answer() as Refusal).message, /outcome unknown/);
    assert.equal(hasStopped, true);
    plant.settle();
    const later = plant.ask('a', 'take', { n: 3 });
    plant.settle();
    assert.equal(kindOf(later()), 'Unavailable');
  });

  it('who asks again after a doubt does not meet what the earlier life of the shard had reserved in another one', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(1), plant.bagOn(0)];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    plant.store.faults.push('lost before');
    plant.store.resolve = () => {};
    plant.ask(bags[1] as string, 'take', { n: 1 });
    // Granted there at once; here it waits behind the commit that is in doubt.
    const answer = plant.ask(bags[1] as string, 'takeEach', { bags, n: 3 });
    while (answer() === undefined) plant.settle(1);
    assert.match((answer() as Refusal).message, /the shard was restarted while the operation ran/);
    const again = plant.ask(bags[1] as string, 'takeEach', { bags, n: 3 });
    plant.settle();
    assert.deepEqual(again(), [3, 3]);
  });

  it('nor what it had asked to be reserved in its own actors, while another shard says nothing to the same operation', () => {
    const plant = createPlant(2);
    const [here, there] = [plant.bagOn(0), plant.bagOn(1)];
    plant.ask(here, 'list', {});
    plant.settle();
    const load = plant.store.load.bind(plant.store);
    plant.store.load = (at, wanted, fences, done) => {
      if (fences[0]?.shard !== 1) load(at, wanted, fences, done);
    };
    plant.store.faults.push('lost before');
    plant.store.resolve = () => {};
    plant.ask(here, 'take', { n: 1 });
    // Here it waits behind the commit that is in doubt, there for an actor that loads.
    const answer = plant.ask(here, 'takeAll', { bags: [here, there], n: 3 });
    while (answer() === undefined) plant.settle(1);
    assert.match((answer() as Refusal).message, /the shard was restarted while the operation ran/);
    const again = plant.ask(here, 'take', { n: 3 });
    plant.settle();
    assert.equal(again(), 3);
  });

  it('waits for the database until the deadline, then 503; later ones succeed', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    plant.store.down = true;
    const [early, late] = [plant.ask('a', 'take', { n: 1 }, 300), plant.ask('b', 'list', {}, 300)];
    plant.settle(600);
    assert.deepEqual([kindOf(early()), kindOf(late())], ['Unavailable', 'Unavailable']);
    plant.store.down = false;
    const again = plant.ask('a', 'take', { n: 1 });
    plant.settle();
    assert.equal(again(), 1);
  });

  it('what is reserved stays reserved while the database is away, also where its actor could not be loaded again', () => {
    const plant = createPlant(1);
    for (const bag of ['a', 'b']) plant.ask(bag, 'list', {});
    plant.settle();
    plant.store.down = true;
    const patient = plant.ask('a', 'takeAll', { bags: ['a', 'b'], n: 1 }, 60_000);
    plant.settle(10);
    // It is decided behind the other one, and ends before both are written: the actor forgets it, and asks the rows.
    const hasty = plant.ask('b', 'take', { n: 2 }, 300);
    plant.settle(5_000);
    assert.equal(kindOf(hasty()), 'Unavailable');
    plant.store.down = false;
    const late = plant.ask('b', 'take', { n: 1 }, 60_000);
    plant.settle(10_000);
    assert.deepEqual([patient(), kindOf(late())], [[1, 1], 'Conflict']);
    assert.equal(plant.refusals(), 0, 'nothing was decided on a memory that was wrong');
  });

  it('what stands behind work of somebody more patient is refused at its own deadline', () => {
    const plant = createPlant(1);
    for (const bag of ['a', 'b']) plant.ask(bag, 'list', {});
    plant.settle();
    plant.store.down = true;
    const patient = plant.ask('a', 'take', { n: 1 }, 60_000);
    plant.settle(10);
    const behindTheGroup = plant.ask('b', 'take', { n: 1 }, 300);
    const behindTheActor = plant.ask('a', 'take', { n: 2 }, 300);
    plant.settle(5_000);
    assert.deepEqual([kindOf(behindTheGroup()), kindOf(behindTheActor())], ['Unavailable', 'Unavailable']);
    assert.equal(patient(), undefined);
    plant.store.down = false;
    plant.settle(10_000);
    assert.equal(patient(), 1);
    assert.deepEqual(
      plant.store.live('pool').map(({ key }) => key),
      ['a|1'],
    );
  });

  it('what was decided on what is not written yet is refused at its own deadline', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    plant.store.down = true;
    const patient = plant.ask('a', 'take', { n: 1 }, 60_000);
    const [early, late] = [plant.ask('a', 'list', {}, 300), plant.ask('a', 'list', {}, 60_000)];
    plant.settle(500);
    assert.match((early() as Refusal).message, /list: the deadline passed before it was known whether what it saw is/);
    plant.store.down = false;
    plant.settle(10_000);
    assert.deepEqual([patient(), late()], [1, [1]]);
  });

  it('what is to be decided again behind somebody more patient is refused at its own deadline', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    const [patient, thrown] = [plant.ask('a', 'take', { n: 1 }, 60_000), plant.ask('a', 'explode', {}, 300)];
    const behind = plant.ask('a', 'list', {}, 300);
    plant.store.down = true;
    plant.settle(500);
    for (const answer of [thrown, behind]) {
      assert.match((answer() as Refusal).message, /the deadline passed before it could be decided again/);
    }
    plant.store.down = false;
    plant.settle(10_000);
    assert.equal(patient(), 1);
  });

  it('what waits for rows is refused at its own deadline, and is not decided when they come', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    const { fetch } = plant.store;
    let answer = (): void => assert.fail('it asked for no rows');
    plant.store.fetch = (...asked) => (answer = () => fetch(...asked));
    const [early, late] = [plant.ask('a', 'look', {}, 300), plant.ask('a', 'look', {})];
    plant.settle(500);
    assert.match((early() as Refusal).message, /look: the deadline passed/);
    assert.equal(late(), undefined);
    answer();
    plant.settle();
    assert.equal(late(), 0);
  });

  it('what comes to a shard that can not begin yet is refused at its deadline', () => {
    const plant = createPlant(1);
    plant.store.down = true;
    plant.boot(0);
    const early = plant.ask('a', 'take', { n: 1 }, 300);
    plant.settle(500);
    assert.equal(kindOf(early()), 'Unavailable');
    plant.store.down = false;
    const late = plant.ask('a', 'take', { n: 1 });
    plant.settle();
    assert.equal(late(), 1);
  });

  it('a stale owner writes nothing and stops', () => {
    const plant = createPlant(1);
    plant.ask('a', 'take', { n: 1 });
    plant.settle();
    plant.store.takeOver([scope], 1);
    const late = plant.ask('a', 'take', { n: 2 });
    plant.settle();
    assert.equal(kindOf(late()), 'Unavailable');
    assert.deepEqual(plant.fenced, [0]);
    assert.equal(plant.store.live('pool').length, 1);
  });

  it('a decision that throws harms its own request only', () => {
    const plant = createPlant(1);
    const answers = [plant.ask('a', 'take', { n: 1 }), plant.ask('a', 'explode', {}), plant.ask('a', 'take', { n: 2 })];
    plant.settle();
    assert.deepEqual(
      answers.map((answer) => kindOf(answer())),
      ['ok', 'Internal', 'ok'],
    );
  });

  it('what waits comes back with the change it waits for, or is refused at its deadline', () => {
    const plant = createPlant(1);
    const [patient, hopeless] = [plant.ask('a', 'await', { n: 5 }), plant.ask('a', 'await', { n: 6 }, 500)];
    plant.settle(50);
    assert.equal(patient(), undefined);
    plant.ask('a', 'take', { n: 5 });
    plant.settle();
    assert.equal(patient(), 5);
    assert.equal((hopeless() as Refusal).message, '6 did not come');
  });

  it('I18: a dry run answers as the real one would and changes nothing', () => {
    const plant = createPlant(1);
    plant.ask('a', 'take', { n: 2 });
    plant.settle();
    const free = plant.ask('a', 'take', { n: 1 }, 5_000, { dry: true });
    const taken = plant.ask('a', 'take', { n: 2 }, 5_000, { dry: true });
    const list = plant.ask('a', 'list', {});
    plant.settle();
    assert.equal((free() as { dryRun: boolean; reply: number }).reply, 1);
    assert.equal(kindOf(taken()), 'Conflict');
    assert.deepEqual(list(), [2]);
    assert.equal(plant.log.length, 1);
  });

  it('I18: a dry run that waits in vain says at its deadline for what', () => {
    const plant = createPlant(1);
    const waits = plant.ask('a', 'await', { n: 5 }, 50, { dry: true });
    plant.settle(500);
    assert.equal(kindOf(waits()), 'Unavailable');
    assert.match((waits() as Refusal).message, /5 did not come/);
  });

  it('I10: a key has one outcome, whatever else waits in the group; nothing of the second is left', () => {
    const plant = createPlant(1);
    const first = plant.ask('a', 'take', { n: 1 }, 5_000, { key: 'k' });
    plant.settle();
    const second = plant.ask('a', 'take', { n: 2 }, 5_000, { key: 'k' });
    const neighbours = ['b', 'c'].map((bag) => plant.ask(bag, 'take', { n: 3 }, 5_000, { key: bag }));
    plant.settle();
    assert.equal(first(), 1);
    assert.match((second() as Refusal).message, /under the same Idempotency-Key/);
    assert.deepEqual(
      neighbours.map((answer) => answer()),
      [3, 3],
    );
    const list = plant.ask('a', 'list', {});
    const free = plant.ask('a', 'take', { n: 2 });
    plant.settle();
    assert.deepEqual([list(), free()], [[1], 2]);
  });

  it('reads wait for the commit they were decided on', () => {
    const plant = createPlant(1);
    plant.store.faults.push('refused', 'refused', 'refused', 'refused');
    const [take, list] = [plant.ask('a', 'take', { n: 1 }), plant.ask('a', 'list', {})];
    plant.settle();
    assert.equal(kindOf(take()), 'Conflict');
    assert.deepEqual(list(), []);
  });
});

describe('coordination over shards', () => {
  it('takes from several actors in one transaction', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 4 });
    plant.settle();
    assert.deepEqual(answer(), [4, 4]);
    assert.equal(plant.log.length, 1);
    assert.equal(plant.log[0]?.changes.length, 2);
    const lists = bags.map((bag) => plant.ask(bag, 'list', {}));
    plant.settle();
    assert.deepEqual(
      lists.map((list) => list()),
      [[4], [4]],
    );
  });

  it('reliability.md §7.1: a reservation is granted on what is committed, not on what its neighbours in the batch will have written', () => {
    const plant = createPlant(2, { operationsPerGroup: 1 });
    const [mine, other] = [plant.bagOn(0), plant.bagOn(1)];
    plant.ask(other, 'take', { n: 5 });
    plant.ask(mine, 'list', {});
    plant.settle();
    // The first is under way while the others come: they make one batch, and a group each.
    const underWay = plant.ask(other, 'take', { n: 1 });
    plant.world.run(plant.world.monotonicMs() + 0.05);
    const first = [underWay, ...[2, 3].map((n) => plant.ask(other, 'take', { n }))];
    const dropped = plant.ask(other, 'drop', { n: 5 });
    const answer = plant.ask(mine, 'takeAll', { bags: [mine, other], n: 5 });
    plant.settle();
    assert.deepEqual(
      [...first, dropped].map((one) => kindOf(one())),
      ['ok', 'ok', 'ok', 'ok'],
    );
    assert.deepEqual([kindOf(answer()), plant.refusals()], ['Conflict', 0]);
    const again = plant.ask(mine, 'takeAll', { bags: [mine, other], n: 5 });
    plant.settle();
    assert.deepEqual(again(), [5, 5]);
  });

  it('I18: a dry run over several actors answers what it would take, and takes nothing', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    const dry = plant.ask(bags[0] as string, 'takeAll', { bags, n: 4 }, 5_000, { dry: true });
    plant.settle();
    assert.equal((dry() as { changes: unknown[] }).changes.length, 2);
    assert.equal(plant.log.length, 0);
    const real = plant.ask(bags[1] as string, 'take', { n: 4 });
    plant.settle();
    assert.equal(real(), 4);
  });

  it('I18: while a dry run is under way, others get what they would get without it, and it sees what it has so far', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    const [here, there] = bags as [string, string];
    for (let n = 0; n < 20; n++) {
      const dry = [here, there].map((bag) => plant.ask(bag, 'takeAll', { bags, n }, 5_000, { dry: true }));
      // In the midst of it, at another moment each time.
      plant.settle(n * 0.05);
      const real = bags.map((bag) => plant.ask(bag, 'take', { n }));
      plant.settle();
      assert.deepEqual([real[0]!(), real[1]!()], [n, n]);
      for (const answer of dry) assert.ok(['ok', 'Conflict'].includes(kindOf(answer())));
    }
    const twice = { bags: [here, here], n: 100 };
    const asDry = plant.ask(there, 'takeAll', twice, 5_000, { dry: true });
    plant.settle();
    const asReal = plant.ask(there, 'takeAll', twice);
    plant.settle();
    assert.deepEqual(asDry(), asReal());
    assert.equal(kindOf(asReal()), 'Conflict');
    const free = plant.ask(here, 'take', { n: 100 });
    plant.settle();
    assert.equal(free(), 100);
  });

  it('I10: with a key, that nothing had to be changed is an outcome, of one actor and of several', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    for (const [name, body] of [
      ['idle', {}],
      ['idleTogether', {}],
    ] as const) {
      const first = plant.ask(bags[0] as string, name, body, 5_000, { key: name });
      plant.settle();
      assert.equal(first(), 'nothing to do', name);
      const second = plant.ask(bags[0] as string, name, body, 5_000, { key: name });
      plant.settle();
      assert.match((second() as Refusal).message, /Idempotency-Key/, name);
      const tells = [1, 2].map(() => plant.ask(bags[0] as string, 'get', {}, 5_000, { key: `${name} told` }));
      plant.settle();
      for (const told of tells) assert.equal(isRefusal(told()), false, 'what only tells has no outcome');
    }
  });

  it('I18: a dry run waits for what is under way, as the real one does', () => {
    const plant = createPlant();
    const bag = plant.bagOn(0);
    const waits = plant.ask(bag, 'await', { n: 1 }, 5_000, { dry: true });
    plant.settle(100);
    assert.equal(waits(), undefined);
    plant.ask(bag, 'take', { n: 1 });
    plant.settle(100);
    assert.equal(waits(), 1);
  });

  it('design.md §10: a full mailbox refuses lists first and what gives back last; of a long one that comes first', () => {
    const plant = createPlant(1, { inbox: 8, batch: 2 });
    const bag = plant.bagOn(0);
    const order: string[] = [];
    const send = (name: string, n: number): (() => unknown) => {
      const answer = plant.ask(bag, name, { n });
      return () => {
        if (answer() !== undefined && !order.includes(`${name} ${n}`)) order.push(`${name} ${n}`);
        return answer();
      };
    };
    plant.ask(bag, 'list', {});
    plant.settle();
    const ordinary = Array.from({ length: 9 }, (_, n) => send('take', n));
    const first = [send('event', 1), send('event', 2)];
    for (let i = 0; i < 400; i++) {
      plant.settle(0.1);
      for (const answer of [...first, ...ordinary]) answer();
    }
    assert.deepEqual(order.filter((name) => name.startsWith('event')).length, 2);
    assert.equal(kindOf(ordinary[8]!()), 'Overloaded');
    assert.ok(order.indexOf('event 2') < order.indexOf('take 4'), order.join(', '));
  });

  it('design.md §4: whoever asked for something of several actors leaves at any moment: all of it is done, or nothing and nothing is kept', () => {
    const outcomes = new Set<string>();
    for (let leftMs = 0; leftMs < 8; leftMs += 0.2) {
      const plant = createPlant(2);
      const bags = [plant.bagOn(0), plant.bagOn(1)];
      for (const bag of bags) plant.ask(bag, 'list', {});
      plant.settle();
      const asked = plant.ask(bags[0] as string, 'takeAll', { bags, n: 4 });
      plant.settle(leftMs);
      plant.leave(bags[0] as string);
      plant.settle();
      assert.notEqual(asked(), undefined, `left after ${leftMs} ms`);
      const isDone = plant.log.length === 1;
      outcomes.add(isDone ? 'done' : 'dropped');
      const again = bags.map((bag) => plant.ask(bag, 'take', { n: 4 }));
      plant.settle();
      for (const taken of again) assert.equal(isRefusal(taken()), isDone, `left after ${leftMs} ms`);
    }
    assert.deepEqual([...outcomes].sort(), ['done', 'dropped']);
  });

  it('I10: a key that has an outcome refuses the operation over several actors once, and lets go', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    const ask = () => plant.ask(bags[0] as string, 'takeAll', { bags, n: 4 }, 5_000, { key: 'k' });
    const first = ask();
    plant.settle();
    const drops = bags.map((bag) => plant.ask(bag, 'drop', { n: 4 }));
    plant.settle();
    const sent = plant.log.length;
    const second = ask();
    plant.settle();
    assert.deepEqual(
      [first(), drops.map((drop) => drop())],
      [
        [4, 4],
        [4, 4],
      ],
    );
    assert.match((second() as Refusal).message, /under the same Idempotency-Key/);
    assert.equal(plant.log.length, sent);
    const real = bags.map((bag) => plant.ask(bag, 'take', { n: 4 }));
    plant.settle();
    assert.deepEqual(
      real.map((take) => take()),
      [4, 4],
    );
  });

  it('one refusal releases the others', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    plant.ask(bags[1] as string, 'take', { n: 4 });
    plant.settle();
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 4 });
    plant.settle();
    assert.equal(kindOf(answer()), 'Conflict');
    const free = plant.ask(bags[0] as string, 'take', { n: 4 });
    plant.settle();
    assert.equal(free(), 4);
  });

  it('crossing operations: one wins, the other is refused, nothing stays held', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    const answers = bags.map((bag) => plant.ask(bag, 'takeAll', { bags, n: 9 }));
    plant.settle();
    const kinds = answers.map((answer) => kindOf(answer()));
    assert.ok(kinds.filter((kind) => kind === 'ok').length <= 1);
    const after = plant.ask(bags[0] as string, 'list', {});
    plant.settle();
    assert.equal((after() as number[]).length, kinds.includes('ok') ? 1 : 0);
    for (const shard of plant.shards)
      for (const cell of shard?.cells.values() ?? []) assert.equal(cell.held.size, 0, addressText(cell.address));
  });

  it('a participant whose shard was restarted meanwhile: the operation is decided again on its new epoch', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    plant.ask(bags[0] as string, 'list', {});
    plant.settle();
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 });
    plant.world.run(plant.world.monotonicMs() + 1.5);
    plant.boot(1);
    plant.settle();
    assert.equal(kindOf(answer()) === 'ok' || kindOf(answer()) === 'Unavailable', true);
    const lists = bags.map((bag) => plant.ask(bag, 'list', {}));
    plant.settle();
    assert.deepEqual(lists[0]?.(), lists[1]?.());
  });

  it('a participant whose shard died while the database is away: refused soon after its deadline, not when there is an epoch', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 }, 2_000);
    plant.shards[1] = undefined;
    plant.store.down = true;
    plant.settle(2_000 + GRACE_MS + 2 * WHEEL_MS);
    assert.equal((answer() as Refusal | undefined)?.because, 'deadline');
    for (const cell of plant.shards[0]?.cells.values() ?? []) assert.equal(cell.held.size, 0);
    plant.store.down = false;
    plant.boot(1);
    plant.settle();
    const again = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 });
    plant.settle();
    assert.deepEqual(again(), [3, 3]);
  });

  it('an operation that is written is answered, also when the shard of a participant died before it heard of it', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 }, 2_000);
    while (plant.log.length === 0) plant.world.step();
    plant.shards[1] = undefined;
    plant.settle(2_000 + GRACE_MS + 2 * WHEEL_MS);
    assert.deepEqual(answer(), [3, 3]);
  });

  it('what a shard grants too late is given back to it: nobody else would end it', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 }, 2_000);
    const sound = plant.shards[0] as Shard;
    const late: Envelope[] = [];
    plant.shards[0] = { ...sound, deliver: (one) => void (one.m === 'reply' ? late.push(one) : sound.deliver(one)) };
    plant.settle(2_000 + GRACE_MS + 2 * WHEEL_MS);
    assert.equal((answer() as Refusal | undefined)?.because, 'deadline');
    const held = (): number =>
      plant.shards[1]?.cells.get(addressOf(scope, 'machine', bags[1] as string))?.held.size ?? 0;
    assert.deepEqual([late.length, held()], [1, 1]);
    plant.shards[0] = sound;
    for (const one of late) sound.deliver(one);
    plant.settle();
    assert.equal(held(), 0);
  });

  it('the end of an operation whose reservation was dropped meanwhile: what was committed is read', () => {
    const plant = createPlant(2);
    const bag = plant.bagOn(1);
    plant.ask(bag, 'list', {});
    plant.settle();
    plant.store.rows.set(`pool:${scope}:${bag}|7`, {
      table: 'pool',
      scope,
      key: `${bag}|7`,
      owner: bag,
      prev: 0,
      version: 5,
      value: { pool: 'vrf', number: 7, owners: [bag], shared: false, elected: null },
    });
    const actors = [addressOf(scope, 'machine', bag)];
    (plant.shards[1] as Shard).deliver({ m: 'end', id: 901, from: 0, operation: 'dropped', actors, how: 'committed' });
    plant.settle();
    const list = plant.ask(bag, 'list', {});
    plant.settle();
    assert.deepEqual(list(), [7]);
  });

  it('what a dead shard wanted to reserve is refused, also when its actor was loading meanwhile', () => {
    const plant = createPlant(2);
    const bag = plant.bagOn(1);
    const address = addressOf(scope, 'machine', bag);
    const shard = plant.shards[1] as Shard;
    shard.deliver({
      m: 'ask',
      id: 900,
      from: 0,
      scope,
      kind: 'machine',
      actor: bag,
      name: 'reserve',
      body: { n: 3 },
      who: 'test',
      deadlineMs: plant.world.monotonicMs() + 5_000,
      reserve: 'operation of the dead',
      key: null,
      dry: false,
    });
    const cell = shard.cells.get(address);
    assert.equal(cell?.status, 'loading');
    shard.deliver({ m: 'restarted', shard: 0 });
    plant.settle();
    assert.equal(cell.held.size, 0, 'nobody would ever end it');
    const answer = plant.ask(bag, 'take', { n: 3 });
    plant.settle();
    assert.equal(kindOf(answer()), 'ok');
  });

  it('an ambiguous commit of an operation over shards is resolved like any other', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)];
    plant.store.faults.push('lost after');
    const answer = plant.ask(bags[0] as string, 'takeAll', { bags, n: 3 });
    plant.settle();
    assert.deepEqual(answer(), [3, 3]);
    assert.equal(plant.store.live('pool').length, 2);
  });

  it('what was decided behind a refused operation is decided again, also when it waits in a later group', () => {
    const plant = createPlant(1, { operationsPerGroup: 1 });
    plant.ask('a', 'take', { n: 1 });
    plant.settle();
    // One batch: the release is refused, so the taking behind it was decided on what never came to be.
    plant.store.faults.push('refused');
    const dropped = plant.ask('a', 'drop', { n: 1 });
    const taken = plant.ask('a', 'take', { n: 1 });
    const beside = plant.ask('a', 'take', { n: 2 });
    plant.settle();
    assert.deepEqual(
      [dropped, taken, beside].map((answer) => kindOf(answer())),
      ['ok', 'ok', 'ok'],
    );
    // Refused once, by the fault alone: nothing else met a row that was not as its memory believed.
    assert.deepEqual(
      plant.store.log.map(({ what }) => what),
      ['machine.take', 'machine.drop', 'machine.take', 'machine.take'],
    );
    assert.equal(plant.refusals(), 0);
  });

  it('groups of one operation behave like large ones', () => {
    const plant = createPlant(2, { operationsPerGroup: 1 });
    const answers = Array.from({ length: 20 }, (_, n) => plant.ask('a', 'take', { n }));
    plant.settle();
    assert.deepEqual([...new Set(answers.map((answer) => kindOf(answer())))], ['ok']);
  });
});

describe('reliability.md F08: a deadline that passes while the database says nothing', () => {
  /** Of an ask whose time is over: the answer that came within a turn. */
  function atOnce(plant: ReturnType<typeof createPlant>, bag: string, answer: () => unknown): string {
    plant.settle(50);
    assert.equal(answer(), undefined);
    plant.late(bag);
    plant.settle(1);
    return reasonOf(answer());
  }

  it('a write in the group that is under way: its outcome is unknown, at once; the answer that comes later is nobody’s', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    const go = plant.stall();
    const answer = plant.ask('a', 'take', { n: 1 });
    const told = atOnce(plant, 'a', answer);
    assert.match(told, /^outcome-unknown: outcome unknown: .*; operation \S+$/);
    go();
    plant.settle();
    assert.equal(reasonOf(answer()), told);
    const list = plant.ask('a', 'list', {});
    plant.settle();
    assert.deepEqual(list(), [1]);
  });

  it('what waits behind that group, and what only reads: nothing was changed, and nothing will be', () => {
    const plant = createPlant(1);
    for (const bag of ['a', 'b']) plant.ask(bag, 'list', {});
    plant.settle();
    const go = plant.stall();
    plant.ask('a', 'take', { n: 1 });
    plant.settle(10);
    assert.match(atOnce(plant, 'a', plant.ask('a', 'list', {})), /^deadline: .*nothing was changed$/);
    assert.match(atOnce(plant, 'b', plant.ask('b', 'take', { n: 2 })), /^deadline: .*nothing was changed$/);
    go();
    const lists = ['a', 'b'].map((bag) => plant.ask(bag, 'list', {}));
    plant.settle();
    assert.deepEqual(
      lists.map((list) => list()),
      [[1], []],
    );
  });

  it('who stands behind one that is not written any more is decided anew', () => {
    const plant = createPlant(1, { operationsPerGroup: 1 });
    plant.ask('a', 'list', {});
    plant.settle();
    const go = plant.stall();
    const [first, behind, last] = [
      plant.ask('a', 'take', { n: 1 }),
      plant.ask('a', 'take', { n: 2 }, 300),
      plant.ask('a', 'take', { n: 2 }),
    ];
    plant.settle(300 + WHEEL_MS);
    assert.match(reasonOf(behind()), /^deadline: .*nothing was changed$/);
    go();
    plant.settle();
    assert.deepEqual([first(), last()], [1, 2]);
  });

  it('without a word from the main thread its own wheel says so, to another shard, too', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    plant.stall();
    const answer = plant.ask('a', 'take', { n: 1 }, 300);
    plant.settle(300 + WHEEL_MS);
    assert.match(reasonOf(answer()), /^outcome-unknown: /);
  });

  it('an operation over several actors: unknown in its group, nothing changed while one of them is silent', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)] as [string, string];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    const go = plant.stall();
    const grouped = plant.ask(bags[0], 'takeAll', { bags, n: 3 });
    assert.match(atOnce(plant, bags[0], grouped), /^outcome-unknown: outcome unknown: .*; operation \S+$/);
    go();
    plant.settle();
    plant.shards[1] = undefined;
    const silent = plant.ask(bags[0], 'takeAll', { bags, n: 4 });
    assert.match(atOnce(plant, bags[0], silent), /^deadline: .*nothing was changed$/);
    plant.boot(1);
    plant.settle(GRACE_MS + 5_000);
    for (const shard of plant.shards)
      for (const cell of shard?.cells.values() ?? []) assert.equal(cell.held.size, 0, 'nothing stays reserved');
    const lists = bags.map((bag) => plant.ask(bag, 'list', {}));
    plant.settle();
    assert.deepEqual(
      lists.map((list) => list()),
      [[3], [3]],
    );
  });

  it('one that is written, while another shard has not heard of it: unknown, with its id', () => {
    const plant = createPlant(2);
    const bags = [plant.bagOn(0), plant.bagOn(1)] as [string, string];
    for (const bag of bags) plant.ask(bag, 'list', {});
    plant.settle();
    const answer = plant.ask(bags[0], 'takeAll', { bags, n: 3 });
    while (plant.log.length === 0) plant.world.step();
    plant.shards[1] = undefined;
    assert.match(atOnce(plant, bags[0], answer), new RegExp(`^outcome-unknown: .*${plant.log[0]?.operation}$`));
  });

  it('what could not be sent is not sent after its deadline, and says that nothing was changed', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    plant.store.faults.push(...Array.from({ length: 8 }, () => 'unsent' as const));
    const answer = plant.ask('a', 'take', { n: 1 });
    assert.match(atOnce(plant, 'a', answer), /^deadline: .*nothing was changed$/);
    plant.settle(5_000);
    const list = plant.ask('a', 'list', {});
    plant.settle();
    assert.deepEqual(list(), []);
  });

  it('under a key: it gives the true outcome afterwards, also to who repeats it while the database still says nothing', () => {
    const plant = createPlant(1);
    plant.ask('a', 'list', {});
    plant.settle();
    const go = plant.stall();
    assert.match(atOnce(plant, 'a', plant.ask('a', 'take', { n: 1 }, 5_000, { key: 'k' })), /^outcome-unknown: /);
    const again = plant.ask('a', 'take', { n: 1, blind: true }, 5_000, { key: 'k' });
    plant.settle(100);
    go();
    plant.settle();
    // The edge looks the outcome up when it hears this (http/idempotency.ts).
    assert.equal(kindOf(again()), 'Conflict');
    assert.equal(plant.store.live('pool').length, 1);
    assert.deepEqual(
      [...plant.store.model.outcomes.values()].map(({ reply }) => reply),
      [1],
    );
  });
});
