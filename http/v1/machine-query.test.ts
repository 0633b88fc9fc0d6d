import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyFru, emptyHardware, emptyIpmi, type Nic } from '../../actors/machine/hardware.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { compile } from '../schema.ts';
import { machineQuery, matchesMachine, type MachineQuery } from './machine-query.ts';
import { allocatedNetwork, allocationRecord, machineRecord, machineView } from './machine.fixture.ts';

const nic = (mac: string, name: string, neighbors: Nic[] = []): Nic => ({
  mac,
  name,
  identifier: '',
  vrf: 'vrf42',
  hostname: '',
  state: '',
  bgpPortState: '',
  neighbors,
});

const allocated: MachineView = machineView('m1', {
  machine: machineRecord('m1', {
    tags: ['registered'],
    hardware: {
      ...emptyHardware(),
      memory: 1024,
      disks: [{ name: 'sda', size: 100 }],
      nics: [nic('aa', 'lan0', [nic('bb', 'Ethernet0')]), nic('ac', 'lan1')],
    },
    ipmi: {
      ...emptyIpmi(),
      address: '10.1.0.1:623',
      mac: 'cc',
      user: 'root',
      interface: 'lanplus',
      fru: { ...emptyFru(), boardMfg: 'acme', productSerial: 's1' },
    },
    state: { value: 'TAINTED', description: 'd', issuer: 'i', metalHammerVersion: '' },
  }),
  allocation: allocationRecord('m1', {
    tags: ['env=prod', 'bare'],
    networks: [
      allocatedNetwork('net', { ips: ['10.0.0.1', '10.0.0.2'], destinationPrefixes: ['0.0.0.0/0'] }),
      allocatedNetwork('internet', { prefixes: ['1.2.3.0/24'], ips: ['1.2.3.4'], vrf: 7 }),
    ],
  }),
});
const free = machineView('m2');

const parse = compile(machineQuery);
const finds = (view: MachineView, query: unknown): boolean => {
  const parsed = parse(query);
  if (isRefusal(parsed)) throw new Error(parsed.message);
  return matchesMachine(view, parsed);
};

test('machines.md §1.7: an empty query, and what metalctl sends for one, means every machine', () => {
  const asMetalctl = {
    disk_names: null,
    disk_sizes: null,
    network_asns: null,
    network_prefixes: null,
    network_vrfs: null,
    nics_mac_addresses: null,
    network_ids: [],
    network_ips: [],
    network_destination_prefixes: [],
    tags: [],
  };
  for (const query of [{}, asMetalctl]) {
    assert.ok(finds(allocated, query));
    assert.ok(finds(free, query));
  }
});

/** Query, then what would not match. */
const FIELDS: [MachineQuery, MachineQuery][] = [
  [{ id: 'm1' }, { id: 'm' }],
  [{ name: '' }, { name: 'web' }],
  [{ partition_id: 'p' }, { partition_id: 'q' }],
  [{ sizeid: 'small' }, { sizeid: 'large' }],
  [{ rackid: 'rack01' }, { rackid: '' }],
  [{ tags: ['env=prod'] }, { tags: ['env=prod', 'registered'] }],
  [{ allocation_name: 'web' }, { allocation_name: 'w' }],
  [{ allocation_project: 'project' }, { allocation_project: 'other' }],
  [{ allocation_image_id: 'ubuntu-24.4.20260101' }, { allocation_image_id: 'ubuntu-24.4' }],
  [{ allocation_hostname: 'web-1' }, { allocation_hostname: 'web' }],
  [{ allocation_role: 'machine' }, { allocation_role: 'firewall' }],
  [{ allocation_succeeded: false }, { allocation_succeeded: true }],
  [{ network_ids: ['net', 'internet'] }, { network_ids: ['net', 'none'] }],
  [{ network_prefixes: ['1.2.3.0/24'] }, { network_prefixes: ['1.2.3.0'] }],
  [{ network_ips: ['10.0.0.2', '1.2.3.4'] }, { network_ips: ['10.0.0.3'] }],
  [{ network_destination_prefixes: ['0.0.0.0/0'] }, { network_destination_prefixes: ['::/0'] }],
  [{ network_vrfs: [42, 7] }, { network_vrfs: [42, 8] }],
  [{ network_asns: [4_210_000_001] }, { network_asns: [1] }],
  [{ hardware_memory: 1024 }, { hardware_memory: 1023 }],
  [{ nics_mac_addresses: ['aa', 'ac'] }, { nics_mac_addresses: ['bb'] }],
  [{ nics_names: ['lan1'] }, { nics_names: ['Ethernet0'] }],
  [{ nics_vrfs: ['vrf42'] }, { nics_vrfs: ['vrf4'] }],
  [{ nics_neighbor_mac_addresses: ['bb'] }, { nics_neighbor_mac_addresses: ['aa'] }],
  [{ nics_neighbor_names: ['Ethernet0'] }, { nics_neighbor_names: ['Ethernet1'] }],
  [{ nics_neighbor_vrfs: ['vrf42'] }, { nics_neighbor_vrfs: [''] }],
  [{ disk_names: ['sda'] }, { disk_names: ['sdb'] }],
  [{ disk_sizes: [100] }, { disk_sizes: [99] }],
  [{ ipmi_address: '10.1.0.1:623' }, { ipmi_address: '10.1.0.1' }],
  [{ ipmi_mac_address: 'cc' }, { ipmi_mac_address: 'dd' }],
  [{ ipmi_user: 'root' }, { ipmi_user: '' }],
  [{ ipmi_interface: 'lanplus' }, { ipmi_interface: 'lan' }],
  [{ fru_board_mfg: 'acme' }, { fru_board_mfg: 'other' }],
  [{ fru_product_serial: 's1' }, { fru_product_serial: 's2' }],
  [{ fru_chassis_part_number: '' }, { fru_chassis_part_number: 'x' }],
];

test('machines.md §1.7: every field is an equality test, every element of a list one of its own', () => {
  for (const [matching, other] of FIELDS) {
    assert.ok(finds(allocated, matching), JSON.stringify(matching));
    assert.ok(!finds(allocated, other), JSON.stringify(other));
    assert.ok(!finds(allocated, { ...matching, id: 'other' }), 'all tests must hold');
  }
});

test('machines.md §1.7: a free machine has no allocation to match', () => {
  for (const query of [{ allocation_name: '' }, { allocation_succeeded: false }, { network_ids: ['net'] }]) {
    assert.ok(!finds(free, query), JSON.stringify(query));
  }
});

test('machines.md W27: RESERVED finds what is stored as TAINTED', () => {
  assert.ok(finds(allocated, { state_value: 'RESERVED' }));
  assert.ok(finds(allocated, { state_value: 'TAINTED' }));
  assert.ok(finds(free, { state_value: '' }));
  assert.ok(!finds(allocated, { state_value: 'LOCKED' }));
});

test('machines.md §1.5: keys of the query are compared without case', () => {
  assert.ok(!finds(allocated, { SizeID: 'large' }));
});
