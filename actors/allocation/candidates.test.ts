import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { seededRandom } from '../runtime/virtual-world.ts';
import { createCandidates, type Candidates, type Election } from './candidates.ts';

const electable = (candidates: Candidates, machine: string, rack: string, size = 's'): void =>
  candidates.apply({
    machine,
    record: { version: 1, value: { size, rack, stateValue: '', waiting: true } },
    provisioning: { version: 1, value: { liveliness: 'Alive' } },
  });
const allocated = (
  candidates: Candidates,
  machine: string,
  rack: string,
  tags: string[] = [],
  project = 'p1',
): void => {
  electable(candidates, machine, rack);
  candidates.apply({ machine, allocation: { version: 1, value: { uuid: machine, project, role: 'machine', tags } } });
};
const election = (part: Partial<Election> = {}): Election => ({
  size: 's',
  project: 'p1',
  role: 'machine',
  placementTags: [],
  reservations: [],
  excluded: new Set(),
  random: Math.random,
  ...part,
});

describe('machines.md §23.3: rack spreading', () => {
  const cases: Array<[string[], Array<[string, string[]]>, string[], string[]]> = [
    [['1', '2'], [], [], ['1', '2']],
    [
      ['1', '2'],
      [
        ['1', []],
        ['1', []],
        ['2', []],
      ],
      [],
      ['2'],
    ],
    [
      ['1'],
      [
        ['1', []],
        ['1', []],
        ['2', []],
      ],
      [],
      ['1'],
    ],
    [
      ['1', '2'],
      [
        ['1', ['t']],
        ['2', []],
        ['2', []],
      ],
      ['t'],
      ['2'],
    ],
    [
      ['1', '2'],
      [
        ['1', ['t']],
        ['2', ['t']],
        ['2', []],
      ],
      ['t'],
      ['1'],
    ],
    [
      ['1', '2'],
      [
        ['1', ['t', 'u']],
        ['2', ['t']],
      ],
      ['t', 'u'],
      ['2'],
    ],
  ];
  for (const [racks, placed, placementTags, expected] of cases) {
    it(`${racks.join()} with ${JSON.stringify(placed)} and ${placementTags.join() || 'no tags'}: ${expected.join()}`, () => {
      const candidates = createCandidates();
      for (const rack of racks) for (const n of [1, 2]) electable(candidates, `free-${rack}-${n}`, rack);
      placed.forEach(([rack, tags], i) => allocated(candidates, `taken-${i}`, rack, tags));
      const seen = new Set<string>();
      for (let place = 0; place < 1; place += 0.05) {
        seen.add(candidates.choose(election({ placementTags, random: () => place }))!.split('-')[1]!);
      }
      assert.deepEqual([...seen].sort(), expected);
    });
  }
});

