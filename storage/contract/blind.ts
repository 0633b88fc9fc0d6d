// The last line: actors whose own check is switched off give out what others have, and the database refuses each time.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { addressOf, scopeId, siteScope, type Address, type Scope } from '../../actors/address.ts';
import { allocatorBehaviour } from '../../actors/allocation/allocator.ts';
import { blockBehaviour } from '../../actors/block/behaviour.ts';
import { directoryBehaviour } from '../../actors/directory/behaviour.ts';
import { networkBehaviour } from '../../actors/network/behaviour.ts';
import { newNetwork } from '../../actors/network/plant.fixture.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import type { World } from '../../actors/ports.ts';
import type { Change, TableName } from '../../actors/records.ts';
import { registryBehaviour } from '../../actors/registry/behaviour.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import {
  anyBehaviour,
  reservation,
  reserveAll,
  type AnyBehaviour,
  type Coordination,
  type Question,
} from '../../actors/runtime/behaviour.ts';
import { MAIN } from '../../actors/runtime/envelope.ts';
import { createShard } from '../../actors/runtime/shard.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

const world: World = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  uuid: () => randomUUID(),
  defer: (run) => void setImmediate(run),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const UNSEEN: ReadonlySet<TableName> = new Set(['ip', 'pool', 'block', 'claim']);

/** Sees networks and what is leased, but neither addresses, children, claims nor taken numbers, and holds nothing for anybody. */
const blind = (behaviour: AnyBehaviour): AnyBehaviour => ({
  ...behaviour,
  evolve(state, change) {
    const isChild = change.table === 'prefix' && change.value?.root !== change.key;
    if (UNSEEN.has(change.table) || isChild) return;
    behaviour.evolve(state, change);
  },
  addresses() {},
  hold() {},
  unhold() {},
});

function* reserving(body: { questions: Question[] }): Coordination<unknown> {
  const grants = yield* reserveAll(body.questions);
  return isRefusal(grants) ? grants : { reply: grants.map(({ reply }) => reply) };
}
const stranger = {
  kind: 'machine',
  tables: [],
  create: () => ({}),
  evolve() {},
  commands: { reserve: (_state: unknown, body: never) => ({ coordinate: () => reserving(body) }) },
  reservations: {},
  hold() {},
  unhold() {},
} as AnyBehaviour;

const request = { project: 'q', name: '', description: '', type: 'ephemeral', tags: [] };

