import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Registration } from '../machine/messages.ts';
import { emptyBios, emptyHardware, emptyIpmi, type Nic } from '../machine/hardware.ts';
import type { BootInfo } from '../machine/record.ts';
import { isRefusal } from '../refusal.ts';
import { allocation, createPlant, layout, nic, PARTITION, switchRecord, uplinks, type Plant } from './testing/plant.ts';

const portsOf = (plant: Plant, machine: string) =>
  plant.store
    .live('switch_port')
    .flatMap((row) => (row.table === 'switch_port' && row.value.machine === machine ? [row.value] : []))
    .map((port) => `${port.switch} ${port.nic} ${port.vrf || 'pxe'}`)
    .sort();

const lastMessages = (plant: Plant) => {
  const entry = plant.store.log.findLast(({ messages }) => messages.length > 0);
  return (entry?.messages ?? []).map(({ topic, body }) => {
    const { type, cmd } = body as { type: string; cmd: { target: string; cmd?: string; ipmi: object } };
    assert.ok(cmd.ipmi, 'metal-bmc needs cmd.ipmi on every message');
    return [topic, type, cmd.target, cmd.cmd ?? ''].join(' ');
  });
};

const refusalOf = (answer: unknown): string => {
  assert.ok(isRefusal(answer), `expected a refusal, got ${JSON.stringify(answer)?.slice(0, 200)}`);
  return `${answer.kind}: ${answer.message}`;
};

const bootInfo: BootInfo = {
  imageId: 'believed',
  primaryDisk: '/dev/sda',
  osPartition: '/dev/sda1',
  initrd: 'i',
  cmdline: 'c',
  kernel: 'k',
  bootloaderId: 'b',
};

const allocated = (plant: Plant, part: Parameters<typeof allocation>[0] = {}): string =>
  plant.must('allocator', PARTITION, 'allocateMachine', allocation(part)).machine.id;
const report = (plant: Plant, machine: string, success = true) =>
  plant.must('allocator', PARTITION, 'reportInstalled', { machine, consolePassword: 'pw', bootInfo, success });

describe('machines.md §10.6: install report', () => {
  it('puts the ports into the VRF of the first private network, in the commit of the boot info', () => {
    const plant = createPlant();
    const machine = allocated(plant, { machine: 'm0-0' });
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth0 pxe', 'r0-leaf02 Eth0 pxe']);
    const before = plant.store.log.length;
    report(plant, machine);
    assert.equal(plant.store.log.length, before + 1);
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth0 vrf1', 'r0-leaf02 Eth0 vrf1']);
    assert.deepEqual(lastMessages(plant), ['p-machine command m0-0 DISK']);
    const { allocation: made } = plant.must('machine', machine, 'get', {});
    assert.equal(made!.bootInfo!.imageId, 'ubuntu-24.4.20260101');
    assert.equal(made!.succeeded, true, 'W26');
    assert.equal(plant.must('machine', machine, 'consolePassword', {}).password, 'pw');
  });

  it('a firewall gets default; a free machine is refused', () => {
    const plant = createPlant();
    const machine = allocated(plant, { machine: 'm0-1', role: 'firewall' });
    report(plant, machine);
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth1 default', 'r0-leaf02 Eth1 default']);
    const answer = plant.now('allocator', PARTITION, 'reportInstalled', {
      machine: 'm0-0',
      consolePassword: '',
      bootInfo,
      success: true,
    });
    assert.match(refusalOf(answer), /^Unprocessable: .*not allocated/);
  });
});

