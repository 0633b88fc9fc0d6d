import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MachineView } from '../machine/messages.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { AllocateMachine } from './messages.ts';
import { allocation, createPlant, machineOf, PARTITION, type Plant } from './testing/plant.ts';

const allocate = (plant: Plant, asked: AllocateMachine) => plant.now('allocator', PARTITION, 'allocateMachine', asked);
const network = (id: string, autoacquire = true) => ({ id, autoacquire, holder: 'network' as const });
const ok = (answer: MachineView | Refusal | undefined): MachineView => {
  assert.ok(answer && !isRefusal(answer), machineOf(answer));
  return answer;
};
const refused = (answer: unknown): [string, string] => {
  assert.ok(isRefusal(answer), `expected a refusal, got ${JSON.stringify(answer)?.slice(0, 200)}`);
  return [answer.kind, answer.message];
};
/** Nothing is taken or reserved any more, anywhere. */
const assertClean = (plant: Plant): void => {
  assert.deepEqual(plant.store.live('ip'), []);
  assert.deepEqual(plant.store.live('allocation'), []);
  assert.deepEqual(
    plant.store.live('pool').filter((row) => row.key.startsWith('asn')),
    [],
  );
  const { asn } = plant.must('allocator', PARTITION, 'pools', {});
  assert.deepEqual({ held: asn.held, reserved: asn.reserved }, { held: 0, reserved: 0 });
  for (const shard of plant.shards) for (const cell of shard!.cells.values()) assert.equal(cell.held.size, 0);
};

