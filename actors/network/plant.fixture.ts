// A site in memory for tests of this room and its neighbours: the real runtime with the real actors of networks, blocks,
// registry, allocator and directory, over a store in memory and virtual time.
import assert from 'node:assert/strict';
import { allocatorBehaviour } from '../allocation/allocator.ts';
import { addressOf, partitionScope, shardOf, siteScope, type Address, type Kind, type Scope } from '../address.ts';
import { blockBehaviour } from '../block/behaviour.ts';
import { directoryBehaviour } from '../directory/behaviour.ts';
import type { Ask, CommandName, Reply } from '../protocol.ts';
import { conflict, isRefusal, type Refusal } from '../refusal.ts';
import { registryBehaviour } from '../registry/behaviour.ts';
import { anyBehaviour, reserveAll, type AnyBehaviour, type Coordination, type Question } from '../runtime/behaviour.ts';
import { MAIN, type Envelope } from '../runtime/envelope.ts';
import type { DryAnswer } from '../runtime/dry-run.ts';
import type { MemoryAudit } from '../runtime/memory-audit.ts';
import { createMemoryStore } from '../runtime/memory-store.ts';
import { createShard, type Shard } from '../runtime/shard.ts';
import { createVirtualWorld } from '../runtime/virtual-world.ts';
import { networkBehaviour } from './behaviour.ts';
import type { NetworkCreateRequest } from './network-rules.ts';
import { networkToCreate } from './network-rules.ts';
import type { NetworkRecord } from './record.ts';

/** Stands for whoever reserves: takes what it is told, then commits or gives up. */
function* reserving(body: { questions: Question[]; commit: boolean }): Coordination<unknown> {
  const grants = yield* reserveAll(body.questions);
  if (isRefusal(grants)) return grants;
  return body.commit ? { reply: grants.map(({ reply }) => reply) } : conflict('given up');
}

const stranger = {
  kind: 'machine',
  tables: [],
  create: () => ({}),
  evolve() {},
  commands: { reserve: (_state: unknown, body: never) => ({ coordinate: () => reserving(body) }) },
  // As a machine that is not there: it notes nothing, and needs nothing.
  reservations: { attach: () => ({ reply: {}, changes: [] }), detach: () => ({ reply: {}, changes: [] }) },
  hold() {},
  unhold() {},
} as AnyBehaviour;

export interface Plant {
  readonly world: ReturnType<typeof createVirtualWorld>;
  readonly store: ReturnType<typeof createMemoryStore>;
  /** Runs until the answer is there. */
  ask<K extends Kind, C extends CommandName<K>>(
    to: Address<K>,
    name: C,
    body: Ask<K, C>,
    withinMs?: number,
  ): Reply<K, C> | Refusal;
  /** What would be answered, and written. */
  dry<K extends Kind, C extends CommandName<K>>(to: Address<K>, name: C, body: Ask<K, C>): DryAnswer | Refusal;
  /** The answer, once there is one. */
  start<K extends Kind, C extends CommandName<K>>(
    to: Address<K>,
    name: C,
    body: Ask<K, C>,
    withinMs?: number,
  ): () => Reply<K, C> | Refusal | undefined;
  /** Reserves at several actors in one operation; the replies, or the refusal. */
  reserve(questions: Question[], commit?: boolean): unknown;
  startReserve(questions: Question[], commit?: boolean): () => unknown;
  settle(ms?: number): void;
  /** Forgets all memory: the shards start again from the rows. */
  restart(): void;
  /** Compares all memory with the rows; the findings. Nothing is busy then, or the test has failed. */
  audit(): string[];
}

