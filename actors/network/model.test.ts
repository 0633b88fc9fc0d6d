import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { addressOf, partitionScope } from '../address.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { registry } from './go-ipam.fixture.ts';
import type { IpRequest } from './messages.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from './plant.fixture.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';

const network = addressOf(partitionScope('p'), 'network', 'n');
const PREFIX = '10.0.0.16/28';
const usable = Array.from({ length: 14 }, (_, i) => `10.0.0.${17 + i}`);
const request: IpRequest = { project: 'q', name: '', description: '', type: 'ephemeral', tags: [] };
const attaching = (machine: string | undefined): IpRequest => ({
  ...request,
  ...(machine === undefined ? {} : { machine, machinePartition: 'p' }),
});
const machineAsk = (machine: string) => ({
  machine,
  allocation: 'u',
  project: 'q',
  name: '',
  auto: true,
  given: [],
});

function plantWithNetwork(): Plant {
  const plant = createPlant();
  const made = reservation(network, 'create', { network: newNetwork('n', { prefixes: [PREFIX] }) });
  assert.equal(isRefusal(plant.reserve([made])), false);
  return plant;
}

const op = fc.oneof(
  fc.record({ what: fc.constant('any' as const), machine: fc.constantFrom(undefined, 'm1', 'm2') }),
  // By its tags: no machine is there that would need it.
  fc.record({ what: fc.constant('detach' as const), at: fc.nat(13) }),
  fc.record({ what: fc.constant('specific' as const), at: fc.nat(13) }),
  fc.record({ what: fc.constant('free' as const), at: fc.nat(13) }),
  fc.record({ what: fc.constant('machine' as const), commit: fc.boolean(), machine: fc.constantFrom('m1', 'm2') }),
  fc.record({ what: fc.constant('release' as const), at: fc.nat(13), machine: fc.constantFrom('m1', 'm2') }),
  fc.constant({ what: 'restart' as const }),
);

/** The rows tell the same as the memory: what is used is what has a row (networks.md §8, invariant 2). */
function agrees(plant: Plant): void {
  const rows = plant.store.live('ip').map(({ key }) => key);
  assert.equal(new Set(rows).size, rows.length);
  assert.equal(granted(plant.ask(network, 'get', {})).usage.IPv4?.used_ips, rows.length + 2);
}