describe('machines.md §10.1: free', () => {
  it('W08, W15, W16: one commit ends allocation, addresses, ASN, VRF and waiting, and says Machine Reclaim', () => {
    const plant = createPlant();
    const machine = allocated(plant, { machine: 'm0-0' });
    report(plant, machine);
    const before = plant.store.log.length;
    const view = plant.must('allocator', PARTITION, 'freeMachine', { machine });
    assert.equal(plant.store.log.length, before + 1);
    assert.equal(view.allocation, null);
    assert.equal(view.machine.waiting, false);
    assert.equal(view.provisioning!.events[0]!.event, 'Machine Reclaim');
    assert.deepEqual(plant.store.live('ip'), []);
    assert.deepEqual(plant.store.live('pool'), []);
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth0 pxe', 'r0-leaf02 Eth0 pxe']);
    assert.deepEqual(lastMessages(plant), ['p-machine command m0-0 LED-OFF', 'p-machine delete m0-0 ']);
    assert.deepEqual(plant.must('allocator', PARTITION, 'machinesOf', { project: 'p1' }), {
      machines: 0,
      firewalls: 0,
    });
  });

  it('works on a machine that is not allocated; LOCKED and unknown ones are refused', () => {
    const plant = createPlant();
    assert.equal(plant.must('allocator', PARTITION, 'freeMachine', { machine: 'm0-0' }).machine.waiting, false);
    plant.must('machine', 'm0-1', 'setState', { value: 'LOCKED', description: 'keep' });
    assert.match(
      refusalOf(plant.now('allocator', PARTITION, 'freeMachine', { machine: 'm0-1' })),
      /^Unprocessable: .*LOCKED/,
    );
    assert.match(
      refusalOf(plant.now('allocator', PARTITION, 'freeMachine', { machine: 'nope' })),
      /^NotFound: NotFound /,
    );
  });

  it('two frees at once: both answer, the second finds nothing left to give back', () => {
    const plant = createPlant();
    const machine = allocated(plant);
    const answers = [0, 1].map(() => plant.ask('allocator', PARTITION, 'freeMachine', { machine }));
    plant.settle();
    for (const answer of answers) assert.ok(answer() && !isRefusal(answer()), JSON.stringify(answer()));
    assert.deepEqual(plant.store.live('pool'), []);
  });

  it('a freed machine is elected again once it waits', () => {
    const plant = createPlant({ racks: [1] });
    const machine = allocated(plant);
    plant.must('allocator', PARTITION, 'freeMachine', { machine });
    assert.match(refusalOf(plant.now('allocator', PARTITION, 'allocateMachine', allocation())), /no machine available/);
    plant.must('machine', machine, 'wait', {});
    assert.equal(allocated(plant), machine);
    assert.deepEqual(plant.must('machine', machine, 'wait', {}), { allocated: true });
  });
});

describe('machines.md §10.5: reinstall', () => {
  it('W22: Planned Reboot in the same commit, ports back to PXE, both messages', () => {
    const plant = createPlant();
    const machine = allocated(plant, { machine: 'm0-0' });
    report(plant, machine);
    const view = plant.must('allocator', PARTITION, 'reinstallMachine', {
      machine,
      image: 'ubuntu-24.4.20260201',
      layouts: [{ size: 's1', layout }],
    });
    assert.equal(view.allocation!.reinstall, true);
    assert.equal(view.allocation!.image, 'ubuntu-24.4.20260201');
    assert.equal(view.provisioning!.events[0]!.event, 'Planned Reboot');
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth0 pxe', 'r0-leaf02 Eth0 pxe']);
    assert.deepEqual(lastMessages(plant), ['p-machine delete m0-0 ', 'p-machine command m0-0 REINSTALL']);
    const aborted = plant.must('machine', machine, 'abortReinstall', { primaryDiskWiped: false });
    assert.equal(aborted.bootInfo!.kernel, 'k');
    const { allocation: kept } = plant.must('machine', machine, 'get', {});
    assert.deepEqual([kept!.reinstall, kept!.image], [false, 'ubuntu-24.4.20260101']);
  });

  it('refusals: not allocated 400, empty image 400, W28 no layout for the image 422, nothing to wipe 422', () => {
    const plant = createPlant();
    const ask = (machine: string, image: string, layouts = [{ size: 's1', layout }]) =>
      refusalOf(plant.now('allocator', PARTITION, 'reinstallMachine', { machine, image, layouts }));
    assert.match(ask('m0-0', 'x'), /^Invalid: .*not allocated/);
    const keeping = { ...layout, disks: [{ ...layout.disks[0]!, wipeOnReinstall: false }] };
    const machine = allocated(plant, { layouts: [{ size: 's1', layout: keeping }] });
    assert.match(ask(machine, ''), /^Invalid: image id/);
    assert.match(ask(machine, 'x', []), /^Unprocessable: could not find a matching filesystemLayout/);
    assert.match(ask(machine, 'x'), /^Unprocessable: .*wipeonreinstall/);
  });
});