describe('machines.md §23.7: allocation', () => {
  const cases: Array<[string, Partial<AllocateMachine>, string | { types: string[] }]> = [
    ['only an external network', { networks: [network('ext')] }, 'Unprocessable'],
    ['private network of another project', { networks: [network('n2')] }, 'Unprocessable'],
    ['private network of another partition', { networks: [network('elsewhere')] }, 'Unprocessable'],
    ['private, autoacquire:false, no IP', { networks: [network('n1', false)] }, 'Unprocessable'],
    ['unknown network', { networks: [network('nope')] }, 'NotFound'],
    ['two unshared private networks', { networks: [network('n1'), network('n1b')] }, 'Unprocessable'],
    ['machine: unshared private + shared private', { networks: [network('n1'), network('dmz')] }, 'Unprocessable'],
    ['underlay listed', { networks: [network('n1'), network('underlay')] }, 'Unprocessable'],
    ['private super listed', { networks: [network('n1'), network('super')] }, 'Unprocessable'],
    ['network twice', { networks: [network('n1'), network('n1')] }, 'Unprocessable'],
    ['only one shared private network', { networks: [network('dmz')] }, { types: ['dmz primary shared'] }],
    [
      'firewall: unshared private + shared private',
      { role: 'firewall', networks: [network('n1'), network('dmz')] },
      { types: ['n1 primary', 'dmz secondary shared', 'underlay underlay'] },
    ],
  ];
  for (const [name, part, expected] of cases) {
    it(name, () => {
      const plant = createPlant();
      const answer = allocate(plant, allocation(part));
      if (typeof expected === 'string') {
        assert.equal(refused(answer)[0], expected);
        return assertClean(plant);
      }
      const { allocation: made } = ok(answer);
      const types = made!.networks.map((one) =>
        [
          one.network,
          one.privatePrimary ? 'primary' : one.private && 'secondary',
          one.shared && 'shared',
          one.underlay && 'underlay',
        ]
          .filter(Boolean)
          .join(' '),
      );
      assert.deepEqual(types, expected.types);
    });
  }

  it('private auto + external autoacquire:false + IP of external: the external has that IP', () => {
    const plant = createPlant();
    plant.giveIp('ext', '203.0.113.200', 'p1');
    const asked = allocation({
      networks: [network('n1'), network('ext', false)],
      ips: [{ address: '203.0.113.200', network: 'ext', holder: 'network' }],
    });
    const { allocation: made, machine } = ok(allocate(plant, asked));
    assert.deepEqual(
      made!.networks.map(({ ips }) => ips),
      [['10.0.0.1'], ['203.0.113.200']],
    );
    const ip = plant.must('network', 'ext', 'getIp', { address: '203.0.113.200' });
    assert.deepEqual(ip.machines, [machine.id]);
    plant.must('allocator', PARTITION, 'freeMachine', { machine: machine.id });
    assert.deepEqual(
      plant.store.live('ip').map((row) => [row.key, (row.value as { machines: string[] }).machines]),
      [['ext|203.0.113.200', []]],
    );
  });

  it('a global network: the address comes from a block of the partition, and goes back there', () => {
    const plant = createPlant();
    const networks = [network('n1'), { id: 'internet', autoacquire: true, holder: 'block' as const }];
    const { allocation: made, machine } = ok(allocate(plant, allocation({ networks })));
    const internet = made!.networks[1]!;
    assert.deepEqual(
      [internet.network, internet.holder, internet.vrf, internet.ips.length],
      ['internet', 'block', 104_010, 1],
    );
    assert.match(internet.ips[0]!, /^198\.51\.100\./);
    plant.must('allocator', PARTITION, 'freeMachine', { machine: machine.id });
    assert.deepEqual(plant.store.live('ip'), []);
  });

  it('IP of a network not listed', () => {
    const plant = createPlant();
    plant.giveIp('ext', '203.0.113.200', 'p1');
    const ips = [{ address: '203.0.113.200', network: 'ext', holder: 'network' as const }];
    assert.equal(refused(allocate(plant, allocation({ ips })))[0], 'Unprocessable');
  });

  it('a system label in the user tags is overwritten (machines.md §8.7)', () => {
    const plant = createPlant();
    const tags = ['machine.metal-stack.io/network.primary.asn=x', 'role=web'];
    const { allocation: made } = ok(allocate(plant, allocation({ tags })));
    assert.deepEqual(made!.tags, [
      'machine.metal-stack.io/network.primary.asn=4210000001',
      'machine.metal-stack.io/rack=r0',
      'role=web',
    ]);
    assert.equal(made!.asn, 4_210_000_001);
    assert.equal(made!.networks[0]!.asn, 4_210_000_001);
  });

  it('30 parallel requests for 30 waiting machines: 30 distinct machines, addresses and ASNs', () => {
    const plant = createPlant({ racks: [10, 10, 10] });
    const asked = Array.from({ length: 40 }, () => plant.ask('allocator', PARTITION, 'allocateMachine', allocation()));
    plant.settle(5_000);
    const answers = asked.map((answer) => answer());
    const made = answers.flatMap((answer) => (answer && !isRefusal(answer) ? [answer] : []));
    assert.equal(made.length, 30);
    assert.equal(new Set(made.map(({ machine }) => machine.id)).size, 30);
    assert.equal(new Set(made.map(({ allocation: one }) => one!.asn)).size, 30);
    assert.equal(new Set(made.flatMap(({ allocation: one }) => one!.networks.flatMap(({ ips }) => ips))).size, 30);
    for (const answer of answers) if (isRefusal(answer)) assert.match(answer.message, /no machine available/);
    // Spread over the racks as it went, those on their way counted (W05).
    const racks = made.slice(0, 3).map(({ machine }) => machine.rack);
    assert.equal(new Set(racks).size, 3);
  });
});

