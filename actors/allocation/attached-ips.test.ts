import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import type { IpRequest } from '../network/messages.ts';
import { renderTags } from '../network/tags.ts';
import { isRefusal } from '../refusal.ts';
import { allocation, createPlant, PARTITION, type Plant } from './testing/plant.ts';

type Holder = 'network' | 'block';
const holderOf = (network: string): Holder => (network === 'internet' ? 'block' : 'network');

const request: IpRequest = { project: 'p1', name: '', description: '', type: 'ephemeral', tags: [] };
const allocateIp = (plant: Plant, network: string, part: Partial<IpRequest> = {}) => {
  const asked = { ...request, ...part };
  return holderOf(network) === 'block'
    ? plant.must('block', network, 'allocateIp', asked)
    : plant.must('network', network, 'allocateIp', asked);
};
const attachedTo = (machine: string) => ({ machine, machinePartition: PARTITION });
const updateTags = (plant: Plant, network: string, address: string, tags: string[]) =>
  plant.now(holderOf(network), network, 'updateIp', { address, tags });
const refusalOf = (answer: unknown): string => (isRefusal(answer) ? `${answer.kind}: ${answer.message}` : 'none');

/** `<network>|<address> <machines>` of all addresses. */
const ips = (plant: Plant): string[] =>
  plant.store
    .live('ip')
    .flatMap((row) => (row.table === 'ip' ? [`${row.key} ${row.value.machines.join(',')}`] : []))
    .sort();
const noted = (plant: Plant, machine: string): string[] =>
  (plant.must('machine', machine, 'get', {}).machine.attached ?? []).map(({ address }) => address).sort();
const free = (plant: Plant, machine: string) => plant.must('allocator', PARTITION, 'freeMachine', { machine });
const allocate = (plant: Plant, machine: string, part: Parameters<typeof allocation>[0] = {}) =>
  plant.must('allocator', PARTITION, 'allocateMachine', allocation({ machine, ...part }));

describe('machines.md §11.3, step 4: what is attached to a machine goes with its freeing', () => {
  it('in its one commit, also of networks that the allocation does not have and of a global one', () => {
    const plant = createPlant();
    allocate(plant, 'm0-0');
    allocateIp(plant, 'n1', attachedTo('m0-0'));
    allocateIp(plant, 'ext', attachedTo('m0-0'));
    allocateIp(plant, 'internet', attachedTo('m0-0'));
    allocateIp(plant, 'ext', { ...attachedTo('m0-0'), type: 'static' });
    assert.deepEqual(noted(plant, 'm0-0'), ['10.0.0.2', '198.51.100.0', '203.0.113.1', '203.0.113.2']);
    const before = plant.store.log.length;
    free(plant, 'm0-0');
    assert.equal(plant.store.log.length, before + 1);
    assert.deepEqual(ips(plant), ['ext|203.0.113.2 ']);
    assert.deepEqual(noted(plant, 'm0-0'), []);
    assert.deepEqual(plant.must('network', 'ext', 'freeIp', { address: '203.0.113.2' }).machines, []);
  });

  it('step 1: a machine without an allocation keeps them, and the next allocation ends them', () => {
    const plant = createPlant();
    allocateIp(plant, 'n1', attachedTo('m0-0'));
    free(plant, 'm0-0');
    assert.deepEqual(ips(plant), ['n1|10.0.0.1 m0-0']);
    allocate(plant, 'm0-0');
    free(plant, 'm0-0');
    assert.deepEqual(ips(plant), []);
  });

  it('an address that was attached before can be given to that machine only, and is released once', () => {
    const plant = createPlant();
    const { address } = allocateIp(plant, 'ext', { ...attachedTo('m0-0'), type: 'static' });
    const networks = ['n1', 'ext'].map((id) => ({ id, autoacquire: true, holder: 'network' as const }));
    const ipsGiven = [{ address, network: 'ext', holder: 'network' as const }];
    const other = allocation({ machine: 'm0-1', networks, ips: ipsGiven });
    assert.match(
      refusalOf(plant.now('allocator', PARTITION, 'allocateMachine', other)),
      /already attached to machine "m0-0"/,
    );
    const given = allocate(plant, 'm0-0', { networks, ips: ipsGiven });
    assert.deepEqual(given.allocation?.networks[1]?.ips, [address]);
    assert.match(refusalOf(updateTags(plant, 'ext', address, [])), /in use by the allocation of machine "m0-0"/);
    free(plant, 'm0-0');
    assert.deepEqual(ips(plant), [`ext|${address} `]);
  });

  it('machines.md §10.2: a machine that is deleted lets them go', () => {
    const plant = createPlant();
    plant.put('provisioning', 'm0-0', 'm0-0', {
      events: [],
      lastEventTime: 1,
      lastErrorEvent: null,
      crashLoop: false,
      failedMachineReclaim: false,
      liveliness: 'Dead',
    });
    allocateIp(plant, 'n1', attachedTo('m0-0'));
    allocateIp(plant, 'n1', { ...attachedTo('m0-0'), type: 'static' });
    plant.must('allocator', PARTITION, 'deleteMachine', { machine: 'm0-0' });
    assert.deepEqual(ips(plant), ['n1|10.0.0.2 ']);
  });
});