describe('machines.md §10.2: delete', () => {
  it('only free and Dead; ports and events go with it (W45)', () => {
    const plant = createPlant();
    const machine = allocated(plant);
    assert.match(refusalOf(plant.now('allocator', PARTITION, 'deleteMachine', { machine })), /allocated/);
    plant.must('allocator', PARTITION, 'freeMachine', { machine });
    assert.match(refusalOf(plant.now('allocator', PARTITION, 'deleteMachine', { machine })), /not dead/);
    plant.world.run(plant.world.monotonicMs() + 6 * 60_000);
    assert.equal(plant.must('machine', machine, 'evaluateLiveliness', {}).liveliness, 'Dead');
    assert.equal(plant.must('allocator', PARTITION, 'deleteMachine', { machine }).machine.id, machine);
    assert.deepEqual(portsOf(plant, machine), []);
    assert.equal(
      plant.store.live('provisioning').some((row) => row.key === machine),
      false,
    );
    assert.match(refusalOf(plant.now('machine', machine, 'get', {})), /NotFound no machine with id/);
  });
});

const registration = (nics: Nic[], part: Partial<Registration> = {}): Registration => ({
  partition: PARTITION,
  size: 's1',
  hardware: { ...emptyHardware(), disks: [{ name: '/dev/sda', size: 10 ** 12 }], nics },
  bios: emptyBios(),
  ipmi: { ...emptyIpmi(), address: '192.0.2.1:623', user: 'u' },
  tags: ['t'],
  hammerVersion: 'v1',
  ...part,
});
const register = (plant: Plant, machine: string, nics: Nic[]) =>
  plant.now('allocator', PARTITION, 'registerMachine', { machine, ...registration(nics) });
const registered = (plant: Plant, machine: string, nics: Nic[]) =>
  plant.must('allocator', PARTITION, 'registerMachine', { machine, ...registration(nics) });