describe('allocation: order of checks and what is left behind', () => {
  it('W02: LOCKED is refused by uuid, TAINTED is not, nor one that does not wait', () => {
    const plant = createPlant();
    plant.must('machine', 'm0-0', 'setState', { value: 'LOCKED', description: 'x' });
    plant.must('machine', 'm0-1', 'setState', { value: 'RESERVED', description: 'x' });
    plant.must('machine', 'm0-2', 'waitEnded', {});
    assert.match(refused(allocate(plant, allocation({ machine: 'm0-0' })))[1], /LOCKED/);
    assert.equal(machineOf(allocate(plant, allocation({ machine: 'm0-1' }))), 'm0-1');
    assert.equal(machineOf(allocate(plant, allocation({ machine: 'm0-2' }))), 'm0-2');
    assert.equal(machineOf(allocate(plant, allocation())), 'm0-3');
    assert.deepEqual(refused(allocate(plant, allocation())), ['Unprocessable', 'no machine available']);
  });

  it('W04: the loser of a race for one uuid keeps its hands off the addresses of the winner', () => {
    const plant = createPlant();
    const asked = [0, 1].map(() =>
      plant.ask('allocator', PARTITION, 'allocateMachine', allocation({ machine: 'm0-0' })),
    );
    plant.settle();
    const answers = asked.map((answer) => answer());
    const winner = ok(answers.find((answer) => !isRefusal(answer)));
    assert.equal(answers.filter(isRefusal).length, 1);
    assert.deepEqual(
      plant.store.live('ip').map((row) => row.key),
      winner.allocation!.networks.flatMap(({ ips }) => ips.map((ip) => `n1|${ip}`)),
    );
    assert.equal(plant.store.live('pool').length, 1);
  });

  it('W05: allocations on their way count against the quota; firewalls count like machines', () => {
    const plant = createPlant();
    const asked = [0, 1, 2, 3].map(() =>
      plant.ask('allocator', PARTITION, 'allocateMachine', allocation({ machineQuota: 3, usedElsewhere: 1 })),
    );
    plant.settle();
    const kinds = asked.map((answer) => machineOf(answer()).slice(0, 13));
    assert.equal(kinds.filter((kind) => kind === 'Unprocessable').length, 2);
    assert.match(
      refused(allocate(plant, allocation({ role: 'firewall', machineQuota: 2 })))[1],
      /project quota for machines reached max:2/,
    );
  });

  it('machines.md §23.2: a reservation keeps machines for its project', () => {
    const plant = createPlant();
    const reservation = {
      id: 'r',
      name: '',
      description: '',
      created: 0,
      changed: 0,
      labels: {},
      partitions: [PARTITION],
    };
    const reservations = [{ ...reservation, size: 's1', amount: 2, project: 'p2' }];
    ok(allocate(plant, allocation({ reservations })));
    ok(allocate(plant, allocation({ reservations })));
    assert.equal(refused(allocate(plant, allocation({ reservations })))[1], 'no machine available');
    const other = allocation({
      reservations,
      networks: [network('n2')],
      request: { ...allocation().request, project: 'p2' },
    });
    ok(allocate(plant, other));
  });

  it('machines.md §8.2: quota before layout before candidate before networks', () => {
    const plant = createPlant({ racks: [1] });
    const bad = { networks: [network('ext')], layouts: [] };
    assert.match(refused(allocate(plant, allocation({ ...bad, machineQuota: 0 })))[1], /quota/);
    assert.match(refused(allocate(plant, allocation(bad)))[1], /filesystemLayout/);
    assert.equal(
      refused(
        allocate(
          plant,
          allocation({
            networks: [network('ext')],
            size: 's2',
            layouts: [{ size: 's2', layout: allocation().layouts[0]!.layout }],
          }),
        ),
      )[1],
      'no machine available',
    );
    assert.match(refused(allocate(plant, allocation({ networks: [network('ext')] })))[1], /private network/);
  });

  it('a layout that does not fit is refused, and nothing stays reserved', () => {
    const plant = createPlant();
    const { layout } = allocation().layouts[0]!;
    const large = { ...layout, disks: [{ device: '/dev/sdb', partitions: [], wipeOnReinstall: true }] };
    assert.match(
      refused(allocate(plant, allocation({ layouts: [{ size: 's1', layout: large }] })))[1],
      /does not exist on given hardware/,
    );
    assertClean(plant);
  });

  it('an exhausted network is a 500, and nothing more stays reserved', () => {
    const plant = createPlant();
    const tiny = allocation({ networks: [network('tiny')] });
    ok(allocate(plant, tiny));
    ok(allocate(plant, tiny));
    assert.equal(refused(allocate(plant, tiny))[0], 'Exhausted');
    const { asn } = plant.must('allocator', PARTITION, 'pools', {});
    assert.deepEqual([asn.held, asn.reserved], [2, 0]);
    assert.equal(plant.store.live('ip').length, 2);
  });

  it('elects again when the index was behind, and says so when it stays behind', () => {
    const plant = createPlant({ racks: [6] });
    const pretendWaiting = (machine: string): void => {
      plant.must('machine', machine, 'waitEnded', {});
      const value = { size: 's1', rack: 'r0', stateValue: '', waiting: true };
      plant.must('allocator', PARTITION, 'machineChanged', {
        machine,
        record: { version: Number.MAX_SAFE_INTEGER, value },
      });
    };
    for (const machine of plant.machines.slice(0, 4)) pretendWaiting(machine);
    const made = [allocate(plant, allocation()), allocate(plant, allocation())].map(machineOf);
    assert.deepEqual(made.sort(), ['m0-4', 'm0-5']);
    assert.equal(refused(allocate(plant, allocation()))[1], 'no machine available');
    for (const machine of plant.machines.slice(4)) plant.must('allocator', PARTITION, 'freeMachine', { machine });
    for (const machine of plant.machines.slice(4)) pretendWaiting(machine);
    const [kind, text] = refused(allocate(plant, allocation()));
    assert.equal(kind, 'Conflict');
    assert.match(
      text,
      /5 machines were taken by others meanwhile, the last one: Conflict machine "m0-\d" is not waiting/,
    );
    assertClean(plant);
  });

  it('networks.md N17: the quota of addresses counts those that a machine takes, and not those it is given', () => {
    const plant = createPlant();
    const networks = [network('n1'), network('ext')];
    const ipQuota = { max: 5, used: 4 };
    assert.deepEqual(refused(allocate(plant, allocation({ networks, ipQuota }))), [
      'Unprocessable',
      'project quota for ips reached max:5: 4 in use, 2 more wanted',
    ]);
    assertClean(plant);
    ok(allocate(plant, allocation({ networks: [network('n1')], ipQuota })));
    plant.giveIp('n1', '10.0.0.77', 'p1');
    const ips = [{ address: '10.0.0.77', network: 'n1', holder: 'network' as const }];
    ok(allocate(plant, allocation({ networks: [network('n1')], ips, ipQuota: { max: 5, used: 6 } })));
  });

  it('a commit that finds memory wrong is tried anew, and leaves one allocation', () => {
    const plant = createPlant();
    plant.store.faults.push('refused', 'lost after');
    const { machine } = ok(allocate(plant, allocation()));
    assert.deepEqual(
      plant.store.live('allocation').map((row) => row.key),
      [machine.id],
    );
    assert.equal(plant.store.live('ip').length, 1);
    assert.equal(plant.store.live('pool').length, 1);
  });

  it('a restarted allocator knows from the rows what is taken', () => {
    const plant = createPlant();
    const { machine } = ok(allocate(plant, allocation()));
    for (const shard of plant.shards) {
      for (const cell of shard!.cells.values()) if (cell.address.kind === 'allocator') cell.stale = true;
    }
    const rest = [1, 2, 3].map(() => machineOf(allocate(plant, allocation())));
    assert.ok(!rest.includes(machine.id) && new Set(rest).size === 3, rest.join());
    assert.deepEqual(plant.must('allocator', PARTITION, 'machinesOf', { project: 'p1' }), {
      machines: 4,
      firewalls: 0,
    });
  });
});