export function createPlant({ site = 's', partitions = ['p'], shardCount = 2 } = {}): Plant {
  const world = createVirtualWorld();
  const store = createMemoryStore(world, 0.2);
  const scopes: Scope[] = [siteScope(site), ...partitions.map(partitionScope)];
  const behaviours = [
    anyBehaviour(networkBehaviour),
    anyBehaviour(blockBehaviour),
    anyBehaviour(registryBehaviour),
    anyBehaviour(allocatorBehaviour),
    anyBehaviour(directoryBehaviour),
    stranger,
  ];
  const answers = new Map<number, unknown>();
  let shards: Array<Shard | undefined> = [];
  let nextId = 1;
  let life = 0;

  function boot(): void {
    const mine = ++life;
    const fences = store.takeOver(scopes, shardCount);
    const receive = (to: number, envelope: Envelope): void => {
      if (mine !== life) return;
      if (to !== MAIN) return shards[to]?.deliver(structuredClone(envelope));
      if (envelope.m === 'reply') answers.set(envelope.id, envelope.value);
    };
    shards = Array.from({ length: shardCount }, (_, index) =>
      createShard({
        shard: index,
        shards: shardCount,
        fences: fences.filter((fence) => fence.shard === index),
        behaviours,
        world,
        store,
        // A shard of the life before is fenced when its last commit comes in too late: as it should be.
        log: (level, message, fields) =>
          assert.ok(level !== 'error' || mine !== life, `${message} ${JSON.stringify(fields)}`),
        onFenced: () => {},
        pipe: (to) => ({ send: (envelope) => void world.after(0.05, () => receive(to, envelope)) }),
      }),
    );
    for (const shard of shards) shard?.start(() => {});
    settle(20);
  }

  function send(to: Address, name: string, body: unknown, withinMs: number, dry = false): () => unknown {
    const id = nextId++;
    shards[shardOf(to, shardCount)]?.deliver({
      m: 'ask',
      id,
      from: MAIN,
      scope: to.scope,
      kind: to.kind,
      actor: to.id,
      name,
      body: structuredClone(body),
      who: 'test',
      deadlineMs: world.monotonicMs() + withinMs,
      reserve: '',
      key: null,
      dry,
    });
    return () => answers.get(id);
  }

  function finish(answer: () => unknown, withinMs: number): unknown {
    for (let waited = 0; answer() === undefined && waited <= withinMs + 1_000; waited++) settle(1);
    assert.notEqual(answer(), undefined, 'no answer');
    return answer();
  }

  const settle = (ms = 100): void => void world.run(world.monotonicMs() + ms);
  const stranded = addressOf(scopes.at(-1)!, 'machine', 'stranger');
  const startReserve = (questions: Question[], commit = true): (() => unknown) =>
    send(stranded, 'reserve', { questions, commit }, 5_000);

  boot();
  return {
    world,
    store,
    ask: (to, name, body, withinMs = 5_000) => finish(send(to, name, body, withinMs), withinMs),
    dry: (to, name, body) => finish(send(to, name, body, 5_000, true), 5_000) as never,
    start: (to, name, body, withinMs = 5_000) => send(to, name, body, withinMs),
    reserve: (questions, commit) => finish(startReserve(questions, commit), 5_000),
    startReserve,
    settle,
    restart: boot,
    audit() {
      const ids = shards.map((shard) => {
        const id = nextId++;
        shard?.deliver({ m: 'audit', id, from: MAIN, limit: 1_000 });
        return id;
      });
      return ids.flatMap((id) => {
        const { busy, left, notCompared, findings } = finish(() => answers.get(id), 5_000) as MemoryAudit;
        assert.deepEqual({ busy, left, notCompared }, { busy: 0, left: 0, notCompared: [] });
        return findings;
      });
    },
  };
}

/** What it answered, or a failed test with the refusal. */
export function granted<R>(answer: R | Refusal): R {
  if (isRefusal(answer)) assert.fail(`${answer.kind}: ${answer.message}`);
  return answer;
}

/** A refusal of that kind whose text contains, or matches, that. */
export function refused(answer: unknown, kind: Refusal['kind'], text: string | RegExp = ''): void {
  if (!isRefusal(answer)) assert.fail(`expected ${kind}, got ${JSON.stringify(answer)}`);
  assert.equal(answer.kind, kind, answer.message);
  if (typeof text === 'string') assert.ok(answer.message.includes(text), `${answer.message} does not contain ${text}`);
  else assert.match(answer.message, text);
}

export const createRequest = (request: Partial<NetworkCreateRequest>): NetworkCreateRequest => ({
  name: '',
  description: '',
  partition: 'p',
  project: '',
  labels: {},
  prefixes: [],
  destinationPrefixes: [],
  nat: false,
  privateSuper: false,
  underlay: false,
  vrf: 0,
  vrfShared: false,
  additionalAnnouncableCidrs: [],
  ...request,
});

export const newNetwork = (id: string, request: Partial<NetworkCreateRequest>): NetworkRecord =>
  granted(networkToCreate(createRequest(request), { id, nowMs: 1_767_225_600_000 }));
