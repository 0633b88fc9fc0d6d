import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocation, createPlant, PARTITION, type Plant } from '../allocation/testing/plant.ts';
import { isRefusal } from '../refusal.ts';
import type { SwitchRegistration } from './messages.ts';

const LEAF = 'r0-leaf01';
const device = (part: Partial<SwitchRegistration> = {}): SwitchRegistration => ({
  name: LEAF,
  description: null,
  partition: PARTITION,
  rack: 'r0',
  nics: [7, 6, 5, 4, 3, 2, 1, 0].map((n) => ({ mac: `aa:${n}`, name: `Ethernet${n}`, identifier: `New${n}`, vrf: '' })),
  os: { vendor: 'SONiC', version: '2', metalCoreVersion: '2' },
  managementIp: '192.0.2.9',
  managementUser: 'admin',
  ...part,
});
const refusalOf = (answer: unknown): string => {
  assert.ok(isRefusal(answer), JSON.stringify(answer)?.slice(0, 200));
  return `${answer.kind}: ${answer.message}`;
};
const open = (): { plant: Plant; machine: string } => {
  const plant = createPlant();
  const { machine } = plant.must('allocator', PARTITION, 'allocateMachine', allocation({ machine: 'm0-0' }));
  plant.must('allocator', PARTITION, 'reportInstalled', {
    machine: machine.id,
    consolePassword: '',
    bootInfo: { imageId: '', primaryDisk: '', osPartition: '', initrd: '', cmdline: '', kernel: '', bootloaderId: '' },
    success: true,
  });
  plant.must('switch', LEAF, 'update', { consoleCommand: 'ssh x', mode: 'replace' });
  return { plant, machine: machine.id };
};

describe('networks.md §5.8: replace mode', () => {
  it('takes ports and VRFs of the twin, rewires the machines, keeps created time and console command (N34), in one commit', () => {
    const { plant, machine } = open();
    const commits = plant.store.log.length;
    const { view, created } = plant.must('switch', LEAF, 'register', device());
    assert.equal(plant.store.log.length, commits + 1);
    assert.equal(created, false);
    assert.deepEqual([view.switch.mode, view.switch.consoleCommand, view.switch.created], ['operational', 'ssh x', 0]);
    assert.deepEqual(
      view.switch.nics.map((nic) => nic.name),
      [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `Ethernet${n}`),
    );
    assert.deepEqual(
      view.ports.map((port) => `${port.nic} ${port.vrf} ${port.machine}`),
      ['New0 vrf1 m0-0', 'New1  m0-1', 'New2  m0-2', 'New3  m0-3'],
    );
    const seen = plant
      .must('machine', machine, 'get', {})
      .machine.hardware.nics.map((nic) => nic.neighbors[0]!.identifier);
    assert.deepEqual(seen, ['New0', 'Eth0']);
    // The machine's next registration and its end find the new device.
    plant.must('allocator', PARTITION, 'freeMachine', { machine });
    assert.equal(plant.must('switch', LEAF, 'get', {}).ports[0]!.vrf, '');
  });

  it('no twin, another rack, missing NICs: refused, nothing changes', () => {
    const { plant } = open();
    const commits = plant.store.log.length;
    assert.match(
      refusalOf(plant.now('switch', LEAF, 'register', device({ rack: 'r9' }))),
      /^Unprocessable: rack of the new switch "r9"/,
    );
    const few = device({ nics: device().nics.slice(2) });
    assert.match(
      refusalOf(plant.now('switch', LEAF, 'register', few)),
      /new switch misses the nics \[Ethernet6 Ethernet7\]/,
    );
    assert.equal(plant.store.log.length, commits);
    plant.must('switch', 'r0-leaf02', 'update', { mode: 'replace' });
    assert.match(
      refusalOf(plant.now('switch', LEAF, 'register', device())),
      /no twin brother found for switch r0-leaf01/,
    );
  });
});