describe('networks.md N15: a tag is an attachment', () => {
  it('one that the allocation needs can not be taken away', () => {
    const plant = createPlant();
    const { networks } = allocate(plant, 'm0-0').allocation!;
    const address = networks[0]!.ips[0]!;
    assert.match(
      refusalOf(updateTags(plant, 'n1', address, ['a'])),
      /^Invalid: tags: ip 10\.0\.0\.1 is in use by the allocation of machine "m0-0"/,
    );
    const tags = ['a', 'machine.metal-stack.io/id=m0-0'];
    const kept = updateTags(plant, 'n1', address, tags);
    assert.deepEqual(isRefusal(kept) || renderTags(kept!), tags);
  });

  for (const network of ['n1', 'internet']) {
    it(`any other can, and the address is free again: ${network}`, () => {
      const plant = createPlant();
      for (const machine of ['m0-0', 'nobody']) {
        const { address } = allocateIp(plant, network, attachedTo(machine));
        assert.match(
          refusalOf(plant.now(holderOf(network), network, 'freeIp', { address })),
          /^Invalid: ip with machine scope can not be deleted: it is attached to machine/,
        );
        const detached = updateTags(plant, network, address, ['a']);
        assert.deepEqual(isRefusal(detached) || [detached!.machines, detached!.tags], [[], ['a']]);
        assert.deepEqual(noted(plant, 'm0-0'), []);
        assert.equal(refusalOf(plant.now(holderOf(network), network, 'freeIp', { address })), 'none');
      }
      assert.deepEqual(ips(plant), []);
    });
  }
});

const machines = ['m0-0', 'm0-1'] as const;
const anyMachine = fc.constantFrom(...machines);
const anyNetwork = fc.constantFrom('n1', 'ext', 'internet');
const step = fc.oneof(
  fc.record({
    what: fc.constant('attach' as const),
    network: anyNetwork,
    machine: fc.constantFrom(...machines, 'nobody'),
    type: fc.constantFrom('ephemeral' as const, 'static' as const),
  }),
  fc.record({ what: fc.constant('allocate' as const), machine: anyMachine }),
  fc.record({ what: fc.constant('free' as const), machine: anyMachine }),
  fc.record({ what: fc.constantFrom('detach' as const, 'release' as const), at: fc.nat(9) }),
);

interface Known {
  network: string;
  address: string;
  type: 'ephemeral' | 'static';
  machine: string;
  /** Of the machine's allocation. */
  isAllocated: boolean;
}