describe('machines.md §8.4: candidates', () => {
  it('only available, waiting, alive and free ones of the size', () => {
    const candidates = createCandidates();
    electable(candidates, 'good', 'r');
    const record = { size: 's', rack: 'r', stateValue: '', waiting: true };
    for (const [machine, change] of [
      ['locked', { stateValue: 'LOCKED' }],
      ['idle', { waiting: false }],
      ['other', { size: 'x' }],
    ] as const) {
      electable(candidates, machine, 'r');
      candidates.apply({ machine, record: { version: 2, value: { ...record, ...change } } });
    }
    electable(candidates, 'dead', 'r');
    candidates.apply({ machine: 'dead', provisioning: { version: 2, value: { liveliness: 'Dead' } } });
    candidates.apply({ machine: 'silent', record: { version: 1, value: record } });
    allocated(candidates, 'taken', 'r');
    electable(candidates, 'gone', 'r');
    candidates.apply({ machine: 'gone', record: { version: 2, value: null } });
    electable(candidates, 'elected', 'r');
    candidates.elect({ machine: 'elected', project: 'p1', role: 'machine', tags: [] });
    assert.equal(candidates.available('s'), 1);
    assert.equal(candidates.choose(election()), 'good');
    assert.equal(candidates.choose(election({ excluded: new Set(['good']) })), undefined);
    candidates.unelect('elected');
    assert.equal(candidates.choose(election({ excluded: new Set(['good']) })), 'elected');
  });

  it('older words are ignored, part by part', () => {
    const candidates = createCandidates();
    electable(candidates, 'm', 'r');
    candidates.apply({ machine: 'm', allocation: { version: 5, value: null } });
    candidates.apply({
      machine: 'm',
      allocation: { version: 4, value: { uuid: 'u', project: 'p1', role: 'machine', tags: [] } },
    });
    assert.equal(candidates.choose(election()), 'm');
  });

  it('an election that is under way counts once, also when the machine tells of it before the commit is confirmed', () => {
    const candidates = createCandidates();
    electable(candidates, 'm', 'r');
    candidates.elect({ machine: 'm', project: 'p1', role: 'machine', tags: [] });
    candidates.apply({
      machine: 'm',
      allocation: { version: 1, value: { uuid: 'u', project: 'p1', role: 'machine', tags: [] } },
    });
    assert.deepEqual(candidates.countOf('p1'), { machines: 1, firewalls: 0 });
    candidates.unelect('m');
    candidates.apply({ machine: 'm', allocation: { version: 2, value: null } });
    assert.deepEqual(candidates.countOf('p1'), { machines: 0, firewalls: 0 });
  });

  it('uniform over all machines of the electable racks', () => {
    const candidates = createCandidates();
    for (let i = 0; i < 4; i++) electable(candidates, `m${i}`, `r${i % 3}`);
    const random = seededRandom(7);
    const counts = new Map<string, number>();
    for (let i = 0; i < 4_000; i++) {
      const machine = candidates.choose(election({ random }))!;
      counts.set(machine, (counts.get(machine) ?? 0) + 1);
    }
    for (const count of counts.values()) assert.ok(count > 850 && count < 1_150, String(count));
  });

  it('takes one that a scan found for alive, until it hears otherwise: before or after', () => {
    const candidates = createCandidates();
    const record = { version: 3, value: { size: 's', rack: 'r1', stateValue: '', waiting: true } };
    const dead = { version: 2, value: { liveliness: 'Dead' } };
    candidates.apply({ machine: 'heard before', provisioning: dead });
    for (const machine of ['heard before', 'heard after', 'alive']) candidates.found(machine, record);
    assert.equal(candidates.available('s'), 2);
    candidates.apply({ machine: 'heard after', provisioning: dead });
    assert.equal(candidates.choose(election({ size: 's' })), 'alive');
    // Its row as it was before what was heard of it since.
    candidates.apply({ machine: 'alive', record: { version: 4, value: null } });
    candidates.found('alive', record);
    assert.equal(candidates.available('s'), 0);
  });

  it('agrees with counting from scratch after any history', () => {
    const step = fc.record({
      machine: fc.constantFrom('a', 'b', 'c', 'd'),
      what: fc.constantFrom('record', 'found', 'allocation', 'provisioning', 'elect', 'unelect'),
      choice: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const candidates = createCandidates();
        steps.forEach(({ machine, what, choice }, i) => {
          const version = i + 1;
          const role = choice % 2 === 0 ? ('machine' as const) : ('firewall' as const);
          const value = { size: choice < 2 ? 's' : 't', rack: `r${choice}`, stateValue: '', waiting: choice !== 3 };
          if (what === 'found') candidates.found(machine, { version, value });
          else if (what === 'record') {
            candidates.apply({ machine, record: { version, value: choice === 3 ? null : value } });
          } else if (what === 'allocation') {
            candidates.apply({
              machine,
              allocation: { version, value: choice < 2 ? null : { uuid: 'u', project: 'p1', role, tags: [] } },
            });
          } else if (what === 'provisioning') {
            candidates.apply({
              machine,
              provisioning: { version, value: { liveliness: choice === 0 ? 'Dead' : 'Alive' } },
            });
          } else if (what === 'elect') candidates.elect({ machine, project: 'p1', role, tags: ['t'] });
          else candidates.unelect(machine);
        });
        const all = ['a', 'b', 'c', 'd'].flatMap((machine) => candidates.get(machine) ?? []);
        const occupants = all.flatMap((one) => one.allocation.value ?? one.elected ?? []);
        assert.deepEqual(candidates.countOf('p1'), {
          machines: occupants.filter(({ role }) => role === 'machine').length,
          firewalls: occupants.filter(({ role }) => role === 'firewall').length,
        });
        for (const size of ['s', 't']) {
          const free = all.filter(
            ({ record, allocation, provisioning, elected }) =>
              record.value?.size === size &&
              record.value.waiting &&
              !allocation.value &&
              !elected &&
              provisioning.value?.liveliness === 'Alive',
          );
          assert.equal(candidates.available(size), free.length);
          const chosen = candidates.choose(election({ size }));
          assert.equal(chosen !== undefined, free.length > 0);
          if (chosen !== undefined) assert.ok(free.some(({ machine }) => machine === chosen));
        }
      }),
    );
  });

  it('an election does not walk the machines: 20,000 machines, 5,000 elections', () => {
    const candidates = createCandidates();
    for (let i = 0; i < 20_000; i++) electable(candidates, `m${i}`, `r${i % 100}`);
    const random = seededRandom(1);
    const begin = process.hrtime.bigint();
    for (let i = 0; i < 5_000; i++) {
      const machine = candidates.choose(election({ random, placementTags: ['t'] }))!;
      candidates.elect({ machine, project: 'p1', role: 'machine', tags: ['t'] });
    }
    const ms = Number(process.hrtime.bigint() - begin) / 1e6;
    assert.equal(candidates.countOf('p1').machines, 5_000);
    assert.ok(ms < 5_000, `${ms} ms`);
  });
});
