import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Scope } from '../address.ts';
import type { Change } from '../records.ts';
import type { Refusal } from '../refusal.ts';
import type { AnyBehaviour, Context } from './behaviour.ts';
import { MAIN } from './envelope.ts';
import { createMemoryStore } from './memory-store.ts';
import { createShard } from './shard.ts';
import { createVirtualWorld } from './virtual-world.ts';

const scope: Scope = 'partition:p';

/** What somebody asked for, and what came for it. */
interface Shelf {
  asked: Set<string>;
  here: Set<string>;
}

const row = (context: Context, key: string): Change => ({
  table: 'pool',
  scope,
  key,
  owner: context.id,
  prev: 0,
  version: context.version(),
  value: { pool: 'vrf', number: 1, owners: [], shared: false, elected: null },
});

const shelfBehaviour = {
  kind: 'machine',
  tables: ['pool'],
  create: (): Shelf => ({ asked: new Set(), here: new Set() }),
  evolve(state: Shelf, { key }: Change) {
    const [what, thing = ''] = key.split('|');
    (what === 'asked' ? state.asked : state.here).add(thing);
  },
  hold() {},
  unhold() {},
  commands: {
    want(state: Shelf, { thing }: { thing: string }, context: Context) {
      if (state.here.has(thing)) return { reply: thing };
      const wait = `${thing} did not come`;
      return state.asked.has(thing) ? { wait } : { wait, changes: [row(context, `asked|${thing}`)] };
    },
    bring: (_state: Shelf, { thing }: { thing: string }, context: Context) => ({
      reply: thing,
      changes: [row(context, `here|${thing}`)],
    }),
    asked: (state: Shelf) => ({ reply: [...state.asked] }),
  },
  reservations: {},
} as AnyBehaviour;

function plant() {
  const world = createVirtualWorld();
  const store = createMemoryStore(world);
  const answers = new Map<number, unknown>();
  const shard = createShard({
    shard: 0,
    shards: 1,
    fences: store.takeOver([scope], 1),
    behaviours: [shelfBehaviour],
    world,
    store,
    pipe: (to) =>
      to === MAIN
        ? { send: (envelope) => void (envelope.m === 'reply' && answers.set(envelope.id, envelope.value)) }
        : undefined,
    log: () => {},
    onFenced: () => assert.fail('fenced'),
    limits: {},
  });
  shard.start(() => {});
  world.run(50);
  let last = 0;
  const ask = (name: string, thing = '', withinMs = 5_000): (() => unknown) => {
    const id = ++last;
    const deadlineMs = world.monotonicMs() + withinMs;
    const body = { thing };
    const mail = { m: 'ask', id, from: MAIN, scope, kind: 'machine', actor: 'a', name, body, who: 'test' } as const;
    shard.deliver({ ...mail, deadlineMs, reserve: '', key: null, dry: false });
    return () => answers.get(id);
  };
  const settle = (ms = 1_000): void => void world.run(world.monotonicMs() + ms);
  return { store, ask, settle };
}

describe('who waits for a change', () => {
  it('is answered when the change was decided behind it in the same batch', () => {
    const { ask, settle } = plant();
    ask('asked');
    settle();
    const [wanted, brought] = [ask('want', 'bread'), ask('bring', 'bread')];
    settle();
    assert.deepEqual([wanted(), brought()], ['bread', 'bread']);
  });

  it('asks again when what it wrote was refused: nobody else would bring it', () => {
    const { store, ask, settle } = plant();
    store.faults.push('refused');
    const wanted = ask('want', 'bread');
    settle();
    const asked = ask('asked');
    settle();
    assert.deepEqual([wanted(), asked()], [undefined, ['bread']]);
    ask('bring', 'bread');
    settle();
    assert.equal(wanted(), 'bread');
  });

  it('does not ask for ever: refused again and again, it is told', () => {
    const { store, ask, settle } = plant();
    for (let i = 0; i < 10; i++) store.faults.push('refused');
    const wanted = ask('want', 'bread');
    settle();
    assert.equal((wanted() as Refusal).kind, 'Conflict');
    assert.ok(store.faults.length > 0, 'not all of them were met');
  });

  it('looks again after its actor was loaded anew', () => {
    const { store, ask, settle } = plant();
    const wanted = ask('want', 'bread');
    settle();
    // Refused for a reason that memory does not know, so that the actor is loaded again.
    store.faults.push('refused');
    const other = ask('bring', 'milk');
    settle();
    assert.deepEqual([wanted(), other()], [undefined, 'milk']);
    ask('bring', 'bread');
    settle();
    assert.equal(wanted(), 'bread');
  });

  it("does not spin: of two that wait for each other's asking, both are refused at their deadline", () => {
    const { store, ask, settle } = plant();
    const [one, two] = [ask('want', 'bread', 500), ask('want', 'milk', 500)];
    settle();
    assert.deepEqual(
      [one, two].map((answer) => (answer() as Refusal).message),
      ['bread did not come', 'milk did not come'],
    );
    assert.equal(store.log.length, 2);
  });
});