describe('addresses of machines against a naive model', () => {
  it('one after the other: a tag goes with its machine, or by hand, and nothing leaks', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const plant = createPlant({ racks: [2] });
        let model: Known[] = [];
        const allocated = new Set<string>();
        for (const one of steps) {
          if (one.what === 'attach') {
            const { network, machine, type } = one;
            const { address } = allocateIp(plant, network, { ...attachedTo(machine), type });
            model.push({ network, address, type, machine, isAllocated: false });
          } else if (one.what === 'allocate') {
            const { machine } = one;
            const answer = plant.now('allocator', PARTITION, 'allocateMachine', allocation({ machine }));
            assert.equal(isRefusal(answer), allocated.has(machine), refusalOf(answer));
            if (isRefusal(answer)) continue;
            allocated.add(machine);
            for (const { network, ips: got } of answer!.allocation!.networks) {
              for (const address of got)
                model.push({ network, address, type: 'ephemeral', machine, isAllocated: true });
            }
          } else if (one.what === 'free') {
            free(plant, one.machine);
            if (!allocated.delete(one.machine)) continue;
            model = model
              .filter(({ machine, type }) => machine !== one.machine || type === 'static')
              .map((known) => (known.machine === one.machine ? { ...known, machine: '' } : known));
          } else {
            const known = model[one.at];
            if (known === undefined) continue;
            const { network, address } = known;
            const isDetach = one.what === 'detach';
            const answer = isDetach
              ? updateTags(plant, network, address, [])
              : plant.now(holderOf(network), network, 'freeIp', { address });
            const isRefused = isDetach ? known.isAllocated : known.machine !== '';
            assert.equal(isRefusal(answer), isRefused, refusalOf(answer));
            if (isRefused) continue;
            if (isDetach) known.machine = '';
            else model.splice(one.at, 1);
          }
        }
        assert.deepEqual(ips(plant), model.map((known) => `${known.network}|${known.address} ${known.machine}`).sort());
        for (const machine of machines) {
          const expected = model.filter((known) => known.machine === machine && !known.isAllocated);
          assert.deepEqual(noted(plant, machine), expected.map(({ address }) => address).sort());
        }
      }),
      { numRuns: 40 },
    );
  });

  it('many at once: whatever is freed in between, a machine notes what is attached to it and nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(2)), { maxLength: 40 }), (steps) => {
        const plant = createPlant({ racks: [2] });
        for (const [one, pauseMs] of steps) {
          if (one.what === 'attach') {
            const { network, machine, type } = one;
            plant.ask(holderOf(network), network, 'allocateIp', { ...request, ...attachedTo(machine), type });
          } else if (one.what === 'allocate') {
            plant.ask('allocator', PARTITION, 'allocateMachine', allocation({ machine: one.machine }));
          } else if (one.what === 'free') {
            plant.ask('allocator', PARTITION, 'freeMachine', { machine: one.machine });
          } else {
            const row = plant.store.live('ip')[one.at];
            if (row?.table !== 'ip') continue;
            const { network, address } = row.value;
            if (one.what === 'detach') plant.ask(holderOf(network), network, 'updateIp', { address, tags: [] });
            else plant.ask(holderOf(network), network, 'freeIp', { address });
          }
          if (pauseMs > 0) plant.settle(pauseMs);
        }
        plant.settle(30_000);
        const rows = plant.store.live('ip').flatMap((row) => (row.table === 'ip' ? [row.value] : []));
        for (const machine of machines) {
          const view = plant.must('machine', machine, 'get', {});
          const own = (view.allocation?.networks ?? []).flatMap((network) => network.ips);
          const attached = (view.machine.attached ?? []).map(({ address }) => address);
          const tagged = rows.filter((ip) => ip.machines.includes(machine)).map(({ address }) => address);
          assert.deepEqual([...own, ...attached].sort(), tagged.sort());
        }
      }),
      { numRuns: 40 },
    );
  });
});
