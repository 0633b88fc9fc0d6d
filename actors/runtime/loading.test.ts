import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, type Scope } from '../address.ts';
import type { Excerpt } from '../excerpt.ts';
import type { ShardStore } from '../ports.ts';
import { isRefusal } from '../refusal.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { createCell } from './cell.ts';
import { MAIN } from './envelope.ts';
import { ROWS_AT_ONCE } from './folding.ts';
import { loadState } from './loading.ts';
import { createMemoryStore } from './memory-store.ts';
import { createShard } from './shard.ts';
import { createVirtualWorld } from './virtual-world.ts';

const scope: Scope = 'partition:p';

interface Index {
  machines: Set<string>;
  isWhole: boolean;
}

/** An index of machines: `has` waits until it can say no, `grab` writes blindly what is there already, so that memory was wrong. */
const indexBehaviour = {
  kind: 'allocator',
  tables: ['pool'],
  scans: ['machine'],
  create: (): Index => ({ machines: new Set(), isWhole: false }),
  evolve() {},
  absorb(state: Index, { key }: Excerpt) {
    if (key === 'poison') throw new Error('a row that nobody can take');
    state.machines.add(key);
  },
  absorbed: (state: Index) => void (state.isWhole = true),
  hold() {},
  unhold() {},
  commands: {
    has: (state: Index, { id }: { id: string }) =>
      state.machines.has(id) || state.isWhole ? { reply: state.machines.has(id) } : { wait: 'not all is known' },
    count: (state: Index) => ({ reply: state.machines.size }),
    grab: (_state: Index, _body: unknown, { version }: { version(): number }) => ({
      reply: 'grabbed',
      changes: [{ table: 'pool', scope, key: 'x', owner: 'p', prev: 0, version: version(), value: {} }],
    }),
  },
  reservations: {},
} as AnyBehaviour;

function start() {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  /** Scans under way; each goes on when it is told to. */
  const scans: Array<Parameters<ShardStore['scan']>> = [];
  const answers = new Map<number, unknown>();
  const shard = createShard({
    shard: 0,
    shards: 1,
    fences: store.takeOver([scope], 1),
    behaviours: [indexBehaviour],
    world,
    store: { ...store, scan: (...scan) => void scans.push(scan) },
    log() {},
    onFenced() {},
    pipe: () => ({ send: (envelope) => void (envelope.m === 'reply' && answers.set(envelope.id, envelope.value)) }),
  });
  shard.start(() => {});
  const settle = (ms = 100): void => void world.run(world.monotonicMs() + ms);
  settle();
  let asked = 0;
  const { kind, id: actor } = addressOf(scope, 'allocator', 'p');
  return {
    scans,
    settle,
    shard,
    store,
    ask(name: string, body: unknown = {}) {
      const id = ++asked;
      const at = {
        m: 'ask',
        id,
        from: MAIN,
        scope,
        kind,
        actor,
        who: 'u',
        reserve: '',
        key: null,
        dry: false,
      } as const;
      shard.deliver({ ...at, name, body, deadlineMs: world.monotonicMs() + 60_000 });
      settle();
      return () => answers.get(id);
    },
    /** What the scan has read so far. */
    give(scan: Parameters<ShardStore['scan']>, ...keys: string[]) {
      scan[3](keys.map((key) => ({ table: 'machine', key, version: 1, value: {} }) as Excerpt));
      settle();
    },
    end(scan: Parameters<ShardStore['scan']>) {
      scan[4](undefined);
      settle();
    },
  };
}

test('an actor serves while its index grows; who waits for it is looked at as it does', () => {
  const { ask, scans, give, end } = start();
  const count = ask('count');
  assert.equal(count(), 0);
  assert.equal(scans.length, 1);
  const [there, not] = [ask('has', { id: 'm2' }), ask('has', { id: 'm9' })];
  give(scans[0]!, 'm1');
  assert.deepEqual([there(), not()], [undefined, undefined]);
  give(scans[0]!, 'm2');
  assert.deepEqual([there(), not()], [true, undefined]);
  end(scans[0]!);
  assert.equal(not(), false);
});

test('an actor that is loaded anew begins its index anew, and hears no more of the old scan', () => {
  const { ask, scans, give, end, store } = start();
  ask('count');
  give(scans[0]!, 'm1');
  store.rows.set(`pool:${scope}:x`, {
    table: 'pool',
    scope,
    key: 'x',
    owner: 'p',
    prev: 0,
    version: 5,
    value: {},
  } as never);
  const grab = ask('grab');
  assert.ok(isRefusal(grab()), 'refused by the store again and again');
  assert.ok(scans.length >= 2, 'its memory was wrong');
  const last = scans.at(-1)!;
  give(scans[0]!, 'm2', 'm3');
  end(scans[0]!);
  assert.equal(ask('count')(), 0);
  give(last, 'm4');
  end(last);
  assert.equal(ask('count')(), 1);
});

test('a row that the index can not take costs neither the thread nor the actor: it is tried again, later and later', () => {
  const { ask, scans, give, end, settle } = start();
  ask('count');
  give(scans[0]!, 'm1', 'poison', 'm2');
  end(scans[0]!);
  settle(200);
  assert.equal(scans.length, 2);
  assert.equal(ask('count')(), 1, 'it serves');
  give(scans[1]!, 'poison');
  end(scans[1]!);
  assert.equal(scans.length, 2, 'later than before');
  settle(400);
  give(scans[2]!, 'm1', 'm2');
  end(scans[2]!);
  assert.equal(ask('count')(), 2);
});

test('nothing is read for an index whose shard has stopped', () => {
  const { ask, scans, settle, shard } = start();
  ask('count');
  shard.stop(() => {});
  settle(1_000);
  scans[0]![4]({ kind: 'Unavailable', message: 'closed' } as never);
  settle(60_000);
  assert.equal(scans.length, 1);
});

test('an actor of many rows gives others their turn between two portions of them', () => {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  const [fences, rows] = [store.takeOver([scope], 1), 10 * ROWS_AT_ONCE];
  for (let n = 0; n < rows; n++) {
    const row = { table: 'pool', scope, key: `${n}`, owner: 'p', prev: 0, version: 1, value: {} };
    store.rows.set(`pool:${scope}:${n}`, row as never);
  }
  const folded: number[] = [];
  let since = 0;
  const behaviour = { ...indexBehaviour, scans: undefined, evolve: () => void since++ } as unknown as AnyBehaviour;
  const cell = createCell(addressOf(scope, 'allocator', 'p'), behaviour, 0);
  const inHand = { ask: 0 };
  let loaded: unknown;
  const loading = { world, store, fence: fences[0]!, isWanted: () => true, inHand, crashed() {}, changed() {} };
  loadState(loading, cell, (answer) => void (loaded = answer));
  while (world.step(1_000)) {
    folded.push(since);
    since = 0;
  }
  assert.deepEqual(loaded, { state: { machines: new Set(), isWhole: false } });
  assert.equal(
    folded.reduce((sum, count) => sum + count, 0),
    rows,
  );
  assert.equal(Math.max(...folded), ROWS_AT_ONCE);
});