describe('machines.md §6.2, §6.3: register', () => {
  it('networks.md §11.7: neighbours on two leaves: connected, rack taken over, one commit (W24)', () => {
    const plant = createPlant();
    const before = plant.store.log.length;
    const { view, created } = registered(plant, 'new', uplinks('r0', 6));
    assert.equal(plant.store.log.length, before + 1);
    assert.equal(created, true);
    assert.equal(view.machine.rack, 'r0');
    assert.deepEqual(view.machine.led, { value: 'LED-OFF', description: 'machine registered' });
    assert.equal(view.provisioning!.liveliness, 'Alive');
    assert.deepEqual(portsOf(plant, 'new'), ['r0-leaf01 Eth6 pxe', 'r0-leaf02 Eth6 pxe']);
    assert.equal(registered(plant, 'new', uplinks('r0', 6)).created, false);
  });

  it('a stub made by an event becomes the registered machine, its events kept', () => {
    const plant = createPlant();
    plant.must('machine', 'new', 'event', { event: 'PXE Booting', message: '', partition: PARTITION });
    const { view, created } = registered(plant, 'new', uplinks('r0', 6));
    assert.equal(created, false);
    assert.equal(view.provisioning!.events[0]!.event, 'PXE Booting');
  });

  it('on one leaf only, on none, in two racks, or not mirrored: refused with what is seen', () => {
    const plant = createPlant({ racks: [1, 1] });
    const [left, right] = uplinks('r0', 6);
    assert.match(
      refusalOf(register(plant, 'new', [left!])),
      /exactly two registered switches, it is to: r0-leaf01; its neighbors name: r0-leaf01/,
    );
    assert.match(refusalOf(register(plant, 'new', [])), /it is to: none; its neighbors name: none/);
    assert.match(refusalOf(register(plant, 'new', [left!, uplinks('r1', 6)[1]!])), /two racks/);
    assert.match(
      refusalOf(register(plant, 'new', [left!, uplinks('r0', 7)[1]!])),
      /must be to Ethernet6 of r0-leaf02, it is to: Ethernet7/,
    );
    assert.match(refusalOf(register(plant, 'new', [left!, right!, uplinks('r0', 7)[1]!])), /same number of links/);
    assert.deepEqual(portsOf(plant, 'new'), []);
    assert.equal(
      plant.store.live('machine').some((row) => row.key === 'new'),
      false,
    );
  });

  it('W37: a port of another machine does not satisfy the mirror check, and is not taken over', () => {
    const plant = createPlant();
    assert.match(
      refusalOf(register(plant, 'new', uplinks('r0', 0))),
      /port Eth0 of switch "r0-leaf0\d" is connected to machine "m0-0"/,
    );
  });

  it('another rack is refused while the machine is known at the old one', () => {
    const plant = createPlant({ racks: [1, 1] });
    assert.match(
      refusalOf(register(plant, 'm0-0', uplinks('r1', 6))),
      /not connected to switch "r0-leaf0\d" any more; to move it to another rack delete it first/,
    );
  });

  it('SONiC and Cumulus leaves mirror each other by line', () => {
    const plant = createPlant();
    const cumulus = switchRecord('cu', 'r0');
    const nics = [1, 2].map((n) => ({ mac: `c0:${n}`, name: `swp${n}`, identifier: '' }));
    plant.put('switch', 'cu', 'cu', { ...cumulus, os: { ...cumulus.os!, vendor: 'Cumulus' }, nics });
    plant.put('switch', 'so', 'so', {
      ...switchRecord('so', 'r0'),
      nics: [0, 4].map((n) => ({ mac: '', name: `Ethernet${n}`, identifier: `E${n}` })),
    });
    const nicsOf = (mac: string) => [
      nic({ mac: 'a', neighbors: [nic({ hostname: 'so', identifier: 'E4' })] }),
      nic({ mac: 'b', neighbors: [nic({ hostname: 'cu', mac })] }),
    ];
    assert.match(
      refusalOf(register(plant, 'new', nicsOf('c0:1'))),
      /port swp1 of cu, so it must be to Ethernet0 of so/,
    );
    assert.equal(registered(plant, 'new', nicsOf('c0:2')).view.machine.rack, 'r0');
  });

  it('an allocated machine registers again and keeps its VRF and allocation', () => {
    const plant = createPlant();
    const machine = allocated(plant, { machine: 'm0-0' });
    report(plant, machine);
    const { view } = registered(plant, machine, uplinks('r0', 0));
    assert.equal(view.allocation!.machine, machine);
    assert.deepEqual(portsOf(plant, machine), ['r0-leaf01 Eth0 vrf1', 'r0-leaf02 Eth0 vrf1']);
  });
});

describe('networks.md §1.4, §1.5: child networks through the allocator', () => {
  it('takes a VRF with the prefix and gives both back', () => {
    const plant = createPlant();
    const ask = {
      id: 'c1',
      name: 'c',
      description: '',
      labels: {},
      project: 'p1',
      shared: false,
      nat: false,
      destinationPrefixes: [],
      length: {},
    };
    const { network } = plant.must('allocator', PARTITION, 'allocateNetwork', ask);
    assert.equal(network.vrf, 1);
    assert.deepEqual(
      plant.store.live('pool').map((row) => row.key),
      ['vrf|1'],
    );
    plant.must('allocator', PARTITION, 'freeNetwork', { network: 'c1', as: 'free' });
    assert.deepEqual(plant.store.live('pool'), []);
    assert.equal(plant.must('allocator', PARTITION, 'allocateNetwork', { ...ask, id: 'c2' }).network.vrf, 2, 'N25');
  });
});