/** database.md §6 and the actors' own rules: exercised where only the database is left. */
export function blindContract({ store, shard: raw, site }: Stores): void {
  async function scene(
    networks: Array<[scope: Scope, network: NetworkRecord]>,
    more: Change[] = [],
    besides: Scope[] = [],
  ) {
    const scopes = [...new Set([...networks.map(([scope]) => scope), ...besides])];
    const fences = await site().takeOver(scopes, 1);
    const rows = networks.map(([scope, value]): Change => {
      return { table: 'network', scope, key: value.id, owner: value.id, prev: 0, version: 1, value };
    });
    assert.equal((await store().commit(groupOf(fences, [...rows, ...more], 1))).outcome, 'committed');
    const answers = new Map<number, (value: unknown) => void>();
    const running = createShard({
      shard: 0,
      shards: 1,
      fences,
      behaviours: [
        blind(anyBehaviour(networkBehaviour)),
        blind(anyBehaviour(blockBehaviour)),
        blind(anyBehaviour(allocatorBehaviour)),
        blind(anyBehaviour(registryBehaviour)),
        blind(anyBehaviour(directoryBehaviour)),
        stranger,
      ],
      world,
      store: raw(),
      log: () => {},
      onFenced: () => {},
      pipe: () => ({
        send(envelope) {
          if (envelope.m === 'reply') answers.get(envelope.id)?.(envelope.value);
        },
      }),
    });
    await new Promise<void>((resolve) => running.start(resolve));
    let id = 0;
    const ask = (to: Address, name: string, body: unknown): Promise<unknown> =>
      new Promise((resolve) => {
        answers.set(++id, resolve);
        const deadlineMs = world.monotonicMs() + 20_000;
        const { scope, kind, id: actor } = to;
        const how = { who: 'test', deadlineMs, reserve: '', key: null, dry: false };
        running.deliver({ m: 'ask', id, from: MAIN, scope, kind, actor, name, body, ...how });
      });
    const reserve = (scope: Scope, ...questions: Question[]): Promise<unknown> =>
      ask(addressOf(scope, 'machine', 'stranger'), 'reserve', { questions });
    return { ask, reserve, stop: () => new Promise<void>((resolve) => running.stop(resolve)) };
  }
  const refused = (answer: unknown, constraint: string | RegExp): void => {
    if (!isRefusal(answer)) assert.fail(`given out twice: ${JSON.stringify(answer)}`);
    assert.match((answer as Refusal).message, typeof constraint === 'string' ? new RegExp(constraint) : constraint);
  };
  const net = (id: string, prefixes: string[], more: Parameters<typeof newNetwork>[1] = {}): NetworkRecord =>
    newNetwork(id, { prefixes, ...more });

  test('actors that see no address: each is given out once in a network, and once in a partition', async () => {
    const scope = freshScope();
    const [n1, n2] = [`n1-${scope}`, `n2-${scope}`];
    const { ask, stop } = await scene([
      [scope, net(n1, ['10.0.0.0/24'])],
      [scope, net(n2, ['10.0.0.0/24'])],
    ]);
    const at = (id: string) => addressOf(scope, 'network', id);
    assert.equal(((await ask(at(n1), 'allocateIp', request)) as { address: string }).address, '10.0.0.1');
    refused(await ask(at(n1), 'allocateIp', request), 'was changed meanwhile');
    refused(await ask(at(n2), 'allocateIp', request), 'ip_live_address');
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask(at(n1), 'allocateIp', { ...request, address: '10.0.0.9' })),
    );
    assert.equal(answers.filter((answer) => !isRefusal(answer)).length, 1);
    await stop();
  });

  test('blocks that see no address: one of a global network is given out once over all partitions of a site', async () => {
    const [p, q] = [freshScope(), freshScope()];
    const id = `g-${p}`;
    const network = net(id, ['203.0.113.0/24'], { partition: '' });
    const leased = [p, q].flatMap((scope): Change[] => [
      { table: 'global_network', scope, key: id, owner: id, prev: 0, version: 1, value: { network, home: 's' } },
      {
        table: 'holding',
        scope,
        key: `${id}|${scope === p ? '203.0.113.0' : '203.0.113.1'}`,
        owner: id,
        prev: 0,
        version: 1,
        // Overlapping, as no home gives them.
        value: {
          network: id,
          first: scope === p ? '203.0.113.0' : '203.0.113.1',
          length: scope === p ? 28 : 32,
          prefix: '203.0.113.0/24',
          h: scopeId(scope),
          state: 'held',
        },
      },
    ]);
    const { ask, stop } = await scene(
      [
        [p, net(`n-${p}`, ['10.0.0.0/24'])],
        [q, net(`n-${q}`, ['10.0.0.0/24'])],
      ],
      leased,
    );
    const first = await ask(addressOf(p, 'block', id), 'allocateIp', request);
    assert.equal((first as { address: string }).address, '203.0.113.1');
    refused(await ask(addressOf(q, 'block', id), 'allocateIp', request), 'ip_live_network');
    await stop();
  });

  test('a ledger that sees no block: each is given to one partition', async () => {
    const scope = siteScope(`s-${freshScope().slice('partition:'.length)}`);
    const id = `g-${scope}`;
    const { ask, stop } = await scene([[scope, net(id, ['203.0.113.0/24'], { partition: '' })]]);
    const give = (h: string, address: string | null) =>
      ask(addressOf(scope, 'network', id), 'giveBlocks', {
        h,
        partition: `p-${h}`,
        site: 's',
        family: 'IPv4',
        address,
        count: 1,
      });
    const given = (await give('h1', null)) as { blocks: Array<{ first: string }> };
    assert.deepEqual(
      given.blocks.map(({ first }) => first),
      ['203.0.113.0'],
    );
    refused(await give('h2', null), /changed|met other changes/);
    refused(await give('h3', '203.0.113.7'), /changed|met other changes/);
    const twins = await Promise.all([give('h4', '203.0.113.20'), give('h5', '203.0.113.20')]);
    assert.equal(twins.filter((answer) => !isRefusal(answer)).length, 1);
    await stop();
  });

  test('a super network and pools that see nothing: no overlapping child, no VRF twice', async () => {
    const scope = freshScope();
    const id = `super-${scope}`;
    const network = net(id, ['10.0.0.0/16'], { privateSuper: true, defaultChildPrefixLength: { IPv4: 26 } });
    const { reserve, stop } = await scene([[scope, network]]);
    const cut = (child: string, length: number): Question =>
      reservation(addressOf(scope, 'network', id), 'cutChildren', { child, lengths: { IPv4: length } });
    assert.deepEqual(
      ((await reserve(scope, cut('a', 26))) as Array<{ prefixes: string[] }>).map(({ prefixes }) => prefixes),
      [['10.0.0.0/26']],
    );
    refused(await reserve(scope, cut('b', 26)), /changed|met other changes/);
    refused(await reserve(scope, cut('c', 25)), /changed|met other changes/);
    refused(await reserve(scope, cut('d', 30)), /changed|met other changes/);
    // Two of one commit group.
    refused(await reserve(scope, cut('e', 25), cut('f', 24)), /changed|met other changes/);
    const vrf = (network: string): Question =>
      reservation(addressOf(scope, 'allocator', scopeId(scope)), 'takeVrf', { network, number: 7, shared: false });
    assert.equal(isRefusal(await reserve(scope, vrf('a'))), false);
    refused(await reserve(scope, vrf('b')), /changed|met other changes/);
    await stop();
  });

  test('registries that see no claim: no overlapping top-level prefix, in the site or promised to another one', async () => {
    const [scope, other, own] = [freshScope(), freshScope(), `s-${freshScope().slice('partition:'.length)}`];
    const home = siteScope(own);
    const { ask, stop } = await scene(
      [
        [scope, net(`first-${scope}`, ['10.9.0.0/24'])],
        [other, net(`first-${other}`, ['10.9.0.0/24'])],
      ],
      [],
      [home],
    );
    const registry = addressOf(home, 'registry', own);
    const partitions = [scopeId(scope), scopeId(other)];
    const create = (id: string, prefixes: string[], partition: string) => {
      const network = net(`${id}-${scope}`, prefixes, { partition });
      return ask(registry, 'createNetwork', { network, h: `h-${id}`, partitions });
    };
    const promise = (h: string, value: string) => {
      const claims = [{ what: 'prefix', value, holder: `net-${h}` }];
      return ask(registry, 'promise', { h, site: 't', claims, partitions });
    };
    const [here, there] = partitions as [string, string];
    assert.equal(isRefusal(await create('a', ['10.0.0.0/24'], here)), false);
    for (const cidr of ['10.0.0.0/23', '10.0.0.128/25', '10.0.0.0/8']) {
      refused(await create('b', [cidr], here), /changed|met other changes/);
      // Another partition is the same namespace (networks.md §1.3, check 13).
      refused(await create('c', [cidr], there), /changed|met other changes/);
      refused(await create('d', [cidr], ''), /changed|met other changes/);
      refused(await promise('h1', cidr), /changed|met other changes/);
    }
    assert.equal(isRefusal(await promise('h2', '10.1.0.0/24')), false);
    refused(await promise('h3', '10.1.0.0/25'), /changed|met other changes/);
    refused(await create('e', ['10.1.0.0/16'], there), /changed|met other changes/);
    const twins = await Promise.all([create('f', ['10.2.0.0/24'], here), create('g', ['10.2.0.0/16'], there)]);
    assert.equal(twins.filter((answer) => !isRefusal(answer)).length, 1);
    await stop();
  });
}
