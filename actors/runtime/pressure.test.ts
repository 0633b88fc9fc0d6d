import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, type Scope } from '../address.ts';
import type { Change } from '../records.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { AnyBehaviour, Context } from './behaviour.ts';
import { MAIN, type Envelope } from './envelope.ts';
import { createMemoryStore } from './memory-store.ts';
import type { CrashedMessage } from './quarantine.ts';
import { createShard, type ShardLimits } from './shard.ts';
import { createVirtualWorld } from './virtual-world.ts';

const scope: Scope = 'partition:p';

interface Counter {
  seen: number[];
}

const change = (id: string, n: number, context: Context): Change => ({
  table: 'pool',
  scope,
  key: `${id}|${n}`,
  owner: id,
  prev: 0,
  version: context.version(),
  value: { pool: 'vrf', number: n, owners: [], shared: false, elected: null },
});

/** Mutates on `evolve`, throws where a test says so. */
function counterBehaviour(faults: { evolve?: number; decide?: number; needs?: boolean; coordinate?: number }) {
  return {
    kind: 'machine',
    tables: ['pool'],
    create: (): Counter => ({ seen: [] }),
    evolve(state: Counter, { key }: Change) {
      const n = Number(key.split('|')[1]);
      state.seen.push(n);
      if (faults.evolve === n) throw new Error('evolve failed');
    },
    hold() {},
    unhold() {},
    needs: {
      strange() {
        if (faults.needs === true) throw new Error('needs failed');
        return [];
      },
    },
    commands: {
      add(state: Counter, { n }: { n: number }, context: Context) {
        if (faults.decide === n) throw new Error('decide failed');
        return { reply: state.seen.length, changes: [change(context.id, n, context)] };
      },
      list: (state: Counter) => ({ reply: [...state.seen].sort((a, b) => a - b) }),
      strange: () => ({ reply: 'strange' }),
      together: () => ({
        // eslint-disable-next-line require-yield
        coordinate: function* () {
          if ((faults.coordinate ?? 0) > 0) {
            faults.coordinate!--;
            throw new Error('coordination failed');
          }
          return { reply: 'done' };
        },
      }),
    },
    reservations: {},
  } as AnyBehaviour;
}

function plant(faults: Parameters<typeof counterBehaviour>[0] = {}, limits: Partial<ShardLimits> = {}) {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  const answers = new Map<number, unknown>();
  const aside: CrashedMessage[] = [];
  const askedAs: Array<[ask: number, isPart: boolean]> = [];
  let committed = 0;
  const receive = (envelope: Envelope): void => {
    if (envelope.m === 'reply') answers.set(envelope.id, envelope.value);
    if (envelope.m === 'quarantined') {
      aside.push(envelope.message);
      askedAs.push([envelope.ask, envelope.isPart]);
    }
    if (envelope.m === 'log') committed += envelope.entries.length;
  };
  const shard = createShard({
    shard: 0,
    shards: 1,
    fences: store.takeOver([scope], 1),
    behaviours: [counterBehaviour(faults)],
    world,
    store,
    pipe: (to) => (to === MAIN ? { send: receive } : undefined),
    log: () => {},
    onFenced: () => assert.fail('fenced'),
    limits,
  });
  shard.start(() => {});
  world.run(50);
  let id = 0;
  const ask = (name: string, body: object = {}, withinMs = 5_000, actor = 'a') => {
    id++;
    const mine = id;
    shard.deliver({
      m: 'ask',
      id,
      from: MAIN,
      scope,
      kind: 'machine',
      actor: addressOf(scope, 'machine', actor).id,
      name,
      body,
      who: 'test',
      deadlineMs: world.monotonicMs() + withinMs,
      reserve: '',
      key: null,
      dry: false,
    });
    return { id: mine, answer: () => answers.get(mine) };
  };
  const settle = (ms = 1_000): void => void world.run(world.monotonicMs() + ms);
  return { world, store, shard, ask, settle, aside, askedAs, committed: () => committed };
}

const kindOf = (answer: unknown): string => (isRefusal(answer) ? (answer as Refusal).kind : 'ok');

