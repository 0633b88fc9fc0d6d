import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { PoolRecord } from '../network/record.ts';
import { isRefusal } from '../refusal.ts';
import { allocatorBehaviour } from './allocator.ts';
import { createPool, POOL_SIZE } from './pools.ts';
import { singleActor } from './testing/single-actor.ts';

const row = (number: number, version: number) => {
  const value: PoolRecord = { pool: 'vrf', number, owners: ['n'], shared: false, elected: null };
  return { value, version };
};

describe('networks.md §4: pool', () => {
  it('N25: a freed number does not come back at once, but after the others', () => {
    const pool = createPool();
    for (const number of [1, 2, 3]) {
      assert.equal(pool.next(), number);
      pool.put(number, row(number, number));
    }
    pool.put(2, null);
    assert.equal(pool.next(), 4);
  });

  it('goes around the end, and says when nothing is left', () => {
    const pool = createPool();
    for (let number = 1; number <= POOL_SIZE; number++) pool.put(number, row(number, number));
    assert.equal(pool.next(), undefined);
    assert.equal(pool.free, 0);
    pool.put(31, null);
    pool.put(POOL_SIZE, null);
    assert.equal(pool.next(), 31);
    pool.reserve(31);
    assert.equal(pool.next(), POOL_SIZE);
    pool.put(7, null);
    pool.unreserve(31);
    assert.deepEqual([pool.next(), pool.free, pool.reserved], [POOL_SIZE, 3, 0]);
  });

  it('goes on after a load where the newest row is', () => {
    const pool = createPool();
    pool.put(9, row(9, 100));
    pool.put(4, row(4, 200));
    assert.equal(pool.next(), 5);
  });

  it('never names a number that is held or reserved', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('take', 'free', 'reserve', 'unreserve'), fc.nat(200))), (steps) => {
        const pool = createPool();
        const held = new Set<number>();
        const reserved = new Set<number>();
        let version = 0;
        for (const [step, n] of steps) {
          const number = n + 1;
          if (step === 'take') {
            pool.put(number, row(number, ++version));
            held.add(number);
          } else if (step === 'free') {
            pool.put(number, null);
            held.delete(number);
          } else if (step === 'reserve') {
            pool.reserve(number);
            reserved.add(number);
          } else {
            pool.unreserve(number);
            reserved.delete(number);
          }
          const next = pool.next()!;
          assert.ok(next >= 1 && next <= POOL_SIZE && !held.has(next) && !reserved.has(next));
          assert.equal(pool.free, POOL_SIZE - new Set([...held, ...reserved]).size);
        }
      }),
    );
  });
});

describe('networks.md §4: VRFs of the allocator', () => {
  const open = () => singleActor(allocatorBehaviour, 'p');
  type Actor = ReturnType<typeof open>;
  const outcome = (answer: object): string =>
    isRefusal(answer) ? `${answer.kind}: ${answer.message}` : 'wait' in answer ? 'wait' : JSON.stringify(answer);
  const take = (actor: Actor, network: string, number = 0, shared = false): string => {
    const answer = actor.reserve(network, 'takeVrf', { network, number, shared });
    if (!isRefusal(answer) && !('wait' in answer)) actor.end(network, 'committed');
    return outcome(answer);
  };
  const release = (actor: Actor, network: string, vrf: number): void => {
    actor.reserve(network, 'releaseVrf', { network, vrf });
    actor.end(network, 'committed');
  };

  it('any, given, out of range, taken, shared', () => {
    const actor = open();
    assert.equal(take(actor, 'a'), '{"vrf":1}');
    assert.equal(take(actor, 'b', 104_009), '{"vrf":104009}');
    assert.equal(
      take(actor, 'c', 200_000),
      "Unprocessable: could not acquire vrf: value '200000' is outside of the allowed range '1 - 131072'",
    );
    assert.match(
      take(actor, 'c', 104_009),
      /^Conflict: .*cannot acquire a unique vrf id twice except vrfShared is set to true: Conflict/,
    );
    assert.equal(take(actor, 'c', 104_009, true), '{"vrf":104009}');
  });

  it('N10: a shared number is free when its last owner gives it back', () => {
    const actor = open();
    take(actor, 'a', 5, true);
    take(actor, 'b', 5, true);
    release(actor, 'a', 5);
    release(actor, 'a', 5);
    assert.deepEqual(actor.state.vrf.row(5)!.value.owners, ['b']);
    release(actor, 'b', 5);
    assert.equal(actor.state.vrf.row(5), undefined);
  });

  it('two operations under way get different numbers; a given one waits', () => {
    const actor = open();
    const first = actor.reserve('x', 'takeVrf', { network: 'x', number: 0, shared: false });
    const second = actor.reserve('y', 'takeVrf', { network: 'y', number: 0, shared: false });
    assert.deepEqual([first, second], [{ vrf: 1 }, { vrf: 2 }]);
    assert.equal(outcome(actor.reserve('z', 'takeVrf', { network: 'z', number: 1, shared: true })), 'wait');
    actor.end('x', 'cancelled');
    assert.equal(outcome(actor.reserve('z', 'takeVrf', { network: 'z', number: 1, shared: true })), '{"vrf":1}');
  });

  it('W13: an ASN is given back only by the allocation that has it', () => {
    const actor = open();
    const elected = { machine: 'm', project: 'p1', role: 'machine' as const, tags: [] };
    const value: PoolRecord = { pool: 'asn', number: 3, owners: ['a2'], shared: false, elected };
    allocatorBehaviour.evolve(actor.state, {
      table: 'pool',
      scope: 'partition:p',
      key: 'asn|3',
      owner: 'p',
      prev: 0,
      version: 9,
      value,
    });
    for (const [allocation, asn] of [
      ['a1', 4_210_000_003],
      ['a2', 4_200_000_003],
      ['a2', 4_210_000_004],
    ] as const) {
      actor.reserve('r', 'releaseAsn', { asn, allocation });
      actor.end('r', 'committed');
    }
    assert.ok(actor.state.asn.row(3));
    actor.reserve('r', 'releaseAsn', { asn: 4_210_000_003, allocation: 'a2' });
    actor.end('r', 'committed');
    assert.equal(actor.state.asn.row(3), undefined);
    assert.equal(actor.state.candidates.get('m')!.elected, null);
  });
});
