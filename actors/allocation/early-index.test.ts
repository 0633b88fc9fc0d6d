import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExcerptedTable } from '../excerpt.ts';
import type { Ask, CommandName } from '../protocol.ts';
import { isRefusal, unavailable } from '../refusal.ts';
import { aliveContainer, allocation, createPlant, PARTITION } from './testing/plant.ts';

/** A plant whose allocator is given its tables one by one, as a database is slow to tell them. */
function begin(options: Parameters<typeof createPlant>[0] = {}) {
  const plant = createPlant(options);
  const { store } = plant;
  const scan = store.scan.bind(store);
  let held: { table: ExcerptedTable; tell(most: number): void; fail(): void } | undefined;
  store.scan = (at, tables, fences, each, done) => {
    assert.equal(tables.length, 1);
    held = {
      table: tables[0]!,
      tell(most) {
        let told = 0;
        const some: typeof each = (excerpts) => {
          each(excerpts.slice(0, Math.max(0, most - told)));
          told += excerpts.length;
        };
        scan(at, tables, fences, some, (failure) => (most === Infinity ? done(failure) : undefined));
      },
      fail: () => done(unavailable('the database is away')),
    };
  };
  const next = (): NonNullable<typeof held> => {
    assert.ok(held, 'the allocator reads nothing');
    return held;
  };
  return {
    ...plant,
    ask<C extends CommandName<'allocator'>>(name: C, body: Ask<'allocator', C>) {
      const answer = plant.ask('allocator', PARTITION, name, body);
      plant.settle(100);
      return answer;
    },
    /** All of the tables, in this order. */
    tell(...tables: ExcerptedTable[]) {
      for (const table of tables) {
        assert.equal(next().table, table);
        next().tell(Infinity);
        plant.settle(100);
      }
    },
    /** Some rows of the table that is read. */
    tellSome(most: number) {
      next().tell(most);
      plant.settle(100);
    },
    fail() {
      next().fail();
      plant.settle(500);
    },
  };
}

const machineOf = (answer: unknown): string => {
  assert.ok(answer !== undefined && !isRefusal(answer), JSON.stringify(answer));
  return (answer as { machine: { id: string } }).machine.id;
};

describe('an allocator that does not know its partition yet (design.md §10: takeover)', () => {
  it('gives a project its first machine as soon as it has heard of one', () => {
    const plant = begin({ racks: [4] });
    const answer = plant.ask('allocateMachine', allocation());
    plant.tell('network', 'switch', 'allocation', 'provisioning');
    assert.equal(answer(), undefined, 'no machine is known, and none is said to be missing');
    plant.tellSome(1);
    assert.equal(machineOf(answer()), 'm0-0');
  });

  it('gives none that is not alive', () => {
    const plant = begin({ racks: [2] });
    plant.put('provisioning', 'm0-0', 'm0-0', { ...aliveContainer(), liveliness: 'Dead' });
    const answer = plant.ask('allocateMachine', allocation());
    plant.tell('network', 'switch', 'allocation', 'provisioning', 'machine');
    assert.equal(machineOf(answer()), 'm0-1');
  });

  it('waits for the rest where that could make the answer another one: racks, quota, reservations, a named machine', () => {
    const known = ['network', 'switch', 'allocation', 'provisioning'] as const;
    const first = begin({ racks: [2, 1] });
    const one = first.ask('allocateMachine', allocation());
    first.tell(...known);
    first.tellSome(2);
    assert.match(machineOf(one()), /^m0-/);
    const two = first.ask('allocateMachine', allocation());
    assert.equal(two(), undefined, 'the project has a machine: another rack may be emptier');
    first.tell('machine');
    assert.equal(machineOf(two()), 'm1-0');

    const reservation = { size: 's1', project: 'p9', amount: 3 };
    for (const asked of [
      allocation({ machineQuota: 1 }),
      allocation({ reservations: [reservation as never] }),
      allocation({ machine: 'm0-1' }),
    ]) {
      const plant = begin({ racks: [4] });
      const answer = plant.ask('allocateMachine', asked);
      plant.tell(...known);
      plant.tellSome(3);
      assert.equal(answer(), undefined);
      plant.tell('machine');
      machineOf(answer());
    }
  });

  it('says that none is there only when it knows all', () => {
    const plant = begin({ racks: [0] });
    const answer = plant.ask('allocateMachine', allocation());
    plant.tell('network', 'switch', 'allocation', 'provisioning');
    assert.equal(answer(), undefined);
    plant.tell('machine');
    const refused = answer();
    assert.ok(isRefusal(refused) && refused.message === 'no machine available', JSON.stringify(refused));
  });

  it('cuts networks once it knows them, and frees machines once it knows their ports', () => {
    const plant = begin();
    const cut = plant.ask('allocateNetwork', {
      id: 'c1',
      name: 'c1',
      description: '',
      labels: {},
      project: 'p1',
      shared: false,
      nat: false,
      destinationPrefixes: [],
      length: {},
    });
    const freed = plant.ask('freeMachine', { machine: 'm0-0' });
    assert.equal(cut(), undefined);
    plant.tell('network');
    assert.ok(cut() !== undefined && !isRefusal(cut()), JSON.stringify(cut()));
    plant.tell('switch', 'allocation', 'provisioning', 'machine');
    assert.equal(freed(), undefined);
    plant.tell('switch_port');
    assert.equal(machineOf(freed()), 'm0-0');
  });

  it('reads on after the database was away, and refuses as unavailable who can wait no longer', () => {
    const plant = begin();
    const answer = plant.ask('allocateMachine', allocation());
    plant.fail();
    plant.tell('network', 'switch', 'allocation');
    plant.fail();
    plant.fail();
    assert.equal(answer(), undefined);
    plant.tell('provisioning', 'machine');
    machineOf(answer());

    const silent = begin();
    const late = silent.ask('allocateMachine', allocation());
    silent.settle(25_000);
    const refused = late();
    assert.ok(isRefusal(refused) && refused.kind === 'Unavailable', JSON.stringify(refused));
    assert.match(refused.message, /does not know all networks yet/);
  });
});