describe('a database without space (reliability.md F16)', () => {
  it('who writes is told at once and nothing is kept; what was decided on that is decided again; reads go on', () => {
    const { store, ask, settle } = plant();
    const kept = ask('add', { n: 1 });
    settle();
    const { commit } = store;
    let refused = 0;
    store.commit = (_group, done) => {
      refused++;
      done({ outcome: 'full', message: 'no space' });
    };
    const [first, behind] = [ask('add', { n: 2 }), ask('list')];
    settle(100);
    assert.deepEqual([kept.answer(), behind.answer(), refused], [0, [1], 1]);
    const told = first.answer() as Refusal;
    assert.deepEqual([told.kind, told.message], ['Unavailable', 'no space; nothing was changed']);
    assert.ok((told.retryAfterS ?? 0) > 1);

    store.commit = commit;
    const later = ask('add', { n: 3 });
    settle(100);
    assert.equal(later.answer(), 1);
  });
});

describe('messages that crash their actor (reliability.md F18, I15)', () => {
  for (const [where, faults, name] of [
    ['decide', { decide: 13 }, 'add'],
    ['evolve', { evolve: 13 }, 'add'],
    ['needs', { needs: true }, 'strange'],
    ['a coordination', { coordinate: 99 }, 'together'],
  ] as const) {
    it(`thrown in ${where}: set aside after three times, the others are answered, memory is as the rows`, () => {
      const { ask, settle, aside, askedAs, store } = plant({ ...faults });
      const before = ask('add', { n: 1 });
      const poison = ask(name, { n: 13 });
      const after = ask('add', { n: 2 });
      settle();
      assert.deepEqual(
        [before, after].map(({ answer }) => kindOf(answer())),
        ['ok', 'ok'],
      );
      assert.equal(kindOf(poison.answer()), 'Internal');
      assert.deepEqual(
        aside.map((message) => [message.name, message.crashes, message.to.id]),
        [[name, 3, 'a']],
      );
      assert.deepEqual(askedAs, [[poison.id, false]]);
      assert.match((poison.answer() as Refusal).message, new RegExp(aside[0]!.id));
      const list = ask('list');
      settle();
      assert.deepEqual(list.answer(), [1, 2]);
      assert.equal(store.live('pool').length, 2);
    });
  }

  it('thrown once: tried again on fresh memory, nobody notices', () => {
    const { ask, settle, aside } = plant({ coordinate: 1 });
    const answer = ask('together');
    settle();
    assert.equal(answer.answer(), 'done');
    assert.deepEqual(aside, []);
  });
});

describe('deadlines and pressure (reliability.md §10)', () => {
  it('who left before the group was sent is dropped: nothing is written', () => {
    const { ask, settle, world, shard, committed } = plant();
    const first = ask('add', { n: 1 });
    world.run(world.monotonicMs() + 3);
    const left = ask('add', { n: 2 });
    shard.deliver({ m: 'abandon', id: left.id });
    settle();
    assert.deepEqual([kindOf(first.answer()), kindOf(left.answer())], ['ok', 'Unavailable']);
    assert.equal(committed(), 1);
  });

  it('decided but not sent yet: the deadline counts before the group, and who was decided on it is decided again', () => {
    const { ask, settle, store, committed } = plant({}, { operationsPerGroup: 1 });
    ask('list');
    settle();
    // One group at a time takes longer than the second one has.
    store.faults.push('lost before');
    const all = [ask('add', { n: 1 }), ask('add', { n: 2 }, 1), ask('add', { n: 3 })];
    settle();
    assert.deepEqual(
      all.map(({ answer }) => kindOf(answer())),
      ['ok', 'Unavailable', 'ok'],
    );
    assert.equal(committed(), 2);
    const list = ask('list');
    settle();
    assert.deepEqual(list.answer(), [1, 3]);
  });

  it('a queue that would take longer than anybody waits refuses at once; when it is gone everything is as before', () => {
    const { ask, settle, store, world } = plant({}, { waitMs: 1_000 });
    ask('list');
    settle();
    store.down = true;
    const waiting = Array.from({ length: 100 }, (_, n) => ask('add', { n }, 10_000));
    settle(2_000);
    const late = ask('add', { n: 500 });
    world.run(world.monotonicMs() + 1);
    const refused = late.answer() as Refusal;
    assert.equal(kindOf(refused), 'Overloaded');
    assert.ok((refused.retryAfterS ?? 0) >= 1);
    store.down = false;
    settle(15_000);
    assert.ok(waiting.every(({ answer }) => answer() !== undefined));
    const again = ask('add', { n: 501 });
    settle();
    assert.equal(kindOf(again.answer()), 'ok');
  });
});
