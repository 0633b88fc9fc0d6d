import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as fc from 'fast-check';
import { isRefusal } from '../refusal.ts';
import { allocation, createPlant, PARTITION, type Plant } from './testing/plant.ts';

type Step =
  | { do: 'allocate'; role: 'machine' | 'firewall'; network: 'n1' | 'ext' | 'dmz'; machine: number | null }
  | { do: 'free'; machine: number }
  | { do: 'wait'; machine: number }
  | { do: 'lock' | 'unlock'; machine: number }
  | { do: 'event'; machine: number }
  | { do: 'fault'; fault: 'refused' | 'lost after' | 'lost before' | 'unsent' }
  | { do: 'pause'; ms: number };

const machine = fc.nat(4);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('allocate' as const),
      role: fc.constantFrom('machine' as const, 'firewall' as const),
      network: fc.constantFrom('n1' as const, 'ext' as const, 'dmz' as const),
      machine: fc.option(machine),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('free' as const), machine }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), machine }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lock' as const, 'unlock' as const), machine }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('event' as const), machine }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom('refused' as const, 'lost after' as const, 'lost before' as const, 'unsent' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.constantFrom(0.2, 1, 3, 10) }) },
);

const take = (plant: Plant, step: Step): (() => unknown) => {
  const nothing = () => ({});
  const id = 'machine' in step && step.machine !== null ? plant.machines[step.machine]! : '';
  switch (step.do) {
    case 'allocate': {
      const { role, network } = step;
      const networks = (network === 'ext' ? ['n1', 'ext'] : [network]).map((name) => ({
        id: name,
        autoacquire: true,
        holder: 'network' as const,
      }));
      const named = step.machine === null ? {} : { machine: id };
      return plant.ask('allocator', PARTITION, 'allocateMachine', allocation({ role, networks, ...named }));
    }
    case 'free':
      return plant.ask('allocator', PARTITION, 'freeMachine', { machine: id });
    case 'wait':
      return plant.ask('machine', id, 'wait', {});
    case 'lock':
      return plant.ask('machine', id, 'setState', { value: 'LOCKED', description: 'x' });
    case 'unlock':
      return plant.ask('machine', id, 'setState', { value: '', description: '' });
    case 'event':
      return plant.ask('machine', id, 'event', { event: 'Alive', message: '', partition: PARTITION });
    case 'fault':
      plant.store.faults.push(step.fault);
      return nothing;
    default:
      plant.settle(step.ms);
      return nothing;
  }
};

/** What the rows say must agree with itself: nothing twice, nothing without an owner, nothing forgotten. */
const assertConsistent = (plant: Plant): void => {
  const allocations = plant.store.live('allocation').flatMap((row) => (row.table === 'allocation' ? [row.value] : []));
  const asns = plant.store
    .live('pool')
    .flatMap((row) => (row.table === 'pool' && row.value.pool === 'asn' ? [row.value] : []));
  assert.deepEqual(
    asns.map(({ number, owners, elected }) => `${4_210_000_000 + number} ${owners[0]} ${elected!.machine}`).sort(),
    allocations.map(({ asn, uuid, machine: id }) => `${asn} ${uuid} ${id}`).sort(),
  );
  const ips = plant.store.live('ip').map((row) => row.key);
  const used = allocations.flatMap(({ networks }) =>
    networks.flatMap(({ network, ips: own }) => own.map((ip) => `${network}|${ip}`)),
  );
  assert.deepEqual(ips.sort(), used.sort());
  assert.equal(new Set(used).size, used.length);
  for (const shard of plant.shards)
    for (const cell of shard!.cells.values()) assert.equal(cell.held.size, 0, cell.address.id);
  const pools = plant.must('allocator', PARTITION, 'pools', {});
  assert.deepEqual([pools.asn.held, pools.asn.reserved, pools.vrf.reserved], [allocations.length, 0, 0]);
  const { machines, firewalls } = plant.must('allocator', PARTITION, 'machinesOf', { project: 'p1' });
  assert.equal(machines + firewalls, allocations.length);
};

it('random interleavings of allocate, free, faults: no machine, ASN or address twice, nothing held at the end', () => {
  let allocated = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), (steps, seed) => {
      const plant = createPlant({ racks: [3, 2], seed });
      const asked = steps.map((one) => take(plant, one));
      plant.settle(30_000);
      for (const answer of asked) assert.notEqual(answer(), undefined, 'everybody is answered');
      assertConsistent(plant);
      allocated += plant.store.live('allocation').length;
      // All is given back, and then nothing is left.
      for (const id of plant.machines) plant.must('machine', id, 'setState', { value: '', description: '' });
      const freed = plant.machines.map((id) => plant.ask('allocator', PARTITION, 'freeMachine', { machine: id }));
      plant.settle();
      for (const answer of freed) assert.ok(!isRefusal(answer()), JSON.stringify(answer()));
      assertConsistent(plant);
      assert.equal(plant.store.live('pool').length + plant.store.live('ip').length, 0);
    }),
    { numRuns: 60 },
  );
  assert.ok(allocated > 30, `only ${allocated} allocations: the test does not test`);
});