describe('an actor of addresses against a naive model', () => {
  it('one operation after the other: the same answers, the lowest free address each time', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (operations) => {
        const plant = plantWithNetwork();
        /** Address → machine, or '' . */
        const model = new Map<string, string>();
        const lowest = () => usable.find((address) => !model.has(address));
        for (const one of operations) {
          if (one.what === 'restart') plant.restart();
          else if (one.what === 'any' || one.what === 'machine') {
            const expected = lowest();
            const answer =
              one.what === 'any'
                ? plant.ask(network, 'allocateIp', attaching(one.machine))
                : plant.reserve([reservation(network, 'acquireIps', machineAsk(one.machine))], one.commit);
            if (expected === undefined) refused(answer, 'Exhausted');
            else if (one.what === 'machine' && !one.commit) refused(answer, 'Conflict', 'given up');
            else {
              const got = one.what === 'any' ? answer : { address: (answer as Array<{ ips: string[] }>)[0]?.ips[0] };
              assert.equal((got as { address: string }).address, expected);
              model.set(expected, one.machine ?? '');
            }
          } else {
            const address = usable[one.at]!;
            const owner = model.get(address);
            if (one.what === 'specific') {
              const answer = plant.ask(network, 'allocateIp', { ...request, address });
              if (owner !== undefined) refused(answer, 'Conflict', 'ip already allocated');
              else granted(answer);
              model.set(address, owner ?? '');
            } else if (one.what === 'detach') {
              const answer = plant.ask(network, 'updateIp', { address, tags: [] });
              if (owner === undefined) refused(answer, 'NotFound');
              else {
                assert.deepEqual(granted(answer).machines, []);
                model.set(address, '');
              }
            } else if (one.what === 'free') {
              const answer = plant.ask(network, 'freeIp', { address });
              if (owner === undefined) refused(answer, 'NotFound');
              else if (owner !== '') refused(answer, 'Invalid', 'machine scope');
              else model.delete(address);
            } else {
              const { machine } = one;
              const release = reservation(network, 'releaseIps', { machine, ips: [address] });
              const released = owner === machine ? [address] : [];
              assert.deepEqual(plant.reserve([release]), [{ released, kept: [] }]);
              if (owner === machine) model.delete(address);
            }
          }
        }
        assert.deepEqual(
          plant.store
            .live('ip')
            .map(({ key }) => key.slice(2))
            .sort(),
          [...model.keys()].sort(),
        );
        agrees(plant);
      }),
      { numRuns: 60 },
    );
  });

  it('many at once, with cancelled and refused ones between: none double, none lost', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(op, fc.nat(3)), { maxLength: 80 }),
        fc.array(fc.constantFrom('refused', 'lost before', 'lost after', 'unsent'), { maxLength: 4 }),
        (operations, faults) => {
          const plant = plantWithNetwork();
          const acquired: Array<() => unknown> = [];
          plant.store.faults.push(...(faults as typeof plant.store.faults));
          for (const [one, pauseMs] of operations) {
            if (one.what === 'any') acquired.push(plant.start(network, 'allocateIp', attaching(one.machine)));
            else if (one.what === 'detach') plant.start(network, 'updateIp', { address: usable[one.at]!, tags: [] });
            else if (one.what === 'specific') {
              acquired.push(plant.start(network, 'allocateIp', { ...request, address: usable[one.at]! }));
            } else if (one.what === 'free') plant.start(network, 'freeIp', { address: usable[one.at]! });
            else if (one.what === 'machine') {
              plant.startReserve([reservation(network, 'acquireIps', machineAsk(one.machine))], one.commit);
            } else if (one.what === 'release') {
              const ips = [usable[one.at]!];
              plant.startReserve([reservation(network, 'releaseIps', { machine: one.machine, ips })]);
            }
            if (pauseMs > 0) plant.settle(pauseMs);
          }
          plant.settle(8_000);
          const uuids = acquired.flatMap((answer) => {
            const one = answer() as { uuid?: string };
            return one.uuid === undefined ? [] : [one.uuid];
          });
          assert.equal(new Set(uuids).size, uuids.length);
          agrees(plant);
          plant.restart();
          agrees(plant);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with a quarantine that changes: nothing comes back too early, or is kept too long, and all of it goes with the network', () => {
    const seconds = fc.constantFrom(0, 10, 60, 600);
    const step = fc.oneof(
      fc.constant({ what: 'any' as const }),
      fc.constant({ what: 'any' as const }),
      fc.record({ what: fc.constant('specific' as const), at: fc.nat(13) }),
      fc.record({ what: fc.constant('free' as const), at: fc.nat(13) }),
      fc.record({ what: fc.constant('free' as const), at: fc.nat(13) }),
      fc.record({ what: fc.constant('label' as const), seconds }),
      fc.record({ what: fc.constant('wait' as const), seconds: fc.constantFrom(3, 30, 300) }),
      fc.record({ what: fc.constant('give up' as const) }),
      fc.constant({ what: 'restart' as const }),
    );
    const prefixes = fc.constantFrom(
      { prefix: PREFIX, usable },
      { prefix: 'fd00::10/124', usable: Array.from({ length: 15 }, (_, i) => `fd00::${(17 + i).toString(16)}`) },
    );
    fc.assert(
      fc.property(prefixes, seconds, fc.array(step, { maxLength: 60 }), ({ prefix, usable }, first, steps) => {
        const plant = createPlant();
        const labels = (of: number) => ({ [QUARANTINE_LABEL]: String(of) });
        const record = newNetwork('n', { prefixes: [prefix], labels: labels(first) });
        granted(plant.ask(registry, 'createNetwork', { network: record, h: 'h', partitions: ['p'] }));
        let quarantine = first;
        const held = new Set<string>();
        /** `wasOver`: its row may be gone, and then no longer quarantine brings its rest back. */
        const released = new Map<string, { sinceMs: number; seconds: number; wasOver: boolean }>();
        const leftMs = (address: string): number => {
          const one = released.get(address);
          const longest = Math.min(one?.seconds ?? 0, quarantine) * 1_000;
          return one === undefined ? 0 : one.sinceMs + longest - plant.world.wallMs();
        };
        const isFree = (address: string): boolean => !held.has(address) && leftMs(address) <= 0;
        const mayBeFree = (address: string): boolean => isFree(address) || released.get(address)?.wasOver === true;
        const take = (address: string): void => {
          released.delete(address);
          held.add(address);
        };
        for (const one of steps) {
          // The model's clock is that of the answers: at the very end of a rest both may be right.
          while (usable.some((address) => Math.abs(leftMs(address)) < 1_000 && released.has(address)))
            plant.settle(1_500);
          for (const [address, rest] of released) rest.wasOver ||= leftMs(address) <= 0;
          if (one.what === 'restart') plant.restart();
          else if (one.what === 'wait') plant.settle(one.seconds * 1_000);
          else if (one.what === 'label') {
            const patch = { additionalAnnouncableCidrs: [], force: false, site: 's', h: 'h' };
            granted(plant.ask(network, 'update', { ...patch, labels: labels(one.seconds) }));
            quarantine = one.seconds;
          } else if (one.what === 'any') {
            const surely = usable.findIndex(isFree);
            const answer = plant.ask(network, 'allocateIp', request);
            if (isRefusal(answer)) {
              refused(answer, 'Exhausted');
              assert.equal(surely, -1);
            } else {
              const { address } = answer;
              assert.ok(mayBeFree(address), address);
              assert.ok(surely === -1 || usable.indexOf(address) <= surely, `${address}, not ${usable[surely]}`);
              take(address);
            }
          } else if (one.what === 'give up') {
            const answer = plant.reserve([reservation(network, 'acquireIps', machineAsk('m1'))], false);
            const isGranted =
              usable.some(isFree) || (usable.some(mayBeFree) && (answer as Refusal).kind === 'Conflict');
            refused(answer, isGranted ? 'Conflict' : 'Exhausted');
          } else {
            const address = usable[one.at]!;
            if (one.what === 'specific') {
              const answer = plant.ask(network, 'allocateIp', { ...request, address });
              if (isFree(address) || (mayBeFree(address) && !isRefusal(answer))) granted(answer);
              else refused(answer, 'Conflict', held.has(address) ? 'is held' : 'is kept back for another');
              if (!isRefusal(answer)) take(address);
            } else if (!held.has(address)) refused(plant.ask(network, 'freeIp', { address }), 'NotFound');
            else {
              granted(plant.ask(network, 'freeIp', { address }));
              held.delete(address);
              released.set(address, { sinceMs: plant.world.wallMs(), seconds: quarantine, wasOver: false });
            }
          }
        }
        const [lowest] = usable.filter((address) => held.has(address));
        const remove = () => plant.ask(registry, 'deleteNetwork', { id: 'n', partition: 'p', partitions: ['p'] });
        if (lowest !== undefined) {
          const others = held.size === 1 ? '' : ` and ${held.size - 1} more`;
          refused(remove(), 'Unprocessable', new RegExp(`has ip ${lowest} in use${others}$`));
        }
        granted(plant.ask(network, 'usage', {}));
        plant.settle(700_000);
        const rows = plant.store.live('ip').map(({ key }) => key.slice(2));
        assert.deepEqual(rows.sort(), [...held].sort(), 'nothing is left of what rested');
        for (const address of held) granted(plant.ask(network, 'freeIp', { address }));
        granted(remove());
        assert.deepEqual(plant.store.live('ip'), []);
      }),
      {
        numRuns: 60,
        // What the actor asks itself in a turn that is given up is lost.
        examples: [
          [
            { prefix: PREFIX, usable },
            600,
            [{ what: 'any' }, { what: 'free', at: 0 }, { what: 'restart' }, { what: 'give up' }],
          ],
        ],
      },
    );
  });
});
